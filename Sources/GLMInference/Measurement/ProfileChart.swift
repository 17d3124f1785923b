import GLMKernels

/// A profile as a picture: for each kind of forward pass a bar for every operation, its layers side by side.
package struct ProfileChart: Sendable {
    private static let (width, labelWidth, figureWidth, barHeight, gap) = (960, 120, 300, 18, 6)
    private static let headHeight = 34
    /// Neighbouring layers differ, so that each can be seen.
    private static let colours = ["#4878a8", "#7aa3cc"]

    private let report: ProfileReport
    private let title: String

    /// - Parameter title: stands above the picture; plain text.
    package init(_ report: ProfileReport, title: String) {
        self.report = report
        self.title = title
    }

    /// The picture in the SVG format.
    package var svg: String {
        var y = ProfileChart.headHeight
        var body = ""
        for phase in report.phases {
            body += panel(phase, at: &y)
            y += 2 * ProfileChart.gap
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(ProfileChart.width)" height="\(y)" \
            font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="#ffffff"/>
            \(text(title, x: ProfileChart.gap, y: 20, "font-size=\"14\" font-weight=\"bold\""))\(body)</svg>

            """
    }

    private func panel(_ phase: ProfileReport.Phase, at y: inout Int) -> String {
        let total = phase.total
        let longest = phase.operations.map(\.seconds).max() ?? 0
        let perToken = Figure.decimal(total.seconds * 1e3 / Double(max(1, phase.tokens)), 3)
        let head = "\(phase.name): \(phase.tokens) tokens, \(perToken) ms a token"
        var body = text(head, x: ProfileChart.gap, y: y + 12, "font-weight=\"bold\"")
        y += ProfileChart.barHeight + ProfileChart.gap
        let room = ProfileChart.width - ProfileChart.labelWidth - ProfileChart.figureWidth
        let scale = longest > 0 ? Double(room) / longest : 0
        for row in phase.operations.sorted(by: { $0.nanoseconds > $1.nanoseconds }) {
            let line = y + ProfileChart.barHeight - 5
            body += text(row.name, x: ProfileChart.gap, y: line, "")
            var x = Double(ProfileChart.labelWidth)
            for (index, entry) in phase.entries.filter({ $0.key.operation == row.name }).enumerated() {
                let length = Double(entry.nanoseconds) * 1e-9 * scale
                body += bar(entry, x: x, y: y, length: length, ProfileChart.colours[index % 2])
                x += length
            }
            body += text(figures(row, total), x: Int(x) + ProfileChart.gap, y: line, "fill=\"#444444\"")
            y += ProfileChart.barHeight + ProfileChart.gap / 2
        }
        return body
    }

    private func bar(_ entry: Profile.Entry, x: Double, y: Int, length: Double, _ colour: String) -> String {
        let milliseconds = Figure.decimal(Double(entry.nanoseconds) * 1e-6, 3)
        let name = entry.key.layer.map { "layer \($0), " } ?? ""
        return """
            <rect x="\(Figure.decimal(x, 2))" y="\(y)" width="\(Figure.decimal(length, 2))" \
            height="\(ProfileChart.barHeight)" fill="\(colour)">\
            <title>\(name)\(ProfileChart.escaped(entry.key.operation)): \(milliseconds) ms</title></rect>

            """
    }

    /// `12.3 % · 38.1 GB/s · 40.2 GFLOP/s`
    private func figures(_ row: ProfileReport.Row, _ total: ProfileReport.Row) -> String {
        var parts = [Figure.decimal(100 * row.seconds / max(total.seconds, 1e-12), 1) + " %"]
        if row.work.bytes > 0 && row.nanoseconds > 0 {
            parts.append(Figure.decimal(Double(row.work.bytes) / Double(row.nanoseconds), 1) + " GB/s")
        }
        if row.work.operations > 0 && row.nanoseconds > 0 {
            parts.append(
                Figure.decimal(Double(row.work.operations) / Double(row.nanoseconds), 1) + " GFLOP/s")
        }
        return parts.joined(separator: " · ")
    }

    private func text(_ text: String, x: Int, y: Int, _ style: String) -> String {
        "<text x=\"\(x)\" y=\"\(y)\" \(style)>\(ProfileChart.escaped(text))</text>\n"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }
}
