/* Bits of words. */
#ifndef HC_BASE_BITS_H
#define HC_BASE_BITS_H

#include <stddef.h>
#include <stdint.h>

/* The place of the highest bit that is set; word must not be 0. */
static inline size_t hc_highest_bit(uint64_t word) {
#ifdef __GNUC__
    return 63 - (size_t)__builtin_clzll(word);
#else
    size_t bit = 0;
    while (word >>= 1)
        bit++;
    return bit;
#endif
}

/* The place of the lowest one; word must not be 0. */
static inline size_t hc_lowest_bit(uint64_t word) {
#ifdef __GNUC__
    return (size_t)__builtin_ctzll(word);
#else
    return hc_highest_bit(word & (0 - word));
#endif
}

#endif
