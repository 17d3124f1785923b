#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The OpenBLAS of this machine, found at run time; nothing needs it to build or to run.
///
/// It is used with one thread a call, the pool's threads calling it side by side. Its order of additions depends on
/// the shapes, so results with it are not those of the own loops, nor the same for other batches.
public final class OpenBLAS: Sendable {
    /// y = x · wᵀ for row-major matrices of Float32, as `cblas_sgemm` takes them.
    private typealias MultiplyFunction =
        @convention(c) (
            Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32,
            UnsafePointer<Float>, Int32, Float,
            UnsafeMutablePointer<Float>, Int32
        ) -> Void

    /// Name under which the library was found.
    public let library: String
    /// The processor family whose loops it runs, as `openblas_get_corename` says.
    public let coreType: String
    /// Version and build options, as `openblas_get_config` says.
    public let configuration: String
    private let multiply: MultiplyFunction

    private static let names = [
        "libopenblas.so.0", "libopenblas.so", "libopenblas.0.dylib", "libopenblas.dylib",
    ]

    /// Loads the library; nil when there is none. Call it before other threads read the environment.
    ///
    /// OpenBLAS takes its core type from the processor's name and knows only those older than itself, so where AVX-512
    /// is present the type is set before the library is loaded, unless `OPENBLAS_CORETYPE` is set already.
    public static func find() -> OpenBLAS? {
        if cpuHasAVX512 { setenv("OPENBLAS_CORETYPE", "SkylakeX", 0) }
        for name in names {
            if let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL), let library = OpenBLAS(handle, name: name) {
                return library
            }
        }
        return nil
    }

    private static var cpuHasAVX512: Bool { InstructionSet.best.vectors == .avx512 }

    private init?(_ handle: UnsafeMutableRawPointer, name: String) {
        guard let product = dlsym(handle, "cblas_sgemm"),
            let threads = dlsym(handle, "openblas_set_num_threads")
        else {
            return nil
        }
        multiply = unsafeBitCast(product, to: MultiplyFunction.self)
        unsafeBitCast(threads, to: (@convention(c) (Int32) -> Void).self)(1)
        library = name
        coreType = OpenBLAS.text("openblas_get_corename", handle)
        configuration = OpenBLAS.text("openblas_get_config", handle)
    }

    private static func text(_ function: String, _ handle: UnsafeMutableRawPointer) -> String {
        guard let symbol = dlsym(handle, function),
            let text = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafePointer<CChar>?).self)()
        else { return "unknown" }
        return String(cString: text)
    }

    /// y[t, n] = Σ_k x[t, k] · w[n, k] on the calling thread.
    ///
    /// - Parameters:
    ///   - x: `[tokens, columns]`, row stride `xStride`.
    ///   - w: `[rows, columns]`, row stride `wStride`.
    ///   - y: `[tokens, rows]`, row stride `yStride`.
    /// - Precondition: extents and strides fit in 31 bits.
    public func product(
        x: UnsafePointer<Float>, tokens: Int, xStride: Int, w: UnsafePointer<Float>, rows: Int, columns: Int,
        wStride: Int, y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        let (rowMajor, asItIs, transposed): (Int32, Int32, Int32) = (101, 111, 112)
        multiply(
            rowMajor, asItIs, transposed, Int32(tokens), Int32(rows), Int32(columns), 1, x, Int32(xStride), w,
            Int32(wStride), 0, y, Int32(yStride))
    }
}
