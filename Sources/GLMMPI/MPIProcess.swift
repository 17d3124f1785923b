package import GLMFiles
package import GLMParallel

#if MPI
    internal import CMPI
    internal import Synchronization

    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Darwin
    #endif
#endif

/// This process among those that `mpirun` has started.
///
/// Without the package trait `MPI` there are none, and nothing of MPI is needed to build or run.
package enum MPIProcess {
    #if MPI
        /// What is to be ended before MPI is.
        private static let pulse = Mutex<Pulse?>(nil)
    #endif

    /// Joins the others, or says why that cannot be.
    ///
    /// - Parameters:
    ///   - size: how many processes there must be.
    ///   - timeout: how long this process will wait for another.
    /// - Returns: this process's end of the line; how many processes of the group run on this machine, and the processors
    ///   that they may use together.
    /// - Throws: `usage` for a build without MPI, and for another number of processes.
    package static func join(
        size: Int, timeout: Duration
    ) throws(InputError) -> (communicator: any Communicator, neighbours: (processes: Int, processors: Int)) {
        #if MPI
            LastWords.speakWhenTerminated()
            let start = StartWatch(timeout: timeout)
            let status = glm_mpi_start()
            guard status == 0 else {
                throw InputError(
                    .inputOutput, subject: "--distributed mpi", found: "MPI_Init: error \(status)",
                    remedy: "start it with mpirun")
            }
            let found = Int(glm_mpi_size())
            guard found == size else {
                throw InputError(
                    .usage, subject: "--distributed mpi", found: "\(found) processes",
                    expected: "\(size), as --tp-size says",
                    remedy: "mpirun -np \(size) glm-infer … --tp-size \(size) --distributed mpi")
            }
            // All of them meet once more, where nothing but the watch would notice one that does not come.
            var processes: Int32 = 1, processors: Int32 = 1
            if unsafe glm_mpi_neighbours(&processes, &processors) != 0 { processes = Int32(found) }
            start.end()
            let rank = Int(glm_mpi_rank())
            let pulse = Pulse(rank: rank, size: found, timeout: timeout)
            MPIProcess.pulse.withLock { $0 = pulse }
            return (
                MPIDevice(rank: rank, size: found, timeout: timeout, pulse: pulse),
                (Int(processes), Int(processors))
            )
        #else
            throw InputError(
                .usage, subject: "--distributed mpi", found: "a build without MPI",
                remedy: "install MPI (Debian: libopenmpi-dev openmpi-bin) and build with --traits MPI")
        #endif
    }

    /// Leaves the group in peace; without one it does nothing.
    package static func leave() {
        #if MPI
            let pulse = pulse.withLock { pulse in
                defer { pulse = nil }
                return pulse
            }
            if let missing = pulse?.end(), !missing.isEmpty {
                let ranks = missing.map(String.init).joined(separator: ", ")
                ErrorStream.say("glm-infer: rank \(ranks): not heard of at the end; MPI waits for it")
            }
            MPICalls.alone { if glm_mpi_is_running() != 0 { _ = glm_mpi_finish() } }
        #endif
    }

    /// Ends all processes of the group; returns where there is none.
    package static func abort(code: Int32) {
        #if MPI
            guard glm_mpi_is_running() != 0 else { return }
            // The launcher ends all at once, and drops what it has not passed on yet of their last lines: mostly it has by then.
            usleep(300_000)
            glm_mpi_abort(code)
        #endif
    }
}
