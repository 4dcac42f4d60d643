/* Transposing small blocks: to[p * ldt + j] = from[j * ldf + p]. */
#ifndef HC_KERNELS_TURN_H
#define HC_KERNELS_TURN_H

#include "kernels/real.h"

#if defined(__GNUC__) && defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__GNUC__) && defined(__AVX2__) && HC_REAL_BITS == 32

enum { HC_TURN = 8 };

/* Rows j and j + 4 of the block, numbers p to p + 3 of each. */
static inline __m256 turn_pair(const float *from, size_t ldf) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                _mm_loadu_ps(from + 4 * ldf), 1);
}

static inline void turn_block(float *restrict to, size_t ldt, const float *restrict from,
                              size_t ldf) {
    for (size_t p = 0; p < 8; p += 4, from += 4, to += 4 * ldt) {
        const __m256 a = turn_pair(from, ldf), b = turn_pair(from + ldf, ldf),
                     c = turn_pair(from + 2 * ldf, ldf), d = turn_pair(from + 3 * ldf, ldf);
        const __m256 ab0 = _mm256_unpacklo_ps(a, b), ab1 = _mm256_unpackhi_ps(a, b),
                     cd0 = _mm256_unpacklo_ps(c, d), cd1 = _mm256_unpackhi_ps(c, d);
        _mm256_storeu_ps(to, _mm256_shuffle_ps(ab0, cd0, 0x44));
        _mm256_storeu_ps(to + ldt, _mm256_shuffle_ps(ab0, cd0, 0xee));
        _mm256_storeu_ps(to + 2 * ldt, _mm256_shuffle_ps(ab1, cd1, 0x44));
        _mm256_storeu_ps(to + 3 * ldt, _mm256_shuffle_ps(ab1, cd1, 0xee));
    }
}

#elif defined(__GNUC__) && defined(__AVX2__)

enum { HC_TURN = 4 };

static inline void turn_block(double *restrict to, size_t ldt, const double *restrict from,
                              size_t ldf) {
    const __m256d a = _mm256_loadu_pd(from), b = _mm256_loadu_pd(from + ldf),
                  c = _mm256_loadu_pd(from + 2 * ldf), d = _mm256_loadu_pd(from + 3 * ldf);
    const __m256d ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b),
                  cd0 = _mm256_unpacklo_pd(c, d), cd1 = _mm256_unpackhi_pd(c, d);
    _mm256_storeu_pd(to, _mm256_permute2f128_pd(ab0, cd0, 0x20));
    _mm256_storeu_pd(to + ldt, _mm256_permute2f128_pd(ab1, cd1, 0x20));
    _mm256_storeu_pd(to + 2 * ldt, _mm256_permute2f128_pd(ab0, cd0, 0x31));
    _mm256_storeu_pd(to + 3 * ldt, _mm256_permute2f128_pd(ab1, cd1, 0x31));
}

#else

enum { HC_TURN = 8 };

/* Constant bounds let the compiler unroll it. */
static inline void turn_block(HC_REAL *restrict to, size_t ldt, const HC_REAL *restrict from,
                              size_t ldf) {
    for (size_t j = 0; j < HC_TURN; j++)
        for (size_t p = 0; p < HC_TURN; p++)
            to[p * ldt + j] = from[j * ldf + p];
}

#endif

#if defined(__GNUC__) && defined(__AVX512F__)
#define HC_TURN_WIDE (2 * HC_TURN)
/* Twice as many rows at once, so that what is written is as wide as what is read afterwards. */
#if HC_REAL_BITS == 32
static inline __m512 turn_four(const float *from, size_t ldf) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(turn_pair(from, ldf)),
                              turn_pair(from + 8 * ldf, ldf), 1);
}

static inline void turn_wide(float *restrict to, size_t ldt, const float *restrict from,
                             size_t ldf) {
    for (size_t p = 0; p < 8; p += 4, from += 4, to += 4 * ldt) {
        const __m512 a = turn_four(from, ldf), b = turn_four(from + ldf, ldf),
                     c = turn_four(from + 2 * ldf, ldf), d = turn_four(from + 3 * ldf, ldf);
        const __m512 ab0 = _mm512_unpacklo_ps(a, b), ab1 = _mm512_unpackhi_ps(a, b),
                     cd0 = _mm512_unpacklo_ps(c, d), cd1 = _mm512_unpackhi_ps(c, d);
        _mm512_storeu_ps(to, _mm512_shuffle_ps(ab0, cd0, 0x44));
        _mm512_storeu_ps(to + ldt, _mm512_shuffle_ps(ab0, cd0, 0xee));
        _mm512_storeu_ps(to + 2 * ldt, _mm512_shuffle_ps(ab1, cd1, 0x44));
        _mm512_storeu_ps(to + 3 * ldt, _mm512_shuffle_ps(ab1, cd1, 0xee));
    }
}
#else
static inline __m512d turn_pair(const double *from, size_t ldf) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(from)),
                              _mm256_loadu_pd(from + 4 * ldf), 1);
}

static inline void turn_wide(double *restrict to, size_t ldt, const double *restrict from,
                             size_t ldf) {
    const __m512d a = turn_pair(from, ldf), b = turn_pair(from + ldf, ldf),
                  c = turn_pair(from + 2 * ldf, ldf), d = turn_pair(from + 3 * ldf, ldf);
    const __m512d ab0 = _mm512_unpacklo_pd(a, b), ab1 = _mm512_unpackhi_pd(a, b),
                  cd0 = _mm512_unpacklo_pd(c, d), cd1 = _mm512_unpackhi_pd(c, d);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13),
                  high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    _mm512_storeu_pd(to, _mm512_permutex2var_pd(ab0, low, cd0));
    _mm512_storeu_pd(to + ldt, _mm512_permutex2var_pd(ab1, low, cd1));
    _mm512_storeu_pd(to + 2 * ldt, _mm512_permutex2var_pd(ab0, high, cd0));
    _mm512_storeu_pd(to + 3 * ldt, _mm512_permutex2var_pd(ab1, high, cd1));
}
#endif
#else
#define HC_TURN_WIDE HC_TURN
#define turn_wide turn_block
#endif

/* `rows` rows of `from`, `cols` numbers each, become the columns of `to`; in blocks, so that both sides
 * stay in cache. */
static inline void turn(HC_REAL *restrict to, size_t ldt, const HC_REAL *restrict from, size_t ldf,
                        size_t rows, size_t cols) {
    const size_t whole = cols - cols % HC_TURN;
    size_t j = 0;
    while (rows - j >= HC_TURN) {
        const bool wide = rows - j >= HC_TURN_WIDE;
        const size_t taken = wide ? HC_TURN_WIDE : HC_TURN;
        if (wide)
            for (size_t p = 0; p < whole; p += HC_TURN)
                turn_wide(to + p * ldt + j, ldt, from + j * ldf + p, ldf);
        else
            for (size_t p = 0; p < whole; p += HC_TURN)
                turn_block(to + p * ldt + j, ldt, from + j * ldf + p, ldf);
        for (size_t p = whole; p < cols; p++)
            for (size_t i = j; i < j + taken; i++)
                to[p * ldt + i] = from[i * ldf + p];
        j += taken;
    }
    for (; j < rows; j++)
        for (size_t p = 0; p < cols; p++)
            to[p * ldt + j] = from[j * ldf + p];
}

#endif
