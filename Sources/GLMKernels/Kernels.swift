import CVector

/// The loops of the engine at one instruction-set level, all single-threaded.
///
/// No result depends on how a range of rows, columns, tokens or keys is cut into calls: every output element
/// has one order of additions, fixed by the shape alone. The order is stated at `NaiveKernels`. Outputs never
/// overlap inputs unless a kernel says "in place"; every row-wise kernel may write over its first input.
public struct Kernels: Sendable {
    /// The level in use, never above what the processor has.
    public let level: InstructionSet
    /// Whether requests for what is read soon pass the second-level cache, and index keys are asked for in one stream, as Zen does
    /// best; no result depends on it.
    package private(set) var fetchesOnce: Bool
    /// How weights that meet one token are asked for; no result depends on it.
    package private(set) var fetchWays: FetchWays
    /// Whether factors that are subnormal numbers are to be avoided; no result depends on it.
    private(set) var avoidsSubnormals: Bool
    /// Whether making floats of weights takes the multipliers' time. BF16 weights that meet many tokens are then decoded
    /// once, into a panel, and not by every tile in registers; with narrower vectors than AVX-512 they always are. No result
    /// depends on it.
    package private(set) var decodesInMultipliers: Bool

    /// The kernels of `level`, or of the best level below it that this process can run.
    public static func table(_ level: InstructionSet) -> Kernels {
        Kernels(
            level: min(level, .best), fetchesOnce: cpu_prefetches_past_l2() != 0,
            fetchWays: usualFetchWays,
            avoidsSubnormals: cpu_slows_at_subnormals() != 0,
            decodesInMultipliers: cpu_decodes_in_multipliers() != 0)
    }

    /// Asked once: in a virtual machine the question takes some microseconds, longer than many a loop.
    private static let usualFetchWays =
        cpu_asks_ahead_itself() != 0 ? FetchWays(codes: .secondLevel, numbers: .near) : FetchWays(.far)

    /// The same, with requests that pass the second-level cache and index keys in one stream, as on Zen, or neither.
    package func fetching(once: Bool) -> Kernels {
        var kernels = self
        kernels.fetchesOnce = once
        return kernels
    }

    /// The same, asking in those ways for weights that meet one token.
    package func fetching(_ ways: FetchWays) -> Kernels {
        var kernels = self
        kernels.fetchWays = ways
        return kernels
    }

    /// The same, avoiding subnormal factors or not.
    package func avoiding(subnormals: Bool) -> Kernels {
        var kernels = self
        kernels.avoidsSubnormals = subnormals
        return kernels
    }

    /// The same, as where decoding takes the multipliers' time or as where it does not.
    package func decoding(inMultipliers: Bool) -> Kernels {
        var kernels = self
        kernels.decodesInMultipliers = inMultipliers
        return kernels
    }

    /// The vectors of the level.
    var vectors: InstructionSet.Vectors { level.vectors }
}
