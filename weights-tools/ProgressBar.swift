import Synchronization

/// A bar on standard error, if that is a terminal; silent otherwise. May be called from any thread.
final class ProgressBar: Sendable {
    private let title: String
    private let isShown = StandardError.isTerminal
    /// Per mille last drawn; nil before the first and after the last.
    private let drawn = Mutex<Int?>(nil)

    init(title: String) {
        self.title = title
    }

    /// Draws the share `done / total` when it has moved by at least a thousandth.
    func show(_ done: Int, of total: Int) {
        guard isShown, total > 0 else { return }
        let share = Int(Double(done) / Double(total) * 1000)
        drawn.withLock { last in
            guard last.map({ share > $0 }) ?? true else { return }
            last = share
            let filled = share * 40 / 1000
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 40 - filled)
            StandardError.put("\r\(title) [\(bar)] \(share / 10).\(share % 10) %")
        }
    }

    /// Takes the bar away; harmless when called again.
    func finish() {
        drawn.withLock { last in
            if last != nil { StandardError.put("\r\u{1B}[K") }
            last = nil
        }
    }
}
