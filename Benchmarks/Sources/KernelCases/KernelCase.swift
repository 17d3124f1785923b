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
    /// Whether its bytes come from memory that no cache holds.
    package let streams: Bool
    /// One call, on the calling thread.
    package let run: () -> Void

    package init(
        kernel: String, shape: String, format: String = "F32", tokens: Int = 1, engine: Engine, work: Work,
        streams: Bool = false, run: @escaping () -> Void
    ) {
        self.kernel = kernel
        self.shape = shape
        self.format = format
        self.tokens = tokens
        self.engine = engine
        self.work = work
        self.streams = streams
        self.run = run
    }

    package var name: String { "\(kernel) \(shape) \(format) x\(tokens) \(engine.name)" }
}

/// Weights that are small finite numbers in every format: halves of words in ±[0.5, 2), whose bytes are codes of FP8,
/// each in ±[2⁻³, 2) or ±[32, 448].
///
/// None of the codes is subnormal: of those of a checkpoint, with a scale for each 128 × 128 block, one in ten thousand
/// is, and an Intel core multiplies with such a float in microcode. With one in forty these calls would be timed, not
/// the loops.
func weights(_ count: Int) -> UnsafeMutablePointer<Float> {
    filled(count) { Float(bitPattern: $0 & 0x80de_80de | 0x3f20_3f20) }
}

/// Numbers in [−1, 1).
func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    filled(count) { Float(Int32(bitPattern: $0)) * 0x1p-31 }
}

/// Memory that lives as long as the process: a benchmark has no use for giving it back. Numbers repeat after a MiB, so
/// that a simulated processor has little to do for them.
private func filled(_ count: Int, _ number: (UInt32) -> Float) -> UnsafeMutablePointer<Float> {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
        .bindMemory(to: Float.self, capacity: count)
    var state: UInt32 = 1
    let period = min(count, 1 << 18)
    for index in 0..<period {
        state = state &* 1_664_525 &+ 1_013_904_223
        memory[index] = number(state)
    }
    for start in stride(from: period, to: count, by: period) {
        (memory + start).update(from: memory, count: min(period, count - start))
    }
    return memory
}
