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
// Sendable: written before it is shared.
@safe
final class OwnedMemory: @unchecked Sendable {
    /// Where it begins; the elements may be of any type.
    let base: UnsafeMutableRawPointer

    init(widening tensor: StoredTensor) throws(InputError) {
        guard let memory = unsafe malloc(max(1, tensor.count) * 4) else {
            throw InputError(
                .inputOutput, file: tensor.file, subject: "tensor \(tensor.name)",
                found: "no memory for \(tensor.count) values widened from F16",
                remedy: "store the weights as BF16")
        }
        unsafe base = memory
        let values = unsafe memory.bindMemory(to: Float.self, capacity: tensor.count)
        unsafe try tensor.widen(into: UnsafeMutableBufferPointer(start: values, count: tensor.count))
    }

    /// Scales first, the bytes of the codes behind them.
    init(codes: [UInt8], scales: [Float]) {
        unsafe base = .allocate(byteCount: scales.count * 4 + codes.count, alignment: 16)
        unsafe base.copyMemory(from: scales, byteCount: scales.count * 4)
        unsafe (base + scales.count * 4).copyMemory(from: codes, byteCount: codes.count)
    }

    init(copying values: [Float]) {
        unsafe base = .allocate(byteCount: values.count * 4, alignment: 16)
        unsafe base.copyMemory(from: values, byteCount: values.count * 4)
    }

    /// The elements of `view`, row behind row; nil where the system has no memory for them.
    init?(copying view: WeightView) {
        let rowBytes = view.columns * view.format.size
        // Whole lines: rows of 96 bytes then lie across two lines as seldom as they can.
        guard let memory = unsafe aligned_alloc(64, (max(1, view.rows * rowBytes) + 63) / 64 * 64) else {
            return nil
        }
        for row in 0..<view.rows {
            unsafe (memory + row * rowBytes).copyMemory(
                from: view.base + row * view.rowStride * view.format.size, byteCount: rowBytes)
        }
        unsafe base = memory
    }

    deinit {
        unsafe free(base)
    }
}
