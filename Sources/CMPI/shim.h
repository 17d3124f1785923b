// What Swift cannot import of MPI: its constants are macros that Open MPI and MPICH define in ways of their own.
#ifndef GLM_MPI_SHIM_H
#define GLM_MPI_SHIM_H

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

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

// Whether a message from `rank` waits here that has a tag between `first` and `last`, and not `tag`.
static inline int glm_mpi_is_elsewhere(int rank, int tag, int first, int last) {
    int found = 0;
    MPI_Status status;
    if (MPI_Iprobe(rank, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &status) != MPI_SUCCESS || !found) return 0;
    return status.MPI_TAG != tag && status.MPI_TAG >= first && status.MPI_TAG < last;
}

// Takes a value with this tag, when one is here: 1, and who sent it.
static inline int glm_mpi_take(int tag, int *rank, float *value) {
    int found = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &found, &status) != MPI_SUCCESS || !found) return 0;
    *rank = status.MPI_SOURCE;
    return MPI_Recv(value, 1, MPI_FLOAT, *rank, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE) == MPI_SUCCESS;
}

// How many processes of the group run on this machine, and how many processors these may use together. All processes call it.
static inline int glm_mpi_neighbours(int *processes, int *processors) {
    unsigned char usable[128] = {0}; // a bit for each processor
    MPI_Comm here;
    int status = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
    if (status != MPI_SUCCESS) return status;
#if defined(__linux__)
    if (syscall(SYS_sched_getaffinity, 0, sizeof usable, usable) < 0) usable[0] = 1;
#else
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN) && i < 1024; i++) usable[i / 8] |= 1 << i % 8;
#endif
    MPI_Comm_size(here, processes);
    status = MPI_Allreduce(MPI_IN_PLACE, usable, sizeof usable, MPI_BYTE, MPI_BOR, here);
    MPI_Comm_free(&here);
    *processors = 0;
    for (int i = 0; i < 1024; i++) *processors += usable[i / 8] >> i % 8 & 1;
    return status;
}

static inline int glm_mpi_finish(void) { return MPI_Finalize(); }

static inline void glm_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

#endif
