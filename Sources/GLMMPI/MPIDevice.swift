#if MPI
    internal import CMPI
    internal import GLMParallel

    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Darwin
    #endif

    /// A device that is a process of its own.
    ///
    /// Parts travel as messages from each rank to each other one: so it is known who is late, which no collective of MPI
    /// tells. Whoever waits sleeps between two looks, because there may be fewer processors than processes.
    final class MPIDevice: Communicator {
        let rank: Int
        let size: Int
        /// The process that plays rank 0.
        private let first: Int
        private let timeout: Duration
        private let pulse: Pulse
        /// Of each pair of processes, what they exchange in one group and in another.
        private let tags: Range<Int>
        private let state = State()

        @safe
        private final class State: @unchecked Sendable {
            // One exchange at a time: guarded by the group's order of calls.
            var exchanges = 0
        }

        convenience init(rank: Int, size: Int, timeout: Duration, pulse: Pulse) {
            self.init(rank: rank, size: size, first: 0, timeout: timeout, pulse: pulse, tags: 1..<16_000)
        }

        private init(
            rank: Int, size: Int, first: Int, timeout: Duration, pulse: Pulse, tags: Range<Int>
        ) {
            self.rank = rank
            self.size = size
            self.first = first
            self.timeout = timeout
            self.pulse = pulse
            self.tags = tags
        }

        func subgroup(_ ranks: Range<Int>) -> any Communicator {
            precondition(ranks.contains(rank), "device \(rank) is not among \(ranks)")
            if ranks.count == 1 { return SingleDevice() }
            if ranks.count == size { return self }
            return MPIDevice(
                rank: rank - ranks.lowerBound, size: ranks.count, first: first + ranks.lowerBound,
                timeout: timeout, pulse: pulse, tags: tags.upperBound..<tags.upperBound + tags.count)
        }

        func exchange(
            _ part: UnsafeBufferPointer<Float>, counts: [Int], _ collective: Collective,
            at site: CollectiveSite,
            _ body: ([UnsafeBufferPointer<Float>]) -> Void
        ) throws(CollectiveFailure) {
            precondition(
                counts.count == size && part.count == counts[rank], "\(part.count) values, counts \(counts)")
            let tag = nextTag(collective, site, counts)
            let memory = unsafe counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0) }
            _ = unsafe memory[rank].initialize(from: part)
            var messages: [Message] = []
            for other in 0..<size where other != rank {
                if counts[other] > 0 {
                    unsafe messages.append(.receive(memory[other], from: first + other, tag: tag))
                }
                if counts[rank] > 0 {
                    unsafe messages.append(
                        .send(UnsafeBufferPointer(memory[rank]), to: first + other, tag: tag))
                }
            }
            try complete(&messages, tag, collective, at: site)
            unsafe body(memory.map { UnsafeBufferPointer($0) })
            for rank in unsafe memory.indices { unsafe memory[rank].deallocate() }
        }

        func add(
            _ part: UnsafeBufferPointer<Float>, pieces: [[Range<Int>]],
            into share: UnsafeMutableBufferPointer<Float>, _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) {
            let counts = pieces.map { $0.reduce(0) { $0 + $1.count } }
            precondition(
                pieces.count == size && share.count == counts[rank],
                "\(share.count) values, counts \(counts)")
            let tag = nextTag(collective, site, [part.count] + counts)
            // What this rank sends to each other one, and what it gets from each: pieces, one behind the other.
            let sent = unsafe counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0) }
            let received = unsafe counts.map { _ in
                UnsafeMutableBufferPointer<Float>.allocate(capacity: share.count)
            }
            var messages: [Message] = []
            for other in 0..<size where other != rank {
                if share.count > 0 {
                    unsafe messages.append(.receive(received[other], from: first + other, tag: tag))
                }
                if counts[other] > 0 {
                    unsafe copy(pieces[other], of: part, to: sent[other])
                    unsafe messages.append(
                        .send(UnsafeBufferPointer(sent[other]), to: first + other, tag: tag))
                }
            }
            unsafe copy(pieces[rank], of: part, to: received[rank])
            try complete(&messages, tag, collective, at: site)
            unsafe addInOrder(received.map { UnsafeBufferPointer($0) }, into: share)
            for other in 0..<size {
                unsafe sent[other].deallocate()
                unsafe received[other].deallocate()
            }
        }

        /// A number that two ranks share where they do the same: messages of one pair arrive in order, and one with another
        /// number shows that its sender does something else.
        private func nextTag(_ collective: Collective, _ site: CollectiveSite, _ counts: [Int]) -> Int32 {
            state.exchanges &+= 1
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            func add(_ value: Int) {
                hash = (hash ^ UInt64(truncatingIfNeeded: value)) &* 0x100_0000_01b3
                hash ^= hash >> 29
            }
            for byte in collective.rawValue.utf8 { add(Int(byte)) }
            for byte in site.operation.rawValue.utf8 { add(Int(byte)) }
            add(site.layer ?? -1)
            for count in counts { add(count) }
            // The same exchange twice in a row differs too.
            let place = (hash % UInt64(tags.count / 2)) * 2 + UInt64(state.exchanges & 1)
            return Int32(tags.lowerBound) + Int32(truncatingIfNeeded: place)
        }

        func abort(_ failure: CollectiveFailure) {}

        /// Waits for all messages. When it fails, what they point to stays as it is until the process ends, since MPI may still
        /// write there.
        private func complete(
            _ messages: inout [Message], _ tag: Int32, _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) {
            try wait(for: &messages, tag, collective, at: site)
            for message in messages { message.forget() }
        }

        private func wait(
            for messages: inout [Message], _ tag: Int32, _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) {
            var start = ContinuousClock.now, lastLook = start
            var before: [Pulse.Sign]?
            var pause: UInt32 = 0
            while true {
                let late = try look(at: &messages, collective, at: site)
                if pause == 0 {
                    LastWords.prepare(rank: first + rank, collective, at: site, waitingFor: late)
                    pulse.say(waits: !late.isEmpty)
                }
                guard !late.isEmpty else { return pulse.say(waits: false) }
                let now = ContinuousClock.now
                // Who was stopped himself has not waited for the others meanwhile.
                if lastLook.duration(to: now) > MPIDevice.stillness { (start, before) = (now, nil) }
                lastLook = now
                if pause >= MPIDevice.longestPause {
                    let heard = pulse.listen()
                    before = before ?? heard
                    try findElsewhere(&messages, tag, collective, at: site)
                    let time = start.duration(to: now)
                    let culprits =
                        time > timeout
                        ? tooLate(late, after: time, heard, before ?? heard, site.isPatient) : []
                    guard culprits.isEmpty else {
                        throw CollectiveFailure(
                            .late(ranks: culprits, seconds: timeout / .seconds(1)), collective, at: site)
                    }
                }
                // Microseconds: short at first, and never so long that it shows.
                pause = min(pause * 3 / 2 + 10, site.isPatient ? 2000 : MPIDevice.longestPause)
                usleep(pause)
            }
        }

        /// Microseconds between two looks at most, where somebody computes meanwhile.
        private static let longestPause: UInt32 = 200
        /// Nobody sleeps so long between two looks: this process stood still.
        private static let stillness = Duration.seconds(2)

        /// The processes of messages that are still on their way.
        private func look(
            at messages: inout [Message], _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) -> [Int] {
            var late: Set<Int> = []
            for index in messages.indices {
                let status = messages[index].look()
                guard status == 0 else {
                    throw CollectiveFailure(
                        .lost(rank: messages[index].other, found: "MPI error \(status)"), collective, at: site
                    )
                }
                if !messages[index].isDone { late.insert(messages[index].other) }
            }
            return late.sorted()
        }

        /// Those of `late` for whom the time is over. Of an exchange, all that have not waited themselves; where one may be
        /// waited for without end, those that were not heard for so long.
        private func tooLate(
            _ late: [Int], after time: Duration, _ heard: [Pulse.Sign], _ before: [Pulse.Sign],
            _ isPatient: Bool
        ) -> [Int] {
            let now = ContinuousClock.now
            if isPatient {
                return late.filter { min(heard[$0].time?.duration(to: now) ?? time, time) > timeout }
            }
            // Where all of them wait too, they wait for somebody whose part has come here.
            for ranks in [late, Array(heard.indices)] {
                let culprits = ranks.filter {
                    $0 != first + rank && !pulse.hasWaited(heard[$0], since: before[$0], for: time)
                }
                if !culprits.isEmpty { return culprits }
            }
            return late
        }

        /// Finds a process that has sent something else where its part is waited for.
        private func findElsewhere(
            _ messages: inout [Message], _ tag: Int32, _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) {
            for index in messages.indices where messages[index].isReceipt && !messages[index].isDone {
                let other = messages[index].other
                let isElsewhere = MPICalls.alone {
                    glm_mpi_is_elsewhere(
                        Int32(other), tag, Int32(tags.lowerBound), Int32(tags.upperBound)) != 0
                }
                // Its part may have come with the look.
                guard isElsewhere, messages[index].look() == 0, !messages[index].isDone else { continue }
                throw CollectiveFailure(
                    .disagreement(
                        rank: other, found: "a message of another operation, or of other sizes",
                        expected: "\(messages[index].count) values"), collective, at: site)
            }
        }
    }

    /// A message on its way.
    @safe
    private struct Message {
        let other: Int
        let isReceipt: Bool
        let count: Int
        private(set) var isDone = false
        private let request: UnsafeMutablePointer<glm_mpi_message>
        private var status: Int32

        private init(
            other: Int, isReceipt: Bool, count: Int,
            _ start: (UnsafeMutablePointer<glm_mpi_message>) -> Int32
        ) {
            (self.other, self.isReceipt, self.count) = (other, isReceipt, count)
            unsafe request = .allocate(capacity: 1)
            let request = unsafe request
            status = MPICalls.alone { unsafe start(request) }
        }

        static func receive(
            _ memory: UnsafeMutableBufferPointer<Float>, from rank: Int, tag: Int32
        ) -> Message {
            unsafe Message(other: rank, isReceipt: true, count: memory.count) { request in
                unsafe glm_mpi_receive(
                    memory.baseAddress, Int32(memory.count), Int32(rank), tag, request)
            }
        }

        static func send(_ memory: UnsafeBufferPointer<Float>, to rank: Int, tag: Int32) -> Message {
            unsafe Message(other: rank, isReceipt: false, count: memory.count) { request in
                unsafe glm_mpi_send(memory.baseAddress, Int32(memory.count), Int32(rank), tag, request)
            }
        }

        /// 0, or what MPI calls the error.
        mutating func look() -> Int32 {
            guard status == 0, !isDone else { return status }
            var done: Int32 = 0
            status = MPICalls.alone { unsafe glm_mpi_test(request, &done) }
            isDone = done != 0
            return status
        }

        func forget() { unsafe request.deallocate() }
    }
#endif
