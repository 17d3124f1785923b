package import GLMWeights

/// Which part of which tensor a device owns: the table of specification §9, and nothing else.
///
/// Pure: it reads names and shapes and knows no files. A tensor it does not name is replicated: latents' projections,
/// the indexer, the router, all norms, `eh_proj`.
package struct Partition: Sendable, Equatable {
    package let layout: ParallelLayout
    package let rank: Int

    /// - Precondition: `layout` was checked, and `rank` is one of its devices.
    package init(_ layout: ParallelLayout, rank: Int) {
        precondition((0..<layout.tensor).contains(rank), "rank \(rank) of \(layout.tensor)")
        self.layout = layout
        self.rank = rank
    }

    /// All of every tensor.
    package static let whole = Partition(.single, rank: 0)

    /// The group of devices this one shares routed experts with.
    package var expertGroup: Int { rank / layout.expertTensor }
    /// The group of devices this one shares attention and sequences with.
    package var dataGroup: Int { rank / layout.attentionTensor }
    /// The ranks of that group.
    package var dataGroupRanks: Range<Int> {
        dataGroup * layout.attentionTensor..<(dataGroup + 1) * layout.attentionTensor
    }

    /// The experts of `count` that this device owns, whole or in part.
    package func experts(of count: Int) -> Range<Int> {
        Partition.share(expertGroup, of: layout.expert, count)
    }

    /// This device's tokens of the vocabulary.
    package func vocabulary(of count: Int) -> Range<Int> { Partition.share(rank, of: layout.tensor, count) }

    /// The part of tensor `name`, `[rows, columns]`, that this device owns.
    ///
    /// What belongs to an expert is asked for only by its owners.
    package func part(of name: String, rows: Int, columns: Int) -> MatrixPart {
        let whole = MatrixPart(rows: 0..<rows, columns: 0..<columns)
        guard layout.tensor > 1, let rule = Partition.rule(name) else { return whole }
        let (index, parts) = shares(rule.across)
        switch rule.cut {
        case .rows: return MatrixPart(rows: Partition.share(index, of: parts, rows), columns: 0..<columns)
        case .columns: return MatrixPart(rows: 0..<rows, columns: Partition.share(index, of: parts, columns))
        }
    }

    private enum Cut { case rows, columns }
    /// Which devices share a tensor.
    private enum Across { case all, attention, expert }

    /// This device's number among those that share, and how many they are.
    private func shares(_ across: Across) -> (index: Int, parts: Int) {
        switch across {
        case .all: (rank, layout.tensor)
        case .attention: (rank % layout.attentionTensor, layout.attentionTensor)
        case .expert: (rank % layout.expertTensor, layout.expertTensor)
        }
    }

    private static func rule(_ name: String) -> (cut: Cut, across: Across)? {
        if name == "model.embed_tokens.weight" || name == "lm_head.weight" { return (.rows, .all) }
        // model.layers.{i}.{block}.{…}.{projection}.weight
        let words = name.split(separator: ".")
        guard words.count >= 6, words[0] == "model", words[1] == "layers", words.last == "weight" else {
            return nil
        }
        let projection = words[words.count - 2]
        switch words[3] {
        case "self_attn" where words.count == 6:
            switch projection {
            case "q_b_proj", "kv_b_proj": return (.rows, .attention)
            case "o_proj": return (.columns, .attention)
            default: return nil
            }
        case "mlp":
            let across = words[4] == "experts" ? Across.expert : .all
            switch projection {
            case "gate_proj", "up_proj": return (.rows, across)
            case "down_proj": return (.columns, across)
            default: return nil
            }
        default: return nil
        }
    }

    private static func share(_ index: Int, of parts: Int, _ size: Int) -> Range<Int> {
        let width = size / parts
        return index * width..<(index + 1) * width
    }
}
