// Instruction-set thunks of the numeric modes; see Thunks.h.
#pragma once
#include "Thunks.h"
#pragma clang assume_nonnull begin

// Activations quantised to E4M3 in groups of `block` (a multiple of 16): codes as floats in groups of 16 that
// lie `stride` floats apart, the last one filled with zeros; one multiplier a group, `scale_stride` apart.
KERNEL(quantize_activations,
       (const float *x, long count, long block, float *codes, long stride, float *scales, long scale_stride),
       (x, count, block, codes, stride, scales, scale_stride))

// Four rows of codes (`panel`, [group][4][16]) by a tile of tokens ([group][token][16]), every `block` groups
// of 16 with multipliers of their own.
typedef struct {
    const float *panel, *x;
    const float *row_scales;   // [block][4]
    const float *token_scales; // [block][token]
    long groups, block;
    float *sums;               // [token][4][16], partial sums between strips
    float *y;                  // element (token, row) at y[token * y_stride + row]
    long y_stride, rows;       // rows to store, 1 to 4
    int32_t first, last;       // strips
} scaled_tile;
KERNEL(scaled_tile1, (const scaled_tile *job), (job))
KERNEL(scaled_tile2, (const scaled_tile *job), (job))
KERNEL(scaled_tile3, (const scaled_tile *job), (job))

// x rounded to BF16, in place.
KERNEL(round_bf16, (float *x, long count), (x, count))
// `tokens` rows of x, `count` long, as BF16 codes in groups of 32 that lie `group_stride` bytes apart, those of
// one token 64 bytes behind those of the one before; the last group is filled with zeros.
KERNEL(pack_bf16, (const float *x, long stride, long tokens, long count, void *packed, long group_stride),
       (x, stride, tokens, count, packed, group_stride))

// Whether vdpbf16ps may be used.
static inline int cpu_multiplies_bf16(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

// Four rows of BF16 codes by a tile of tokens ([group of 32][token][32]). Row r of group g lies at `weights` +
// g * `group_bytes` + r * `row_bytes`.
typedef struct {
    const void *weights;
    long group_bytes, row_bytes;
    long ahead;                // bytes from a group to what is prefetched meanwhile; 0 for nothing
    const void *x;
    long groups;
    float *sums;               // [token][4][16], partial sums between strips
    float *y;                  // element (token, row) at y[token * y_stride + row]
    long y_stride, rows;       // rows to store, 1 to 4
    int32_t first, last;       // strips
} pair_tile;
#if defined(__x86_64__)
#define AVX512_BF16 static inline __attribute__((flatten, hot, target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,avx2,f16c,bmi,bmi2")))
#else
#define AVX512_BF16 static inline
#endif
#define PAIR_TILE(tokens)                                       \
    KERNEL(pair_tile##tokens, (const pair_tile *job), (job))    \
    void pair_tile##tokens##_dot(const pair_tile *job);         \
    AVX512_BF16 void pair_tile##tokens##_bf16(const pair_tile *job) { pair_tile##tokens##_dot(job); }
PAIR_TILE(1)
PAIR_TILE(2)
PAIR_TILE(3)
PAIR_TILE(4)
PAIR_TILE(5)
PAIR_TILE(6)

#pragma clang assume_nonnull end
