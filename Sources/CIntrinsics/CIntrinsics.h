// Instructions that Swift has no operation for. `ext_vector_type` vectors are SIMD8<Float> and SIMD16<Float> in Swift.
#ifndef CINTRINSICS_H
#define CINTRINSICS_H

typedef float float8 __attribute__((ext_vector_type(8)));
typedef float float16 __attribute__((ext_vector_type(16)));

// Non-temporal stores: the address must be aligned to the vector.
static inline __attribute__((always_inline)) void store_nontemporal_8(float *target, float8 value) {
  __builtin_nontemporal_store(value, (float8 *)target);
}

static inline __attribute__((always_inline)) void store_nontemporal_16(float *target, float16 value) {
  __builtin_nontemporal_store(value, (float16 *)target);
}

#endif
