// Instruction-set thunks. Swift has no per-function target attribute: a `flatten` thunk with a target makes
// LLVM inline the Swift body (`@c @implementation`, same module as the caller) and compile it for that
// target. Pointers and scalars only.
#pragma once
#include <stdint.h>
#pragma clang assume_nonnull begin

#if defined(__x86_64__)
#define AVX512 static inline __attribute__((flatten, hot, target("avx512f,avx512bw,avx512vl,avx512dq,fma,avx2,f16c,bmi,bmi2")))
#define AVX2 static inline __attribute__((flatten, hot, target("fma,avx2,f16c,bmi,bmi2")))
#else
#define AVX512 static inline
#define AVX2 static inline
#endif

// One Swift body for all levels: it is the baseline itself.
#define KERNEL(name, parameters, arguments)                  \
    void name##_baseline parameters;                         \
    AVX512 void name##_avx512 parameters { name##_baseline arguments; } \
    AVX2 void name##_avx2 parameters { name##_baseline arguments; }

// Two Swift bodies: one for 32 registers of 512 bits, one for 16 of 256.
#define TILE_KERNEL(name, parameters, arguments)             \
    void name##_wide parameters;                             \
    void name##_baseline parameters;                         \
    AVX512 void name##_avx512 parameters { name##_wide arguments; } \
    AVX2 void name##_avx2 parameters { name##_baseline arguments; }

// More than 16 registers hold.
#define WIDE_KERNEL(name, parameters, arguments)             \
    void name##_wide parameters;                             \
    AVX512 void name##_avx512 parameters { name##_wide arguments; }

// Rows of weights for the vector products. Where FP8 weights bring their scales (`product_fp8` has them in x,
// which is in code order), `scales` points to the scale of the block that holds column 0 of these rows,
// `phase` counts the columns of that block that lie before column 0; `phase` and `block` are multiples of 16.
typedef struct {
    const void *weights;
    long row_bytes, rows, columns;
    const void *_Nullable scales;
    long block, phase;
    const float *x;
    float *y;
    const void *_Nullable next; // weights that are probably read behind these, to be asked for in time
    long ahead;                 // bytes that asking for weights runs ahead in each of four streams
    int32_t cache;              // what is asked for goes into 0 every cache, 1 the nearest but not the second, 2 the second
    long ahead_of_four;         // of FP8 weights in code order, with 32 registers: bytes that asking runs ahead of four neighbouring
                                // rows, which make one stream then; 0 for four streams
} vector_product;
#define VECTOR_PRODUCT(name) KERNEL(name, (const vector_product *job), (job))
VECTOR_PRODUCT(product_f32)
VECTOR_PRODUCT(product_bf16)
TILE_KERNEL(product_fp8, (const vector_product *job), (job))
// The same by a tile of packed tokens: 4 rows by 2 to 6 with 32 registers, by 2 or 3 with 16.
// `columns` are whole lines of 64 bytes of weights, of BF16 half a line may be the last; FP8 weights meet tokens in code order that have their scales.
typedef struct {
    const void *weights;
    long row_bytes, rows, columns;
    long first, count, step;   // rows first + i, + step, + 2 step, + 3 step together, for i < count
    const float *x;            // packed: [group of 16][token][16]
    float *y;                  // element (token, row) at y[token * y_stride + row]
    long y_stride;
    long ahead;                // bytes from a line to what is asked for meanwhile
    long border, jump;         // from row first + border on, what is asked for lies `jump` bytes further
    int32_t streams;           // whose: 0 of all four rows, 1 of the first two, 2 of the last two, 3 of none
    int32_t cache;             // where it goes, as in `vector_product`
    float factor;              // what FP8 weights are multiplied by, with 32 registers; 1 costs nothing
} direct_tile;
#define DIRECT_TILE(tokens)                     \
    DIRECT_WIDE(product_direct##tokens##_f32)   \
    DIRECT_WIDE(product_direct##tokens##_bf16)  \
    DIRECT_WIDE(product_direct##tokens##_fp8)
#define DIRECT_WIDE(name)                       \
    void name##_wide(const direct_tile *job);   \
    AVX512 void name##_avx512(const direct_tile *job) { name##_wide(job); }
#define DIRECT_NARROW(name)                         \
    void name##_baseline(const direct_tile *job);   \
    AVX2 void name##_avx2(const direct_tile *job) { name##_baseline(job); }
DIRECT_TILE(2)
DIRECT_TILE(3)
DIRECT_TILE(4)
DIRECT_TILE(5)
DIRECT_TILE(6)
DIRECT_NARROW(product_direct2_f32)
DIRECT_NARROW(product_direct2_bf16)
DIRECT_NARROW(product_direct2_fp8)
DIRECT_NARROW(product_direct3_f32)
DIRECT_NARROW(product_direct3_bf16)
DIRECT_NARROW(product_direct3_fp8)
// The transposed product of one to four tokens.
typedef struct {
    vector_product rows;       // x and y are those of the first token
    long x_stride, y_stride;   // floats from one token to the next
} transposed_rows;
#define TRANSPOSED_ROWS(tokens)                                                     \
    KERNEL(transposed##tokens##_f32, (const transposed_rows *job), (job))           \
    KERNEL(transposed##tokens##_bf16, (const transposed_rows *job), (job))          \
    KERNEL(transposed##tokens##_fp8, (const transposed_rows *job), (job))
TRANSPOSED_ROWS(1)
TRANSPOSED_ROWS(2)
TRANSPOSED_ROWS(3)
TRANSPOSED_ROWS(4)

// The transposed product of one token by FP8 rows of whole lines of 64 codes, none of which two blocks of scales share; with 32
// registers. y is in code order until the last rows: element 4 i + j of a line at 16 j + i, and lacks 2^24.
typedef struct {
    vector_product rows;
    int32_t last; // whether these are the last rows
} transposed_codes;
void transposed_code_lines_wide(const transposed_codes *job);
AVX512 void transposed_code_lines_avx512(const transposed_codes *job) { transposed_code_lines_wide(job); }

// `count` weights of one row as floats, in groups of 16 that lie `stride` floats apart, the last one filled
// with zeros.
#define DECODE(name)                                                                                                    \
    KERNEL(name, (const void *weights, long count, const void *_Nullable scales, long block, long phase, float *panel, \
                  long stride), (weights, count, scales, block, phase, panel, stride))
DECODE(decode_f32)
DECODE(decode_bf16)
DECODE(decode_fp8)

// `tokens` rows of x, `count` long, as [group of 16][token][16] with groups `group_stride` floats apart, the
// last one filled with zeros.
KERNEL(pack_tokens, (const float *x, long stride, long tokens, long count, float *packed, long group_stride),
       (x, stride, tokens, count, packed, group_stride))

// Code order, for FP8 weights (see CodeOrder.swift): tokens packed in it, those times their scales, and weights.
KERNEL(pack_codes, (const float *x, long stride, long tokens, long count, float *packed, long group_stride),
       (x, stride, tokens, count, packed, group_stride))
typedef struct {
    const float *from;         // [chunk of 64 columns][4][token][16]
    float *to;                 // the same, times scale and `lift`
    float lift;
    long chunks, tokens, columns;
    const void *scales;        // of the block that holds the first column
    long block, phase;         // columns of a block; those of the first that lie before
} code_scaling;
KERNEL(scale_codes, (const code_scaling *job), (job))
KERNEL(decode_codes, (const void *weights, long count, float factor, float *panel, long stride),
       (weights, count, factor, panel, stride))
KERNEL(scale_row, (const float *x, float factor, long count, float *y), (x, factor, count, y))

// Four weight rows (`panel`, [group][4][16]) by all tokens of a block (packed tile by tile), over `groups`
// groups of 16.
typedef struct {
    const float *panel;
    const float *x;           // the block's packed tokens, at the group where this strip begins in the first tile
    long groups, block_groups; // of this strip; of the packed block
    long start_group;
    long tokens, tiles;
    float *sums;              // [tokens][4][16], partial sums between strips
    float *y;                 // element (token, row) at y[token * y_stride + row]
    long y_stride, rows;      // rows to store, 1 to 4
    int32_t first, last;      // strips
} tile_product;
// One tile of 1 to 6 tokens, 1 to 3 with 16 registers, the first of them number `start`, whose packed tokens lie at x.
#define TILE_PARAMETERS (const tile_product *job, const float *x, long start)
#define PRODUCT_TILE(tokens) TILE_KERNEL(product_tile##tokens, TILE_PARAMETERS, (job, x, start))
#define WIDE_PRODUCT_TILE(tokens) WIDE_KERNEL(product_tile##tokens, TILE_PARAMETERS, (job, x, start))
PRODUCT_TILE(1)
PRODUCT_TILE(2)
PRODUCT_TILE(3)
WIDE_PRODUCT_TILE(4)
WIDE_PRODUCT_TILE(5)
WIDE_PRODUCT_TILE(6)

// y[t, c] += sum over r of x[t, r] * panel[r, c] for 64 columns, r ascending; starts from zero when `first`.
typedef struct {
    const float *panel;       // [rows][64]
    const float *x;           // element (token, r) at x[token * x_stride + r]
    long x_stride, rows, tokens;
    float *y;
    long y_stride;
    int32_t first;
} transposed_tile;
TILE_KERNEL(transposed_tiles, (const transposed_tile *job), (job))

// Scores of the 32 keys of half a page: scores[i] = sum over h of weights[h] * max(0, scale * (sum over d of
// query[h * dim + d] * panel[d * 32 + i])), d and h ascending, one accumulator for each head and key.
typedef struct {
    const float *panel;       // [dim][32]
    const float *query;       // [heads][dim]
    const float *weights;     // [heads]
    long heads, dim;
    float scale;
    float *scores;
    const float *next;        // the panel that is read after this one, asked for meanwhile
    long stream_shift;        // from 2^shift places of it in turn, 0 or 2
} index_block;
TILE_KERNEL(index_scores, (const index_block *job), (job))

// 32 keys of `dim` codes in rows of 32 as floats; `scales` (FP8) are theirs for the first
// `block` codes, 64 floats further on for the next.
#define DECODE_COLUMNS(name)                                                                                  \
    KERNEL(name, (const void *codes, long dim, const void *_Nullable scales, long block, float *panel),      \
           (codes, dim, scales, block, panel))
DECODE_COLUMNS(decode_columns_bf16)
DECODE_COLUMNS(decode_columns_fp8)

// Up to four gathered rows by some query heads: y[head * y_stride + i] = q_head . row_i over `groups` groups of 16 and, where
// there is one, a last group that lies apart, filled with zeros.
typedef struct {
    const float *a, *b, *c, *d; // the last row again where fewer are left
    const float *query;         // row stride `query_stride`
    long query_stride, groups;
    const float *_Nullable row_tails;   // [4][16]
    const float *_Nullable query_tails; // [heads][16]
    float *y;
    long y_stride, rows;        // rows to store, 1 to 4
    const float *next_a, *next_b, *next_c, *next_d; // rows that are asked for meanwhile, a line of each in turn:
    long asked, asked_before;                       // so many with each group; how many other tiles ask for before
} row_tile;
#define ROW_TILE(heads) TILE_KERNEL(row_tile##heads, (const row_tile *job), (job))
#define WIDE_ROW_TILE(heads) WIDE_KERNEL(row_tile##heads, (const row_tile *job), (job))
ROW_TILE(1)
ROW_TILE(2)
ROW_TILE(3)
WIDE_ROW_TILE(4)
WIDE_ROW_TILE(5)
WIDE_ROW_TILE(6)

// y[head * y_stride + c] += sum over j of x[head * x_stride + j] * rows[j][c] for 64 columns, j ascending; starts
// from zero when `first`.
typedef struct {
    const float *_Nonnull const *_Nonnull rows;
    long column, count;
    const float *x;
    long x_stride;
    float *y;
    long y_stride;
    int32_t first;
    // With 16 registers: the 64 columns that are read next, from `next_column` on of as many rows, and which of their four lines are
    // asked for meanwhile, `asked` from line `asked_before` on.
    const float *_Nonnull const *_Nonnull next;
    long next_column, asked, asked_before;
} value_tile;
#define VALUE_TILE(heads) TILE_KERNEL(value_tile##heads, (const value_tile *job), (job))
#define WIDE_VALUE_TILE(heads) WIDE_KERNEL(value_tile##heads, (const value_tile *job), (job))
VALUE_TILE(1)
VALUE_TILE(2)
VALUE_TILE(3)
WIDE_VALUE_TILE(4)
WIDE_VALUE_TILE(5)
WIDE_VALUE_TILE(6)

// Row by row.
KERNEL(rms_norm, (const float *x, const float *weight, float epsilon, long count, float *output),
       (x, weight, epsilon, count, output))
KERNEL(layer_norm, (const float *x, const float *weight, const float *bias, float epsilon, long count, float *output),
       (x, weight, bias, epsilon, count, output))
KERNEL(silu_multiply, (const float *gate, const float *up, long count, float *output), (gate, up, count, output))
// The largest of some scores and the sum of their weights, e to the differences from it.
typedef struct {
    float largest, sum;
} softmax_sum;
KERNEL(softmax_weights, (float *x, float scale, long count, softmax_sum *found), (x, scale, count, found))
// The same of two groups together, and of what they weigh: y has what x adds.
KERNEL(softmax_merge, (const float *x, const softmax_sum *found, long count, float *y, softmax_sum *all),
       (x, found, count, y, all))
KERNEL(sigmoid_row, (const float *x, long count, float *output), (x, count, output))
KERNEL(exp_row, (const float *x, long count, float *output), (x, count, output))
KERNEL(add_row, (const float *x, const float *y, long count, float *output), (x, y, count, output))
KERNEL(add_scaled, (const float *x, float factor, long count, float *sum), (x, factor, count, sum))
KERNEL(rotate_pairs, (float *x, const float *cosines, const float *sines, long pairs), (x, cosines, sines, pairs))
KERNEL(arg_max, (const float *values, long count, long *position), (values, count, position))

#pragma clang assume_nonnull end
