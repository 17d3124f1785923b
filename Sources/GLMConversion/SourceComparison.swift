// How far a checkpoint is from the one it was made of. Knows no file and no layer.

package import GLMFiles
package import GLMKernels
package import GLMWeights
import Synchronization

/// Compares two checkpoints tensor by tensor as Float32 values, scales applied.
package struct SourceComparison: Sendable {
    private let copy: Checkpoint
    private let source: Checkpoint
    private let copyBlock: BlockShape
    private let sourceBlock: BlockShape
    /// Overrides what the two formats explain.
    private let tolerance: Float?

    /// - Parameters:
    ///   - blocks: rows and columns of FP8 blocks in each checkpoint; errors are told relative to the largest magnitude of
    ///     such a block also for tensors without scales.
    ///   - tolerance: the largest relative error that is no problem; nil for what the two element types explain.
    package init(
        of copy: Checkpoint, with source: Checkpoint, blocks: (copy: BlockShape, source: BlockShape),
        tolerance: Float? = nil
    ) {
        self.copy = copy
        self.source = source
        (copyBlock, sourceBlock) = blocks
        self.tolerance = tolerance
    }

    /// One pair of tensors.
    private struct Pair {
        let copy: SourceTensor
        let source: SourceTensor
        let place: Int
        let bound: Float
    }

    /// Bytes of the copy that are compared.
    package var byteCount: Int { copy.byteCount }

    /// Fills in the worst error of each tensor, and the problems: names on one side only, other shapes, errors beyond the
    /// bound.
    ///
    /// - Parameter report: of the copy, its tensors in the checkpoint's order.
    /// - Throws: `badInput` for FP8 weights whose scales are missing or of another shape.
    package func run(
        into report: inout VerificationReport, pool: ThreadPool,
        progress: (@Sendable (_ done: Int) -> Void)? = nil
    ) throws(InputError) {
        let pairs = try self.pairs(&report)
        let jobs = pairs.indices.flatMap { pair in
            (0..<pairs[pair].copy.strips).map { (pair: pair, strip: $0) }
        }
        let errors = Mutex([VerificationReport.WorstError?](repeating: nil, count: pairs.count))
        let failure = Mutex<(number: Int, error: InputError)?>(nil)
        let done = Atomic<Int>(0)
        pool.parallel(jobs.count) { number in
            let (place, strip) = jobs[number]
            let pair = pairs[place]
            do throws(InputError) {
                let worst = try Self.compare(pair, strip: strip)
                errors.withLock { errors in
                    if let old = errors[place], !Self.isWorse(worst, than: old) { return }
                    errors[place] = worst
                }
            } catch {
                failure.withLock { if number < $0?.number ?? .max { $0 = (number, error) } }
            }
            let count = unsafe pair.copy.bytes(ofRows: pair.copy.rows(ofStrip: strip)).count
            let sum = done.add(count, ordering: .relaxed).newValue
            progress?(sum)
        }
        // A scale that is not usable: the tensor cannot be compared, the others were.
        if let failure = failure.withLock({ $0 }) { report.problems.append("\(failure.error)") }
        for (pair, error) in zip(pairs, errors.withLock { $0 }) {
            guard let error else { continue }
            report.tensors[pair.place].error = error
            guard !(error.relative <= error.bound) else { continue }
            report.problems.append(
                "tensor \(pair.copy.stored.name): off by \(error.relative) of its block's largest magnitude at row "
                    + "\(error.row), column \(error.column); at most \(error.bound) expected")
        }
    }

    /// Larger, or as large and earlier: the same answer for any order of the threads.
    private static func isWorse(
        _ one: VerificationReport.WorstError, than other: VerificationReport.WorstError
    ) -> Bool {
        one.relative > other.relative
            || (one.relative == other.relative && (one.row, one.column) < (other.row, other.column))
    }

    private func pairs(_ report: inout VerificationReport) throws(InputError) -> [Pair] {
        var pairs: [Pair] = []
        for (place, tensor) in copy.tensors.enumerated() where !isScale(tensor, in: copy) {
            guard let other = source[tensor.name] else {
                report.problems.append("tensor \(tensor.name): not in the source")
                continue
            }
            guard other.shape == tensor.shape else {
                report.problems.append(
                    "tensor \(tensor.name): shape \(tensor.shape), \(other.shape) in the source")
                continue
            }
            let types: [ElementType] = [.float32, .bfloat16, .float16, .float8E4M3]
            guard types.contains(tensor.type), types.contains(other.type) else {
                if unsafe tensor.type != other.type || !tensor.bytes.elementsEqual(other.bytes) {
                    report.problems.append("tensor \(tensor.name): other bytes in the source")
                }
                continue
            }
            let one = try SourceTensor(tensor, in: copy, block: copyBlock)
            let two = try SourceTensor(
                other, in: source, block: other.type == .float8E4M3 ? sourceBlock : copyBlock)
            pairs.append(
                Pair(copy: one, source: two, place: place, bound: tolerance ?? Self.bound(one, two)))
        }
        for tensor in source.tensors where !isScale(tensor, in: source) && copy[tensor.name] == nil {
            report.problems.append("tensor \(tensor.name): only in the source")
        }
        return pairs
    }

    private func isScale(_ tensor: StoredTensor, in checkpoint: Checkpoint) -> Bool {
        guard tensor.name.hasSuffix(WeightScope.scaleSuffix) else { return false }
        let weight = ByteString(bytes: tensor.name.bytes.dropLast(WeightScope.scaleSuffix.utf8.count))
        return checkpoint[weight]?.type == .float8E4M3
    }

    /// The largest error, relative to the block's largest magnitude, that rounding to the copy's type explains.
    ///
    /// FP8: half the step between the largest codes is 16, and the largest magnitude is above 256 scales there, also with
    /// scales rounded up to a power of two: less than 2⁻⁴. BF16: 2⁻⁸, F16: 2⁻¹⁰ (its step below 2⁻¹⁴ aside), F32: nothing.
    private static func bound(_ copy: SourceTensor, _ source: SourceTensor) -> Float {
        switch (copy.stored.type, source.stored.type) {
        case (.float8E4M3, .float8E4M3):
            let areEqual = unsafe copy.scales?.bytes.elementsEqual(
                source.scales?.bytes ?? .init(start: nil, count: 0))
            return areEqual == true ? 0 : 0x1p-4
        case (let one, let other) where one == other: return 0
        case (.float8E4M3, _): return 0x1p-4
        case (.bfloat16, _): return 0x1p-8
        case (.float16, _): return 0x1p-10
        default: return 0
        }
    }

    /// The worst error in a row of blocks of the copy.
    private static func compare(_ pair: Pair, strip: Int) throws(InputError) -> VerificationReport.WorstError
    {
        let (copy, source) = (pair.copy, pair.source)
        let rows = copy.rows(ofStrip: strip)
        let pages = [copy, source].map { tensor in
            unsafe MappedPages(of: tensor.bytes(ofRows: rows), in: tensor.stored.owner.bytes)
        }
        for part in pages { part.willBeNeeded() }
        defer {
            for part in pages { part.release() }
            if strip == copy.strips - 1 { for tensor in [copy, source] { tensor.releaseMemory() } }
        }
        let multipliers = try copy.multipliers(ofStrip: strip)
        var others = (strip: -1, multipliers: [Float]())
        var distances = StripDistances(columns: copy.columns, block: copy.block.columns)
        let values = UnsafeMutablePointer<Float>.allocate(capacity: max(1, 2 * copy.columns))
        defer { unsafe values.deallocate() }
        for row in rows {
            let number = row / source.block.rows
            if number != others.strip { others = (number, try source.multipliers(ofStrip: number)) }
            unsafe try copy.widen(row: row, multipliers: multipliers, into: values)
            unsafe try source.widen(row: row, multipliers: others.multipliers, into: values + copy.columns)
            unsafe distances.add(row: row, values, values + copy.columns)
        }
        var worst = VerificationReport.WorstError(
            relative: 0, row: rows.lowerBound, column: 0, bound: pair.bound)
        for found in distances.relative where found.value > worst.relative {
            (worst.relative, worst.row, worst.column) = (found.value, found.row, found.column)
        }
        return worst
    }
}

/// The largest difference of each block across a strip, and the largest magnitude of the source in it.
private struct StripDistances {
    private let columns: Int
    private let block: Int
    private var differences: [(value: Float, row: Int, column: Int)]
    private var largest: [UInt32]

    init(columns: Int, block: Int) {
        self.columns = columns
        self.block = block
        let count = (columns + block - 1) / block
        differences = Array(repeating: (0, 0, 0), count: count)
        largest = Array(repeating: 0, count: count)
    }

    /// Takes a row of both; NaN differs from everything but NaN, infinitely.
    mutating func add(row: Int, _ values: UnsafePointer<Float>, _ source: UnsafePointer<Float>) {
        unsafe BlockCodec.raise(&largest, source, columns: columns, block: block)
        for number in differences.indices {
            let first = number * block
            for column in first..<min(columns, first + block) {
                let (one, other) = unsafe (values[column], source[column])
                if one == other || (one.isNaN && other.isNaN) { continue }
                let distance = abs(one - other)
                if !(distance <= differences[number].value) {
                    differences[number] = (distance.isNaN ? .infinity : distance, row, column)
                }
            }
        }
    }

    /// Each block's difference over its largest magnitude; infinite where the source's block is zero or not finite.
    var relative: [(value: Float, row: Int, column: Int)] {
        zip(differences, largest).map { difference, bits in
            let scale = Float(bitPattern: bits)
            guard difference.value > 0 else { return (0, difference.row, difference.column) }
            let value = scale > 0 && scale.isFinite ? difference.value / scale : .infinity
            return (value, difference.row, difference.column)
        }
    }
}
