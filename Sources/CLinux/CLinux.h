// What glibc declares for C programs that define _GNU_SOURCE, which Swift's import of it does not.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>

/// Confines a thread (0: this one) to the processors whose bits are set in a mask of so many bytes.
extern int sched_setaffinity(int thread, size_t bytes, const void *mask);

#endif
