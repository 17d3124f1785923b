#if MPI
    internal import CMPI
    internal import GLMParallel
    internal import Synchronization

    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Darwin
    #endif

    /// What the processes of a group say to one another beside their work: that they live, and whether they wait for others.
    ///
    /// So a process that stands still is told from one that waits for it, and from one that reads weights or waits for its
    /// user, however long that takes. A thread of its own says it several times in the time that others wait.
    final class Pulse: Sendable {
        /// No collective uses it.
        private static let tag: Int32 = 0

        private let rank: Int
        private let size: Int
        private let interval: Duration
        private let waits = Atomic<Bool>(false)
        private let signs: Mutex<[Sign]>

        /// What was heard of a process.
        struct Sign {
            /// Nil before its first word.
            fileprivate(set) var time: ContinuousClock.Instant?
            fileprivate(set) var waits = false
            fileprivate(set) var words = 0
        }

        init(rank: Int, size: Int, timeout: Duration) {
            (self.rank, self.size) = (rank, size)
            interval = max(.milliseconds(10), min(.seconds(1), timeout / 8))
            signs = Mutex([Sign](repeating: Sign(), count: size))
            startThread { self.speakUntilTheEnd() }
        }

        /// What this process says from now on.
        func say(waits: Bool) { self.waits.store(waits, ordering: .relaxed) }

        /// Hears what the others have said, and tells what is known of each of them.
        func listen() -> [Sign] {
            while let (other, waits) = take() {
                signs.withLock {
                    $0[other].time = .now
                    $0[other].waits = waits
                    $0[other].words += 1
                }
            }
            return signs.withLock { $0 }
        }

        /// Whether a process has said that it waits, and half of the words of that time were heard: one that was stopped and
        /// goes on may send a late word.
        func hasWaited(_ now: Sign, since then: Sign, for time: Duration) -> Bool {
            now.waits && Double(now.words - then.words) >= time / interval / 2
        }

        private func take() -> (rank: Int, waits: Bool)? {
            var other: Int32 = 0
            var value: Float = 0
            let isHere = MPICalls.alone { unsafe glm_mpi_take(Pulse.tag, &other, &value) != 0 }
            return isHere ? (Int(other), value != 0) : nil
        }

        private func speakUntilTheEnd() {
            var words: [Word?] = (0..<size).map { _ in nil }
            var lastTime = ContinuousClock.now, late = 0
            while MPICalls.alone({ speak(&words, waits: waits.load(ordering: .relaxed) && late == 0) }) {
                usleep(UInt32(interval / .microseconds(1)))
                // Who was stopped and goes on has kept the others waiting, whatever it does now.
                let now = ContinuousClock.now
                late = lastTime.duration(to: now) > interval * 3 + .seconds(1) ? 8 : max(0, late - 1)
                lastTime = now
            }
        }

        /// A word to a process that has not taken the last one is left out: so nothing piles up before one that stands still.
        /// False once MPI has ended.
        private func speak(_ words: inout [Word?], waits: Bool) -> Bool {
            guard glm_mpi_is_running() != 0 else { return false }
            for other in 0..<size where other != rank && words[other]?.isTaken ?? true {
                words[other] = Word(waits, to: other, tag: Pulse.tag)
            }
            return true
        }
    }

    /// A word on its way; its memory lives until it has arrived, or the process ends.
    @safe
    private struct Word {
        private let message: UnsafeMutablePointer<glm_mpi_message>
        private let value: UnsafeMutablePointer<Float>

        init(_ waits: Bool, to rank: Int, tag: Int32) {
            unsafe message = .allocate(capacity: 1)
            unsafe value = .allocate(capacity: 1)
            unsafe value.initialize(to: waits ? 1 : 0)
            _ = unsafe glm_mpi_send(value, 1, Int32(rank), tag, message)
        }

        /// Whether it has left; its memory is gone then.
        var isTaken: Bool {
            var done: Int32 = 0
            let status = unsafe glm_mpi_test(message, &done)
            guard status != 0 || done != 0 else { return false }
            unsafe message.deallocate()
            unsafe value.deallocate()
            return true
        }
    }
#endif
