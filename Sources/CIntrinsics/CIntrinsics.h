// The instructions of x86-64 that Swift has no operation for, as the compiler declares them.
#ifndef CINTRINSICS_H
#define CINTRINSICS_H

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#endif
