import GLMKernels

/// One loop on one shape: what it is called, what it cannot do without, and a call of it.
package struct KernelCase {
    /// Who does the work.
    package enum Engine: Equatable {
        /// The loops of a level.
        case level(InstructionSet)
        /// The plain twin.
        case naive
        /// OpenBLAS, with the dequantisation it needs.
        case openBLAS

        package var name: String {
            switch self {
            case .level(let level): level.name
            case .naive: "naive"
            case .openBLAS: "OpenBLAS"
            }
        }
    }

    package let kernel: String
    package let shape: String
    package let format: String
    package let tokens: Int
    package let engine: Engine
    /// Bytes and operations of one call.
    package let work: Work
    /// One call, on the calling thread.
    package let run: () -> Void

    package init(
        kernel: String, shape: String, format: String = "F32", tokens: Int = 1, engine: Engine, work: Work,
        run: @escaping () -> Void
    ) {
        self.kernel = kernel
        self.shape = shape
        self.format = format
        self.tokens = tokens
        self.engine = engine
        self.work = work
        self.run = run
    }

    package var name: String { "\(kernel) \(shape) \(format) x\(tokens) \(engine.name)" }
}

/// Memory that lives as long as the process: a benchmark has no use for giving it back.
func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
        .bindMemory(to: Float.self, capacity: count)
    var state: UInt32 = 1
    for index in 0..<count {
        state = state &* 1_664_525 &+ 1_013_904_223
        memory[index] = Float(Int32(bitPattern: state)) * 0x1p-31
    }
    return memory
}
