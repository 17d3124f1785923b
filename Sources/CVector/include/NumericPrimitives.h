// Vector arithmetic of the numeric modes: rounding to E4M3 and BF16, products of BF16 pairs.
#pragma once
#include "Primitives.h"
#pragma clang assume_nonnull begin
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"

PRIMITIVE f32x16 f32x16_absolute(f32x16 v) { return (f32x16)((i32x16)v & 0x7fffffff); }

// The nearest E4M3 value, ties to even; magnitudes beyond 448 saturate, NaN stays NaN, zeros keep their sign.
PRIMITIVE f32x16 f32x16_round_e4m3(f32x16 v) {
    i32x16 sign = (i32x16)v & (int32_t)0x80000000;
    i32x16 bits = (i32x16)v & 0x7fffffff;
    f32x16 size = (f32x16)bits;
    // Below the smallest normal, 2^-6, the step is 2^-9: that of floats at 2^14.
    f32x16 tiny = (size + 0x1p14f) - 0x1p14f;
    f32x16 normal = (f32x16)((bits + 0x7ffff + ((bits >> 20) & 1)) & (int32_t)0xfff00000);
    f32x16 rounded = size < 0x1p-6f ? tiny : normal;
    rounded = rounded > 448.0f ? (f32x16)448.0f : rounded;
    rounded = size == size ? rounded : size;
    return (f32x16)((i32x16)rounded | sign);
}

// The nearest BF16 values, ties to even, as floats and as codes; overflow gives infinity, NaN stays NaN.
PRIMITIVE i32x16 bf16_bits(f32x16 v) {
    i32x16 bits = (i32x16)v;
    i32x16 rounded = bits + 0x7fff + ((bits >> 16) & 1);
    return v == v ? rounded : bits | 0x400000;
}
PRIMITIVE f32x16 f32x16_round_bf16(f32x16 v) { return (f32x16)(bf16_bits(v) & (int32_t)0xffff0000); }
// The same of four.
PRIMITIVE f32x4 f32x4_round_bf16(f32x4 v) {
    typedef int32_t i32x4 __attribute__((ext_vector_type(4)));
    i32x4 bits = (i32x4)v;
    i32x4 rounded = bits + 0x7fff + ((bits >> 16) & 1);
    return (f32x4)((v == v ? rounded : bits | 0x400000) & (int32_t)0xffff0000);
}
// The eight leading bits of every element: what a BF16 code can hold, and never more than the element.
PRIMITIVE f32x16 f32x16_cut_bf16(f32x16 v) { return (f32x16)((i32x16)v & (int32_t)0xffff0000); }
// What those bits leave of it, of an infinity nothing.
PRIMITIVE f32x16 f32x16_beyond_bf16(f32x16 v) {
    f32x16 rest = v - f32x16_cut_bf16(v);
    return (f32x16)(((i32x16)v & 0x7fffffff) == 0x7f800000 ? (i32x16)0 : (i32x16)rest);
}
PRIMITIVE i32x16 bf16x32_codes(i32x16 low, i32x16 high) {
    u16x16 a = __builtin_convertvector(low >> 16, u16x16), b = __builtin_convertvector(high >> 16, u16x16);
    i32x16 codes;
    memcpy(&codes, &a, sizeof a);
    memcpy((char *)&codes + sizeof a, &b, sizeof b);
    return codes;
}
PRIMITIVE i32x16 bf16x32_cut(f32x16 low, f32x16 high) { return bf16x32_codes((i32x16)low, (i32x16)high); }
PRIMITIVE i32x16 bf16x32_round(f32x16 low, f32x16 high) { return bf16x32_codes(bf16_bits(low), bf16_bits(high)); }
PRIMITIVE void bf16x16_store(void *p, f32x16 v) {
    u16x16 codes = __builtin_convertvector(bf16_bits(v) >> 16, u16x16);
    memcpy(p, &codes, sizeof codes);
}

// Four sums of 16 lanes, each plus the products of 32 BF16 pairs with the same 32 of a token: in lane i first
// element 2i + 1, then 2i, as vdpbf16ps does it. `step` bytes lie between the rows.
PRIMITIVE f32x16 f32x16_add_pairs(f32x16 sum, i32x16 w, i32x16 x) {
    const int32_t high = (int32_t)0xffff0000;
    sum = (f32x16)(w & high) * (f32x16)(x & high) + sum;
    return (f32x16)(w << 16) * (f32x16)(x << 16) + sum;
}
// Integers that order like floats: NaN below all, zeros of both signs equal.
PRIMITIVE i32x16 f32x16_order(f32x16 v) {
    i32x16 bits = (i32x16)(v + 0.0f);
    return v == v ? bits ^ ((bits >> 31) & 0x7fffffff) : (i32x16)(int32_t)0x80000000;
}
// `counts`, one more where v > limit.
PRIMITIVE i32x16 i32x16_count_above(i32x16 counts, i32x16 v, i32x16 limit) { return counts - (v > limit); }
// Bit i for lane i of a comparison.
PRIMITIVE uint32_t i32x16_bits(i32x16 compared) {
    typedef _Bool boolx16 __attribute__((ext_vector_type(16)));
    boolx16 lanes = __builtin_convertvector(compared, boolx16);
    uint16_t bits;
    memcpy(&bits, &lanes, sizeof bits);
    return bits;
}
PRIMITIVE uint32_t i32x16_which_above(i32x16 v, i32x16 limit) { return i32x16_bits(v > limit); }
PRIMITIVE uint32_t i32x16_which_equal(i32x16 v, i32x16 value) { return i32x16_bits(v == value); }
PRIMITIVE i32x16 i32x16_smaller(i32x16 a, i32x16 b) { return a < b ? a : b; }
PRIMITIVE i32x16 i32x16_larger(i32x16 a, i32x16 b) { return a > b ? a : b; }
// The lanes of `lanes` whose bits are set, one behind the other; 16 places of `target`, which lies elsewhere, may be
// written. Below, the same of the numbers from `first` on.
PRIMITIVE void i32x16_pack(const int32_t *lanes, uint32_t chosen, int32_t *target) {
    for (; chosen; chosen &= chosen - 1) *target++ = lanes[__builtin_ctz(chosen)];
}
PRIMITIVE void i32x16_pack_numbers(int32_t first, uint32_t chosen, int32_t *target) {
    for (; chosen; chosen &= chosen - 1) *target++ = first + __builtin_ctz(chosen);
}
#if defined(__x86_64__)
#define AVX512_PRIMITIVE static inline __attribute__((target("avx512f")))
AVX512_PRIMITIVE void i32x16_pack_wide(const int32_t *lanes, uint32_t chosen, int32_t *target) {
    _mm512_storeu_si512(target, _mm512_maskz_compress_epi32((__mmask16)chosen, _mm512_loadu_si512(lanes)));
}
AVX512_PRIMITIVE void i32x16_pack_numbers_wide(int32_t first, uint32_t chosen, int32_t *target) {
    __m512i numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(first));
    _mm512_storeu_si512(target, _mm512_maskz_compress_epi32((__mmask16)chosen, numbers));
}
#else
PRIMITIVE void i32x16_pack_wide(const int32_t *lanes, uint32_t chosen, int32_t *target) {
    i32x16_pack(lanes, chosen, target);
}
PRIMITIVE void i32x16_pack_numbers_wide(int32_t first, uint32_t chosen, int32_t *target) {
    i32x16_pack_numbers(first, chosen, target);
}
#endif
PRIMITIVE int32_t i32x16_total(i32x16 v) {
    typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
    typedef int32_t i32x4 __attribute__((ext_vector_type(4)));
    i32x8 a = v.lo + v.hi;
    i32x4 b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}
PRIMITIVE i32x16 i32x16_add(i32x16 a, i32x16 b) { return a + b; }
PRIMITIVE void i32x16_store(void *p, i32x16 v) { memcpy(p, &v, sizeof v); }
PRIMITIVE i32x16 i32x16_load(const void *p) { i32x16 v; memcpy(&v, p, sizeof v); return v; }
// `count` (at most 31) elements of 16 bits, then zeros.
PRIMITIVE i32x16 i32x16_load_first_halves(const void *p, long count) {
    i32x16 v = 0;
    copy_short(&v, p, count * 2);
    return v;
}
PRIMITIVE void add_bf16_row(void *sum, const void *w, i32x16 x) {
    f32x16_store(sum, f32x16_add_pairs(f32x16_load(sum), i32x16_load(w), x));
}
// Unrolled by hand, here and below: a loop would keep the sums in memory.
PRIMITIVE void add_bf16_pairs(void *sums, const void *w, long step, const void *x) {
    char *s = (char *)sums;
    const char *r = (const char *)w;
    i32x16 token = i32x16_load(x);
    add_bf16_row(s, r, token);
    add_bf16_row(s + 64, r + step, token);
    add_bf16_row(s + 128, r + 2 * step, token);
    add_bf16_row(s + 192, r + 3 * step, token);
}
// The same with FP8 weights of one row, decoded, multiplied by `scale` and rounded to BF16.
typedef int8_t i8x32 __attribute__((ext_vector_type(32)));
PRIMITIVE f32x16 f32x16_add_fp8_pairs(f32x16 sum, const void *w, f32x16 scale, const void *x) {
    const int32_t mask = (int32_t)0x87f00000;
    i8x32 codes;
    memcpy(&codes, w, sizeof codes);
    i32x16 pairs = (i32x16)__builtin_convertvector(codes, i16x32), token = i32x16_load(x);
    f32x16 odd = f32x16_round_bf16((f32x16)((pairs << 4) & mask) * scale);
    f32x16 even = f32x16_round_bf16((f32x16)((pairs << 20) & mask) * scale);
    sum = odd * (f32x16)(token & (int32_t)0xffff0000) + sum;
    return even * (f32x16)(token << 16) + sum;
}
#if defined(__x86_64__)
// The same by the instruction; it takes subnormal weights and activations for zero.
#define BF16_INSTRUCTIONS static inline __attribute__((target("avx512f,avx512bf16")))
BF16_INSTRUCTIONS void dot_bf16_row(void *sum, const void *w, const void *x) {
    __m512bh weight = (__m512bh)_mm512_loadu_si512(w), token = (__m512bh)_mm512_loadu_si512(x);
    _mm512_storeu_ps(sum, _mm512_dpbf16_ps(_mm512_loadu_ps(sum), weight, token));
}
// 32 weights as floats, rounded to BF16 on the way; subnormal floats count as zero.
BF16_INSTRUCTIONS void dot_bf16_floats(void *sum, const void *low, const void *high, const void *x) {
    __m512bh weight = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(high), _mm512_loadu_ps(low));
    _mm512_storeu_ps(sum, _mm512_dpbf16_ps(_mm512_loadu_ps(sum), weight, (__m512bh)_mm512_loadu_si512(x)));
}
BF16_INSTRUCTIONS void dot_bf16_pairs(void *sums, const void *w, long step, const void *x) {
    char *s = (char *)sums;
    const char *r = (const char *)w;
    dot_bf16_row(s, r, x);
    dot_bf16_row(s + 64, r + step, x);
    dot_bf16_row(s + 128, r + 2 * step, x);
    dot_bf16_row(s + 192, r + 3 * step, x);
}
#else
PRIMITIVE void dot_bf16_row(void *sum, const void *w, const void *x) { add_bf16_row(sum, w, i32x16_load(x)); }
PRIMITIVE void dot_bf16_floats(void *sum, const void *low, const void *high, const void *x) {
    char codes[64];
    bf16x16_store(codes, f32x16_load(low));
    bf16x16_store(codes + 32, f32x16_load(high));
    add_bf16_row(sum, codes, i32x16_load(x));
}
PRIMITIVE void dot_bf16_pairs(void *sums, const void *w, long step, const void *x) { add_bf16_pairs(sums, w, step, x); }
#endif

#pragma clang diagnostic pop
#pragma clang assume_nonnull end
