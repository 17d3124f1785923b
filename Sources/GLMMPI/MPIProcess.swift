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
            let device = MPIDevice(rank: Int(glm_mpi_rank()), size: found, timeout: timeout)
            LastWords.speakWhenTerminated()
            return device
        #else
            throw InputError(
                .usage, subject: "--distributed mpi", found: "a build without MPI",
                remedy: "install MPI (Debian: libopenmpi-dev openmpi-bin) and build with --traits MPI")
        #endif
    }

    /// Leaves the group in peace; without one it does nothing.
    package static func leave() {
        #if MPI
            if glm_mpi_is_running() != 0 { _ = glm_mpi_finish() }
        #endif
    }

    /// Ends all processes of the group; returns where there is none.
    package static func abort(code: Int32) {
        #if MPI
            if glm_mpi_is_running() != 0 { glm_mpi_abort(code) }
        #endif
    }
}
