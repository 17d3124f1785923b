internal import GLMFiles

/// The raw arguments of the process.
enum Arguments {
    /// Swift repairs arguments that are not UTF-8; a prompt must be refused instead.
    /// - Throws: an `InputError` of kind `usage` that names the argument.
    static func requireUTF8() throws(InputError) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = unsafe CommandLine.unsafeArgv[index] else { continue }
            guard unsafe String(validatingCString: argument) == nil else { continue }
            throw InputError(
                .usage, subject: "argument \(index)", found: "bytes that are not UTF-8", expected: "UTF-8",
                remedy: "check the terminal's encoding, or pass a file")
        }
    }
}
