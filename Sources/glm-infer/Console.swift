internal import GLMFiles

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Standard output and standard error, unbuffered: a streamed token must be seen at once.
enum Console {
    /// Whether standard error is a terminal, where progress may be drawn.
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    /// Whether standard output is a terminal.
    static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    /// Whether standard input is a terminal.
    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Writes text to standard output.
    /// - Throws: an `InputError` of kind `inputOutput`, for example when a disk is full.
    static func output(_ text: String) throws(InputError) {
        let status = send(text, to: STDOUT_FILENO)
        guard status == 0 else {
            throw InputError.system(status, path: "standard output", cannot: "write")
        }
    }

    /// Writes text to standard error; nobody is left to hear when that fails.
    static func note(_ text: String) {
        _ = send(text, to: STDERR_FILENO)
    }

    /// Writes the one line of a refusal.
    static func complain(_ line: String) {
        note("glm-infer: \(line)\n")
    }

    /// 0, or the error number.
    private static func send(_ text: String, to descriptor: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = unsafe write(
                    descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
                if count < 0 && errno != EINTR { return errno }
                done += max(count, 0)
            }
            return 0
        }
    }
}
