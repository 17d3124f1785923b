import GLMParallel
import GLMTensor
import GLMWeights
import Testing

@Suite struct PartitionTests {
    /// The table of specification §9, for GLM-5 on eight devices: shape in the file, shape of a device's share.
    static let table: [(name: String, file: [Int], share: [Int])] = [
        ("model.embed_tokens.weight", [154_880, 6144], [19_360, 6144]),
        ("model.layers.5.self_attn.q_a_proj.weight", [2048, 6144], [2048, 6144]),
        ("model.layers.5.self_attn.kv_a_proj_with_mqa.weight", [576, 6144], [576, 6144]),
        ("model.layers.5.self_attn.q_b_proj.weight", [16_384, 2048], [2048, 2048]),
        ("model.layers.5.self_attn.kv_b_proj.weight", [28_672, 512], [3584, 512]),
        ("model.layers.5.self_attn.o_proj.weight", [6144, 16_384], [6144, 2048]),
        ("model.layers.5.self_attn.indexer.wq_b.weight", [4096, 2048], [4096, 2048]),
        ("model.layers.5.self_attn.indexer.wk.weight", [128, 6144], [128, 6144]),
        ("model.layers.5.self_attn.indexer.weights_proj.weight", [32, 6144], [32, 6144]),
        ("model.layers.1.mlp.gate_proj.weight", [12_288, 6144], [1536, 6144]),
        ("model.layers.1.mlp.up_proj.weight", [12_288, 6144], [1536, 6144]),
        ("model.layers.1.mlp.down_proj.weight", [6144, 12_288], [6144, 1536]),
        ("model.layers.5.mlp.gate.weight", [256, 6144], [256, 6144]),
        ("model.layers.5.mlp.experts.17.gate_proj.weight", [2048, 6144], [256, 6144]),
        ("model.layers.5.mlp.experts.17.up_proj.weight", [2048, 6144], [256, 6144]),
        ("model.layers.5.mlp.experts.17.down_proj.weight", [6144, 2048], [6144, 256]),
        ("model.layers.5.mlp.shared_experts.gate_proj.weight", [2048, 6144], [256, 6144]),
        ("model.layers.5.mlp.shared_experts.up_proj.weight", [2048, 6144], [256, 6144]),
        ("model.layers.5.mlp.shared_experts.down_proj.weight", [6144, 2048], [6144, 256]),
        ("model.layers.78.eh_proj.weight", [6144, 12_288], [6144, 12_288]),
        ("lm_head.weight", [154_880, 6144], [19_360, 6144]),
    ]

    @Test(arguments: 0..<table.count)
    func sharesAreThoseOfTheSpecification(row: Int) {
        let (name, file, share) = Self.table[row]
        for rank in 0..<8 {
            let part = Partition(ParallelLayout(tensor: 8), rank: rank).part(
                of: name, rows: file[0], columns: file[1])
            #expect([part.rows.count, part.columns.count] == share)
            #expect(part.rows.lowerBound == (share[0] == file[0] ? 0 : rank * share[0]))
            #expect(part.columns.lowerBound == (share[1] == file[1] ? 0 : rank * share[1]))
        }
    }

    @Test func expertsBelongToGroups() {
        let layout = ParallelLayout(tensor: 8, expert: 4)
        for rank in 0..<8 {
            let plan = Partition(layout, rank: rank)
            #expect(plan.experts(of: 256) == rank / 2 * 64..<(rank / 2 + 1) * 64)
            let part = plan.part(
                of: "model.layers.9.mlp.experts.70.down_proj.weight", rows: 6144, columns: 2048)
            #expect(part == MatrixPart(rows: 0..<6144, columns: rank % 2 * 1024..<(rank % 2 + 1) * 1024))
            // The shared expert stays cut over all.
            let shared = plan.part(
                of: "model.layers.9.mlp.shared_experts.up_proj.weight", rows: 2048, columns: 6144)
            #expect(shared == MatrixPart(rows: rank * 256..<(rank + 1) * 256, columns: 0..<6144))
        }
    }

    /// Random widths, formats, blocks and layouts: every element of every tensor reaches exactly the devices it should,
    /// with the value it has in the whole, scales of blocks that a boundary cuts included.
    @Test(arguments: 0..<40)
    func gatheringTheSharesGivesTheTensor(seed: Int) {
        var random = Draws(seed: UInt64(seed))
        let devices = [1, 2, 4, 8][random.next(4)]
        let groups = [1, 2, 4, 8].filter { devices.isMultiple(of: $0) }
        let layout = ParallelLayout(tensor: devices, expert: groups[random.next(groups.count)])
        for (name, file, share) in Self.table {
            // The same tensor in a small random model; what is divided is a multiple of the devices.
            let rows = (1 + random.next(20)) * (share[0] == file[0] ? 1 : devices)
            let columns = (1 + random.next(20)) * (share[1] == file[1] ? 1 : devices)
            let whole = random.matrix(rows: rows, columns: columns)
            var seen = [Int](repeating: 0, count: rows * columns)
            for rank in 0..<devices {
                let plan = Partition(layout, rank: rank)
                if name.contains(".experts."), !plan.experts(of: 24 * layout.expert).contains(17) { continue }
                let part = plan.part(of: name, rows: rows, columns: columns)
                let values = whole.part(part).dequantized()
                #expect(values.shape == [part.rows.count, part.columns.count])
                for (row, source) in part.rows.enumerated() {
                    let expected = Array(whole.row(source)[part.columns])
                    #expect(Array(values.row(row)) == expected, "\(name), rank \(rank), seed \(seed)")
                    for column in part.columns { seen[source * columns + column] += 1 }
                }
            }
            let owners = share == file ? devices : 1
            #expect(seen.allSatisfy { $0 == owners }, "\(name), seed \(seed)")
        }
    }

    /// Negative control of the property: a share that starts one row late is noticed by its values.
    @Test func aShiftedShareDiffers() {
        var random = Draws(seed: 1)
        let whole = random.matrix(rows: 16, columns: 6)
        let part = MatrixPart(rows: 4..<8, columns: 0..<6)
        let shifted = MatrixPart(rows: 5..<9, columns: 0..<6)
        #expect(whole.part(part).dequantized() != whole.part(shifted).dequantized())
    }
}

/// Random numbers and matrices from a seed.
struct Draws {
    private let random: CounterRandom
    private var position: UInt64 = 0

    init(seed: UInt64) { random = CounterRandom(seed: seed, stream: 0x7061_7274) }

    mutating func next(_ count: Int) -> Int {
        position += 1
        return Int(random.bits(at: position) % UInt64(count))
    }

    /// Float32, or FP8 in blocks of a random size.
    mutating func matrix(rows: Int, columns: Int) -> WeightMatrix {
        if next(3) == 0 {
            return WeightMatrix(
                Tensor(
                    shape: [rows, columns], values: (0..<rows * columns).map { _ in Float(next(1 << 20)) }))
        }
        let (high, wide) = (1 + next(9), 1 + next(9))
        let grid = [(rows + high - 1) / high, (columns + wide - 1) / wide]
        return WeightMatrix(
            codes: (0..<rows * columns).map { _ in UInt8(next(0x7f)) },
            scales: Tensor(shape: grid, values: (0..<grid[0] * grid[1]).map { _ in Float(1 + next(200)) }),
            rows: rows, columns: columns, blockRows: high, blockColumns: wide)
    }
}
