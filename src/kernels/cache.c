/* How large the second cache is, which blocks of products are cut for. Their bits do not depend on it. */
#include "kernels/kernels.h"

#include <stdatomic.h>

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#include <cpuid.h>
#endif

/* What processors without a way to tell have at least. */
enum { SAFE_GUESS = 256 * 1024, SANE_MOST = 64 * 1024 * 1024 };

/* Bits 31 to 16 of ecx of this leaf, in KiB: of AMD's and of Intel's processors. */
static size_t ask_processor(void) {
    size_t bytes = 0;
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    unsigned most, a, b, c, d;
    __cpuid(0x80000000, most, b, c, d);
    if (most >= 0x80000006) {
        __cpuid(0x80000006, a, b, c, d);
        bytes = (size_t)(c >> 16) * 1024;
    }
#endif
    return bytes < SAFE_GUESS ? SAFE_GUESS : bytes > SANE_MOST ? SANE_MOST : bytes;
}

static atomic_size_t size; /* 0: not asked yet; every thread would find the same */

size_t hc_second_cache(void) {
    size_t known = atomic_load_explicit(&size, memory_order_relaxed);
    if (known == 0) {
        known = ask_processor();
        atomic_store_explicit(&size, known, memory_order_relaxed);
    }
    return known;
}

void hc_assume_second_cache(size_t bytes) {
    atomic_store_explicit(&size, bytes, memory_order_relaxed);
}
