package import GLMParallel

/// How many devices share a model, and how they meet.
package struct DeviceOptions: Sendable {
    /// How devices reach one another.
    package enum Transport: Sendable {
        /// Threads of this process.
        case threads
        /// This process is one device of a group, and this is its end of the line.
        case process(any Communicator)
    }

    package var layout = ParallelLayout.single
    package var transport = Transport.threads
    /// Processes of the group on this machine, and the processors that they may use together.
    package var neighbours = (processes: 1, processors: 1)
    /// How long a device waits for the others.
    package var timeout = Duration.seconds(300)
    /// What else all devices must agree on, by name: the build, the seed.
    package var agreement: [(name: String, value: String)] = []
    /// Is told why the work of the group ends, and ends the program: half a sum is of no use to anybody.
    package var failed: @Sendable (CollectiveFailure) -> Never = { preconditionFailure("\($0)") }

    package init() {}

    /// Whether this process is the one that leads and prints.
    package var isFirst: Bool {
        if case .process(let communicator) = transport { return communicator.rank == 0 }
        return true
    }
}
