import GLMModel
import GLMTensor

/// Collects the intermediates of one prompt and lays them out as golden files do.
///
/// Layout: `shared/oracle` conventions, described in `GoldenFiles.md`: S rows, L layers, no batch dimension.
struct GoldenRecorder {
    private(set) var hidden: [[Float]] = []
    private(set) var attention: [[Float]] = []
    private(set) var selections: [KeySelection] = []
    private(set) var routerLayers: [Int32] = []
    private(set) var routerLogits: [[Float]] = []
    private(set) var experts: [[Int32]] = []
    private(set) var expertWeights: [[Float]] = []
    private(set) var indexLayers: [Int32] = []
    private(set) var indexScores: [[Float]] = []
    private(set) var finalNorm: [Float] = []

    mutating func record(_ event: TraceEvent) {
        switch event {
        case .hidden(_, let values): hidden.append(values.values)
        case .attention(_, let values): attention.append(values.values)
        case .selection(_, let keys): selections.append(keys)
        case .indexScores(let layer, let scores):
            indexLayers.append(Int32(layer))
            indexScores.append(scores.values)
        case .routing(let layer, let logits, let routing):
            routerLayers.append(Int32(layer))
            routerLogits.append(logits.values)
            experts.append(routing.experts)
            expertWeights.append(routing.weights)
        case .finalNorm(let values): finalNorm = values.values
        }
    }

    /// Everything recorded of a prompt of `rows` tokens that began at position 0, under `prefix`.
    func arrays(
        prefix: String, logits: Tensor, configuration: GLMConfiguration, cache: SequenceCache,
        withCaches: Bool
    ) -> [String: GoldenArray] {
        let (rows, width) = (logits.rowCount, configuration.hiddenSize)
        let (experts, chosen) = (configuration.routedExpertCount, configuration.expertsPerToken)
        var arrays: [String: GoldenArray] = [
            "logits": GoldenArray(shape: logits.shape, values: .float(logits.values)),
            "final_norm": GoldenArray(shape: [rows, width], values: .float(finalNorm)),
            "hidden": .stack(hidden, shape: [rows, width]),
            "attn_out": .stack(attention, shape: [rows, width]),
            "selected": GoldenRecorder.membership(selections, keys: rows),
            "router_layers": GoldenArray(shape: [routerLayers.count], values: .integer(routerLayers)),
            "router_logits": .stack(routerLogits, shape: [rows, experts]),
            "experts": GoldenArray(
                shape: [routerLayers.count, rows, chosen], values: .integer(self.experts.flatMap { $0 })),
            "expert_weights": .stack(expertWeights, shape: [rows, chosen]),
        ]
        if withCaches {
            arrays.merge(cacheArrays(cache, configuration: configuration, rows: rows)) { $1 }
        }
        return Dictionary(uniqueKeysWithValues: arrays.map { (prefix + "." + $0.key, $0.value) })
    }

    private func cacheArrays(
        _ cache: SequenceCache, configuration: GLMConfiguration, rows: Int
    ) -> [String: GoldenArray] {
        let (latent, rope) = (configuration.latentRank, configuration.ropeDimension)
        let layers = 0..<configuration.layerCount
        return [
            "index_layers": GoldenArray(shape: [indexLayers.count], values: .integer(indexLayers)),
            "index_scores": .stack(indexScores, shape: [rows, rows]),
            "cache_kv_c": .stack(
                layers.map { cache.attentionRows(layer: $0, columns: 0..<latent) }, shape: [rows, latent]),
            "cache_k_pe": .stack(
                layers.map { cache.attentionRows(layer: $0, columns: latent..<(latent + rope)) },
                shape: [rows, rope]),
            "cache_index_k": .stack(
                indexLayers.map { cache.indexRows(layer: Int($0)) },
                shape: [rows, configuration.indexHeadDimension]),
        ]
    }

    /// `[selections, rows, keys]`, 1 where the row attends to the key.
    static func membership(_ selections: [KeySelection], keys: Int) -> GoldenArray {
        let rows = selections.first?.rowCount ?? 0
        var flags = [UInt8](repeating: 0, count: selections.count * rows * keys)
        for (index, selection) in selections.enumerated() {
            for row in 0..<rows {
                let base = (index * rows + row) * keys
                switch selection[row] {
                case .all(let count): for key in 0..<count { flags[base + key] = 1 }
                case .positions(let positions): for key in positions { flags[base + Int(key)] = 1 }
                }
            }
        }
        return GoldenArray(shape: [selections.count, rows, keys], values: .flag(flags))
    }
}
