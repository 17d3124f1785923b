import GLMFiles
import GLMKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Memory of a matrix that no file has; it never moves.
@safe
final class OwnedMemory: @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>

    // Sendable: written before it is shared.
    init(widening tensor: StoredTensor) throws(InputError) {
        guard let memory = unsafe malloc(max(1, tensor.count) * 4) else {
            throw InputError(
                .inputOutput, file: tensor.file, subject: "tensor \(tensor.name)",
                found: "no memory for \(tensor.count) values widened from F16",
                remedy: "store the weights as BF16")
        }
        unsafe base = memory.bindMemory(to: Float.self, capacity: tensor.count)
        unsafe try tensor.widen(into: UnsafeMutableBufferPointer(start: base, count: tensor.count))
    }

    /// Scales first, the bytes of the codes behind them.
    init(codes: [UInt8], scales: [Float]) {
        unsafe base = .allocate(capacity: scales.count + (codes.count + 3) / 4)
        unsafe base.initialize(from: scales, count: scales.count)
        unsafe UnsafeMutableRawPointer(base + scales.count).copyMemory(from: codes, byteCount: codes.count)
    }

    init(copying values: [Float]) {
        unsafe base = .allocate(capacity: values.count)
        unsafe base.initialize(from: values, count: values.count)
    }

    /// The elements of `view`, row behind row; nil where the system has no memory for them.
    init?(copying view: WeightView) {
        let rowBytes = view.columns * view.format.size
        guard let memory = unsafe malloc(max(1, view.rows * rowBytes)) else { return nil }
        for row in 0..<view.rows {
            unsafe (memory + row * rowBytes).copyMemory(
                from: view.base + row * view.rowStride * view.format.size, byteCount: rowBytes)
        }
        // Sendable: written before it is shared. Only the bytes are read, whatever their type.
        unsafe base = memory.assumingMemoryBound(to: Float.self)
    }

    deinit {
        unsafe free(base)
    }
}
