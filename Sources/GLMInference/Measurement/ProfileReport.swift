package import GLMKernels

/// A profile as tables: by operation, by layer, and every lap for programs.
package struct ProfileReport: Sendable {
    /// Laps that belong together.
    package struct Row: Sendable, Equatable {
        package var name: String
        package var laps = 0
        package var nanoseconds: UInt64 = 0
        package var work = Work.none

        package var seconds: Double { Double(nanoseconds) * 1e-9 }

        fileprivate mutating func add(_ entry: Profile.Entry) {
            laps += entry.laps
            nanoseconds += entry.nanoseconds
            work += entry.work
        }
    }

    /// All forward passes of one kind.
    package struct Phase: Sendable, Equatable {
        package var name: String
        package var passes: Int
        package var tokens: Int
        package var entries: [Profile.Entry]

        package var total: Row { sum("all", entries) }
        /// Operations of all layers, in the order of the forward pass.
        package var operations: [Row] { rows { $0.operation } }
        /// `layer 0` … and what lies outside the layers, in the order of the forward pass.
        package var layers: [Row] { rows { key in key.layer.map { "layer \($0)" } ?? key.operation } }

        private func rows(_ name: (Profile.Key) -> String) -> [Row] {
            var rows: [Row] = []
            var places: [String: Int] = [:]
            for entry in entries {
                let name = name(entry.key)
                let place = places[name] ?? rows.count
                if place == rows.count { rows.append(Row(name: name)) }
                places[name] = place
                rows[place].add(entry)
            }
            return rows
        }

        private func sum(_ name: String, _ entries: [Profile.Entry]) -> Row {
            entries.reduce(into: Row(name: name)) { $0.add($1) }
        }
    }

    package var phases: [Phase]

    package init(phases: [Phase]) { self.phases = phases }

    package init(_ profile: Profile) {
        let entries = profile.entries
        phases = profile.phases.map { phase in
            Phase(
                name: phase.name, passes: phase.passes, tokens: phase.tokens,
                entries: entries.filter { $0.key.phase == phase.name })
        }
    }

    /// For each kind of pass a table by operation and one by layer.
    package var text: String {
        phases.map { phase in
            let passes = "\(phase.passes) \(phase.passes == 1 ? "pass" : "passes")"
            let head =
                "\(phase.name): \(passes), \(phase.tokens) tokens, "
                + "\(Figure.decimal(phase.total.seconds * 1e3, 1)) ms\n"
            return head + ProfileReport.table("operation", phase.operations, phase) + "\n"
                + ProfileReport.table("layer", phase.layers, phase)
        }.joined(separator: "\n")
    }

    private static func table(_ title: String, _ rows: [Row], _ phase: Phase) -> String {
        let total = phase.total
        let head = [title, "calls", "ms", "us/token", "share", "MB", "GB/s", "GFLOP", "GFLOP/s"]
        let lines = (rows + [total]).map { row in
            let bytes = Double(row.work.bytes)
            let operations = Double(row.work.operations)
            return [
                row.name, "\(row.laps)", Figure.decimal(row.seconds * 1e3, 2),
                Figure.decimal(row.seconds * 1e6 / Double(max(1, phase.tokens)), 1),
                Figure.decimal(100 * row.seconds / total.seconds, 1) + " %", Figure.decimal(bytes * 1e-6, 1),
                rate(bytes, row), Figure.decimal(operations * 1e-9, 2), rate(operations, row),
            ]
        }
        return Figure.table(head, lines)
    }

    /// Thousands of millions a second; nothing for nothing.
    private static func rate(_ amount: Double, _ row: Row) -> String {
        amount > 0 && row.nanoseconds > 0 ? Figure.decimal(amount * 1e-9 / row.seconds, 1) : "-"
    }

    /// Every operation of every layer, one line each.
    package var csv: String {
        var text = "phase,layer,operation,calls,seconds,bytes,operations\n"
        for phase in phases {
            for entry in phase.entries {
                let layer = entry.key.layer.map { "\($0)" } ?? ""
                text += "\"\(phase.name)\",\(layer),\(entry.key.operation),\(entry.laps),"
                text += Figure.decimal(Double(entry.nanoseconds) * 1e-9, 9)
                text += ",\(entry.work.bytes),\(entry.work.operations)\n"
            }
        }
        return text
    }
}
