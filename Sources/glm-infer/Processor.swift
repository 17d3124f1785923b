internal import GLMFiles
internal import GLMWeights

/// The processor under the program.
enum Processor {
    /// As the system calls it; `unknown` where it does not say.
    static var name: String {
        guard let source = try? ByteSource.open("/proc/cpuinfo") else { return "unknown" }
        while let bytes = try? source.readLine() {
            let line = String(decoding: bytes, as: UTF8.self)
            guard line.hasPrefix("model name"), let colon = line.firstIndex(of: ":") else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return "unknown"
    }
}

extension ElementType {
    /// What most of a checkpoint's bytes are, in the words of benchmark tables.
    var benchmarkName: String {
        switch self {
        case .bfloat16: "BF16"
        case .float8E4M3: "FP8"
        default: rawValue
        }
    }
}
