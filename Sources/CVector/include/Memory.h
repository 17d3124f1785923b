// What the C library does with freed memory.
#pragma once
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

// What is freed stays at the end of its heap up to `limit` bytes, and blocks smaller than `block` bytes come from heaps. Nothing
// happens where the C library has no such settings.
static inline void keep_freed_memory(int limit, int block) {
#if defined(__GLIBC__)
    mallopt(M_TRIM_THRESHOLD, limit);
    mallopt(M_MMAP_THRESHOLD, block);
#else
    (void)limit, (void)block;
#endif
}
