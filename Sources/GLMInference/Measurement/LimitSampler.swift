import GLMKernels

/// Decides when a benchmark stops for a look at the machine, and adds the looks up.
struct LimitSampler {
    /// Seconds of the benchmark between two measurements of the memory, which take some 5 ms each.
    private static let readInterval = 0.025
    /// Seconds between two measurements of the arithmetic, some 10 ms each.
    private static let multiplyInterval = 0.1

    private let probe: MachineProbe
    private let compute: Compute
    private var sinceRead = Double.infinity
    private var sinceMultiply = Double.infinity
    private var bytes = MachineProbe.Sample.none
    private var operations = MachineProbe.Sample.none

    init(_ probe: MachineProbe, _ compute: Compute) {
        self.probe = probe
        self.compute = compute
    }

    /// Measures what is due after `seconds` more of the benchmark.
    mutating func advance(_ seconds: Double) {
        sinceRead += seconds
        sinceMultiply += seconds
        for _ in 0..<LimitSampler.count(due: &sinceRead, every: LimitSampler.readInterval) {
            bytes += probe.read(compute.pool)
        }
        for _ in 0..<LimitSampler.count(due: &sinceMultiply, every: LimitSampler.multiplyInterval) {
            operations += probe.multiply(compute)
        }
    }

    /// Measurements that are due: one an interval, a few behind a long step.
    private static func count(due waited: inout Double, every interval: Double) -> Int {
        guard waited >= interval else { return 0 }
        defer { waited = 0 }
        return waited.isFinite ? min(8, Int(waited / interval)) : 1
    }

    /// Everything read, over the time that took; likewise for operations.
    var limits: MachineLimits {
        MachineLimits(
            bandwidth: bytes.amount / bytes.seconds, arithmetic: operations.amount / operations.seconds)
    }
}
