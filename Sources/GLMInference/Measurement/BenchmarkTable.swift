import GLMFiles
import GLMKernels
package import GLMParallel

/// Results as text, row by row while they come.
package struct BenchmarkTable: Sendable {
    /// The forms of `--output`.
    package enum Format: String, Sendable, CaseIterable {
        /// A table for people, in Markdown.
        case markdown = "md"
        /// One line a result, a header above.
        case csv
        /// One object with the machine and a list of results, each with its repetitions.
        case json
    }

    /// What all rows have in common.
    package struct Subject: Sendable, Equatable {
        /// Folder of the checkpoint, or another name of it.
        package var model: String
        /// `BF16`, `FP8`, …
        package var weights: String
        /// Bytes of all tensors.
        package var bytes: Int
        /// Processor, level and libraries: pairs of a name and a value.
        package var machine: [(String, String)]

        package init(model: String, weights: String, bytes: Int, machine: [(String, String)]) {
            self.model = model
            self.weights = weights
            self.bytes = bytes
            self.machine = machine
        }

        package static func == (left: Subject, right: Subject) -> Bool {
            left.model == right.model && left.weights == right.weights && left.bytes == right.bytes
                && left.machine.elementsEqual(right.machine) { $0 == $1 }
        }
    }

    /// What the devices that share a model exchanged in all tests with one number of threads.
    package struct Ledger: Sendable {
        let threads: Int
        let traffic: TrafficReport

        package init(threads: Int, traffic: TrafficReport) {
            self.threads = threads
            self.traffic = traffic
        }
    }

    private struct Column: Sendable {
        let title: String
        let width: Int
        let value: @Sendable (Subject, BenchmarkResult) -> String
    }

    private let format: Format
    private let subject: Subject

    package init(_ format: Format, subject: Subject) {
        self.format = format
        self.subject = subject
    }

    /// What stands above the first row.
    package var header: String {
        switch format {
        case .markdown:
            let machine = subject.machine.map { "\($0.0): \($0.1)" }.joined(separator: " | ")
            let cells = BenchmarkTable.columns.map { BenchmarkTable.pad($0.title, $0.width) }
            let rule = BenchmarkTable.columns.map { String(repeating: "-", count: $0.width) }
            return machine + "\n\n| " + cells.joined(separator: " | ") + " |\n| "
                + rule.joined(separator: " | ") + " |\n"
        case .csv: return BenchmarkTable.fields.map(\.key).joined(separator: ",") + "\n"
        case .json:
            let machine = JSON.object(subject.machine.map { JSON.Member($0.0, .string($0.1)) })
            return "{\"machine\": \(machine.text(.spaced)), \"results\": ["
        }
    }

    /// One row; `isFirst` decides what separates it from the one before.
    package func row(_ result: BenchmarkResult, isFirst: Bool) -> String {
        switch format {
        case .markdown:
            let cells = BenchmarkTable.columns.map { BenchmarkTable.pad($0.value(subject, result), $0.width) }
            return "| " + cells.joined(separator: " | ") + " |\n"
        case .csv:
            let cells = BenchmarkTable.fields.map { BenchmarkTable.csv($0.value(subject, result)) }
            return cells.joined(separator: ",") + "\n"
        case .json:
            var members = BenchmarkTable.fields.map { JSON.Member($0.key, $0.value(subject, result)) }
            members.append(JSON.Member("repetitions", .array(result.repetitions.map(\.json))))
            return (isFirst ? "\n" : ",\n") + JSON.object(members).text(.spaced)
        }
    }

    /// What stands below the last row; in JSON the ledgers, if there are any, as `traffic`.
    package func footer(_ ledgers: [Ledger] = []) -> String {
        guard format == .json else { return "" }
        guard !ledgers.isEmpty else { return "\n]}\n" }
        let traffic = JSON.array(
            ledgers.map { ledger in
                .object([
                    JSON.Member("threads", .integer(ledger.threads)),
                    JSON.Member("collectives", ledger.traffic.json),
                ])
            })
        return "\n], \"traffic\": " + traffic.text(.spaced) + "}\n"
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// A cell; texts with commas or quotes in quotes.
    private static func csv(_ value: JSON) -> String {
        guard case .string(let text) = value else { return value.text() }
        guard text.contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" }) else { return text }
        return "\"" + text.reduce(into: "") { $0 += $1 == "\"" ? "\"\"" : String($1) } + "\""
    }
}

extension BenchmarkTable {
    private static let columns: [Column] = [
        Column(title: "model", width: 12) { subject, _ in subject.model },
        Column(title: "weights", width: 7) { subject, _ in subject.weights },
        Column(title: "size", width: 8) { subject, _ in Figure.bytes(subject.bytes) },
        Column(title: "threads", width: 7) { _, result in "\(result.threads)" },
        Column(title: "test", width: 16) { _, result in result.test.name },
        Column(title: "tokens/s", width: 16) { _, result in spread(result.tokensPerSecond, 1, 2) },
        Column(title: "ms/token", width: 8) { _, result in Figure.decimal(result.secondsPerToken * 1e3, 3) },
        Column(title: "MB/token", width: 8) { _, result in Figure.decimal(result.bytesPerToken / 1e6, 1) },
        Column(title: "MFLOP/token", width: 11) { _, result in
            Figure.decimal(result.operationsPerToken / 1e6, 1)
        },
        Column(title: "reads GB/s", width: 12) { _, result in spread(result.bandwidth, 1e-9, 1) },
        Column(title: "SGEMM GFLOP/s", width: 14) { _, result in spread(result.arithmetic, 1e-9, 0) },
        Column(title: "bound by", width: 10) { _, result in result.bound.rawValue },
        Column(title: "share of limit", width: 14) { _, result in spread(result.shareOfLimit, 1, 3) },
    ]

    private static func spread(_ spread: Spread, _ scale: Double, _ digits: Int) -> String {
        Figure.decimal(spread.mean * scale, digits) + " ± " + Figure.decimal(spread.deviation * scale, digits)
    }

    /// Columns of the forms for programs: SI units without prefixes.
    private static let fields: [(key: String, value: @Sendable (Subject, BenchmarkResult) -> JSON)] = [
        ("model", { subject, _ in .string(subject.model) }),
        ("weights", { subject, _ in .string(subject.weights) }),
        ("model_bytes", { subject, _ in .integer(subject.bytes) }),
        ("threads", { _, result in .integer(result.threads) }),
        ("test", { _, result in .string(result.test.name) }),
        ("tokens_per_second", { _, result in JSON(result.tokensPerSecond.mean) }),
        ("tokens_per_second_deviation", { _, result in JSON(result.tokensPerSecond.deviation) }),
        ("seconds_per_token", { _, result in JSON(result.secondsPerToken) }),
        ("bytes_per_token", { _, result in JSON(result.bytesPerToken) }),
        ("operations_per_token", { _, result in JSON(result.operationsPerToken) }),
        ("bytes_per_second_limit", { _, result in JSON(result.bandwidth.mean) }),
        ("operations_per_second_limit", { _, result in JSON(result.arithmetic.mean) }),
        ("bound_by", { _, result in .string(result.bound.rawValue) }),
        ("share_of_limit", { _, result in JSON(result.shareOfLimit.mean) }),
        ("share_of_limit_deviation", { _, result in JSON(result.shareOfLimit.deviation) }),
    ]
}

extension BenchmarkResult.Repetition {
    fileprivate var json: JSON {
        [
            "tokens": .integer(tokens), "seconds": JSON(seconds), "bytes": .integer(work.bytes),
            "operations": .integer(work.operations), "bytes_per_second_limit": JSON(limits.bandwidth),
            "operations_per_second_limit": JSON(limits.arithmetic),
        ]
    }
}
