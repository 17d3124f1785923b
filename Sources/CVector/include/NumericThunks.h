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

// Whole rows of codes by one token, whose codes are floats too; `columns` and `block` are multiples of 64, and
// blocks begin at column 0.
typedef struct {
    vector_product rows;
    const float *token_scales; // [block]
} scaled_vector;
TILE_KERNEL(scaled_vector_rows, (const scaled_vector *job), (job))

// The k largest of `count` scores, 0 < k < count: their positions, ascending, at `output`. `keys` has room for
// 9 / 8 of `count` integers and 192 more.
TILE_KERNEL(select_largest, (const float *scores, long count, long k, int32_t *keys, int32_t *output),
            (scores, count, k, keys, output))

// Reads `count` lines of 64 bytes, a multiple of four, and adds their words up: memory at its best. Lines are asked for
// `ahead` bytes before they are read, into `cache` as in `vector_product`; 0 asks for nothing.
KERNEL(read_lines, (const void *lines, long count, long ahead, int32_t cache, int32_t *sum), (lines, count, ahead, cache, sum))

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
    int32_t rounded;           // whether outputs are rounded to BF16
} pair_tile;
#if defined(__x86_64__)
#define AVX512_BF16 static inline __attribute__((flatten, hot, target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,avx2,f16c,bmi,bmi2")))
#else
#define AVX512_BF16 static inline
#endif
#define PAIR_KERNEL(name, type)             \
    KERNEL(name, (const type *job), (job))  \
    void name##_dot(const type *job);       \
    AVX512_BF16 void name##_bf16(const type *job) { name##_dot(job); }
PAIR_KERNEL(pair_tile1, pair_tile)
PAIR_KERNEL(pair_tile2, pair_tile)
PAIR_KERNEL(pair_tile3, pair_tile)
PAIR_KERNEL(pair_tile4, pair_tile)
PAIR_KERNEL(pair_tile5, pair_tile)
PAIR_KERNEL(pair_tile6, pair_tile)
// Whole rows by one token: `x` points to its BF16 codes; `columns`, `block` and `phase` are multiples of 64
// bytes of weights.
PAIR_KERNEL(pair_rows_fp8, vector_product)
// Weights in BF16 are added in pairs at AVX-512 alone.
WIDE_KERNEL(pair_rows_bf16, (const vector_product *job), (job))
void pair_rows_bf16_dot(const vector_product *job);
AVX512_BF16 void pair_rows_bf16_bf16(const vector_product *job) { pair_rows_bf16_dot(job); }

#pragma clang assume_nonnull end
