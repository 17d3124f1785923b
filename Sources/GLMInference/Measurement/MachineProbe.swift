package import GLMKernels

/// Measures what the machine can do at most, a few milliseconds at a time, so that a benchmark can do so between its own
/// steps: neighbours on the machine then slow both.
@safe
package final class MachineProbe {
    /// Something done, and how long it took.
    package struct Sample: Sendable, Equatable {
        /// Bytes, or floating-point operations.
        package var amount: Double
        package var seconds: Double

        package init(amount: Double, seconds: Double) {
            self.amount = amount
            self.seconds = seconds
        }

        package static let none = Sample(amount: 0, seconds: 0)
        package static func += (left: inout Sample, right: Sample) {
            left.amount += right.amount
            left.seconds += right.seconds
        }
    }

    /// The library that is the yardstick; nil for the engine's own product of Float32.
    package let blas: OpenBLAS?

    /// Bytes read by one measurement at most; the next one goes on behind them.
    private static let slice = 1 << 28
    private static let chunk = 1 << 22
    /// Rows, columns and tokens of the product.
    private static let extent = 1024

    private let buffer: UnsafeMutableRawPointer
    private let matrices: UnsafeMutablePointer<Float>
    private let sink: UnsafeMutablePointer<Int32>
    private let kernels = Kernels.table(.selected)
    /// How reading asks ahead: as the weights' readers do, or not at all where that is faster.
    private var way: FetchWay?
    private let threads: Int
    private let bufferBytes: Int
    private var place = 0

    /// Claims and touches memory with the threads that will read it.
    ///
    /// - Parameter bufferBytes: a power of two from 4 MiB on; must be far more than any cache holds, or the
    ///   bandwidth is that of the cache.
    package init(blas: OpenBLAS?, pool: ThreadPool, bufferBytes: Int = 1 << 30) {
        precondition(
            bufferBytes.nonzeroBitCount == 1 && bufferBytes >= MachineProbe.chunk,
            "a buffer of \(bufferBytes) bytes")
        self.bufferBytes = bufferBytes
        self.blas = blas
        threads = pool.threads
        let elements = MachineProbe.extent * MachineProbe.extent
        unsafe buffer = .allocate(byteCount: bufferBytes, alignment: 4096)
        unsafe matrices = .allocate(capacity: (2 + pool.threads) * elements)
        unsafe sink = .allocate(capacity: bufferBytes / MachineProbe.chunk)
        unsafe matrices.initialize(repeating: 0.5, count: (2 + pool.threads) * elements)
        let buffer = unsafe buffer
        pool.parallel(bufferBytes / MachineProbe.chunk) { index in
            unsafe (buffer + index * MachineProbe.chunk)
                .initializeMemory(as: UInt8.self, repeating: 1, count: MachineProbe.chunk)
        }
        way = fastest(pool)
    }

    /// The best of the ways to read, each tried three times in turn, and never twice on the same slice.
    private func fastest(_ pool: ThreadPool) -> FetchWay? {
        let choices: [FetchWay?] = [nil] + FetchWay.allCases
        var seconds = choices.map { _ in Double.infinity }
        for round in 0..<3 {
            for step in choices.indices {
                let index = (step + round) % choices.count
                way = choices[index]
                seconds[index] = min(seconds[index], read(pool).seconds)
            }
        }
        return zip(choices, seconds).min { $0.1 < $1.1 }?.0
    }

    deinit {
        unsafe buffer.deallocate()
        unsafe matrices.deallocate()
        unsafe sink.deallocate()
    }

    /// Reads up to 256 MiB with all threads of `pool`.
    package func read(_ pool: ThreadPool) -> Sample {
        let (start, slice) = (place, min(MachineProbe.slice, bufferBytes))
        place = (place + slice) % bufferBytes
        let (buffer, sink) = unsafe (buffer, sink)
        let (kernels, way) = (kernels, way)
        let seconds = elapsed {
            pool.parallel(slice / MachineProbe.chunk) { index in
                unsafe sink[start / MachineProbe.chunk + index] = unsafe kernels.read(
                    buffer + start + index * MachineProbe.chunk, bytes: MachineProbe.chunk, way)
            }
        }
        return Sample(amount: Double(slice), seconds: seconds)
    }

    /// One product of 1024 × 1024 matrices for each thread of `compute`'s pool, all at the same time.
    /// - Precondition: no more threads than the probe was made with.
    package func multiply(_ compute: Compute) -> Sample {
        precondition(compute.pool.threads <= threads, "\(compute.pool.threads) of \(threads) threads")
        let extent = MachineProbe.extent
        let (matrices, blas) = unsafe (matrices, blas)
        let seconds = elapsed {
            compute.pool.parallel(compute.pool.threads) { index in
                let (w, x) = unsafe (matrices, matrices + extent * extent)
                let y = unsafe matrices + (2 + index) * extent * extent
                if let blas {
                    unsafe blas.product(
                        x: x, tokens: extent, xStride: extent, w: w, rows: extent, columns: extent,
                        wStride: extent, y: y, yStride: extent)
                } else {
                    unsafe compute.kernels.product(
                        WeightView(format: .float32, base: w, rows: extent, columns: extent),
                        rows: 0..<extent,
                        x: x, tokens: extent, xStride: extent, y: y, yStride: extent)
                }
            }
        }
        let operations = 2 * extent * extent * extent * compute.pool.threads
        return Sample(amount: Double(operations), seconds: seconds)
    }
}

/// Seconds that `body` takes.
package func elapsed(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    return clock.measure(body) / .seconds(1)
}
