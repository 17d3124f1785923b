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
        private let timeout: Duration
        private let interval: Duration
        private let waits = Atomic<Bool>(false)
        private let signs: Mutex<[Sign]>
        private let mouth: Mouth

        /// What was heard of a process.
        struct Sign {
            /// Nil before its first word.
            fileprivate(set) var time: ContinuousClock.Instant?
            fileprivate(set) var waits = false
            fileprivate(set) var words = 0
            fileprivate(set) var wasLast = false
        }

        init(rank: Int, size: Int, timeout: Duration) {
            self.rank = rank
            self.timeout = timeout
            interval = max(.milliseconds(10), min(.seconds(1), timeout / 8))
            signs = Mutex([Sign](repeating: Sign(), count: size))
            mouth = Mouth(rank: rank, size: size, tag: Pulse.tag)
            startThread { self.speakUntilTheEnd() }
        }

        /// What this process says from now on.
        func say(waits: Bool) { self.waits.store(waits, ordering: .relaxed) }

        /// Hears what the others have said, and tells what is known of each of them.
        func listen() -> [Sign] {
            while let (other, word) = take() {
                signs.withLock {
                    $0[other].time = .now
                    $0[other].waits = word == .waits
                    $0[other].words += 1
                    if word == .leaves { $0[other].wasLast = true }
                }
            }
            return signs.withLock { $0 }
        }

        /// Whether a process has said that it waits, and half of the words of that time were heard: one that was stopped and
        /// goes on may send a late word.
        func hasWaited(_ now: Sign, since then: Sign, for time: Duration) -> Bool {
            now.waits && Double(now.words - then.words) >= time / interval / 2
        }

        /// Says the last word to all, and hears that of all: MPI must not end while a message is on its way.
        ///
        /// - Returns: those who have not come in the time that others are waited for; MPI's end may wait for them without end.
        func end() -> [Int] {
            MPICalls.alone { mouth.close() }
            let deadline = ContinuousClock.now + timeout
            while ContinuousClock.now < deadline {
                let signs = listen()
                let isHeard = signs.indices.allSatisfy { $0 == rank || signs[$0].wasLast }
                if MPICalls.alone({ mouth.haveLeft() }) && isHeard { return [] }
                usleep(200)
            }
            let signs = listen()
            return signs.indices.filter { $0 != rank && !signs[$0].wasLast }
        }

        private func take() -> (rank: Int, word: Word)? {
            var other: Int32 = 0
            var value: Float = 0
            let isHere = MPICalls.alone { unsafe glm_mpi_take(Pulse.tag, &other, &value) != 0 }
            return isHere ? (Int(other), Word(rawValue: value) ?? .works) : nil
        }

        private func speakUntilTheEnd() {
            var lastTime = ContinuousClock.now, late = 0
            while MPICalls.alone({
                mouth.speak(waits.load(ordering: .relaxed) && late == 0 ? .waits : .works)
            }) {
                usleep(UInt32(interval / .microseconds(1)))
                // Who was stopped and goes on has kept the others waiting, whatever it does now.
                let now = ContinuousClock.now
                late = lastTime.duration(to: now) > interval * 3 + .seconds(1) ? 8 : max(0, late - 1)
                lastTime = now
            }
        }
    }

    /// What a process says of itself, as it travels.
    private enum Word: Float {
        case works = 0
        case waits = 1
        /// Nothing is sent behind it, and so nothing comes: MPI keeps the order of calls that never overlap.
        case leaves = 2
    }

    /// The words of a process that are on their way; for one thread at a time, as MPI is.
    @safe
    private final class Mouth: @unchecked Sendable {
        private let rank: Int
        private let tag: Int32
        private var isClosed = false
        /// To each process.
        private var letters: [[Letter]]

        init(rank: Int, size: Int, tag: Int32) {
            (self.rank, self.tag) = (rank, tag)
            letters = [[Letter]](repeating: [], count: size)
        }

        /// A word to a process that has not taken the last one is left out: so nothing piles up before one that stands still.
        /// False once nothing more is said.
        func speak(_ word: Word) -> Bool {
            guard !isClosed, glm_mpi_is_running() != 0 else { return false }
            _ = haveLeft()
            for other in letters.indices where other != rank && letters[other].isEmpty {
                send(word, to: other)
            }
            return true
        }

        /// The last word, to everybody.
        func close() {
            guard !isClosed, glm_mpi_is_running() != 0 else { return }
            isClosed = true
            for other in letters.indices where other != rank { send(.leaves, to: other) }
        }

        /// Whether all words have left, which are forgotten.
        func haveLeft() -> Bool {
            for other in letters.indices { letters[other].removeAll { $0.forgetIfLeft() } }
            return letters.allSatisfy(\.isEmpty)
        }

        private func send(_ word: Word, to other: Int) {
            letters[other].append(Letter(word.rawValue, to: other, tag: tag))
        }
    }

    /// A word on its way; its memory lives until it has arrived, or the process ends.
    @safe
    private struct Letter {
        private let message: UnsafeMutablePointer<glm_mpi_message>
        private let value: UnsafeMutablePointer<Float>
        /// What MPI said as it was sent.
        private let status: Int32

        init(_ word: Float, to rank: Int, tag: Int32) {
            unsafe message = .allocate(capacity: 1)
            unsafe value = .allocate(capacity: 1)
            unsafe value.initialize(to: word)
            unsafe status = glm_mpi_send(value, 1, Int32(rank), tag, message)
        }

        /// Whether it has left, or never will; its memory is gone then.
        func forgetIfLeft() -> Bool {
            var done: Int32 = 0
            let status = unsafe status == 0 ? glm_mpi_test(message, &done) : status
            guard status != 0 || done != 0 else { return false }
            unsafe message.deallocate()
            unsafe value.deallocate()
            return true
        }
    }
#endif
