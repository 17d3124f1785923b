// What Swift cannot import of MPI: its constants are macros that Open MPI and MPICH define in ways of their own.
#ifndef GLM_MPI_SHIM_H
#define GLM_MPI_SHIM_H

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

// A request: a pointer or a number.
typedef struct { MPI_Request request; } glm_mpi_message;

// Starts MPI for calls from any thread; errors are returned from then on. 0, or what MPI calls its error.
static inline int glm_mpi_start(void) {
    int running = 0, level = 0, status = MPI_Initialized(&running);
    if (status != MPI_SUCCESS || running) return status;
    status = MPI_Init_thread(0, 0, MPI_THREAD_MULTIPLE, &level);
    if (status != MPI_SUCCESS) return status;
    if (level < MPI_THREAD_SERIALIZED) return MPI_ERR_OTHER;
    return MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

static inline int glm_mpi_is_running(void) {
    int started = 0, ended = 0;
    MPI_Initialized(&started);
    MPI_Finalized(&ended);
    return started && !ended;
}

static inline int glm_mpi_rank(void) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

static inline int glm_mpi_size(void) {
    int size = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
}

static inline int glm_mpi_send(const float *values, int count, int rank, int tag, glm_mpi_message *message) {
    return MPI_Isend(values, count, MPI_FLOAT, rank, tag, MPI_COMM_WORLD, &message->request);
}

static inline int glm_mpi_receive(float *values, int count, int rank, int tag, glm_mpi_message *message) {
    return MPI_Irecv(values, count, MPI_FLOAT, rank, tag, MPI_COMM_WORLD, &message->request);
}

static inline int glm_mpi_test(glm_mpi_message *message, int *done) {
    return MPI_Test(&message->request, done, MPI_STATUS_IGNORE);
}

static inline int glm_mpi_finish(void) { return MPI_Finalize(); }

static inline void glm_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

#endif
