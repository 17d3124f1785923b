// What the C library does with freed memory.
#pragma once
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

// Keeps up to `limit` freed bytes at the end of a heap, and takes blocks of up to `block` bytes from heaps at all. The
// answer is 0 where the C library has no such settings or refuses them.
static inline int keep_freed_memory(int limit, int block) {
#if defined(__GLIBC__)
    return mallopt(M_TRIM_THRESHOLD, limit) && mallopt(M_MMAP_THRESHOLD, block);
#else
    (void)limit, (void)block;
    return 0;
#endif
}
