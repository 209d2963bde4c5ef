// <mpi.h>, and functions for what Swift cannot import from it: Open MPI's handles and special addresses are macros with
// casts.
#ifndef COPENMPI_H
#define COPENMPI_H

#include <mpi.h>

static inline MPI_Comm mpiWorld(void) { return MPI_COMM_WORLD; }
static inline MPI_Info mpiNoInfo(void) { return MPI_INFO_NULL; }
static inline MPI_Errhandler mpiErrorsReturn(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Status *mpiIgnoreStatus(void) { return MPI_STATUS_IGNORE; }
static inline const void *mpiInPlace(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype mpiByte(void) { return MPI_BYTE; }
static inline MPI_Datatype mpiFloat(void) { return MPI_FLOAT; }
static inline MPI_Datatype mpiDouble(void) { return MPI_DOUBLE; }
static inline MPI_Datatype mpiInt64(void) { return MPI_INT64_T; }
static inline MPI_Datatype mpiUInt16(void) { return MPI_UINT16_T; }
static inline MPI_Datatype mpiUInt64(void) { return MPI_UINT64_T; }

static inline MPI_Op mpiSum(void) { return MPI_SUM; }
static inline MPI_Op mpiMax(void) { return MPI_MAX; }

/// Open MPI's MPI_Abort without the notice; not part of the MPI API, hence weak: absent from other MPI libraries.
extern int ompi_mpi_abort(MPI_Comm communicator, int status) __attribute__((weak));

/// Ends every rank of the job with `status`. Prefers ompi_mpi_abort if the library has it, because MPI_Abort prints
/// seven lines, which would bury the message of the rank that failed.
static inline void mpiAbort(int status) {
  if (ompi_mpi_abort) ompi_mpi_abort(MPI_COMM_WORLD, status);
  MPI_Abort(MPI_COMM_WORLD, status);
}

#endif
