// Which tensor goes into which file, and where. Knows safetensors' header, no numbers and no disk.

package import GLMFiles
import GLMWeights

/// One safetensors file before it is written: its header and the place of every tensor.
package struct Shard: Sendable {
    package let fileName: String
    /// In file order: wider elements first, so that every tensor is aligned to its element.
    package let tensors: [TensorSpecification]
    /// `[tensor]`: offset of its first byte behind the header; one more entry at the end.
    package let offsets: [Int]
    /// Length field, JSON, and spaces up to a multiple of 8.
    package let header: [UInt8]

    package var dataCount: Int { offsets.last ?? 0 }
    package var byteCount: Int { header.count + dataCount }

    init(fileName: String, tensors: [TensorSpecification]) {
        self.fileName = fileName
        self.tensors = Shard.typesByWidth.flatMap { type in tensors.filter { $0.type == type } }
        var next = 0
        var offsets = [0]
        for tensor in self.tensors {
            next += tensor.byteCount
            offsets.append(next)
        }
        self.offsets = offsets
        header = SafetensorsWriter.header(
            self.tensors.map { TensorDescription(ByteString($0.name), $0.type, $0.shape) }, [("format", "pt")]
        )
    }

    /// Types of synthetic tensors, the widest first.
    private static let typesByWidth: [ElementType] = [.float32, .bfloat16, .float8E4M3]
}

/// All shards of a checkpoint in the order of the layout, about equal in bytes.
package struct ShardPlan: Sendable {
    package let shards: [Shard]

    /// - Parameter count: number of files; the layout must have at least as many tensors.
    package init(_ layout: CheckpointLayout, count: Int) throws(InputError) {
        guard count >= 1, count <= min(layout.tensors.count, 99_999) else {
            throw InputError(
                .usage, subject: "shards", found: "\(count)",
                expected: "1 to \(min(layout.tensors.count, 99_999)), the number of tensors")
        }
        let runs = ShardPlan.split(layout.tensors.map(\.byteCount), into: count)
        shards = runs.enumerated().map { index, run in
            Shard(fileName: ShardPlan.fileName(index, of: runs.count), tensors: Array(layout.tensors[run]))
        }
    }

    /// Bytes of all shards, headers included.
    package var byteCount: Int { shards.reduce(0) { $0 + $1.byteCount } }
    /// Whether readers need an index to find a tensor.
    package var needsIndex: Bool { shards.count > 1 }

    /// `model.safetensors.index.json`.
    package var index: JSON {
        let total = shards.reduce(0) { $0 + $1.dataCount }
        let map = shards.flatMap { shard in
            shard.tensors.map { JSON.Member($0.name, .string(shard.fileName)) }
        }
        return ["metadata": ["total_size": .integer(total)], "weight_map": .object(map)]
    }

    /// `model.safetensors`, or `model-00001-of-00282.safetensors`.
    package static func fileName(_ index: Int, of count: Int) -> String {
        func digits(_ value: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, 5 - text.count)) + text
        }
        return count == 1 ? "model.safetensors" : "model-\(digits(index + 1))-of-\(digits(count)).safetensors"
    }

    /// Cuts a list of sizes into `count` runs, where the running total passes the next multiple of total / count; no run
    /// is empty.
    ///
    /// - Precondition: 1 ≤ `count` ≤ the number of sizes.
    package static func split(_ sizes: [Int], into count: Int) -> [Range<Int>] {
        precondition(count >= 1 && count <= sizes.count, "\(count) runs of \(sizes.count) sizes")
        let total = sizes.reduce(0, +)
        var starts = [0]
        var written = 0
        for (index, size) in sizes.enumerated() {
            // One size is left for each run to come.
            let mustOpen = sizes.count - index == count - starts.count
            let isPast = written >= total / count * starts.count + min(total % count, starts.count)
            if index > starts[starts.count - 1], starts.count < count, isPast || mustOpen {
                starts.append(index)
            }
            written += size
        }
        return starts.indices.map { starts[$0]..<($0 + 1 < starts.count ? starts[$0 + 1] : sizes.count) }
    }
}
