// The matrix registers of x86-64 (AMX): eight tiles of up to 16 rows of 64 bytes, and one instruction that multiplies
// two of them. Which tile is which is fixed here: 0 to 3 hold sums ([2 r + t] those of weight tile r and token tile t),
// 4 and 5 weights, 6 and 7 tokens.
#pragma once
#include "NumericPrimitives.h"
#include "Thunks.h"
#pragma clang assume_nonnull begin
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"

// Whether this processor multiplies tiles of BF16, and the system lets this process.
int cpu_multiplies_matrices(void);

// The shape of every tile, as the instruction reads it.
typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} matrix_shapes;

// What is asked for while tiles are multiplied: at each group of 32 columns `count` stretches of `lines` lines of 64 bytes,
// `stride` bytes apart, from `from` + group * `step_bytes` on.
typedef struct {
    const void *_Nullable from;      // null for nothing
    long step_bytes, count, stride, lines;
} matrix_request;

// Up to 32 rows of BF16 codes by two tiles of tokens.
typedef struct {
    const void *weights;             // 16 rows, `row_bytes` apart, and 16 more behind them
    long row_bytes, group_bytes;     // from a row, from a group of 32 columns to the next
    const void *_Nullable rest;      // the last group of the same rows, 64 bytes apart, where it is short
    long groups;                     // whole groups
    const void *first, *second;      // tokens: [group][part][pair of columns][token][2]
    long first_tokens, second_tokens;
    long pair_bytes;                 // of either, from a pair of columns to the next
    float *sums;                     // `matrix_sums` floats, for the kernel's own use
    float *y;                        // element (token, row) at y[token * y_stride + row]
    long y_stride, rows;
    long rounded;                    // whether outputs are rounded to BF16
    matrix_request ahead;
    long steps;                      // 1, or so many times 16 rows; for parts side by side
    const void *_Nullable next;      // what is asked for during the last step
} matrix_product;

#if defined(__x86_64__)
#define AMX static inline __attribute__((flatten, hot, target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,avx2,f16c,bmi,bmi2")))
#define MATRIX_INSTRUCTIONS static inline __attribute__((target("amx-tile,amx-bf16")))
MATRIX_INSTRUCTIONS void matrix_configure(const matrix_shapes *shapes) { _tile_loadconfig(shapes); }
MATRIX_INSTRUCTIONS void matrix_release(void) { _tile_release(); }
MATRIX_INSTRUCTIONS void matrix_zero(int32_t rows, int32_t tokens) {
    _tile_zero(0);
    if (tokens > 1) _tile_zero(1);
    if (rows > 1) _tile_zero(2);
    if (rows > 1 && tokens > 1) _tile_zero(3);
}
// One group of 32 columns, and its tokens in `parts` of 16 pairs each, one behind the other; `rows` and `tokens` count tiles
// and are literals at every use, and so is `parts`.
MATRIX_INSTRUCTIONS void matrix_multiply(
    int32_t rows, int32_t tokens, int32_t parts, const void *w, long row_bytes, const void *a, const void *b,
    long pair_bytes) {
    _tile_loadd(4, w, row_bytes);
    if (rows > 1) _tile_loadd(5, (const char *)w + 16 * row_bytes, row_bytes);
#pragma unroll
    for (int32_t part = 0; part < parts; part++) {
        _tile_loadd(6, (const char *)a + part * 16 * pair_bytes, pair_bytes);
        _tile_dpbf16ps(0, 4, 6);
        if (rows > 1) _tile_dpbf16ps(2, 5, 6);
        if (tokens > 1) {
            _tile_loadd(7, (const char *)b + part * 16 * pair_bytes, pair_bytes);
            _tile_dpbf16ps(1, 4, 7);
            if (rows > 1) _tile_dpbf16ps(3, 5, 7);
        }
    }
}
// One group of 32 columns by tokens whose parts lie side by side: sums of this group alone, [row][part][token].
MATRIX_INSTRUCTIONS void matrix_multiply_beside(
    const void *w, long row_bytes, const void *x, long pair_bytes, void *sums) {
    _tile_zero(0);
    _tile_loadd(4, w, row_bytes);
    _tile_loadd(6, x, pair_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_stored(0, sums, pair_bytes);
}
MATRIX_INSTRUCTIONS void matrix_store(int32_t rows, int32_t tokens, float *sums) {
    _tile_stored(0, sums, 64);
    if (tokens > 1) _tile_stored(1, sums + 256, 64);
    if (rows > 1) _tile_stored(2, sums + 512, 64);
    if (rows > 1 && tokens > 1) _tile_stored(3, sums + 768, 64);
}
// 32 floats as BF16 codes; subnormal floats become zero, as the product takes them.
static inline __attribute__((target("avx512f,avx512bf16"))) void matrix_codes(void *to, const void *low, const void *high) {
    __m512bh codes = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(high), _mm512_loadu_ps(low));
    memcpy(to, &codes, sizeof codes);
}
#else
// Never called: no level of another architecture has them.
#define AMX static inline
PRIMITIVE void matrix_configure(const matrix_shapes *shapes) {}
PRIMITIVE void matrix_release(void) {}
PRIMITIVE void matrix_zero(int32_t rows, int32_t tokens) {}
PRIMITIVE void matrix_multiply(
    int32_t rows, int32_t tokens, int32_t parts, const void *w, long row_bytes, const void *a, const void *b,
    long pair_bytes) {}
PRIMITIVE void matrix_multiply_beside(
    const void *w, long row_bytes, const void *x, long pair_bytes, void *sums) {}
PRIMITIVE void matrix_store(int32_t rows, int32_t tokens, float *sums) {}
PRIMITIVE void matrix_codes(void *to, const void *low, const void *high) {}
#endif

// Sixteen vectors of sixteen 32-bit elements, 64 bytes apart, with rows and columns exchanged: four rounds, each of
// which exchanges halves between vectors 8, 4, 2 and 1 apart.
PRIMITIVE void exchange_8(i32x16 *a, i32x16 *b) {
    i32x16 x = *a, y = *b;
    *a = __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    *b = __builtin_shufflevector(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
PRIMITIVE void exchange_4(i32x16 *a, i32x16 *b) {
    i32x16 x = *a, y = *b;
    *a = __builtin_shufflevector(x, y, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    *b = __builtin_shufflevector(x, y, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
}
PRIMITIVE void exchange_2(i32x16 *a, i32x16 *b) {
    i32x16 x = *a, y = *b;
    *a = __builtin_shufflevector(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    *b = __builtin_shufflevector(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}
PRIMITIVE void exchange_1(i32x16 *a, i32x16 *b) {
    i32x16 x = *a, y = *b;
    *a = __builtin_shufflevector(x, y, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    *b = __builtin_shufflevector(x, y, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
}
PRIMITIVE void transpose_vectors(i32x16 *v) {
#pragma unroll
    for (int i = 0; i < 8; i++) exchange_8(v + i, v + i + 8);
#pragma unroll
    for (int i = 0; i < 8; i++) exchange_4(v + (i / 4 * 8 + i % 4), v + (i / 4 * 8 + i % 4 + 4));
#pragma unroll
    for (int i = 0; i < 8; i++) exchange_2(v + (i / 2 * 4 + i % 2), v + (i / 2 * 4 + i % 2 + 2));
#pragma unroll
    for (int i = 0; i < 8; i++) exchange_1(v + 2 * i, v + 2 * i + 1);
}
// [16][16] elements, in place.
PRIMITIVE void transpose_16x16(void *block) {
    i32x16 v[16];
    memcpy(v, block, sizeof v);
    transpose_vectors(v);
    memcpy(block, v, sizeof v);
}
// [8][16] to [16][8] elements, in place.
PRIMITIVE void transpose_8x16(void *block) {
    i32x16 v[16] = {0};
    memcpy(v, block, sizeof v / 2);
    transpose_vectors(v);
#pragma unroll
    for (int i = 0; i < 16; i++) memcpy((char *)block + 32 * i, v + i, 32);
}

// [16][4] to [4][16] elements.
PRIMITIVE void transpose_16x4(const void *from, f32x16 *to) {
    f32x16 v[4];
    memcpy(v, from, sizeof v);
#define EVEN 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29
#define ODD 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31
#define LOW 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
    f32x16 a = __builtin_shufflevector(v[0], v[1], EVEN), b = __builtin_shufflevector(v[2], v[3], EVEN);
    f32x16 c = __builtin_shufflevector(v[0], v[1], ODD), d = __builtin_shufflevector(v[2], v[3], ODD);
    to[0] = __builtin_shufflevector(a, b, LOW);
    to[1] = __builtin_shufflevector(a, b, HIGH);
    to[2] = __builtin_shufflevector(c, d, LOW);
    to[3] = __builtin_shufflevector(c, d, HIGH);
#undef EVEN
#undef ODD
#undef LOW
#undef HIGH
}
PRIMITIVE void transpose_16x4_in_place(void *block) {
    f32x16 v[4];
    transpose_16x4(block, v);
    memcpy(block, v, sizeof v);
}
// [4][16] to [16][4] elements, in place.
PRIMITIVE void transpose_4x16(void *block) {
    i32x16 v[4], out[4];
    memcpy(v, block, sizeof v);
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define FIRST 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23
#define LAST 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31
    i32x16 a = __builtin_shufflevector(v[0], v[1], LOW), b = __builtin_shufflevector(v[2], v[3], LOW);
    i32x16 c = __builtin_shufflevector(v[0], v[1], HIGH), d = __builtin_shufflevector(v[2], v[3], HIGH);
    out[0] = __builtin_shufflevector(a, b, FIRST);
    out[1] = __builtin_shufflevector(a, b, LAST);
    out[2] = __builtin_shufflevector(c, d, FIRST);
    out[3] = __builtin_shufflevector(c, d, LAST);
#undef LOW
#undef HIGH
#undef FIRST
#undef LAST
    memcpy(block, out, sizeof out);
}
// The sum as matrix registers make it: zero where it would be subnormal.
PRIMITIVE f32x16 f32x16_add_normal(f32x16 a, f32x16 b) {
    i32x16 sum = (i32x16)(a + b);
    return (f32x16)((sum & 0x7f800000) == 0 ? sum & (int32_t)0x80000000 : sum);
}
// Adds a group's sums to those before it, first part first: of one token ([row][part] to [row]) ...
PRIMITIVE f32x16 matrix_add_1(f32x16 sum, const void *group) {
    f32x16 parts[4];
    transpose_16x4(group, parts);
    return f32x16_add_normal(f32x16_add_normal(f32x16_add_normal(sum, parts[0]), parts[1]), parts[2]);
}
// ... and of four ([row][part][token] to [row][token]).
PRIMITIVE void matrix_add_4(void *sums, const void *group) {
#pragma unroll
    for (int row = 0; row < 16; row += 4) {
        f32x16 sum, v[4];
        memcpy(&sum, (char *)sums + row * 16, sizeof sum);
        memcpy(v, (const char *)group + row * 64, sizeof v);
        f32x16 a = __builtin_shufflevector(v[0], v[1], 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
        f32x16 b = __builtin_shufflevector(v[2], v[3], 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
        f32x16 c = __builtin_shufflevector(v[0], v[1], 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
        f32x16 d = __builtin_shufflevector(v[2], v[3], 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
        sum = f32x16_add_normal(sum, __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
        sum = f32x16_add_normal(sum, __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
        sum = f32x16_add_normal(sum, __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
        memcpy((char *)sums + row * 16, &sum, sizeof sum);
    }
}

#define MATRIX_KERNEL(name, parameters, arguments) \
    void name##_tiles parameters;                  \
    AMX void name##_amx parameters { name##_tiles arguments; }
AMX void matrix_configure_amx(const matrix_shapes *shapes) { matrix_configure(shapes); }
AMX void matrix_release_amx(void) { matrix_release(); }
// Floats of `matrix_product.sums`.
static const long matrix_sums = 9 * 256;
// Tiles of rows by tiles of tokens, whose activations are BF16, or exact: the sum of three codes.
MATRIX_KERNEL(matrix_product_1x1, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_1x2, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_2x1, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_2x2, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_exact_1x1, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_exact_1x2, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_exact_2x1, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_exact_2x2, (const matrix_product *job), (job))
// A tile of rows by exact tokens whose parts lie side by side ([group][pair][part][token][2], the fourth part never read): room for one
// token, or for four.
MATRIX_KERNEL(matrix_product_beside_1, (const matrix_product *job), (job))
MATRIX_KERNEL(matrix_product_beside_4, (const matrix_product *job), (job))
// `count` FP8 weights of one row (whole lines of 64, and blocks of them) as BF16 codes.
MATRIX_KERNEL(matrix_decode, (const void *weights, long count, const void *_Nullable scales, long block, long phase, void *codes),
              (weights, count, scales, block, phase, codes))
// Up to 16 rows of x, `count` long, as [group of 32][part][pair][token][2], the last group filled with zeros: one part, rounded to
// BF16, or three whose sum is exact. There is `room` for 16 tokens, for 8, or for 1.
MATRIX_KERNEL(matrix_pack, (const float *x, long stride, long tokens, long room, long count, void *packed),
              (x, stride, tokens, room, count, packed))
MATRIX_KERNEL(matrix_pack_exact, (const float *x, long stride, long tokens, long room, long count, void *packed),
              (x, stride, tokens, room, count, packed))
// One row of x, or up to four, as [group][pair][part][room][2]: three parts and room for a fourth, with room for one or for four.
MATRIX_KERNEL(matrix_pack_beside_1, (const float *x, long count, void *packed), (x, count, packed))
MATRIX_KERNEL(matrix_pack_beside_4, (const float *x, long stride, long tokens, long count, void *packed),
              (x, stride, tokens, count, packed))
// `rows` rows of `count` BF16 codes, `row_bytes` apart, as [group of 32][row][32], the last group filled with zeros.
MATRIX_KERNEL(matrix_gather, (const void *weights, long row_bytes, long rows, long count, void *packed),
              (weights, row_bytes, rows, count, packed))

#pragma clang diagnostic pop
#pragma clang assume_nonnull end
