package import GLMFiles
public import GLMKernels
public import GLMTensor
package import GLMWeights

/// y = Σ_k weight_k · expert_k(x) + shared(x).
///
/// Tokens are sorted by expert, so that each expert's weights are read once a forward pass; the contributions
/// to a token are then added by ascending expert, and the shared expert last, whoever computed them and when.
///
/// A class, since it is a dozen references, which every copy would count. Source: specification §6.
public final class MixtureOfExperts: Sendable {
    package let router: Router
    /// The experts that this device owns.
    let experts: [GatedMLP]
    /// What the products with their weights need, expert by expert.
    private let factors: [ExpertFactors]
    private let owned: Range<Int>
    let shared: GatedMLP
    let compute: Compute
    /// Bytes of experts' outputs that are made for each thread before they are added up, or those of one expert: with many
    /// tokens all of them would be as large as the weights, and leave the caches before they are read.
    package static let partBytes = 1 << 20

    /// Reads `mlp.*` of a sparse layer.
    /// - Parameter owned: the experts that this device computes; the others' contributions are left to others.
    package init(
        weights: WeightScope, configuration: GLMConfiguration, compute: Compute, owned: Range<Int>
    ) throws(InputError) {
        self.compute = compute
        self.owned = owned
        let hidden = configuration.hiddenSize
        router = try Router(weights: weights.scope("gate"), configuration: configuration, compute: compute)
        var experts: [GatedMLP] = []
        for expert in 0..<configuration.routedExpertCount {
            guard owned.contains(expert) else {
                weights.scope("experts.\(expert)").ignore(
                    "gate_proj.weight", "up_proj.weight", "down_proj.weight")
                continue
            }
            experts.append(
                try GatedMLP(
                    weights: weights.scope("experts.\(expert)"), hidden: hidden,
                    intermediate: configuration.expertIntermediateSize, compute: compute))
        }
        self.experts = experts
        factors = experts.map(ExpertFactors.init)
        shared = try GatedMLP(
            weights: weights.scope("shared_experts"), hidden: hidden,
            intermediate: configuration.sharedIntermediateSize, compute: compute)
    }

    /// A mixture of one's own.
    ///
    /// - Precondition: as many experts as the router routes to, all of one shape.
    public init(router: Router, experts: [GatedMLP], shared: GatedMLP, compute: Compute) {
        precondition(
            experts.count == router.expertCount, "\(experts.count) experts, \(router.expertCount) routed")
        precondition(Set(experts.map(\.intermediate)).count <= 1, "experts of different widths")
        self.router = router
        self.experts = experts
        factors = experts.map(ExpertFactors.init)
        owned = experts.indices
        self.shared = shared
        self.compute = compute
    }

    /// `[tokens, hidden]` → `[tokens, hidden]`.
    public func callAsFunction(_ x: Tensor) -> Tensor { self(x, layer: 0, trace: nil) }

    /// What the first region reads.
    var firstRead: ReadingOrder { [router.gate.memory] + shared.firstRead }

    /// - Parameter following: what is read behind it.
    package func callAsFunction(
        _ x: Tensor, layer: Int, trace: Trace?, following: ReadingOrder = []
    ) -> Tensor {
        compute.willRead([shared.down.memory], rows: x.rowCount)
        // What the shared expert needs does not wait for the router, so it shares the gate's region.
        let first = products([Product(router.gate, of: x), Product(shared.gate, shared.up, of: x)])
        let routing = router.route(first[0])
        trace?(.routing(layer: layer, logits: first[0], routing))
        compute.finished(.gate, layer: layer)
        let order = ExpertOrder(routing, experts: router.expertCount, owned: owned)
        let isWhole = makesWhole(order.runs.count, ofTokens: x.rowCount)
        compute.readsNext(
            reads(order, ofTokens: x.rowCount) {
                let first = [MemoryStretch($0.gate.view), MemoryStretch($0.up.view)]
                return isWhole ? first + [MemoryStretch($0.down.view)] : first
            }, rows: x.rowCount)
        let common = Product(shared.down, of: compute.siluMultiply(first[1]))
        let limit = MixtureOfExperts.partBytes * compute.pool.threads / max(1, x.width * 4)
        return unsafe Tensor(rows: x.rowCount, width: x.width) { sum in
            let parts = order.parts(ofRows: limit)
            for (index, part) in parts.enumerated() {
                let isLast = index == parts.count - 1
                let (chosen, always) = runExperts(
                    part, of: order, x, beside: isLast ? [common] : [], following: isLast ? following : [])
                compute.finished(.experts, layer: layer)
                unsafe combine(
                    chosen, of: part, order, routing: routing, isFirst: index == 0, shared: always.first,
                    into: sum)
                compute.finished(.combine, layer: layer)
            }
        }
    }

    /// Some chosen experts on their tokens: `[pairs, hidden]`, sorted by expert; and products of the region of their last
    /// weights.
    private func runExperts(
        _ part: ExpertOrder.Part, of order: ExpertOrder, _ x: Tensor, beside others: [Product],
        following: ReadingOrder
    ) -> (Tensor, [Tensor]) {
        if makesWhole(part.runs.count, ofTokens: x.rowCount) {
            compute.willRead(following, rows: 1)
            return grouped(x, part, width: x.width, beside: others) { expert, rows, region in
                unsafe region.add(
                    gate: expert.gate, up: expert.up, down: expert.down, x: rows.input, y: rows.output)
            }
        }
        // All experts read the only row where it lies.
        let inputs = x.rowCount == 1 ? x : compute.rows(of: x, at: order.tokens[part.rows])
        compute.willRead(
            reads(order, ofTokens: x.rowCount) { [MemoryStretch($0.down.view)] }, rows: x.rowCount)
        let width = experts.first?.intermediate ?? 0
        var gateUp = Tensor(zeros: [0, 2 * width])
        if !part.runs.isEmpty {
            gateUp =
                grouped(inputs, part, width: 2 * width, beside: []) { expert, rows, region in
                    region.add(expert.gate, rows, column: 0)
                    region.add(expert.up, rows, column: width)
                }.0
        }
        compute.willRead(following, rows: x.rowCount)
        return grouped(compute.siluMultiply(gateUp), part, width: x.width, beside: others) {
            expert, rows, region in
            region.add(expert.down, rows, column: 0)
        }
    }

    /// Whether one thread makes an expert from its row to its output, where `chosen` are to be made.
    private func makesWhole(_ chosen: Int, ofTokens tokens: Int) -> Bool {
        guard tokens == 1, let one = factors.first else { return false }
        return compute.keepsTogether(chosen, bytes: one.bytes)
    }

    /// Some weights of the chosen experts.
    private func reads(
        _ order: ExpertOrder, ofTokens tokens: Int, _ weights: (ExpertFactors) -> ReadingOrder
    ) -> ReadingOrder {
        // With more tokens the experts' rows are gathered meanwhile: threads have no time, and experts are many.
        guard tokens == 1 else { return [] }
        var reads: ReadingOrder = []
        reads.reserveCapacity(2 * order.runs.count)
        for run in order.runs { reads += weights(factors[run.expert - owned.lowerBound]) }
        return reads
    }

    /// Products of each expert's rows with its weights, and others, in one parallel region. `add` says which.
    ///
    /// - Parameter x: the rows of `part`, or one row for all.
    private func grouped(
        _ x: Tensor, _ part: ExpertOrder.Part, width: Int, beside others: [Product],
        _ add: (ExpertFactors, ExpertRows, inout ProductRegion) -> Void
    ) -> (Tensor, [Tensor]) {
        if part.rows.isEmpty || width == 0 {
            return (Tensor(zeros: [part.rows.count, width]), products(others))
        }
        var side: [Tensor] = []
        let step = x.rowCount == 1 ? 0 : x.width
        let grouped = unsafe Tensor(rows: part.rows.count, width: width) { output in
            unsafe x.values.withUnsafeBufferPointer { input in
                guard let input = input.baseAddress else { return }
                var region = ProductRegion(compute, capacity: 2 * part.runs.count + others.count)
                for (expert, rows) in part.runs {
                    let first = rows.lowerBound - part.rows.lowerBound
                    let own = unsafe ExpertRows(
                        input: input + first * step, count: rows.count, output: output + first * width,
                        width: width)
                    add(factors[expert - owned.lowerBound], own, &region)
                }
                if others.isEmpty { region.run() } else { side = products(others, beside: region) }
            }
        }
        return (grouped, side)
    }

    /// Adds to each token's sum, which begins with zero, the contributions of a part by ascending expert; then the shared
    /// expert's where they are given, behind which nothing comes.
    private func combine(
        _ outputs: Tensor, of part: ExpertOrder.Part, _ order: ExpertOrder, routing: Routing, isFirst: Bool,
        shared: Tensor?, into sum: UnsafeMutablePointer<Float>
    ) {
        let width = outputs.width
        unsafe outputs.values.withUnsafeBufferPointer { outputs in
            compute.forEachRow(routing.tokenCount) { token in
                let target = unsafe sum + token * width
                if isFirst { unsafe target.update(repeating: 0, count: width) }
                for pair in token * routing.perToken..<(token + 1) * routing.perToken {
                    guard let row = order.rowOfPair[pair], part.rows.contains(row),
                        let outputs = outputs.baseAddress
                    else { continue }
                    unsafe compute.kernels.addScaled(
                        outputs + (row - part.rows.lowerBound) * width, factor: routing.weights[pair],
                        count: width, into: target)
                }
                guard let shared else { return }
                unsafe shared.values.withUnsafeBufferPointer {
                    guard let shared = $0.baseAddress else { return }
                    unsafe compute.kernels.add(target, shared + token * width, count: width, output: target)
                }
                unsafe compute.store(target, count: width)
            }
        }
    }
}

extension Compute {
    /// The rows at `indices`, in that order: `[indices.count, width]`, copied by all threads.
    fileprivate func rows(of x: Tensor, at indices: ArraySlice<Int>) -> Tensor {
        let first = indices.startIndex
        return unsafe Tensor(rows: indices.count, width: x.width) { output in
            unsafe x.values.withUnsafeBufferPointer { input in
                guard let input = input.baseAddress else { return }
                forEachRow(indices.count) { row in
                    unsafe (output + row * x.width).update(
                        from: input + indices[first + row] * x.width, count: x.width)
                }
            }
        }
    }
}
