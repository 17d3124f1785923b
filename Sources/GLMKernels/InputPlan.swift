import Synchronization

/// Where the groups of a region have their inputs in another form, made once for all rows of weights.
///
/// Groups that stand side by side and read the same rows of activations, in the same blocks, share them.
struct InputPlan: Sendable {
    /// First float of each group's inputs.
    private(set) var offsets: [Int] = []
    /// What is to be made, tile by tile.
    private(set) var units: [(group: Int, tile: Int)] = []
    /// Floats of memory for all of it.
    private(set) var floats = 0

    /// - Parameter size: floats that the inputs of a group take.
    init(_ groups: [ProductGroup], tileWidth: Int, _ size: (ProductGroup) -> Int) {
        offsets.reserveCapacity(groups.count)
        for (index, group) in groups.enumerated() {
            if index > 0, groups[index - 1].sharesInputs(with: group) {
                offsets.append(offsets[index - 1])
                continue
            }
            offsets.append(floats)
            units += (0..<(group.tokens + tileWidth - 1) / tileWidth).map { (index, $0) }
            floats += (size(group) + 15) / 16 * 16
        }
    }
}

extension ProductGroup {
    fileprivate func sharesInputs(with other: ProductGroup) -> Bool {
        x == other.x && tokens == other.tokens && xStride == other.xStride
            && weight.columns == other.weight.columns
            && weight.scales?.blockColumns == other.weight.scales?.blockColumns
    }
}

extension Compute {
    /// Lends memory of at least `floats`, kept between calls.
    func withPackBuffer(floats: Int, _ body: (PackBuffer) -> Void) {
        let kept = spare.withLock { kept -> PackBuffer? in
            defer { kept = nil }
            return kept
        }
        let memory = kept.flatMap { $0.floats >= floats ? $0 : nil } ?? PackBuffer(floats: floats)
        body(memory)
        spare.withLock { $0 = memory }
    }

    /// Runs `body` for each of `units`, which fill `floats` of memory: by all threads, or by this one where that is done sooner.
    func prepare(_ units: Int, floats: Int, _ body: (Int) -> Void) {
        if floats > PackPlan.few { return pool.parallel(units, body) }
        for unit in 0..<units { body(unit) }
    }
}

extension Compute {
    /// Products whose inputs take another form first: that is made once for all rows, tile by tile, then pieces of rows
    /// meet it. What would take too much memory is done in two halves.
    ///
    /// - Parameters:
    ///   - unit: pieces are whole multiples of so many rows.
    ///   - floats: memory that the inputs of a group take.
    ///   - inputs: these inputs, at the memory given.
    ///   - make: fills one tile of them.
    ///   - multiply: all of a group's inputs by some rows of its weight; told where the next piece begins if it is of another.
    func preparedProduct<Inputs>(
        _ groups: [ProductGroup], unit: Int, tileWidth: Int, floats: (ProductGroup) -> Int,
        inputs: (UnsafeMutablePointer<Float>, ProductGroup) -> Inputs,
        make: (ProductGroup, Inputs, _ tile: Int) -> Void,
        multiply: (ProductGroup, Inputs, Range<Int>, Scratch, _ next: UnsafeRawPointer?) -> Void
    ) {
        let plan = InputPlan(groups, tileWidth: tileWidth, floats)
        if plan.floats > PackPlan.limit, let (first, second) = PackPlan.halves(groups) {
            for half in [first, second] {
                preparedProduct(
                    half, unit: unit, tileWidth: tileWidth, floats: floats, inputs: inputs, make: make,
                    multiply: multiply)
            }
            return
        }
        withPackBuffer(floats: plan.floats) { memory in
            let made = groups.indices.map { inputs(memory.base + plan.offsets[$0], groups[$0]) }
            prepare(plan.units.count, floats: plan.floats) { index in
                let (group, tile) = plan.units[index]
                make(groups[group], made[group], tile)
            }
            cut(groups, extent: { $0.rows }, unit: { _ in unit }) { index, rows, scratch, next in
                multiply(groups[index], made[index], rows, scratch, next.map { groups[$0].weight.base })
            }
        }
    }
}
