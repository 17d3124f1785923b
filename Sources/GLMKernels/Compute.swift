import Synchronization

/// One product of a parallel region: y[t, n] = Σ_k weight[n, k] · x[t, k], or its transposed form.
public struct ProductGroup: @unchecked Sendable {
    /// The matrix; every group of a region may have another.
    public var weight: WeightView
    /// `[tokens, columns]` (transposed: `[tokens, rows]`), row stride `xStride`.
    public var x: UnsafePointer<Float>
    /// Rows of x and y.
    public var tokens: Int
    /// Floats from one row of x to the next.
    public var xStride: Int
    /// `[tokens, rows]` (transposed: `[tokens, columns]`), row stride `yStride`.
    public var y: UnsafeMutablePointer<Float>
    /// Floats from one row of y to the next.
    public var yStride: Int

    /// A product whose memory the caller keeps alive until the region has run.
    public init(
        weight: WeightView, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        self.weight = weight
        self.x = x
        self.tokens = tokens
        self.xStride = xStride
        self.y = y
        self.yStride = yStride
    }
}

/// The kernels of one level on the threads of one pool. Results do not depend on the number of threads.
///
/// Callers may be concurrent; the pool serves one region at a time.
public final class Compute: Sendable {
    /// The loops, at one instruction-set level.
    public var kernels: Kernels {
        loops.fetching(
            FetchWays(
                codes: wayOfCodes.load(ordering: .relaxed), numbers: wayOfNumbers.load(ordering: .relaxed)))
    }
    private let loops: Kernels
    /// How weights that meet one token are asked for.
    private let wayOfCodes: Atomic<FetchWay>
    private let wayOfNumbers: Atomic<FetchWay>
    /// The threads they are spread over.
    public let pool: ThreadPool
    /// Memory for packed tokens, kept between calls.
    let spare = Mutex<PackBuffer?>(nil)

    /// Takes the products of several tokens, when given: results then depend on the batch.
    public let blas: OpenBLAS?
    /// Receives the work of every product, when given.
    public let profile: Profile?

    /// What the products do to their inputs.
    public let arithmetic: ProductArithmetic

    /// Loops of one level on the threads of one pool.
    public init(
        kernels: Kernels, pool: ThreadPool, blas: OpenBLAS? = nil,
        profile: Profile? = nil, arithmetic: ProductArithmetic = .float32
    ) {
        loops = kernels
        wayOfCodes = Atomic(kernels.fetchWays.codes)
        wayOfNumbers = Atomic(kernels.fetchWays.numbers)
        self.pool = pool
        self.blas = blas
        self.profile = profile
        self.arithmetic = arithmetic
    }

    /// From now on weights that meet one token are asked for in those ways; no result depends on it.
    package func fetch(_ ways: FetchWays) {
        wayOfCodes.store(ways.codes, ordering: .relaxed)
        wayOfNumbers.store(ways.numbers, ordering: .relaxed)
    }

    /// All groups in one parallel region for each form of inputs, in the arithmetic of this machine or the one given. Groups without
    /// tokens or rows cost nothing.
    public func product(_ groups: [ProductGroup], arithmetic: ProductArithmetic? = nil) {
        profile?.add(groups.reduce(.none) { $0 + $1.work })
        switch arithmetic ?? self.arithmetic {
        case .float32: float32Product(groups)
        case .bfloat16: bfloat16Product(groups)
        case .w8a8: quantizedProduct(groups)
        }
    }

    /// All groups in one parallel region, cut along weight rows.
    ///
    /// Groups of several tokens, and those that matrix registers multiply, are packed first, in a region of their own, so that their tokens are rearranged
    /// once and not by every piece; up to 32 MB of memory are kept for that.
    func float32Product(_ groups: [ProductGroup]) {
        if let blas { return product(groups, by: blas) }
        multiply(groups)
    }

    private func multiply(_ groups: [ProductGroup]) {
        if !kernels.multipliesMatrices, groups.allSatisfy({ $0.tokens <= 1 }) { return stream(groups) }
        let plan = PackPlan(groups, usesMatrices: kernels.multipliesMatrices)
        if plan.floats > PackPlan.limit, let (first, second) = PackPlan.halves(groups) {
            multiply(first)
            multiply(second)
            return
        }
        if plan.units.isEmpty { return run(groups, plan, nil) }
        withPackBuffer(floats: plan.floats) { memory in
            let packed = PackedGroups(plan, memory)
            prepare(plan.units.count, floats: plan.floats) { pack(groups, plan.units[$0], into: packed) }
            run(groups, plan, memory)
        }
    }

    /// Products of single tokens, which are read as they lie.
    private func stream(_ groups: [ProductGroup]) {
        cut(groups, extent: { $0.rows }, unit: { _ in 4 }) { index, rows, scratch, next in
            multiply(groups[index], rows, scratch, next.map { groups[$0].weight.base })
        }
    }

    /// Some rows by tokens as they lie.
    private func multiply(
        _ group: ProductGroup, _ rows: Range<Int>, _ scratch: Scratch, _ next: UnsafeRawPointer?
    ) {
        kernels.product(
            group.weight, rows: rows, x: group.x, tokens: group.tokens, xStride: group.xStride, y: group.y,
            yStride: group.yStride, scratch: scratch, next: next)
    }

    private func pack(_ groups: [ProductGroup], _ unit: (group: Int, block: Int), into packed: PackedGroups) {
        let group = groups[unit.group]
        if let tokens = packed.tokens(unit.group, groups) {
            kernels.pack(group.x, stride: group.xStride, block: tokens.block(unit.block), into: tokens)
        } else if let tokens = packed.matrixTokens(unit.group, groups) {
            kernels.pack(group.x, stride: group.xStride, tile: unit.block, into: tokens)
        }
    }

    private func run(_ groups: [ProductGroup], _ plan: PackPlan, _ memory: PackBuffer?) {
        let packed = PackedGroups(plan, memory)
        let unit = { plan.forms[$0].unit(tokens: groups[$0].tokens) }
        cut(groups, extent: { $0.rows }, unit: unit) { index, rows, scratch, next in
            let group = groups[index]
            let next = next.map { groups[$0].weight.base }
            if let tokens = packed.tokens(index, groups) {
                kernels.product(
                    group.weight, rows: rows, tokens, y: group.y, yStride: group.yStride, scratch: scratch,
                    next: next)
            } else if let tokens = packed.matrixTokens(index, groups) {
                kernels.matrixProduct(
                    group.weight, rows: rows, tokens, y: group.y, yStride: group.yStride, scratch: scratch,
                    next: next)
            } else if plan.forms[index] == .ownCodes {
                kernels.matrixProduct(
                    group.weight, rows: rows, x: group.x, y: group.y, scratch: scratch, next: next)
            } else {
                multiply(group, rows, scratch, next)
            }
        }
    }

    /// All groups in one parallel region, cut along weight columns.
    public func transposedProduct(_ groups: [ProductGroup]) {
        profile?.add(groups.reduce(.none) { $0 + $1.work })
        cut(groups, extent: { $0.columns }, unit: { _ in 64 }) { index, columns, _, next in
            let group = groups[index]
            kernels.transposedProduct(
                group.weight, columns: columns, x: group.x, tokens: group.tokens, xStride: group.xStride,
                y: group.y, yStride: group.yStride, next: next.map { groups[$0].weight.base })
        }
    }
}
