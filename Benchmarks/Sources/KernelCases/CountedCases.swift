import GLMKernels

/// The cases whose instructions are counted: every kernel, on shapes that leave no part of it out.
package enum CountedCases {
    /// All of one level; none of them takes a second on a simulated processor by itself.
    package static func all(_ level: InstructionSet) -> [KernelCase] {
        let engine = KernelCase.Engine.level(level)
        let vectors = ProductCases.shapes.filter { $0.name.hasPrefix("expert") }
        let tiles = ProductCases.shapes.filter { $0.name.hasPrefix("gate") }
        return vectors.flatMap { ProductCases.all($0, tokens: [1], levels: [level]) }
            + tiles.flatMap { ProductCases.all($0, tokens: [1, 8, 48], levels: [level]) }
            + AttentionCases.all(engine) + RowCases.all(engine)
    }
}
