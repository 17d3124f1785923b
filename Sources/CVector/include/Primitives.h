// Vector arithmetic for the kernels' bodies: plain C on vector types, no instruction set named, so it
// compiles to whatever the function it ends up in may use. Always inlined; vectors by value are safe here
// because nothing has a target of its own.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#pragma clang assume_nonnull begin
#pragma clang diagnostic push
// "Vector argument changes the ABI": not of a function that is always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef float f32x8 __attribute__((ext_vector_type(8)));
typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x16 __attribute__((ext_vector_type(16)));
typedef int8_t i8x16 __attribute__((ext_vector_type(16)));

#define PRIMITIVE static inline __attribute__((always_inline))

// Memory. Any alignment; `count` (0 to 15) elements at most where named, the rest is zero or left alone.
// Into the second-level cache on x86-64, and what lies beyond.
PRIMITIVE void prefetch(const void *p) { __builtin_prefetch(p, 0, 1); }
// Into the nearest cache, for what is read at once.
PRIMITIVE void prefetch_near(const void *p) { __builtin_prefetch(p, 0, 3); }
// For what is read once: it does not drive out of the outer caches what is used again.
PRIMITIVE void prefetch_once(const void *p) { __builtin_prefetch(p, 0, 0); }
// What stands behind it in the source is not read before. A loop for few registers that the compiler rearranges, to read a vector once
// for several sums, keeps them in memory.
PRIMITIVE void keep_order(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
PRIMITIVE float f32_load(const void *p) { float v; memcpy(&v, p, sizeof v); return v; }
PRIMITIVE void f32x4_store(void *p, f32x4 v) { memcpy(p, &v, sizeof v); }
PRIMITIVE f32x8 f32x8_load(const void *p) { f32x8 v; memcpy(&v, p, sizeof v); return v; }
PRIMITIVE void f32x8_store(void *p, f32x8 v) { memcpy(p, &v, sizeof v); }
PRIMITIVE f32x16 f32x16_load(const void *p) { f32x16 v; memcpy(&v, p, sizeof v); return v; }
PRIMITIVE void f32x16_store(void *p, f32x16 v) { memcpy(p, &v, sizeof v); }

// Copies 0 to 63 bytes by halves: every memcpy has a constant size, so there is no call and nothing is
// touched beyond the end.
PRIMITIVE void copy_short(void *to, const void *from, long bytes) {
    char *t = (char *)to;
    const char *f = (const char *)from;
    if (bytes & 32) { memcpy(t, f, 32); t += 32; f += 32; }
    if (bytes & 16) { memcpy(t, f, 16); t += 16; f += 16; }
    if (bytes & 8) { memcpy(t, f, 8); t += 8; f += 8; }
    if (bytes & 4) { memcpy(t, f, 4); t += 4; f += 4; }
    if (bytes & 2) { memcpy(t, f, 2); t += 2; f += 2; }
    if (bytes & 1) { memcpy(t, f, 1); }
}
PRIMITIVE f32x16 f32x16_load_first(const void *p, long count) {
    f32x16 v = 0;
    copy_short(&v, p, count * 4);
    return v;
}
PRIMITIVE void f32x16_store_first(void *p, f32x16 v, long count) { copy_short(p, &v, count * 4); }

// Sixteen stored weights as floats. Format 0: Float32. 1: BF16. 2: FP8 E4M3, as value * 2^-120, exact
// (subnormals included); the caller multiplies by scale * 2^120, which rounds exactly like value * scale, or
// puts scale * 2^96 into what the weight is multiplied by. The NaN codes come out as +-480.
PRIMITIVE f32x16 f32x16_from_bf16(u16x16 codes) { return (f32x16)(__builtin_convertvector(codes, i32x16) << 16); }
PRIMITIVE f32x16 f32x16_from_fp8(i8x16 codes) {
    return (f32x16)((__builtin_convertvector(codes, i32x16) << 20) & (int32_t)0x87f00000);
}
PRIMITIVE f32x16 f32x16_load_weights(const void *p, int32_t format) {
    if (format == 0) return f32x16_load(p);
    if (format == 1) { u16x16 v; memcpy(&v, p, sizeof v); return f32x16_from_bf16(v); }
    i8x16 v; memcpy(&v, p, sizeof v); return f32x16_from_fp8(v);
}
PRIMITIVE f32x16 f32x16_load_weights_first(const void *p, int32_t format, long count) {
    if (format == 0) return f32x16_load_first(p, count);
    if (format == 1) { u16x16 v = 0; copy_short(&v, p, count * 2); return f32x16_from_bf16(v); }
    i8x16 v = 0; copy_short(&v, p, count); return f32x16_from_fp8(v);
}

// Eight of them, Float32 or BF16.
typedef uint16_t u16x8 __attribute__((ext_vector_type(8)));
typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
PRIMITIVE f32x8 f32x8_load_weights(const void *p, int32_t format) {
    if (format == 0) return f32x8_load(p);
    u16x8 v; memcpy(&v, p, sizeof v); return (f32x8)(__builtin_convertvector(v, i32x8) << 16);
}

// Arithmetic. `a * b + c` in ONE expression is a fused multiply-add where the target has one, and multiply
// then add where it has not (never a call to fmaf).
PRIMITIVE f32x16 f32x16_all(float a) { return (f32x16)a; }
PRIMITIVE f32x16 f32x16_multiply_add(f32x16 a, f32x16 b, f32x16 c) { return a * b + c; }
PRIMITIVE f32x8 f32x8_all(float a) { return (f32x8)a; }
PRIMITIVE f32x8 f32x8_multiply_add(f32x8 a, f32x8 b, f32x8 c) { return a * b + c; }
PRIMITIVE f32x16 f32x16_multiply(f32x16 a, f32x16 b) { return a * b; }
PRIMITIVE f32x16 f32x16_divide(f32x16 a, f32x16 b) { return a / b; }
PRIMITIVE f32x16 f32x16_add(f32x16 a, f32x16 b) { return a + b; }
PRIMITIVE f32x16 f32x16_subtract(f32x16 a, f32x16 b) { return a - b; }
PRIMITIVE float f32_square_root(float a) { return __builtin_elementwise_sqrt(a); }
PRIMITIVE f32x16 f32x16_negate(f32x16 a) { return -a; }
// Where a > b then a, else b: a NaN in `a` gives b.
PRIMITIVE f32x16 f32x16_larger(f32x16 a, f32x16 b) { return a > b ? a : b; }
PRIMITIVE i32x16 i32x16_all(int32_t a) { return (i32x16)a; }
PRIMITIVE int any_equal(f32x16 a, f32x16 b) { return __builtin_reduce_or(a == b) != 0; }

// Limits a value to low ... high; NaN stays.
PRIMITIVE f32x16 f32x16_clamp(f32x16 a, float low, float high) {
    a = a < (f32x16)low ? (f32x16)low : a;
    return a > (f32x16)high ? (f32x16)high : a;
}
// y * 2^n for the n that `shifted` = n + 1.5 * 2^23 carries in its low bits, in two steps, so that results
// may be subnormal.
PRIMITIVE f32x16 f32x16_scale_by_power(f32x16 y, f32x16 shifted) {
    i32x16 n = (i32x16)shifted - (i32x16)(f32x16)0x1.8p23f;
    i32x16 half = n >> 1;
    return y * (f32x16)((half + 127) << 23) * (f32x16)((n - half + 127) << 23);
}

// sum + weight * max(0, scale * dot): a NaN counts as 0.
PRIMITIVE f32x8 f32x8_add_positive(f32x8 sum, f32x8 dot, float weight, float scale) {
    f32x8 scaled = dot * scale;
    f32x8 positive = scaled > (f32x8)0 ? scaled : (f32x8)0;
    return (f32x8)weight * positive + sum;
}
PRIMITIVE f32x8 f32x16_low(f32x16 v) { return v.lo; }
PRIMITIVE f32x8 f32x16_high(f32x16 v) { return v.hi; }
PRIMITIVE f32x16 f32x16_join(f32x8 low, f32x8 high) {
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

// The one tree over 16 lanes: 8 apart, 4 apart, 2 apart, neighbours.
PRIMITIVE float f32x8_sum(f32x8 v) {
    f32x4 q = v.lo + v.hi;
    return (q.x + q.z) + (q.y + q.w);
}
PRIMITIVE float f32x16_sum(f32x16 v) { return f32x8_sum(v.lo + v.hi); }
// The same tree over four vectors at once.
PRIMITIVE f32x4 f32x16_sum4(f32x16 a, f32x16 b, f32x16 c, f32x16 d) {
    f32x16 ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    f32x16 cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                __builtin_shufflevector(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    f32x16 s = __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
               __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    s = s + __builtin_shufflevector(s, s, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    s = s + __builtin_shufflevector(s, s, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    return __builtin_shufflevector(s, s, 0, 4, 8, 12);
}
PRIMITIVE float f32x16_largest(f32x16 v) {
    f32x8 a = v.lo > v.hi ? v.lo : v.hi;
    f32x4 b = a.lo > a.hi ? a.lo : a.hi;
    float c = b.x > b.z ? b.x : b.z, d = b.y > b.w ? b.y : b.w;
    return c > d ? c : d;
}

// Eight pairs rotated: y0 = x0 * cos - x1 * sin, y1 = x1 * cos + x0 * sin.
PRIMITIVE f32x16 f32x16_rotate_pairs(f32x16 x, f32x8 cosines, f32x8 sines) {
    f32x16 c = __builtin_shufflevector(cosines, cosines, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    f32x16 s = __builtin_shufflevector(sines, -sines, 8, 0, 9, 1, 10, 2, 11, 3, 12, 4, 13, 5, 14, 6, 15, 7);
    f32x16 swapped = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    f32x16 product = swapped * s;
    return x * c + product;
}
PRIMITIVE f32x8 f32x8_load_first(const void *p, long count) {
    f32x8 v = 0;
    copy_short(&v, p, count * 4);
    return v;
}

// 64 FP8 codes as four vectors in code order: vector j has the codes 4 i + j, value * 2^-120. Nothing moves
// between lanes, which makes 9 operations of it.
typedef int16_t i16x32 __attribute__((ext_vector_type(32)));
PRIMITIVE void f32x16_from_64_codes(i16x32 codes, void *out) {
    const int32_t mask = (int32_t)0x87f00000;
    i32x16 even = (i32x16)((codes << 8) >> 4), odd = (i32x16)(codes >> 4);
    f32x16_store(out, (f32x16)((even << 16) & mask));
    f32x16_store((char *)out + 64, (f32x16)((odd << 16) & mask));
    f32x16_store((char *)out + 128, (f32x16)(even & mask));
    f32x16_store((char *)out + 192, (f32x16)(odd & mask));
}
PRIMITIVE void f32x16_load_64_codes(const void *p, void *out) {
    i16x32 codes;
    memcpy(&codes, p, sizeof codes);
    f32x16_from_64_codes(codes, out);
}
// 32 of them: half the lanes of the four vectors.
typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
PRIMITIVE void f32x8_load_32_codes(const void *p, void *out) {
    const int32_t mask = (int32_t)0x87f00000;
    i16x16 codes;
    memcpy(&codes, p, sizeof codes);
    i32x8 even = (i32x8)((codes << 8) >> 4), odd = (i32x8)(codes >> 4);
    f32x8_store(out, (f32x8)((even << 16) & mask));
    f32x8_store((char *)out + 32, (f32x8)((odd << 16) & mask));
    f32x8_store((char *)out + 64, (f32x8)(even & mask));
    f32x8_store((char *)out + 96, (f32x8)(odd & mask));
}
// The first 0 to 63 of them, the rest zero.
PRIMITIVE void f32x16_load_codes_first(const void *p, long count, void *out) {
    i16x32 codes = 0;
    copy_short(&codes, p, count);
    f32x16_from_64_codes(codes, out);
}
// 64 floats in code order.
PRIMITIVE void f32x16_deal_64(const void *p, void *out, long step) {
    f32x16 a = f32x16_load(p), b = f32x16_load((const char *)p + 64);
    f32x16 c = f32x16_load((const char *)p + 128), d = f32x16_load((const char *)p + 192);
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
    f32x16 even0 = __builtin_shufflevector(a, b, EVEN), even1 = __builtin_shufflevector(c, d, EVEN);
    f32x16 odd0 = __builtin_shufflevector(a, b, ODD), odd1 = __builtin_shufflevector(c, d, ODD);
    f32x16_store(out, __builtin_shufflevector(even0, even1, EVEN));
    f32x16_store((char *)out + step, __builtin_shufflevector(odd0, odd1, EVEN));
    f32x16_store((char *)out + 2 * step, __builtin_shufflevector(even0, even1, ODD));
    f32x16_store((char *)out + 3 * step, __builtin_shufflevector(odd0, odd1, ODD));
#undef EVEN
#undef ODD
}

// The other way round: 64 floats in code order, one group of 16 behind the other, in their own order.
PRIMITIVE void f32x16_collect_64(const void *p, void *out) {
    f32x16 a = f32x16_load(p), b = f32x16_load((const char *)p + 64);
    f32x16 c = f32x16_load((const char *)p + 128), d = f32x16_load((const char *)p + 192);
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
    f32x16 ab0 = __builtin_shufflevector(a, b, LOW), ab1 = __builtin_shufflevector(a, b, HIGH);
    f32x16 cd0 = __builtin_shufflevector(c, d, LOW), cd1 = __builtin_shufflevector(c, d, HIGH);
#undef LOW
#undef HIGH
#define LOW 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23
#define HIGH 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31
    f32x16_store(out, __builtin_shufflevector(ab0, cd0, LOW));
    f32x16_store((char *)out + 64, __builtin_shufflevector(ab0, cd0, HIGH));
    f32x16_store((char *)out + 128, __builtin_shufflevector(ab1, cd1, LOW));
    f32x16_store((char *)out + 192, __builtin_shufflevector(ab1, cd1, HIGH));
#undef LOW
#undef HIGH
}

// With one instruction set of its own, so through pointers and not always inlined: vectors by value crash the
// compiler here.
#if defined(__x86_64__)
// 64 FP8 codes as four vectors, value * 2^-120 as above, in 10 operations on 64 codes where the plain way
// takes 12. The codes are first dealt out so that the four bytes of a lane are elements i, 16 + i, 32 + i, 48
// + i.
static inline __attribute__((target("avx512f,avx512bw"))) void f32x16_load_64_fp8(const void *p, void *out) {
    __m512i deal = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i turn = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    // Known to the optimiser, the two shuffles would be merged into one of bytes, which takes nine
    // instructions.
    __asm__("" : "+v"(deal));
    const __m512i mask = _mm512_set1_epi32((int)0x87f00000);
    __m512i codes = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(deal, _mm512_loadu_si512(p)), turn);
    __m512i even = _mm512_maddubs_epi16(_mm512_set1_epi16(0x0010), codes);
    __m512i odd = _mm512_maddubs_epi16(_mm512_set1_epi16(0x1000), codes);
    _mm512_store_si512((char *)out, _mm512_and_si512(_mm512_slli_epi32(even, 16), mask));
    _mm512_store_si512((char *)out + 64, _mm512_and_si512(_mm512_slli_epi32(odd, 16), mask));
    _mm512_store_si512((char *)out + 128, _mm512_and_si512(even, mask));
    _mm512_store_si512((char *)out + 192, _mm512_and_si512(odd, mask));
}
// The same as f32x16_load_64_codes: a multiplication moves a byte to its place and repeats its sign.
static inline __attribute__((target("avx512f,avx512bw"))) void f32x16_multiply_64_codes(const void *p, void *out) {
    const __m512i mask = _mm512_set1_epi32((int)0x87f00000), codes = _mm512_loadu_si512(p);
    __m512i even = _mm512_maddubs_epi16(_mm512_set1_epi16(0x0010), codes);
    __m512i odd = _mm512_maddubs_epi16(_mm512_set1_epi16(0x1000), codes);
    _mm512_store_si512((char *)out, _mm512_and_si512(_mm512_slli_epi32(even, 16), mask));
    _mm512_store_si512((char *)out + 64, _mm512_and_si512(_mm512_slli_epi32(odd, 16), mask));
    _mm512_store_si512((char *)out + 128, _mm512_and_si512(even, mask));
    _mm512_store_si512((char *)out + 192, _mm512_and_si512(odd, mask));
}
#else
PRIMITIVE void f32x16_multiply_64_codes(const void *p, void *out) { f32x16_load_64_codes(p, out); }
PRIMITIVE void f32x16_load_64_fp8(const void *p, void *out) {
    for (int i = 0; i < 4; i++)
        f32x16_store((char *)out + 64 * i, f32x16_load_weights((const char *)p + 16 * i, 2));
}
#endif

#pragma clang diagnostic pop
#pragma clang assume_nonnull end
