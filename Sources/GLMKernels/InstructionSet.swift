import CVector

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A family of vector instructions the loops are compiled for. Results are the same on every machine at one
/// level; two levels may differ in the last bits, because the AVX levels fuse multiply and add, and some add in another order.
public enum InstructionSet: Int, CaseIterable, Comparable, Sendable {
    /// What every processor of the architecture has (SSE2 on x86-64, where products are multiplied, rounded,
    /// then added).
    case baseline
    /// 256-bit vectors with fused multiply-add.
    case avx2
    /// 512-bit vectors with fused multiply-add.
    case avx512
    /// The same vectors, and matrix registers (AMX): the numeric mode `bfloat16`, and `float32` with weights in BF16,
    /// add in another order there; all else is as at `avx512`.
    case amx

    /// Narrower vectors come first.
    public static func < (left: InstructionSet, right: InstructionSet) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The best level of this processor and its operating system. Debug builds know only the baseline: the
    /// others come out of the optimiser.
    public static var best: InstructionSet {
        #if DEBUG
            .baseline
        #else
            switch cpu_level() {
            case 4: findsMatrices ? .amx : .avx512
            case 3: .avx2
            default: .baseline
            }
        #endif
    }

    /// Asked once, since the system has to be asked too.
    private static let findsMatrices = cpu_multiplies_bf16() != 0 && cpu_multiplies_matrices() != 0

    /// Every level this process can run, slowest first.
    public static var available: [InstructionSet] { allCases.filter { $0 <= best } }

    /// The environment variable `GLM_ISA`, which may name a lower level than `best`; nil where it is not set, or empty.
    public static var request: String? {
        getenv("GLM_ISA").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// `best`, or the lower level that `request` names (`baseline`, `avx2`, `avx512` or `amx`). A level the processor lacks
    /// gives `best`, and so does an unknown word; the programs refuse both before they begin.
    public static var selected: InstructionSet {
        min(best, request.flatMap { InstructionSet(name: $0) } ?? best)
    }

    /// The level called `baseline`, `avx2`, `avx512` or `amx`; nil for any other word.
    public init?(name: String) {
        guard let level = InstructionSet.allCases.first(where: { $0.name == name }) else { return nil }
        self = level
    }

    /// `baseline`, `avx2`, `avx512` or `amx`.
    public var name: String {
        switch self {
        case .baseline: "baseline"
        case .avx2: "avx2"
        case .avx512: "avx512"
        case .amx: "amx"
        }
    }

    /// The vectors of a level.
    public enum Vectors: Sendable { case baseline, avx2, avx512 }

    /// Which vectors the loops use at this level.
    public var vectors: Vectors {
        switch self {
        case .baseline: .baseline
        case .avx2: .avx2
        case .avx512, .amx: .avx512
        }
    }

    /// Whether BF16 weights are added in pairs in the numeric mode `bfloat16`, as the instruction for them does, which only
    /// processors of this level have, though not all; at lower levels as in `float32`.
    var addsPairs: Bool { self == .avx512 }

    /// Whether the processor and the system have matrix registers at this level.
    public var hasMatrices: Bool { self == .amx }

    /// Whether a product enters its sum unrounded at this level.
    public var fusesMultiplyAdd: Bool {
        #if arch(x86_64)
            self != .baseline
        #else
            true
        #endif
    }
}
