// Instructions that Swift has no operation for, and conversions that it makes lane by lane. `ext_vector_type` vectors are
// SIMD8<Float>, SIMD16<UInt32> and so on in Swift.
#ifndef CINTRINSICS_H
#define CINTRINSICS_H

typedef float float8 __attribute__((ext_vector_type(8)));
typedef float float16 __attribute__((ext_vector_type(16)));
typedef unsigned int bits8 __attribute__((ext_vector_type(8)));
typedef unsigned int bits16 __attribute__((ext_vector_type(16)));
typedef unsigned short halves8 __attribute__((ext_vector_type(8)));
typedef unsigned short halves16 __attribute__((ext_vector_type(16)));

// Non-temporal stores: the address must be aligned to the vector.
static inline __attribute__((always_inline)) void store_nontemporal_8(float *target, float8 value) {
  __builtin_nontemporal_store(value, (float8 *)target);
}

static inline __attribute__((always_inline)) void store_nontemporal_16(float *target, float16 value) {
  __builtin_nontemporal_store(value, (float16 *)target);
}

// bfloat16 numbers are the upper halves of floats: reading them is exact.
static inline __attribute__((always_inline)) float8 load_bfloat16_8(const void *source) {
  halves8 halves;
  __builtin_memcpy(&halves, source, sizeof halves);
  return (float8)(__builtin_convertvector(halves, bits8) << 16);
}

static inline __attribute__((always_inline)) float16 load_bfloat16_16(const void *source) {
  halves16 halves;
  __builtin_memcpy(&halves, source, sizeof halves);
  return (float16)(__builtin_convertvector(halves, bits16) << 16);
}

// The bits of floats rounded to bfloat16, to nearest, ties to even; the lower halves are arbitrary. NaN stays NaN: it is
// made quiet, and its sign and the upper part of its payload are kept.
static inline __attribute__((always_inline)) bits8 rounded_bits_8(float8 value) {
  bits8 bits = (bits8)value;
  bits8 nan = (bits8)(value != value);
  return (nan & (bits | 0x400000)) | (~nan & (bits + 0x7FFF + ((bits >> 16) & 1)));
}

static inline __attribute__((always_inline)) bits16 rounded_bits_16(float16 value) {
  bits16 bits = (bits16)value;
  bits16 nan = (bits16)(value != value);
  return (nan & (bits | 0x400000)) | (~nan & (bits + 0x7FFF + ((bits >> 16) & 1)));
}

static inline __attribute__((always_inline)) void store_bfloat16_8(void *target, float8 value) {
  halves8 halves = __builtin_convertvector(rounded_bits_8(value) >> 16, halves8);
  __builtin_memcpy(target, &halves, sizeof halves);
}

static inline __attribute__((always_inline)) void store_bfloat16_16(void *target, float16 value) {
  halves16 halves = __builtin_convertvector(rounded_bits_16(value) >> 16, halves16);
  __builtin_memcpy(target, &halves, sizeof halves);
}

// Pairs of bfloat16 numbers, the first in the lower half of each lane.
static inline __attribute__((always_inline)) bits16 rounded_pairs_16(float16 first, float16 second) {
  return (rounded_bits_16(first) >> 16) | (rounded_bits_16(second) & 0xFFFF0000);
}

static inline __attribute__((always_inline)) bits16 load_pairs_16(const void *first, const void *second) {
  halves16 lower, upper;
  __builtin_memcpy(&lower, first, sizeof lower);
  __builtin_memcpy(&upper, second, sizeof upper);
  return __builtin_convertvector(lower, bits16) | (__builtin_convertvector(upper, bits16) << 16);
}

static inline __attribute__((always_inline)) bits8 load_pairs_8(const void *first, const void *second) {
  halves8 lower, upper;
  __builtin_memcpy(&lower, first, sizeof lower);
  __builtin_memcpy(&upper, second, sizeof upper);
  return __builtin_convertvector(lower, bits8) | (__builtin_convertvector(upper, bits8) << 16);
}

#if defined(__x86_64__)
typedef float vector_float16 __attribute__((vector_size(64)));
typedef __bf16 vector_bfloat32 __attribute__((vector_size(64)));
typedef __bf16 vector_bfloat16 __attribute__((vector_size(32)));

// VDPBF16PS: adds to each lane of `sum` the two products of the pairs. Subnormal numbers count as zero.
static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) float16 dot_product_bfloat16(
    float16 sum, bits16 a, bits16 b) {
  return (float16)__builtin_ia32_dpbf16ps_512((vector_float16)sum, (vector_bfloat32)a, (vector_bfloat32)b);
}

// VCVTNEPS2BF16: the rounding of `store_bfloat16_16` in one instruction, except that subnormal numbers become zero.
static inline __attribute__((always_inline, target("avx512f,avx512bf16"))) void store_bfloat16_flushing_16(
    void *target, float16 value) {
  vector_bfloat16 none = {0};
  vector_bfloat16 rounded = __builtin_ia32_cvtneps2bf16_512_mask((vector_float16)value, none, 0xFFFF);
  __builtin_memcpy(target, &rounded, sizeof rounded);
}
#endif

#endif
