import GLMKernels

/// The weights of an expert, as products take them.
struct ExpertFactors: Sendable {
    let gate: Factor
    let up: Factor
    let down: Factor
    /// Of all three.
    let bytes: Int

    init(_ expert: GatedMLP) {
        gate = Factor(expert.gate)
        up = Factor(expert.up)
        down = Factor(expert.down)
        bytes = gate.view.byteCount + up.view.byteCount + down.view.byteCount
    }
}

/// The rows of one expert in a region.
@safe
struct ExpertRows {
    /// One behind the other.
    let input: UnsafePointer<Float>
    let count: Int
    /// `width` floats apart.
    let output: UnsafeMutablePointer<Float>
    let width: Int
}

extension ProductRegion {
    /// `factor` on the rows of an expert; outputs begin at `column`.
    mutating func add(_ factor: Factor, _ rows: ExpertRows, column: Int) {
        unsafe add(
            factor, x: rows.input, tokens: rows.count, y: rows.output + column, yStride: rows.width)
    }
}
