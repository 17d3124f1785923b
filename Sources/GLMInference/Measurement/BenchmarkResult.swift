package import GLMKernels

/// What a test came to, repetition by repetition.
package struct BenchmarkResult: Sendable, Equatable {
    /// One timed run of a test, and what the machine could do meanwhile.
    package struct Repetition: Sendable, Equatable {
        /// Tokens computed, all sequences together.
        package var tokens: Int
        /// Time of the forward passes, in seconds.
        package var seconds: Double
        /// What they cannot do without.
        package var work: Work
        /// Limits measured between the passes.
        package var limits: MachineLimits

        package init(tokens: Int, seconds: Double, work: Work, limits: MachineLimits) {
            self.tokens = tokens
            self.seconds = seconds
            self.work = work
            self.limits = limits
        }

        package var tokensPerSecond: Double { Double(tokens) / seconds }
        /// Seconds that the machine needs at least: for the bytes or for the operations, whichever is more.
        package var leastSeconds: Double {
            max(limits.seconds(bytes: work), limits.seconds(operations: work))
        }
        /// `leastSeconds` over `seconds`.
        package var shareOfLimit: Double { leastSeconds / seconds }
    }

    /// What keeps a test from being faster on this machine.
    package enum Bound: String, Sendable { case memory, arithmetic }

    package var test: BenchmarkTest
    package var threads: Int
    package var repetitions: [Repetition]

    /// - Precondition: at least one repetition.
    package init(test: BenchmarkTest, threads: Int, repetitions: [Repetition]) {
        precondition(!repetitions.isEmpty, "\(test.name) without repetitions")
        self.test = test
        self.threads = threads
        self.repetitions = repetitions
    }

    package var tokensPerSecond: Spread { Spread(repetitions.map(\.tokensPerSecond)) }
    package var shareOfLimit: Spread { Spread(repetitions.map(\.shareOfLimit)) }
    /// Bytes per second that the memory delivered to a plain reader.
    package var bandwidth: Spread { Spread(repetitions.map(\.limits.bandwidth)) }
    /// Operations per second of the best matrix–matrix product.
    package var arithmetic: Spread { Spread(repetitions.map(\.limits.arithmetic)) }
    /// Mean over the repetitions, per token.
    package var secondsPerToken: Double { perToken { $0.seconds } }
    package var bytesPerToken: Double { perToken { Double($0.work.bytes) } }
    package var operationsPerToken: Double { perToken { Double($0.work.operations) } }

    package var bound: Bound {
        let memory = repetitions.reduce(0) { $0 + $1.limits.seconds(bytes: $1.work) }
        let arithmetic = repetitions.reduce(0) { $0 + $1.limits.seconds(operations: $1.work) }
        return memory >= arithmetic ? .memory : .arithmetic
    }

    private func perToken(_ value: (Repetition) -> Double) -> Double {
        repetitions.reduce(0) { $0 + value($1) } / Double(repetitions.reduce(0) { $0 + $1.tokens })
    }
}

/// What the machine can do at most, measured.
package struct MachineLimits: Sendable, Equatable {
    /// Bytes per second of streaming reads.
    package var bandwidth: Double
    /// Floating-point operations per second of the best matrix–matrix product.
    package var arithmetic: Double

    package init(bandwidth: Double, arithmetic: Double) {
        self.bandwidth = bandwidth
        self.arithmetic = arithmetic
    }

    /// Seconds to read what `work` reads.
    package func seconds(bytes work: Work) -> Double { Double(work.bytes) / bandwidth }
    /// Seconds to compute what `work` computes.
    package func seconds(operations work: Work) -> Double { Double(work.operations) / arithmetic }
}

/// Mean and deviation of some measurements.
package struct Spread: Sendable, Equatable {
    package let mean: Double
    /// Standard deviation of the sample, n − 1 below the fraction; 0 for a single measurement.
    package let deviation: Double

    /// - Precondition: at least one value.
    package init(_ values: [Double]) {
        precondition(!values.isEmpty, "the mean of nothing")
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        self.mean = mean
        deviation = values.count == 1 ? 0 : (squares / Double(values.count - 1)).squareRoot()
    }
}
