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
        guard let memory = unsafe OwnedMemory.allocate(tensor.count * 4) else {
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
        unsafe base = OwnedMemory.require(scales.count * 4 + codes.count)
        unsafe base.copyMemory(from: scales, byteCount: scales.count * 4)
        unsafe (base + scales.count * 4).copyMemory(from: codes, byteCount: codes.count)
    }

    init(copying values: [Float]) {
        unsafe base = OwnedMemory.require(values.count * 4)
        unsafe base.copyMemory(from: values, byteCount: values.count * 4)
    }

    /// The elements of `view`, row behind row; nil where the system has no memory for them.
    init?(copying view: WeightView) {
        let rowBytes = view.columns * view.format.size
        guard let memory = unsafe OwnedMemory.allocate(view.rows * rowBytes) else { return nil }
        for row in 0..<view.rows {
            unsafe (memory + row * rowBytes).copyMemory(
                from: view.base + row * view.rowStride * view.format.size, byteCount: rowBytes)
        }
        unsafe base = memory
    }

    /// Whole lines: rows of 96 bytes then lie in two of them, never in three. Nil where there is no memory.
    private static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
        unsafe aligned_alloc(64, (max(1, bytes) + 63) / 64 * 64)
    }

    private static func require(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard let memory = unsafe allocate(bytes) else { preconditionFailure("no memory for \(bytes) bytes") }
        return unsafe memory
    }

    deinit {
        unsafe free(base)
    }
}
