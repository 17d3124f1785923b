#if MPI
    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Darwin
    #endif

    /// Where a process says what no caller of it can.
    enum ErrorStream {
        /// One line, as it is.
        static func say(_ line: String) {
            _ = unsafe Array((line + "\n").utf8).withUnsafeBytes { bytes in
                unsafe write(STDERR_FILENO, bytes.baseAddress, bytes.count)
            }
        }
    }
#endif
