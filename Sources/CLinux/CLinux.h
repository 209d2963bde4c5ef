// What Swift's module of glibc lacks: it does not define _GNU_SOURCE, without which glibc hides this function.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>

/// Sets the CPU affinity of a thread (0: the calling one) to the processors whose bits are set in `mask`.
extern int sched_setaffinity(int thread, size_t bytes, const void *mask);

#endif
