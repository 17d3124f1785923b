// Which units go into which file, and where their tensors lie in it. Knows safetensors' header, no numbers.

import GLMFiles
import GLMSynthesis
import GLMWeights

/// One safetensors file of the target before it is written.
package struct ConvertedShard: Sendable {
    package let fileName: String
    package let units: [ConversionUnit]
    /// `[unit][output]`: place of the first byte in the file.
    let places: [[Int]]
    /// Length field, JSON, and spaces up to a multiple of 8.
    let header: [UInt8]
    package let byteCount: Int
    /// Bytes of the tensors.
    package var dataCount: Int { byteCount - header.count }

    /// Wider elements come first, so that every tensor is aligned to its element.
    package init(fileName: String, units: [ConversionUnit]) {
        self.fileName = fileName
        self.units = units
        let all = units.indices.flatMap { unit in
            units[unit].outputs.indices.map { (unit: unit, output: $0, tensor: units[unit].outputs[$0]) }
        }
        let ordered = [8, 4, 2, 1].flatMap { size in all.filter { $0.tensor.type.size == size } }
        header = SafetensorsWriter.header(ordered.map(\.tensor), [("format", "pt")])
        var places = units.map { $0.outputs.map { _ in 0 } }
        var next = header.count
        for (unit, output, tensor) in ordered {
            places[unit][output] = next
            next += tensor.byteCount
        }
        self.places = places
        byteCount = next
    }

    /// Spreads `units` over files in their order.
    ///
    /// - Throws: `usage` for a count that is not 1 to the number of units, or for files of no bytes.
    static func plan(_ units: [ConversionUnit], _ sharding: Sharding) throws(InputError) -> [ConvertedShard] {
        let runs: [Range<Int>]
        let sizes = units.map(\.byteCount)
        switch sharding {
        case .count(let count):
            let most = min(units.count, 99_999)
            guard (1...most).contains(count) else {
                throw InputError(
                    .usage, subject: "shards", found: "\(count)",
                    expected: "1 to \(most), the number of tensors without scales")
            }
            runs = ShardPlan.split(sizes, into: count)
        case .bytes(let limit):
            guard limit > 0 else {
                throw InputError(.usage, subject: "shard bytes", found: "\(limit)", expected: "at least 1")
            }
            runs = fill(sizes, limit: limit)
            guard runs.count <= 99_999 else {
                throw InputError(
                    .usage, subject: "shard bytes", found: "\(limit), which makes \(runs.count) files",
                    expected: "at most 99999 files")
            }
        }
        return runs.enumerated().map { number, run in
            ConvertedShard(fileName: ShardPlan.fileName(number, of: runs.count), units: Array(units[run]))
        }
    }

    private static func fill(_ sizes: [Int], limit: Int) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var start = 0
        var sum = 0
        for (index, size) in sizes.enumerated() {
            if index > start, sum + size > limit {
                runs.append(start..<index)
                (start, sum) = (index, 0)
            }
            sum += size
        }
        runs.append(start..<sizes.count)
        return runs
    }
}
