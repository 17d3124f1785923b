// Reads every byte of a checkpoint once: checksums, and values that no weight may have. Knows no layer.

package import GLMFiles
package import GLMKernels
package import GLMWeights
import Synchronization

/// Looks at a checkpoint that may be damaged.
package struct CheckpointVerifier: Sendable {
    /// Bytes looked at together.
    private static let piece = 1 << 20

    private let checkpoint: Checkpoint
    /// Rows and columns that share an FP8 multiplier.
    private let block: BlockShape
    /// What the configuration promises of the multipliers.
    private let scaleFormat: ScaleFormat

    package init(_ checkpoint: Checkpoint, block: BlockShape, scaleFormat: ScaleFormat) {
        self.checkpoint = checkpoint
        self.block = block
        self.scaleFormat = scaleFormat
    }

    /// Bytes that ``run(pool:progress:)`` reads.
    package var byteCount: Int { checkpoint.files.reduce(0) { $0 + Self.size($1) } }

    /// Reads everything; one thread a file.
    ///
    /// - Parameter progress: called with the bytes done so far, from several threads, out of order.
    /// - Throws: `badInput` for FP8 weights whose scales are missing or of another shape.
    package func run(
        pool: ThreadPool, progress: (@Sendable (_ done: Int) -> Void)? = nil
    ) throws(InputError) -> VerificationReport {
        let done = Atomic<Int>(0)
        let results = Mutex<[(VerificationReport.FileEntry, [VerificationReport.TensorEntry])?]>(
            Array(repeating: nil, count: checkpoint.files.count))
        pool.parallel(checkpoint.files.count) { number in
            let entry = look(at: checkpoint.files[number]) { count in
                let sum = done.add(count, ordering: .relaxed).newValue
                progress?(sum)
            }
            results.withLock { $0[number] = entry }
        }
        var report = VerificationReport(tensors: [], files: [], problems: [])
        for case let (file, tensors)? in results.withLock({ $0 }) {
            report.files.append(file)
            report.tensors += tensors
        }
        for tensor in report.tensors where tensor.nonFinite.count > 0 {
            report.problems.append(problem(tensor))
        }
        for tensor in checkpoint.tensors where tensor.type == .float8E4M3 {
            try checkScales(of: tensor, &report)
        }
        return report
    }

    private static func size(_ file: SafetensorsFile) -> Int {
        unsafe file.tensors.first?.owner.bytes.count ?? 0
    }

    /// Both checksums in one pass: the file is its header and its tensors in their order.
    private func look(
        at file: SafetensorsFile, advance: (Int) -> Void
    ) -> (VerificationReport.FileEntry, [VerificationReport.TensorEntry]) {
        let size = Self.size(file)
        var whole = XXH64()
        var entries: [VerificationReport.TensorEntry] = []
        let data = file.tensors.reduce(0) { unsafe $0 + $1.bytes.count }
        if let owner = file.tensors.first?.owner {
            unsafe whole.update(UnsafeRawBufferPointer(rebasing: owner.bytes[..<(size - data)]))
        }
        advance(size - data)
        for tensor in file.tensors {
            entries.append(look(at: tensor, whole: &whole, advance: advance))
        }
        let name = file.path.split(separator: "/").last.map(String.init) ?? file.path
        return (
            VerificationReport.FileEntry(name: name, byteCount: size, checksum: whole.digest),
            entries
        )
    }

    private func look(
        at tensor: StoredTensor, whole: inout XXH64, advance: (Int) -> Void
    ) -> VerificationReport.TensorEntry {
        var hash = XXH64()
        var count = 0
        var first: Int?
        for start in unsafe stride(from: 0, to: tensor.bytes.count, by: Self.piece) {
            let end = unsafe min(tensor.bytes.count, start + Self.piece)
            let part = unsafe UnsafeRawBufferPointer(rebasing: tensor.bytes[start..<end])
            let pages = unsafe MappedPages(of: part, in: tensor.owner.bytes)
            pages.willBeNeeded()
            unsafe hash.update(part)
            unsafe whole.update(part)
            let bad = unsafe NonFinite(in: part, type: tensor.type)
            count += bad.count
            first = first ?? bad.first.map { $0 + start / tensor.type.size }
            pages.release()
            advance(end - start)
        }
        // What the pieces leave behind adds up over a large model.
        unsafe MappedPages(of: tensor.bytes, in: tensor.owner.bytes).release()
        var nonFinite = unsafe NonFinite(in: UnsafeRawBufferPointer(start: nil, count: 0), type: tensor.type)
        (nonFinite.count, nonFinite.first) = (count, first)
        let file = tensor.file.split(separator: "/").last.map(String.init) ?? tensor.file
        return VerificationReport.TensorEntry(
            name: tensor.name, type: tensor.type, shape: tensor.shape, file: file, checksum: hash.digest,
            nonFinite: nonFinite, error: nil)
    }

    private func problem(_ tensor: VerificationReport.TensorEntry) -> String {
        let element = tensor.nonFinite.first ?? 0
        let columns = max(1, tensor.shape.last ?? 1)
        let place =
            tensor.shape.count < 2
            ? "element \(element)" : "row \(element / columns), column \(element % columns)"
        let what = tensor.type == .float8E4M3 ? "NaN codes" : "values that are not finite"
        return
            "\(tensor.file): tensor \(tensor.name): \(tensor.nonFinite.count) \(what), the first at \(place)"
    }

    /// Multipliers that a largest magnitude gives and that the kernels can use; powers of two where the configuration
    /// says so. Of every fault the first block is told.
    private func checkScales(of tensor: StoredTensor, _ report: inout VerificationReport) throws(InputError) {
        let source = try SourceTensor(tensor, in: checkpoint, block: block)
        guard let scales = source.scales else { return }
        var told: Set<String> = []
        for (index, scale) in try scales.floats().enumerated() {
            guard scale.isFinite, let fault = fault(of: scale), told.insert(fault).inserted else { continue }
            let place = "row \(index / source.stripBlocks), column \(index % source.stripBlocks)"
            report.problems.append("tensor \(scales.name): the scale \(scale) at \(place) is \(fault)")
        }
    }

    /// What is wrong with a finite multiplier.
    private func fault(of scale: Float) -> String? {
        if abs(scale) >= 256 { return "of magnitude 256 or more" }
        if scale < 0 { return "negative" }
        return scaleFormat.allows(scale) ? nil : "not a power of two, as scale_fmt promises"
    }
}
