/* Transposing in small blocks: to[p * ldt + j] = from[j * ldf + p]. */
#ifndef HC_KERNELS_TURN_H
#define HC_KERNELS_TURN_H

#include "kernels/real.h"

#if defined(__GNUC__) && defined(__AVX2__)
#include <immintrin.h>
#endif

enum { HC_TURN_STRIP = 64 / sizeof(HC_REAL) };

#if defined(__GNUC__) && defined(__AVX2__) && HC_REAL_BITS == 32

enum { HC_TURN = 8 };

/* Rows j and j + 4 of the block, numbers p to p + 3 of each. */
HC_INLINE __m256 turn_pair(const float *from, size_t ldf) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                _mm_loadu_ps(from + 4 * ldf), 1);
}

HC_INLINE void turn_block(float *restrict to, size_t ldt, const float *restrict from, size_t ldf) {
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

HC_INLINE void turn_block(double *restrict to, size_t ldt, const double *restrict from,
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
HC_INLINE void turn_block(HC_REAL *restrict to, size_t ldt, const HC_REAL *restrict from,
                          size_t ldf) {
    for (size_t j = 0; j < HC_TURN; j++)
        for (size_t p = 0; p < HC_TURN; p++)
            to[p * ldt + j] = from[j * ldf + p];
}

#endif

/* `rows` rows of `from`, `cols` numbers each, become the columns of `to`; where they are many, in strips a
 * cache line wide, so that both sides stay in cache. Inlined, for ldt is a constant where it matters. */
HC_INLINE void turn(HC_REAL *restrict to, size_t ldt, const HC_REAL *restrict from, size_t ldf,
                    size_t rows, size_t cols) {
    const size_t whole_rows = rows - rows % HC_TURN, whole_cols = cols - cols % HC_TURN;
    if (cols * ldt <= 16384 / sizeof *to)
        for (size_t j = 0; j < whole_rows; j += HC_TURN)
            for (size_t p = 0; p < whole_cols; p += HC_TURN)
                turn_block(to + p * ldt + j, ldt, from + j * ldf + p, ldf);
    else
        for (size_t p0 = 0, p1; p0 < whole_cols; p0 = p1) {
            p1 = p0 + HC_TURN_STRIP < whole_cols ? p0 + HC_TURN_STRIP : whole_cols;
            for (size_t j = 0; j < whole_rows; j += HC_TURN)
                for (size_t p = p0; p < p1; p += HC_TURN)
                    turn_block(to + p * ldt + j, ldt, from + j * ldf + p, ldf);
        }
    for (size_t p = whole_cols; p < cols; p++)
        for (size_t j = 0; j < whole_rows; j++)
            to[p * ldt + j] = from[j * ldf + p];
    for (size_t j = whole_rows; j < rows; j++)
        for (size_t p = 0; p < cols; p++)
            to[p * ldt + j] = from[j * ldf + p];
}

#endif
