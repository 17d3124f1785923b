// Strict access to a checkpoint's tensors: everything is asked for once by name and shape, and nothing is left over.

package import GLMFiles
import Synchronization

/// A view of the tensors whose names begin with a prefix; all scopes of one checkpoint remember together what was read.
///
/// A layer's `init(weights:)` asks its scope for every tensor it has; when all layers are made, `finish()` refuses
/// tensors that nobody asked for.
package struct WeightScope: Sendable {
    /// What a FP8 weight's multipliers are called, after the weight's own name.
    package static let scaleSuffix = "_scale_inv"

    /// So many missing tensors end the loading at once: the configuration may promise any number of them.
    private static let mostMissing = 1000

    /// Names are this and a dot and the name in the scope; empty at the top.
    package let prefix: String
    private let block: BlockShape?
    private let checkpoint: Checkpoint
    private let record: ReadRecord
    private let part: PartOfMatrix?
    private let copiesShares: Bool

    /// Which part of a matrix is wanted, by its full name, rows and columns.
    package typealias PartOfMatrix = @Sendable (_ name: String, _ rows: Int, _ columns: Int) -> MatrixPart

    /// The scope of all names.
    ///
    /// - Parameters:
    ///   - block: `weight_block_size` of the configuration; nil when it has none: then an FP8 tensor is refused.
    ///   - part: which part of a matrix ``matrix(_:rows:columns:)`` gives; nil for all of each.
    ///   - copiesShares: whether parts that are slow to read where they lie are copied.
    package init(
        _ checkpoint: Checkpoint, block: BlockShape?, copiesShares: Bool = false, part: PartOfMatrix? = nil
    ) {
        self.init(
            prefix: "", block: block, checkpoint: checkpoint,
            record: ReadRecord(count: checkpoint.tensors.count), part: part, copiesShares: copiesShares)
    }

    private init(
        prefix: String, block: BlockShape?, checkpoint: Checkpoint, record: ReadRecord, part: PartOfMatrix?,
        copiesShares: Bool
    ) {
        self.part = part
        self.copiesShares = copiesShares
        self.prefix = prefix
        self.block = block
        self.checkpoint = checkpoint
        self.record = record
    }

    /// The scope inside: names go on after `name` and a dot.
    package func scope(_ name: String) -> WeightScope {
        WeightScope(
            prefix: fullName(name), block: block, checkpoint: checkpoint, record: record, part: part,
            copiesShares: copiesShares)
    }

    /// The weight `name`, which the checkpoint has in shape `[rows, columns]`: all of it, or the part this scope gives.
    ///
    /// FP8 is decided by the stored type and the presence of `<name>_scale_inv`, never by a list of modules.
    /// - Throws: `badInput` naming the tensor, with the shape found and the shape expected.
    package func matrix(_ name: String, rows: Int, columns: Int) throws(InputError) -> WeightMatrix {
        let whole = try wholeMatrix(name, rows: rows, columns: columns)
        guard let part else { return whole }
        let wanted = part(fullName(name), rows, columns)
        // Behind what is missing lies nothing that could be copied.
        guard let place = checkpoint.place(of: ByteString(fullName(name))) else { return whole.part(wanted) }
        return try share(wanted, of: whole, place)
    }

    /// A part of the matrix at `place`, copied where that is wanted and of use.
    private func share(
        _ part: MatrixPart, of whole: WeightMatrix, _ place: Int
    ) throws(InputError) -> WeightMatrix {
        let share = whole.part(part)
        let keepsTooMuch = share.keepsTooMuch(of: whole)
        guard keepsTooMuch || copiesShares && share.isNarrowPart(of: whole) else { return share }
        let tensor = checkpoint.tensors[place]
        if !keepsTooMuch { unsafe PageRange(of: tensor.bytes).readAhead() }
        guard let copy = share.copied() else {
            throw InputError(
                .inputOutput, file: tensor.file, subject: "tensor \(tensor.name)",
                found: "no memory to copy a device's \(share.rows) × \(share.columns) elements",
                remedy: keepsTooMuch ? "store the weights as BF16" : "load lazily, which does not copy them")
        }
        record.copy(place)
        return copy
    }

    private func wholeMatrix(_ name: String, rows: Int, columns: Int) throws(InputError) -> WeightMatrix {
        guard let tensor = try take(name, shape: [rows, columns]) else {
            return WeightMatrix(missingRows: rows, columns: columns)
        }
        guard tensor.type == .float8E4M3 else { return try WeightMatrix(tensor) }
        guard let block else {
            throw tensor.refusal(
                found: "F8_E4M3",
                expected: "F32, BF16 or F16: config.json has no quantization_config with weight_block_size")
        }
        guard let place = checkpoint.place(of: ByteString(fullName(name) + Self.scaleSuffix)) else {
            throw tensor.refusal(
                found: "F8_E4M3 without scales", expected: "a tensor \(fullName(name) + Self.scaleSuffix)",
                remedy: "FP8 with one scale per tensor or none is not supported")
        }
        record.mark(place)
        return try WeightMatrix(tensor, scales: checkpoint.tensors[place], block: block)
    }

    /// The vector `name` of `count` values, widened to Float32 from F32, BF16 or F16.
    ///
    /// - Throws: `badInput` naming the tensor, with what was found and expected.
    package func vector(_ name: String, count: Int) throws(InputError) -> [Float] {
        guard let tensor = try take(name, shape: [count]) else { return [] }
        guard [.float32, .bfloat16, .float16].contains(tensor.type) else {
            throw tensor.refusal(found: "\(tensor.type.rawValue)", expected: "F32, BF16 or F16")
        }
        return try tensor.floats()
    }

    /// Whether the checkpoint has a tensor of this name; does not count as reading it.
    package func has(_ name: String) -> Bool {
        checkpoint.place(of: ByteString(fullName(name))) != nil
    }

    /// Lets these tensors be there or not: copies that some repacks add, such as the MTP layer's `embed_tokens.weight`.
    package func ignore(_ names: String...) {
        for name in names {
            for suffix in ["", Self.scaleSuffix] {
                if let place = checkpoint.place(of: ByteString(fullName(name) + suffix)) {
                    record.mark(place)
                }
            }
        }
    }

    /// Lets all tensors of the scope be there or not: a layer that is not wanted.
    package func ignoreAll() {
        let beginning = prefix.isEmpty ? "" : prefix + "."
        for (place, tensor) in checkpoint.tensors.enumerated() where tensor.name.hasPrefix(beginning) {
            record.mark(place)
        }
    }

    /// - Throws: `badInput` that names the tensors of the whole checkpoint that were asked for and are missing, and those
    ///   that were neither read nor ignored.
    package func finish() throws(InputError) {
        guard record.unread().isEmpty, record.missing().isEmpty else { throw disagreement() }
    }

    /// Places of the checkpoint's tensors of which all that was asked for was copied.
    package var copied: Set<Int> { record.copied() }

    private func fullName(_ name: String) -> String {
        prefix.isEmpty ? name : "\(prefix).\(name)"
    }

    /// The tensor of this name; nil when there is none, which ``finish()`` will tell with all others that are missing.
    private func take(_ name: String, shape: [Int]) throws(InputError) -> StoredTensor? {
        guard let place = checkpoint.place(of: ByteString(fullName(name))) else {
            guard record.miss(ByteString(fullName(name))) < Self.mostMissing else { throw disagreement() }
            return nil
        }
        let tensor = checkpoint.tensors[place]
        guard tensor.shape == shape else {
            throw tensor.refusal(
                found: "shape \(tensor.shape)", expected: "\(shape) by config.json",
                remedy: "do config.json and weights belong together?")
        }
        record.mark(place)
        return tensor
    }

    /// Missing and left-over names, listed.
    private func disagreement() -> InputError {
        let left = record.unread().map { checkpoint.tensors[$0].name }
        let missing = record.missing()
        var found: [String] = []
        if !missing.isEmpty { found.append("\(missing.count) missing: \(NameList.text(missing))") }
        if !left.isEmpty { found.append("\(left.count) left over: \(NameList.text(left.sorted()))") }
        return InputError(
            .badInput, file: checkpoint.directory, subject: "tensors", found: found.joined(separator: "; "),
            expected: "what config.json describes", remedy: "do config.json and weights belong together?")
    }
}

/// Which tensors of a checkpoint were read, and which were asked for in vain.
private final class ReadRecord: Sendable {
    private let marks: Mutex<[Bool]>
    private let misses = Mutex<[ByteString]>([])
    private let copies = Mutex<Set<Int>>([])

    init(count: Int) {
        marks = Mutex([Bool](repeating: false, count: count))
    }

    func mark(_ place: Int) {
        marks.withLock { $0[place] = true }
    }

    /// Remembers a missing name; returns how many there are now.
    func miss(_ name: ByteString) -> Int {
        misses.withLock {
            $0.append(name)
            return $0.count
        }
    }

    func copy(_ place: Int) {
        copies.withLock { _ = $0.insert(place) }
    }

    func copied() -> Set<Int> {
        copies.withLock { $0 }
    }

    func unread() -> [Int] {
        marks.withLock { marks in marks.indices.filter { !marks[$0] } }
    }

    func missing() -> [ByteString] {
        misses.withLock { $0 }
    }
}
