// glibc declares this only with _GNU_SOURCE, which Swift's module of glibc does not define.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>

/// Sets the CPU affinity of a thread (0: the calling one) to the processors whose bits are set in `mask`.
extern int sched_setaffinity(int thread, size_t bytes, const void *mask);

#endif
