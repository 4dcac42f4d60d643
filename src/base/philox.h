/* Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * Four words from a key and a counter, without state, so that any word can be drawn again. */
#ifndef HC_BASE_PHILOX_H
#define HC_BASE_PHILOX_H

#include <stdint.h>

static inline void hc_philox_round(uint32_t x[4], uint32_t k0, uint32_t k1) {
    uint64_t p = (uint64_t)0xD2511F53u * x[0];
    uint64_t q = (uint64_t)0xCD9E8D57u * x[2];
    uint32_t y0 = (uint32_t)(q >> 32) ^ x[1] ^ k0;
    uint32_t y2 = (uint32_t)(p >> 32) ^ x[3] ^ k1;
    x[0] = y0;
    x[1] = (uint32_t)q;
    x[2] = y2;
    x[3] = (uint32_t)p;
}

static inline void hc_philox(uint64_t key, uint64_t counter, uint32_t x[4]) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    x[0] = (uint32_t)counter;
    x[1] = (uint32_t)(counter >> 32);
    x[2] = x[3] = 0;
    for (int round = 0; round < 10; round++) {
        hc_philox_round(x, k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

#endif
