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
    /// Floats that are packed sooner by one thread than handed out.
    static let few = 16384

    /// How each group takes its tokens.
    private(set) var forms: [TokenForm] = []
    /// First float of a group's packed tokens; nil where they are read as they lie.
    private(set) var offsets: [Int?] = []
    /// What is to be packed, block by block or tile by tile.
    private(set) var units: [(group: Int, block: Int)] = []
    private(set) var floats = 0

    init(_ groups: [ProductGroup], usesMatrices: Bool) {
        offsets.reserveCapacity(groups.count)
        forms.reserveCapacity(groups.count)
        for (index, group) in groups.enumerated() {
            let form = TokenForm(group, usesMatrices: usesMatrices)
            forms.append(form)
            if form == .stored || form == .ownCodes {
                offsets.append(nil)
                continue
            }
            if index > 0, forms[index - 1] == form, groups[index - 1].hasTokens(of: group),
                let shared = offsets[index - 1]
            {
                offsets.append(shared)
                continue
            }
            offsets.append(floats)
            if form == .codes {
                let shape = group.codeShape(isExact: true)
                for tile in 0..<shape.tiles { units.append((index, tile)) }
                floats += shape.floats
            } else {
                for block in 0..<PackedTokens.blocks(group.tokens) { units.append((index, block)) }
                floats += PackedTokens.floats(tokens: group.tokens, for: group.weight)
            }
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
    /// How its tokens lie for matrix registers.
    func codeShape(isExact: Bool) -> MatrixTokens.Shape {
        MatrixTokens.Shape(tokens: tokens, columns: weight.columns, isExact: isExact)
    }

    /// Whether both read the same rows of activations in the same order.
    fileprivate func hasTokens(of other: ProductGroup) -> Bool {
        x == other.x && tokens == other.tokens && xStride == other.xStride
            && weight.columns == other.weight.columns
            && (weight.format == .float8E4M3) == (other.weight.format == .float8E4M3)
    }
}

/// A plan and the memory it is carried out in.
struct PackedGroups: Sendable {
    private let plan: PackPlan
    private let memory: PackBuffer?

    init(_ plan: PackPlan, _ memory: PackBuffer?) {
        self.plan = plan
        self.memory = memory
    }

    /// The packed tokens of group `index`; nil where it takes them in another form.
    func tokens(_ index: Int, _ groups: [ProductGroup]) -> PackedTokens? {
        guard plan.forms[index] == .packed, let base = base(index) else { return nil }
        return PackedTokens(base: base, tokens: groups[index].tokens, for: groups[index].weight)
    }

    /// The tokens of group `index` as codes; nil where it takes them in another form.
    func matrixTokens(_ index: Int, _ groups: [ProductGroup]) -> MatrixTokens? {
        guard plan.forms[index] == .codes, let base = base(index) else { return nil }
        return MatrixTokens(
            base: UnsafeMutableRawPointer(base), shape: groups[index].codeShape(isExact: true))
    }

    private func base(_ index: Int) -> UnsafeMutablePointer<Float>? {
        guard let memory, let offset = plan.offsets[index] else { return nil }
        return memory.base + offset
    }
}
