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
        /// Of each pair of processes, what they exchange in one group and in another.
        private let tags: Range<Int>
        private let state = State()

        @safe
        private final class State: @unchecked Sendable {
            // One exchange at a time: guarded by the group's order of calls.
            var exchanges = 0
        }

        convenience init(rank: Int, size: Int, timeout: Duration) {
            self.init(rank: rank, size: size, first: 0, timeout: timeout, tags: 1..<16_000)
        }

        private init(rank: Int, size: Int, first: Int, timeout: Duration, tags: Range<Int>) {
            self.rank = rank
            self.size = size
            self.first = first
            self.timeout = timeout
            self.tags = tags
        }

        func subgroup(_ ranks: Range<Int>) -> any Communicator {
            precondition(ranks.contains(rank), "device \(rank) is not among \(ranks)")
            if ranks.count == 1 { return SingleDevice() }
            if ranks.count == size { return self }
            return MPIDevice(
                rank: rank - ranks.lowerBound, size: ranks.count, first: first + ranks.lowerBound,
                timeout: timeout, tags: tags.upperBound..<tags.upperBound + tags.count)
        }

        func exchange(
            _ part: UnsafeBufferPointer<Float>, counts: [Int], _ collective: Collective,
            at site: CollectiveSite,
            _ body: ([UnsafeBufferPointer<Float>]) -> Void
        ) throws(CollectiveFailure) {
            precondition(
                counts.count == size && part.count == counts[rank], "\(part.count) values, counts \(counts)")
            let tag = nextTag()
            let memory = unsafe counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0) }
            defer { for rank in unsafe memory.indices { unsafe memory[rank].deallocate() } }
            _ = unsafe memory[rank].initialize(from: part)
            var messages: [Message] = []
            defer { for message in messages { message.forget() } }
            for other in 0..<size where other != rank {
                if counts[other] > 0 {
                    unsafe messages.append(.receive(memory[other], from: first + other, tag: tag))
                }
                if counts[rank] > 0 {
                    unsafe messages.append(
                        .send(UnsafeBufferPointer(memory[rank]), to: first + other, tag: tag))
                }
            }
            try wait(for: &messages, collective, at: site)
            unsafe body(memory.map { UnsafeBufferPointer($0) })
        }

        func add(
            _ part: UnsafeBufferPointer<Float>, pieces: [[Range<Int>]],
            into share: UnsafeMutableBufferPointer<Float>, _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) {
            let counts = pieces.map { $0.reduce(0) { $0 + $1.count } }
            precondition(
                pieces.count == size && share.count == counts[rank],
                "\(share.count) values, counts \(counts)")
            let tag = nextTag()
            // What this rank sends to each other one, and what it gets from each: pieces, one behind the other.
            let sent = unsafe counts.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0) }
            let received = unsafe counts.map { _ in
                UnsafeMutableBufferPointer<Float>.allocate(capacity: share.count)
            }
            defer {
                for other in 0..<size {
                    unsafe sent[other].deallocate()
                    unsafe received[other].deallocate()
                }
            }
            var messages: [Message] = []
            defer { for message in messages { message.forget() } }
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
            try wait(for: &messages, collective, at: site)
            unsafe addInOrder(received.map { UnsafeBufferPointer($0) }, into: share)
        }

        /// Messages of one pair arrive in order; the tag finds out ranks that do different things.
        private func nextTag() -> Int32 {
            state.exchanges = (state.exchanges + 1) % tags.count
            return Int32(tags.lowerBound + state.exchanges)
        }

        func abort(_ failure: CollectiveFailure) {}

        private func wait(
            for messages: inout [Message], _ collective: Collective, at site: CollectiveSite
        ) throws(CollectiveFailure) {
            let start = ContinuousClock.now
            var pause: UInt32 = 0
            while true {
                for index in messages.indices {
                    let status = messages[index].look()
                    guard status == 0 else {
                        throw CollectiveFailure(
                            .lost(rank: messages[index].other, found: "MPI error \(status)"), collective,
                            at: site)
                    }
                }
                let late = Set(messages.filter { !$0.isDone }.map(\.other)).sorted()
                if pause == 0 {
                    LastWords.prepare(rank: first + rank, collective, at: site, waitingFor: late)
                }
                guard !late.isEmpty else { return }
                if !site.isPatient && start.duration(to: .now) > timeout {
                    throw CollectiveFailure(
                        .late(ranks: late, seconds: timeout / .seconds(1)), collective, at: site)
                }
                // Microseconds: short at first, and never so long that it shows.
                pause = min(pause * 3 / 2 + 10, site.isPatient ? 2000 : 200)
                usleep(pause)
            }
        }
    }

    /// A message on its way.
    @safe
    private struct Message {
        let other: Int
        private(set) var isDone = false
        private let request: UnsafeMutablePointer<glm_mpi_message>
        private var status: Int32

        private init(other: Int, _ start: (UnsafeMutablePointer<glm_mpi_message>) -> Int32) {
            self.other = other
            unsafe request = .allocate(capacity: 1)
            status = unsafe start(request)
        }

        static func receive(
            _ memory: UnsafeMutableBufferPointer<Float>, from rank: Int, tag: Int32
        ) -> Message {
            unsafe Message(other: rank) { request in
                unsafe glm_mpi_receive(
                    memory.baseAddress, Int32(memory.count), Int32(rank), tag, request)
            }
        }

        static func send(_ memory: UnsafeBufferPointer<Float>, to rank: Int, tag: Int32) -> Message {
            unsafe Message(other: rank) { request in
                unsafe glm_mpi_send(memory.baseAddress, Int32(memory.count), Int32(rank), tag, request)
            }
        }

        /// 0, or what MPI calls the error.
        mutating func look() -> Int32 {
            guard status == 0, !isDone else { return status }
            var done: Int32 = 0
            status = unsafe glm_mpi_test(request, &done)
            isDone = done != 0
            return status
        }

        func forget() { unsafe request.deallocate() }
    }
#endif
