package import GLMFiles
package import GLMParallel

#if MPI
    internal import CMPI
#endif

/// This process among those that `mpirun` has started.
///
/// Without the package trait `MPI` there are none, and nothing of MPI is needed to build or run.
package enum MPIProcess {
    /// Joins the others, or says why that cannot be.
    ///
    /// - Parameters:
    ///   - size: how many processes there must be.
    ///   - timeout: how long this process will wait for another.
    /// - Throws: `usage` for a build without MPI, and for another number of processes.
    package static func join(size: Int, timeout: Duration) throws(InputError) -> any Communicator {
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
            start.end()
            let rank = Int(glm_mpi_rank())
            let pulse = Pulse(rank: rank, size: found, timeout: timeout)
            return MPIDevice(rank: rank, size: found, timeout: timeout, pulse: pulse)
        #else
            throw InputError(
                .usage, subject: "--distributed mpi", found: "a build without MPI",
                remedy: "install MPI (Debian: libopenmpi-dev openmpi-bin) and build with --traits MPI")
        #endif
    }

    /// How many processes of the group run on this machine, and the processors that they may use together.
    /// - Precondition: the group is joined, and all its processes ask.
    package static func neighbours() -> (processes: Int, processors: Int) {
        #if MPI
            var processes: Int32 = 1, processors: Int32 = 1
            let status = MPICalls.alone { unsafe glm_mpi_neighbours(&processes, &processors) }
            return status == 0 ? (Int(processes), Int(processors)) : (Int(glm_mpi_size()), 1)
        #else
            return (1, 1)
        #endif
    }

    /// Leaves the group in peace; without one it does nothing.
    package static func leave() {
        #if MPI
            MPICalls.alone { if glm_mpi_is_running() != 0 { _ = glm_mpi_finish() } }
        #endif
    }

    /// Ends all processes of the group; returns where there is none.
    package static func abort(code: Int32) {
        #if MPI
            if glm_mpi_is_running() != 0 { glm_mpi_abort(code) }
        #endif
    }
}
