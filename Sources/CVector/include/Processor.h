// What this processor is.
#pragma once
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

// What this processor (and its operating system) can run: 4 AVX-512, 3 AVX2 with FMA, 1 neither.
static inline int cpu_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return 4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 3;
#endif
    return 1;
}

// Whether weights that meet one token, asked for shortly before, pass the second-level cache best. Zen fetches them as fast and
// keeps that cache for what is used again; since they fill the nearest one instead, what meets several tokens goes into the second
// level there. On Intel such a request occupies one of the few line buffers of the first level, and two threads read 16 instead of
// 22 GB/s. The same question decides how index keys are asked for: in one stream (Zen 5) or in four (Intel).
static inline int cpu_prefetches_past_l2(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") != 0;
#else
    return 0;
#endif
}

static inline int cpu_is_intel(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_is("intel") != 0;
#else
    return 0;
#endif
}

// Whether a product with a subnormal factor takes a detour through microcode, some 200 cycles: on Intel.
static inline int cpu_slows_at_subnormals(void) { return cpu_is_intel(); }

// Whether 512-bit shifts and extensions take the ports of the multipliers, so that making floats of BF16 weights costs
// multiplications: on Intel's servers two ports do both (measured on Emerald Rapids). Zen 5 has others for them.
static inline int cpu_decodes_in_multipliers(void) { return cpu_is_intel(); }

// Whether the processor itself asks for what follows in each of four streams of weights, so that requests far ahead get in its way:
// on Zen 4 (measured on a server; older families of AMD are taken for the same), not on Zen 5 and on Intel's servers.
static inline int cpu_asks_ahead_itself(void) {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_is("amd") && __get_cpuid(1, &a, &b, &c, &d)) {
        unsigned family = a >> 8 & 0xF;
        if (family == 0xF) family += a >> 20 & 0xFF;
        return family < 0x1A;
    }
#endif
    return 0;
}

// Processors this process may run on (sched_getaffinity where it exists), at least 1.
int available_processors(void);

// Tells the processor that this is a waiting loop.
static inline void spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __builtin_arm_yield();
#endif
}
