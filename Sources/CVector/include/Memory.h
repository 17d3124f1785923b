// What the C library does with freed memory.
#pragma once
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

// What is freed stays at the end of its heap up to `limit` bytes, and blocks smaller than `block` bytes come from heaps; in one
// heap, blocks of any size, and threads that have not allocated yet have none of their own. Nothing happens where the C library
// has no such settings.
static inline void keep_freed_memory(int limit, int block, int is_one_heap) {
#if defined(__GLIBC__)
    mallopt(M_TRIM_THRESHOLD, limit);
    mallopt(M_MMAP_THRESHOLD, block);
    mallopt(M_MMAP_MAX, is_one_heap ? 0 : 65536);
    if (is_one_heap) mallopt(M_ARENA_MAX, 1);
#else
    (void)limit, (void)block, (void)is_one_heap;
#endif
}
