import GLMKernels

/// Times calls and knows what one thread of the machine can do.
package struct Stopwatch {
    /// Seconds a figure is measured for at least.
    package let patience: Double
    private let clock = ContinuousClock()
    private let blas: OpenBLAS?
    /// More than any cache holds.
    private let memory = floats(words * 2)
    private let matrices = floats(3 * extent * extent)

    private static let words = 1 << 25
    private static let extent = 1024

    package init(patience: Double, blas: OpenBLAS?) {
        self.patience = patience
        self.blas = blas
    }

    /// Seconds of the median call: after one to warm up, calls in rounds of a millisecond at least.
    package func seconds(_ call: () -> Void) -> Double {
        let first = clock.measure(call) / .seconds(1)
        let repeats = max(1, Int(1e-3 / max(first, 1e-9)))
        var rounds: [Double] = []
        var total = 0.0
        repeat {
            let round = clock.measure { for _ in 0..<repeats { call() } } / .seconds(1)
            rounds.append(round / Double(repeats))
            total += round
        } while total < patience || rounds.count < 3
        rounds.sort()
        return rounds[rounds.count / 2]
    }

    /// Bytes per second that one thread reads from memory no cache holds.
    package func bandwidth() -> Double {
        // Four streams in blocks of 4 MiB: a single one keeps too few requests under way and reads a quarter less.
        typealias Eight = SIMD8<UInt64>
        var sum = Eight.zero
        let seconds = seconds {
            var (a, b, c, d) = (Eight.zero, Eight.zero, Eight.zero, Eight.zero)
            for block in 0..<(Stopwatch.words >> 19) {
                let base = UnsafeRawPointer(memory) + block << 22
                var offset = 0
                while offset < 1 << 20 {
                    a &+= base.loadUnaligned(fromByteOffset: offset, as: Eight.self)
                    b &+= base.loadUnaligned(fromByteOffset: offset &+ 1 << 20, as: Eight.self)
                    c &+= base.loadUnaligned(fromByteOffset: offset &+ 2 << 20, as: Eight.self)
                    d &+= base.loadUnaligned(fromByteOffset: offset &+ 3 << 20, as: Eight.self)
                    offset &+= 64
                }
            }
            sum &+= a &+ b &+ c &+ d
        }
        // Nobody may find the sum superfluous.
        precondition(sum != Eight(repeating: 1), "a sum of \(sum)")
        return Double(Stopwatch.words * 8) / seconds
    }

    /// Operations per second of the best product of 1024 × 1024 matrices on one thread.
    package func arithmetic() -> Double {
        let extent = Stopwatch.extent
        let (w, x, y) = (matrices, matrices + extent * extent, matrices + 2 * extent * extent)
        let kernels = Kernels.table(.best)
        let view = WeightView(format: .float32, base: w, rows: extent, columns: extent)
        let seconds = seconds {
            if let blas {
                blas.product(
                    x: x, tokens: extent, xStride: extent, w: w, rows: extent, columns: extent,
                    wStride: extent,
                    y: y, yStride: extent)
            } else {
                kernels.product(
                    view, rows: 0..<extent, x: x, tokens: extent, xStride: extent, y: y, yStride: extent)
            }
        }
        return 2 * Double(extent * extent * extent) / seconds
    }
}
