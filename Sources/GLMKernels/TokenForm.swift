/// How the products of `float32` take the tokens of a group.
enum TokenForm: Sendable {
    /// As they lie.
    case stored
    /// Rearranged for the tiles.
    case packed
    /// As BF16 codes for matrix registers, made once for all pieces.
    case codes
    /// The same, made anew for each piece: of a single token for a small matrix, which has few pieces.
    case ownCodes

    /// Bytes of a small matrix.
    private static let small = 131_072

    /// One token is read where it lies, except by matrix registers.
    init(_ group: ProductGroup, usesMatrices: Bool) {
        let weight = group.weight
        if group.tokens == 0 || weight.columns == 0 || weight.rows == 0 {
            self = .stored
        } else if usesMatrices && weight.format == .bfloat16 {
            self =
                group.tokens == 1 && weight.rows * weight.columns * 2 <= TokenForm.small ? .ownCodes : .codes
        } else {
            self = group.tokens > 1 ? .packed : .stored
        }
    }

    /// Whole units of rows that pieces have.
    func unit(tokens: Int) -> Int { self == .codes || self == .ownCodes ? tokens == 1 ? 16 : 32 : 4 }
}
