// A piece of one tensor's conversion, small enough for one thread's memory. Knows the equations of quantising.

import GLMFiles
import GLMKernels
import GLMSynthesis
import GLMWeights

/// One piece of a shard's work: it needs no other piece and writes bytes that no other piece writes.
struct ConversionJob {
    /// Elements of a run, and about the bytes of a buffer.
    private static let run = 1 << 18

    private let unit: ConversionUnit
    /// Place of each output in the file.
    private let places: [Int]
    /// A row of blocks of a blocked unit, else the number of the run.
    private let part: Int

    /// The pieces of a shard, in the order of its units.
    static func all(of shard: ConvertedShard) -> [ConversionJob] {
        zip(shard.units, shard.places).flatMap { unit, places in
            let parts = unit.isBlocked ? unit.source.strips : (unit.source.stored.count + run - 1) / run
            return (0..<parts).map { ConversionJob(unit: unit, places: places, part: $0) }
        }
    }

    private var source: SourceTensor { unit.source }

    /// The bytes of the source that are read, the scales aside.
    private var input: UnsafeRawBufferPointer {
        if unit.isBlocked { return unsafe source.bytes(ofRows: source.rows(ofStrip: part)) }
        let elements = self.elements
        let size = source.stored.type.size
        return unsafe UnsafeRawBufferPointer(
            rebasing: source.stored.bytes[elements.lowerBound * size..<elements.upperBound * size])
    }

    /// The elements of a run.
    private var elements: Range<Int> {
        part * Self.run..<min(source.stored.count, (part + 1) * Self.run)
    }

    /// Reads, converts and writes.
    ///
    /// - Returns: bytes written.
    /// - Throws: `badInput` naming tensor and place of a value that cannot be converted, `inputOutput`.
    func run(into file: StagedFile) throws(InputError) -> Int {
        let pages = unsafe MappedPages(of: input, in: source.stored.owner.bytes)
        pages.willBeNeeded()
        defer { pages.release() }
        switch (unit.operation, unit.isBlocked) {
        case (.copy, false): return try copyRun(into: file)
        case (.store, false): return try storeRun(into: file)
        case (.copy, true): return try copyStrip(into: file)
        case (.store, true): return try storeStrip(into: file)
        case (.quantize(let format), _): return try quantizeStrip(format, into: file)
        }
    }

    // MARK: Runs of elements

    private func copyRun(into file: StagedFile) throws(InputError) -> Int {
        let type = source.stored.type
        try refuseNonFinite(from: elements.lowerBound)
        unsafe try file.write(input, at: places[0] + elements.lowerBound * type.size)
        return unsafe input.count
    }

    private func storeRun(into file: StagedFile) throws(InputError) -> Int {
        let type = unit.outputs[0].type
        let elements = self.elements
        return unsafe try withBuffer(elements.count * type.size) { buffer throws(InputError) in
            unsafe try withFloats(4096) { values throws(InputError) in
                var start = elements.lowerBound
                while start < elements.upperBound {
                    let segment = start..<min(elements.upperBound, start + 4096)
                    unsafe try source.stored.widen(segment, into: values)
                    unsafe try store(
                        values, count: segment.count, from: start, as: type,
                        to: buffer + (start - elements.lowerBound) * type.size)
                    start = segment.upperBound
                }
            }
            let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: elements.count * type.size)
            unsafe try file.write(bytes, at: places[0] + elements.lowerBound * type.size)
            return bytes.count
        }
    }

    // MARK: Rows of blocks

    private func copyStrip(into file: StagedFile) throws(InputError) -> Int {
        let first = source.rows(ofStrip: part).lowerBound * source.columns
        try refuseNonFinite(from: first)
        unsafe try file.write(input, at: places[0] + first)
        return unsafe try input.count + write(source.multipliers(ofStrip: part), into: file)
    }

    private func storeStrip(into file: StagedFile) throws(InputError) -> Int {
        let type = unit.outputs[0].type
        let multipliers = try source.multipliers(ofStrip: part)
        let rows = source.rows(ofStrip: part)
        let width = source.columns * type.size
        unsafe try eachGroup(of: rows, width: width) { group, buffer throws(InputError) in
            unsafe try withFloats(source.columns) { values throws(InputError) in
                for row in group {
                    unsafe try source.widen(row: row, multipliers: multipliers, into: values)
                    unsafe try store(
                        values, count: source.columns, from: row * source.columns, as: type,
                        to: buffer + (row - group.lowerBound) * width)
                }
            }
            let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: group.count * width)
            unsafe try file.write(bytes, at: places[0] + group.lowerBound * width)
        }
        return rows.count * width
    }

    /// s = scale(max |w|) of each block, q = E4M3(w / s), a true Float32 division.
    ///
    /// Source: specification §7.2. Two passes over the strip; the second finds it in the processor's cache.
    private func quantizeStrip(_ format: ScaleFormat, into file: StagedFile) throws(InputError) -> Int {
        let old = try source.multipliers(ofStrip: part)
        let rows = source.rows(ofStrip: part)
        let columns = source.columns
        var scales: [Float] = []
        unsafe try withFloats(columns) { values throws(InputError) in
            var largest = [UInt32](repeating: 0, count: source.stripBlocks)
            for row in rows {
                unsafe try source.widen(row: row, multipliers: old, into: values)
                unsafe BlockCodec.raise(&largest, values, columns: columns, block: source.block.columns)
            }
            scales = try blockScales(largest, format, multipliers: old)
        }
        unsafe try eachGroup(of: rows, width: columns) { group, buffer throws(InputError) in
            unsafe try withFloats(columns) { values throws(InputError) in
                for row in group {
                    unsafe try source.widen(row: row, multipliers: old, into: values)
                    unsafe BlockCodec.encode(
                        values, columns: columns, scales: scales, block: source.block.columns,
                        to: buffer + (row - group.lowerBound) * columns)
                }
            }
            let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: group.count * columns)
            unsafe try file.write(bytes, at: places[0] + group.lowerBound * columns)
        }
        return try rows.count * columns + write(scales, into: file)
    }

    /// From the bits of each block's largest magnitude to its multiplier.
    private func blockScales(
        _ largest: [UInt32], _ format: ScaleFormat, multipliers: [Float]
    ) throws(InputError) -> [Float] {
        var scales: [Float] = []
        for (number, bits) in largest.enumerated() {
            // An infinity or a NaN has the largest bits of all.
            guard bits < Float.infinity.bitPattern else { throw try nonFiniteInStrip(multipliers) }
            let scale = format.scale(largest: Float(bitPattern: bits))
            guard scale < 256 else {
                throw source.stored.refusal(
                    found: "a magnitude of \(Float(bitPattern: bits)) in block (\(part), \(number))",
                    expected: "one that a multiplier below 256 restores: 57344 at most, to be safe")
            }
            scales.append(scale)
        }
        return scales
    }

    /// Writes the scales of the strip; returns their bytes.
    private func write(_ scales: [Float], into file: StagedFile) throws(InputError) -> Int {
        let bits = scales.map { $0.bitPattern.littleEndian }
        unsafe try bits.withUnsafeBufferPointer { piece throws(InputError) in
            unsafe try file.write(UnsafeRawBufferPointer(piece), at: places[1] + part * scales.count * 4)
        }
        return scales.count * 4
    }

    // MARK: Values

    /// Rounds Float32 values to F32 or BF16, ties to even.
    private func store(
        _ values: UnsafePointer<Float>, count: Int, from element: Int, as type: ElementType,
        to target: UnsafeMutableRawPointer
    ) throws(InputError) {
        precondition(type == .float32 || type == .bfloat16, "store as \(type)")
        let isFinite =
            type == .float32
            ? unsafe BlockCodec.storeFloat32(values, count: count, to: target)
            : unsafe BlockCodec.storeBFloat16(values, count: count, to: target)
        guard !isFinite else { return }
        for index in 0..<count {
            let value = unsafe values[index]
            guard value.isFinite else {
                throw source.refusal(ofElement: element + index, saying: "\(value)")
            }
            guard BFloat16.decode(BFloat16.encode(value)).isFinite else {
                throw source.refusal(ofElement: element + index, saying: "\(value), beyond BF16,")
            }
        }
    }

    /// Refuses an input to be copied that has a value which is not finite.
    private func refuseNonFinite(from element: Int) throws(InputError) {
        let stored = source.stored
        guard let bad = unsafe NonFinite(in: input, type: stored.type).first else { return }
        var value = "a NaN code"
        if stored.type != .float8E4M3, stored.type.size <= 4 {
            unsafe try withFloats(1) { values throws(InputError) in
                unsafe try stored.widen(element + bad..<element + bad + 1, into: values)
                value = unsafe "\(values[0])"
            }
        }
        throw source.refusal(ofElement: element + bad, saying: value)
    }

    /// The error about the first value of the strip that is not finite.
    private func nonFiniteInStrip(_ multipliers: [Float]) throws(InputError) -> InputError {
        let columns = source.columns
        var error = source.stored.refusal(found: "a value that is not finite", expected: "finite values")
        unsafe try withFloats(columns) { values throws(InputError) in
            for row in source.rows(ofStrip: part) {
                unsafe try source.widen(row: row, multipliers: multipliers, into: values)
                guard let column = (0..<columns).first(where: { unsafe !values[$0].isFinite }) else {
                    continue
                }
                error = unsafe source.refusal(
                    ofElement: row * columns + column, saying: "\(values[column])")
                return
            }
        }
        return error
    }

    // MARK: Memory

    /// Calls `body` with groups of rows whose output fits into one buffer, at least one row at a time.
    private func eachGroup(
        of rows: Range<Int>, width: Int,
        _ body: (Range<Int>, UnsafeMutableRawPointer) throws(InputError) -> Void
    ) throws(InputError) {
        let count = max(1, Self.run / max(1, width))
        unsafe try withBuffer(min(count, rows.count) * width) { buffer throws(InputError) in
            var start = rows.lowerBound
            while start < rows.upperBound {
                let end = min(rows.upperBound, start + count)
                unsafe try body(start..<end, buffer)
                start = end
            }
        }
    }

    private func withBuffer<Result>(
        _ count: Int, _ body: (UnsafeMutableRawPointer) throws(InputError) -> Result
    ) throws(InputError) -> Result {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: max(1, count), alignment: 64)
        defer { unsafe buffer.deallocate() }
        return unsafe try body(buffer)
    }

    private func withFloats(
        _ count: Int, _ body: (UnsafeMutablePointer<Float>) throws(InputError) -> Void
    ) throws(InputError) {
        let values = UnsafeMutablePointer<Float>.allocate(capacity: max(1, count))
        defer { unsafe values.deallocate() }
        unsafe try body(values)
    }
}
