package import GLMFiles
public import GLMKernels
public import GLMTensor
package import GLMWeights

/// Which experts work on which token, and with what weight.
public struct Routing: Sendable, Equatable {
    /// Experts of each token, ascending, `[tokens · perToken]`.
    public var experts: [Int32]
    /// Weight of each, scaling included, in the same order.
    public var weights: [Float]
    /// Experts a token.
    public let perToken: Int

    /// Tokens routed.
    public var tokenCount: Int { experts.count / max(perToken, 1) }
}

/// Sigmoid routing without auxiliary loss (`noaux_tc`): a bias chooses, the unbiased affinity weighs.
///
/// affinity s = sigmoid(W^G x); selection score b = s + bias; the `groupsPerToken` groups with the largest
/// sum of their two best b stay; the `perToken` largest b of them are chosen; weight = s / (Σ s + 1e-20) ·
/// scaling. Ties go to the lower group and the lower expert.
/// Source: specification §6; DeepSeek-V3 §2.1.2; transformers `GlmMoeDsaTopkRouter`.
public struct Router: Sendable {
    let gate: Linear
    let correctionBias: [Float]
    let groups: Int
    let groupsPerToken: Int
    let perToken: Int
    let normalizes: Bool
    let scaling: Float

    /// Reads `mlp.gate.*`.
    package init(weights: WeightScope, configuration: GLMConfiguration, compute: Compute) throws(InputError) {
        let experts = configuration.routedExpertCount
        self.init(
            gate: Linear(
                try weights.matrix("weight", rows: experts, columns: configuration.hiddenSize),
                compute: compute, role: .decision),
            correctionBias: try weights.vector("e_score_correction_bias", count: experts),
            configuration: configuration)
    }

    private init(gate: Linear, correctionBias: [Float], configuration: GLMConfiguration) {
        self.gate = gate
        self.correctionBias = correctionBias
        groups = configuration.expertGroupCount
        groupsPerToken = configuration.groupsPerToken
        perToken = configuration.expertsPerToken
        normalizes = configuration.normalizesExpertWeights
        scaling = configuration.routedScalingFactor
    }

    /// A router of its own, for tests and experiments.
    ///
    /// - Parameters:
    ///   - gate: W^G, `[experts, hidden]`.
    ///   - correctionBias: one value an expert, added for the choice only.
    ///   - groups: contiguous groups of equal size; 1 for none.
    /// - Precondition: the counts fit each other, as `GLMConfiguration.validate` asks of a checkpoint.
    public init(
        gate: Tensor, correctionBias: [Float], groups: Int, groupsPerToken: Int, expertsPerToken: Int,
        normalizes: Bool, scaling: Float, compute: Compute
    ) {
        let experts = gate.rowCount
        precondition(correctionBias.count == experts, "\(correctionBias.count) biases for \(experts) experts")
        precondition(groups > 0 && experts.isMultiple(of: groups), "\(groups) groups of \(experts) experts")
        precondition((1...groups).contains(groupsPerToken), "\(groupsPerToken) of \(groups) groups")
        precondition(
            (1...(experts / groups * groupsPerToken)).contains(expertsPerToken),
            "\(expertsPerToken) experts a token of \(experts / groups * groupsPerToken)")
        self.gate = Linear(WeightMatrix(gate), compute: compute, role: .decision)
        self.correctionBias = correctionBias
        self.groups = groups
        self.groupsPerToken = groupsPerToken
        perToken = expertsPerToken
        self.normalizes = normalizes
        self.scaling = scaling
    }

    /// Experts routed to.
    public var expertCount: Int { correctionBias.count }

    /// Routes every row of `x` `[tokens, hidden]`; also returns the gate's logits `[tokens, experts]`.
    public func callAsFunction(_ x: Tensor) -> (routing: Routing, logits: Tensor) {
        let logits = gate(x)
        return (route(logits), logits)
    }

    /// Routes every row by the gate's logits `[tokens, experts]`.
    func route(_ logits: Tensor) -> Routing {
        let compute = gate.compute
        let affinities = unsafe compute.mapRows(of: logits, width: logits.width) { input, output in
            unsafe compute.kernels.sigmoid(input, count: logits.width, output: output)
        }
        var routing = Routing(experts: [], weights: [], perToken: perToken)
        for token in 0..<logits.rowCount {
            let affinity = Array(affinities.row(token))
            let chosen = choose(affinity)
            let weights = weigh(chosen.map { affinity[$0] })
            routing.experts.append(contentsOf: chosen.map(Int32.init))
            routing.weights.append(contentsOf: weights)
        }
        return routing
    }

    /// The experts of one token, ascending.
    func choose(_ affinity: [Float]) -> [Int] {
        var scores: [Float] = []
        scores.reserveCapacity(affinity.count)
        for (expert, value) in affinity.enumerated() { scores.append(value + correctionBias[expert]) }
        if groupsPerToken < groups { maskLosingGroups(&scores) }
        return largest(perToken, of: scores)
    }

    /// Experts outside the best groups can no longer be chosen.
    private func maskLosingGroups(_ scores: inout [Float]) {
        let size = scores.count / groups
        let groupScores = (0..<groups).map { group in
            let members = Array(scores[(group * size)..<((group + 1) * size)])
            return largest(2, of: members).reduce(Float(0)) { $0 + members[$1] }
        }
        let kept = Set(largest(groupsPerToken, of: groupScores))
        for expert in scores.indices where !kept.contains(expert / size) { scores[expert] = -.infinity }
    }

    /// Unbiased affinities of the chosen → weights.
    private func weigh(_ affinities: [Float]) -> [Float] {
        guard normalizes else { return affinities.map { $0 * scaling } }
        let sum = affinities.reduce(0, +) + 1e-20
        return affinities.map { $0 / sum * scaling }
    }
}

/// Indices of the `count` largest values, ascending; the lower index wins a tie.
private func largest(_ count: Int, of values: [Float]) -> [Int] {
    var chosen: [Int] = []
    chosen.reserveCapacity(count + 1)
    for (index, value) in values.enumerated()
    where chosen.count < count || values[chosen[chosen.count - 1]] < value {
        // Insertion behind all that are at least as large keeps the list ordered, lower index first.
        let place = chosen.firstIndex { values[$0] < value } ?? chosen.count
        chosen.insert(index, at: place)
        if chosen.count > count { chosen.removeLast() }
    }
    return chosen.sorted()
}
