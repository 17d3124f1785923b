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
}
