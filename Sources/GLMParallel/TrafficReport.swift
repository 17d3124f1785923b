package import GLMFiles

/// The ledgers of all devices, as a table for people and as JSON for programs.
package struct TrafficReport: Sendable {
    /// By rank.
    package let devices: [[TrafficLedger.Entry]]

    package init(devices: [[TrafficLedger.Entry]]) { self.devices = devices }

    /// One line for each collective and operation, layers and devices together.
    package var table: String {
        var rows: [(name: (Collective, CollectiveSite.Operation), calls: Int, bytes: Int, times: [Int])] = []
        for (rank, entries) in devices.enumerated() {
            for entry in entries {
                let name = (entry.key.collective, entry.key.site.operation)
                let place = rows.firstIndex { $0.name == name } ?? rows.count
                if place == rows.count {
                    rows.append((name, 0, 0, [Int](repeating: 0, count: devices.count)))
                }
                if rank == 0 {
                    rows[place].calls += entry.calls
                    rows[place].bytes += entry.bytes
                }
                rows[place].times[rank] += entry.nanoseconds
            }
        }
        let cells = rows.map { row in
            [
                row.name.0.rawValue, row.name.1.rawValue, "\(row.calls)", "\(row.bytes)",
                TrafficReport.milliseconds(row.times.min() ?? 0),
                TrafficReport.milliseconds(row.times.max() ?? 0),
            ]
        }
        let titles = ["collective", "operation", "calls", "bytes", "least ms", "most ms"]
        let widths = titles.indices.map { column in
            ([titles] + cells).map { $0[column].count }.max() ?? 0
        }
        return ([titles] + cells).map { line in
            line.enumerated().map { column, text in
                let padding = String(repeating: " ", count: widths[column] - text.count)
                return column < 2 ? text + padding : padding + text
            }.joined(separator: "  ") + "\n"
        }.joined()
    }

    /// An array with one object for each collective, operation, layer and device.
    package var json: JSON {
        .array(
            devices.enumerated().flatMap { rank, entries in
                entries.map { entry in
                    .object([
                        JSON.Member("device", .integer(rank)),
                        JSON.Member("collective", .string(entry.key.collective.rawValue)),
                        JSON.Member("operation", .string(entry.key.site.operation.rawValue)),
                        JSON.Member("layer", entry.key.site.layer.map { .integer($0) } ?? .null),
                        JSON.Member("calls", .integer(entry.calls)),
                        JSON.Member("bytes", .integer(entry.bytes)),
                        JSON.Member("nanoseconds", .integer(entry.nanoseconds)),
                    ])
                }
            })
    }

    private static func milliseconds(_ nanoseconds: Int) -> String {
        let hundredths = nanoseconds / 10_000
        let fraction = "\(hundredths % 100)"
        return "\(hundredths / 100)." + (fraction.count < 2 ? "0" : "") + fraction
    }
}
