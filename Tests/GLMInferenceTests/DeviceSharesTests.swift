import GLMModel
import GLMParallel
import GLMSynthesis
import GLMTensor
import GLMTestSupport
import GLMWeights
import Testing

/// What the devices hold of a model: of every tensor that a configuration has, not only of those that a table names.
@Suite struct DeviceSharesTests {
    /// Kinds of matrices, and who holds an element: one device, one of each group of sequences, or all.
    private enum Owners { case one, group, all }
    private static let owners: [String: Owners] = [
        "embed_tokens": .one, "lm_head": .one, "q_b_proj": .group, "kv_b_proj": .group, "o_proj": .group,
        "gate_proj": .one, "up_proj": .one, "down_proj": .one, "q_a_proj": .all,
        "kv_a_proj_with_mqa": .all, "wq_b": .all, "wk": .all, "weights_proj": .all, "gate": .all,
        "eh_proj": .all,
    ]

    /// Random widths, blocks of random and mostly odd height and width, layouts with groups of both kinds: the shares of
    /// every tensor make the tensor, each element as often as it should be there, with the value that it has in the whole.
    @Test(arguments: 0..<16)
    func sharesOfEveryTensorMakeTheTensor(seed: Int) throws {
        var random = SeededNumbers(seed: UInt64(seed))
        let devices = [2, 4, 8][random.next(3)]
        let groups = [1, 2, 4, 8].filter { devices.isMultiple(of: $0) }
        let layout = ParallelLayout(
            tensor: devices, expert: groups[random.next(groups.count)],
            data: groups[random.next(groups.count)])
        let configuration = try Self.configuration(devices: devices, &random)
        try configuration.check(layout)
        let format: CheckpointFormat = seed % 4 == 0 ? .bfloat16 : .float8
        var kinds: Set<String> = []
        for tensor in CheckpointLayout(configuration, format: format).tensors
        where tensor.shape.count == 2 && !tensor.isScale {
            let words = tensor.name.split(separator: ".")
            let kind = String(words[words.count - 2])
            kinds.insert(kind)
            let owners: Int
            switch try #require(Self.owners[kind], "\(tensor.name) is in no table") {
            case .one: owners = 1
            case .group: owners = layout.data
            case .all: owners = devices
            }
            let whole = Self.matrix(tensor, configuration, &random)
            let values = whole.dequantized().values
            var seen = [Int](repeating: 0, count: values.count)
            for rank in 0..<devices {
                let plan = Partition(layout, rank: rank)
                if let place = words.firstIndex(of: "experts"), let expert = Int(words[place + 1]),
                    !plan.experts(of: configuration.routedExpertCount).contains(expert)
                {
                    continue
                }
                let part = plan.part(of: tensor.name, rows: tensor.shape[0], columns: tensor.shape[1])
                let share = whole.part(part).dequantized()
                #expect(share.shape == [part.rows.count, part.columns.count])
                for (index, row) in part.rows.enumerated() {
                    let first = row * tensor.shape[1]
                    let expected = values[first + part.columns.lowerBound..<first + part.columns.upperBound]
                    #expect(share.row(index) == expected, "\(tensor.name), rank \(rank), seed \(seed)")
                    for column in part.columns { seen[first + column] += 1 }
                }
            }
            #expect(seen.allSatisfy { $0 == owners }, "\(tensor.name), \(layout), seed \(seed)")
        }
        #expect(kinds == Set(Self.owners.keys))
    }

    /// Where no shares are copied, each points into the mapped file.
    @Test(arguments: ["fresh-eight/bf16", "eight-edges/fp8"])
    func sharesAreViewsOfTheFile(folder: String) throws {
        let directory = "\(GoldenVerifierTests.root)/\(folder)"
        let configuration = try GLMConfiguration.load(path: directory + "/config.json")
        let checkpoint = try Checkpoint.open(directory: directory)
        let block = configuration.weightBlock.map { BlockShape(rows: $0.rows, columns: $0.columns) }
        var count = 0
        for rank in 0..<8 {
            let plan = Partition(ParallelLayout(tensor: 8), rank: rank)
            let scope = WeightScope(checkpoint, block: block) { name, rows, columns in
                plan.part(of: name, rows: rows, columns: columns)
            }
            for tensor in checkpoint.tensors where tensor.shape.count == 2 {
                let name = "\(tensor.name)"
                if name.hasSuffix(WeightScope.scaleSuffix) { continue }
                let share = try scope.matrix(name, rows: tensor.shape[0], columns: tensor.shape[1])
                #expect(share.ownedBytes == 0, "\(name)")
                count += 1
            }
        }
        #expect(count > 8 * 50)
    }

    /// A small model with every kind of layer, whose divided widths are multiples of the devices, and nothing else is.
    private static func configuration(
        devices: Int, _ random: inout SeededNumbers
    ) throws -> GLMConfiguration {
        var c = try SyntheticModel(.nano, format: .float8, seed: 0).layout.configuration
        c.vocabularySize = devices * (1 + random.next(9))
        c.hiddenSize = 9 + random.next(30)
        c.headCount = devices * (1 + random.next(2))
        (c.queryRank, c.latentRank) = (3 + random.next(20), 3 + random.next(20))
        (c.nopeDimension, c.ropeDimension) = (1 + random.next(9), 2 * (1 + random.next(3)))
        c.valueDimension = 1 + random.next(9)
        (c.indexHeadCount, c.indexHeadDimension) = (1 + random.next(3), 7 + random.next(9))
        c.denseIntermediateSize = devices * (1 + random.next(9))
        c.expertIntermediateSize = devices * (1 + random.next(9))
        c.routedExpertCount = devices * (1 + random.next(2))
        c.weightBlock = GLMConfiguration.WeightBlock(rows: 1 + random.next(13), columns: 1 + random.next(13))
        return c
    }

    /// Random values in the tensor's format.
    private static func matrix(
        _ tensor: TensorSpecification, _ configuration: GLMConfiguration, _ random: inout SeededNumbers
    ) -> WeightMatrix {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        guard tensor.type == .float8E4M3, let block = configuration.weightBlock else {
            let values = (0..<rows * columns).map { _ in Float(random.next(1 << 20)) }
            return WeightMatrix(Tensor(shape: tensor.shape, values: values))
        }
        let grid = [(rows + block.rows - 1) / block.rows, (columns + block.columns - 1) / block.columns]
        return WeightMatrix(
            codes: (0..<rows * columns).map { _ in UInt8(random.next(0x7f)) },
            scales: Tensor(
                shape: grid, values: (0..<grid[0] * grid[1]).map { _ in Float(1 + random.next(200)) }),
            rows: rows, columns: columns, blockRows: block.rows, blockColumns: block.columns)
    }
}

/// Random numbers from a seed.
struct SeededNumbers {
    private let random: CounterRandom
    private var position: UInt64 = 0

    init(seed: UInt64) { random = CounterRandom(seed: seed, stream: 0x7368_6172) }

    mutating func next(_ count: Int) -> Int {
        position += 1
        return Int(random.bits(at: position) % UInt64(count))
    }
}
