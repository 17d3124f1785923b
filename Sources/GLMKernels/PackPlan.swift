/// Memory for packed tokens.
final class PackBuffer: @unchecked Sendable {
    let floats: Int
    let base: UnsafeMutablePointer<Float>

    init(floats: Int) {
        self.floats = floats
        base = UnsafeMutableRawPointer.allocate(byteCount: floats * 4, alignment: 64).assumingMemoryBound(
            to: Float.self)
    }

    deinit { UnsafeMutableRawPointer(base).deallocate() }
}

/// Which groups of a region have their tokens packed beforehand, and where. Groups over the same tokens share
/// them.
struct PackPlan: Sendable {
    /// The most floats packed at once: 32 MB.
    static let limit = 8 << 20
    /// One token is read where it lies.
    private static let fewest = 2

    /// First float of a group's packed tokens; nil where the group packs its own.
    private(set) var offsets: [Int?] = []
    /// What is to be packed, block by block.
    private(set) var units: [(group: Int, block: Int)] = []
    private(set) var floats = 0

    init(_ groups: [ProductGroup]) {
        offsets.reserveCapacity(groups.count)
        for (index, group) in groups.enumerated() {
            guard group.tokens >= PackPlan.fewest, group.weight.columns > 0, group.weight.rows > 0 else {
                offsets.append(nil)
                continue
            }
            if index > 0, groups[index - 1].hasTokens(of: group), let shared = offsets[index - 1] {
                offsets.append(shared)
                continue
            }
            offsets.append(floats)
            let blocks = PackedTokens.blocks(group.tokens)
            units += (0..<blocks).map { (index, $0) }
            floats += PackedTokens.floats(tokens: group.tokens, for: group.weight)
        }
    }

    /// The groups in two parts of about equal work, or one group's tokens; nil when nothing can be cut.
    static func halves(_ groups: [ProductGroup]) -> ([ProductGroup], [ProductGroup])? {
        let middle = groups.count / 2
        if middle > 0 { return (Array(groups[..<middle]), Array(groups[middle...])) }
        guard var first = groups.first, first.tokens > 1 else { return nil }
        var second = first
        first.tokens /= 2
        second.tokens -= first.tokens
        second.x += first.tokens * first.xStride
        second.y += first.tokens * first.yStride
        return ([first], [second])
    }
}

extension ProductGroup {
    /// Whether both read the same rows of activations in the same order.
    fileprivate func hasTokens(of other: ProductGroup) -> Bool {
        x == other.x && tokens == other.tokens && xStride == other.xStride
            && weight.columns == other.weight.columns
            && (weight.format == .float8E4M3) == (other.weight.format == .float8E4M3)
    }
}

/// A plan and the memory it is carried out in.
struct PackedGroups: Sendable {
    private let offsets: [Int?]
    private let memory: PackBuffer?

    init(_ plan: PackPlan, _ memory: PackBuffer?) {
        offsets = plan.offsets
        self.memory = memory
    }

    /// The packed tokens of group `index`; nil where it packs its own.
    func tokens(_ index: Int, _ groups: [ProductGroup]) -> PackedTokens? {
        guard let memory, let offset = offsets[index] else { return nil }
        return PackedTokens(
            base: memory.base + offset, tokens: groups[index].tokens, for: groups[index].weight)
    }
}
