// A conversion before it is run: every tensor, its operation and its place. Reads headers and configuration, no weight.

package import GLMFiles
import GLMModel
import GLMSynthesis
package import GLMWeights

/// What a checkpoint becomes.
package struct ConversionPlan: Sendable {
    package let checkpoint: Checkpoint
    package let shards: [ConvertedShard]
    /// `config.json` of the target; nil when it is the source's, byte for byte.
    package let configuration: JSON?

    /// Bytes of all files of weights.
    package var byteCount: Int { shards.reduce(0) { $0 + $1.byteCount } }
    /// Tensors of the target, scales included.
    package var tensorCount: Int { shards.reduce(0) { $1.units.reduce($0) { $0 + $1.outputs.count } } }

    /// - Throws: `badInput` when the checkpoint is not what its `config.json` describes; what reading throws.
    package init(_ checkpoint: Checkpoint, _ options: ConversionOptions) throws(InputError) {
        self.checkpoint = checkpoint
        let path = checkpoint.path(of: "config.json")
        let root = try JSONDocument.load(path: path, limit: 64 << 20).root
        let original = try GLMConfiguration(root)
        let target = try TargetConfiguration(JSON(root), original, options)
        let document = target.document
        // What comes out must be a configuration too.
        _ = try GLMConfiguration(JSONDocument(parsing: document.bytes(), source: path).root)
        configuration = document == JSON(root) ? nil : document
        let units = try ConversionPlan.units(
            of: checkpoint, target, layout: CheckpointLayout(original, format: .float8))
        shards = try ConvertedShard.plan(units, options.sharding)
    }

    /// The layout's tensors in its order, then those that the layout does not have, in the order of the source.
    private static func units(
        of checkpoint: Checkpoint, _ target: TargetConfiguration, layout: CheckpointLayout
    ) throws(InputError) -> [ConversionUnit] {
        var units: [ConversionUnit] = []
        var done: Set<ByteString> = []
        func append(_ tensor: StoredTensor, _ role: TargetConfiguration.Role) throws(InputError) {
            units.append(
                ConversionUnit(
                    try SourceTensor(tensor, in: checkpoint, block: target.block),
                    to: target.type(of: role, stored: tensor.type), scaleFormat: target.scaleFormat,
                    quantizesAnew: target.quantizesAnew))
        }
        try requireAll(layout, in: checkpoint)
        for line in layout.tensors where !line.isScale {
            guard let tensor = checkpoint[ByteString(line.name)] else { continue }
            try append(tensor, TargetConfiguration.Role(line.type))
            done.insert(tensor.name)
        }
        for tensor in checkpoint.tensors where !done.contains(tensor.name) && !isScale(tensor, in: checkpoint)
        {
            try append(tensor, .other)
        }
        return units
    }

    /// Refuses missing names and other shapes.
    private static func requireAll(
        _ layout: CheckpointLayout, in checkpoint: Checkpoint
    ) throws(InputError) {
        var missing: [ByteString] = []
        for line in layout.tensors where !line.isScale {
            guard let tensor = checkpoint[ByteString(line.name)] else {
                missing.append(ByteString(line.name))
                continue
            }
            guard tensor.shape == line.shape else {
                throw tensor.refusal(
                    found: "shape \(tensor.shape)", expected: "\(line.shape) by config.json",
                    remedy: "do config.json and weights belong together?")
            }
        }
        guard missing.isEmpty else {
            throw InputError(
                .badInput, file: checkpoint.directory, subject: "tensors",
                found: "\(missing.count) missing: \(NameList.text(missing))",
                expected: "what config.json describes", remedy: "do config.json and weights belong together?")
        }
    }

    /// Whether a tensor holds the multipliers of an FP8 weight that is there.
    private static func isScale(_ tensor: StoredTensor, in checkpoint: Checkpoint) -> Bool {
        guard tensor.name.hasSuffix(WeightScope.scaleSuffix) else { return false }
        let weight = ByteString(bytes: tensor.name.bytes.dropLast(WeightScope.scaleSuffix.utf8.count))
        return checkpoint[weight]?.type == .float8E4M3
    }

    /// The index of the target; nil for a single file.
    package var index: String? {
        guard shards.count > 1 else { return nil }
        let map = shards.flatMap { shard in
            shard.units.flatMap { unit in unit.outputs.map { (name: $0.name, file: shard.fileName) } }
        }
        return CheckpointIndex.text(map, totalSize: shards.reduce(0) { $0 + $1.dataCount })
    }
}
