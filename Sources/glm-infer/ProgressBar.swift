internal import GLMInference
internal import GLMModel
internal import Synchronization

/// A bar on standard error while weights are read; silent when that is not a terminal.
final class ProgressBar: Sendable {
    private static let width = 30
    /// Nobody sees more than ten pictures a second.
    private static let interval = Duration.milliseconds(100)

    private let lastDrawn: Mutex<ContinuousClock.Instant>
    private let isVisible: Bool

    init() {
        isVisible = Console.errorIsTerminal
        lastDrawn = Mutex(.now)
    }

    /// Draws the progress, if it is time. Callable from any thread.
    func show(_ progress: LoadProgress) {
        guard isVisible, progress.totalBytes > 0 else { return }
        let isDue = lastDrawn.withLock { last in
            guard last.duration(to: .now) >= ProgressBar.interval else { return false }
            last = .now
            return true
        }
        guard isDue else { return }
        let filled = progress.completedBytes * ProgressBar.width / progress.totalBytes
        let bar =
            String(repeating: "#", count: filled) + String(repeating: ".", count: ProgressBar.width - filled)
        let size = "\(Figure.bytes(progress.completedBytes)) of \(Figure.bytes(progress.totalBytes))"
        Console.note("\r\u{1b}[2Kloading [\(bar)] \(size)")
    }

    /// Takes the bar away.
    func clear() {
        if isVisible { Console.note("\r\u{1b}[2K") }
    }
}
