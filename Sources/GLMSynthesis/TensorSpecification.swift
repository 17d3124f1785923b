// One line of a checkpoint's table of contents, and what its numbers should look like. Knows no file.

package import GLMWeights

/// The distribution that synthetic elements are drawn from; `z` stands for an approximately normal number of
/// deviation 1.
package enum WeightDraw: Sendable, Equatable {
    /// `deviation · z`; stored as FP8, `z` becomes the code and the deviation goes into the scales.
    case normal(deviation: Float)
    /// `center + deviation · z`: norms, biases.
    case around(center: Float, deviation: Float)
    /// FP8 multipliers of a `normal` weight, spread by ± 25 % so that a wrong block is noticed.
    case scales(deviation: Float)
    /// Rows of the head: noise, plus the embedding of the token each row should follow.
    case head
    /// `eh_proj`: close to passing the embedding half through, so that drafts tend to agree with the trunk.
    case draftInput
}

/// Name, shape, storage and distribution of one tensor of the released layout.
package struct TensorSpecification: Sendable, Equatable {
    package let name: String
    /// Extents, outermost first; weights are `[out, in]`.
    package let shape: [Int]
    package let type: ElementType
    package let draw: WeightDraw
    /// Whether this holds the block multipliers of an FP8 weight: no parameters of its own.
    package var isScale: Bool {
        if case .scales = draw { true } else { false }
    }

    package var elementCount: Int { shape.reduce(1, *) }
    package var byteCount: Int { elementCount * type.size }
    /// The last extent: elements of one row.
    package var width: Int { shape.last ?? 1 }
}
