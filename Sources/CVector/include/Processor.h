// What this processor is.
#pragma once
#if defined(__x86_64__)
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
