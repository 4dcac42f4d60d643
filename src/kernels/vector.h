/* Vectors of HC_REAL as wide as the level has: what the product is written in. With the GNU extensions
 * they live in registers; elsewhere they are plain arrays, and the same code gives the same results. Only
 * what the extensions cannot say is an intrinsic: access to the first few lanes, which neither reads
 * nor writes memory past them. */
#ifndef HC_KERNELS_VECTOR_H
#define HC_KERNELS_VECTOR_H

#include "kernels/real.h"

#if defined(__GNUC__) && defined(__AVX512F__) && defined(__AVX512VL__)
#include <immintrin.h>
#define HC_VECTOR_BYTES 64
#elif defined(__GNUC__) && defined(__AVX2__)
#include <immintrin.h>
#define HC_VECTOR_BYTES 32
#else
#define HC_VECTOR_BYTES 16
#endif

#if defined(__GNUC__) && defined(__aarch64__)
#include <arm_neon.h>
#define HC_NEON 1
#else
#define HC_NEON 0
#endif

#if HC_VECTOR_BYTES == 64 || defined(__aarch64__)
#define HC_VECTOR_REGISTERS 32
#else
#define HC_VECTOR_REGISTERS 16
#endif

enum { V = HC_VECTOR_BYTES / sizeof(HC_REAL) }; /* numbers in a vector */

#ifdef __GNUC__
typedef HC_REAL Vec __attribute__((vector_size(HC_VECTOR_BYTES)));
typedef HC_REAL VecAt
    __attribute__((vector_size(HC_VECTOR_BYTES), aligned(sizeof(HC_REAL)), may_alias));
#else
typedef struct Vec {
    HC_REAL lane[V];
} Vec;
typedef Vec VecAt;
#endif

HC_INLINE Vec vec_load(const HC_REAL *from) {
    return *(const VecAt *)from;
}

HC_INLINE void vec_store(HC_REAL *to, Vec x) {
    *(VecAt *)to = x;
}

HC_INLINE Vec vec_splat(const HC_REAL *from) {
#if HC_VECTOR_BYTES == 64 && HC_REAL_BITS == 32
    return _mm512_set1_ps(*from);
#elif HC_VECTOR_BYTES == 64
    return _mm512_set1_pd(*from);
#elif HC_VECTOR_BYTES == 32 && HC_REAL_BITS == 32
    return _mm256_set1_ps(*from);
#elif HC_VECTOR_BYTES == 32
    return _mm256_set1_pd(*from);
#elif HC_NEON && HC_REAL_BITS == 32
    return vld1q_dup_f32(from);
#elif HC_NEON
    return vld1q_dup_f64(from);
#else
    HC_REAL lane[V];
    for (size_t l = 0; l < V; l++)
        lane[l] = *from;
    return vec_load(lane);
#endif
}

/* One of a vector's numbers in every lane: NEON multiplies by it where it is. */
HC_INLINE Vec vec_splat_lane(Vec x, size_t lane) {
#if HC_NEON && HC_REAL_BITS == 32
    return (Vec){x[lane], x[lane], x[lane], x[lane]};
#elif HC_NEON
    return (Vec){x[lane], x[lane]};
#else
    (void)lane;
    return x;
#endif
}

/* Asks for the cache line of what will be needed soon. */
HC_INLINE void vec_prefetch(const HC_REAL *at) {
#ifdef __GNUC__
    __builtin_prefetch(at);
#else
    (void)at;
#endif
}

/* acc + a b in every lane. */
HC_INLINE Vec vec_add_product(Vec acc, Vec a, Vec b) {
#ifdef __GNUC__
    return acc + a * b;
#else
    for (size_t l = 0; l < V; l++)
        acc.lane[l] += a.lane[l] * b.lane[l];
    return acc;
#endif
}

/* acc - a b in every lane. */
HC_INLINE Vec vec_take_product(Vec acc, Vec a, Vec b) {
#ifdef __GNUC__
    return acc - a * b;
#else
    for (size_t l = 0; l < V; l++)
        acc.lane[l] -= a.lane[l] * b.lane[l];
    return acc;
#endif
}

HC_INLINE Vec vec_times(Vec a, Vec b) {
#ifdef __GNUC__
    return a * b;
#else
    for (size_t l = 0; l < V; l++)
        a.lane[l] *= b.lane[l];
    return a;
#endif
}

HC_INLINE Vec vec_over(Vec a, Vec b) {
#ifdef __GNUC__
    return a / b;
#else
    for (size_t l = 0; l < V; l++)
        a.lane[l] /= b.lane[l];
    return a;
#endif
}

HC_INLINE Vec vec_negative(Vec a) {
#ifdef __GNUC__
    return -a;
#else
    for (size_t l = 0; l < V; l++)
        a.lane[l] = -a.lane[l];
    return a;
#endif
}

/* ---- the first `count` lanes ----------------------------------------------------------------- */

#if HC_VECTOR_BYTES == 64

#if HC_REAL_BITS == 32
typedef __mmask16 Lanes;

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    return _mm512_maskz_loadu_ps(lanes, from);
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    _mm512_mask_storeu_ps(to, lanes, x);
}
#else
typedef __mmask8 Lanes;

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    return _mm512_maskz_loadu_pd(lanes, from);
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    _mm512_mask_storeu_pd(to, lanes, x);
}
#endif

HC_INLINE Lanes vec_lanes(size_t count) {
    return (Lanes)((1u << count) - 1);
}

#elif HC_VECTOR_BYTES == 32

typedef __m256i Lanes;

#if HC_REAL_BITS == 32
HC_INLINE Lanes vec_lanes(size_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    return _mm256_maskload_ps(from, lanes);
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    _mm256_maskstore_ps(to, lanes, x);
}
#else
HC_INLINE Lanes vec_lanes(size_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)count), _mm256_setr_epi64x(0, 1, 2, 3));
}

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    return _mm256_maskload_pd(from, lanes);
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    _mm256_maskstore_pd(to, lanes, x);
}
#endif

#else

typedef size_t Lanes;

HC_INLINE Lanes vec_lanes(size_t count) {
    return count;
}

#if HC_NEON && HC_REAL_BITS == 32

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    const float32x4_t none = vdupq_n_f32(0);
    if (lanes < 2) return lanes ? vld1q_lane_f32(from, none, 0) : none;
    const float32x4_t two = vcombine_f32(vld1_f32(from), vget_low_f32(none));
    return lanes < 3 ? two : vld1q_lane_f32(from + 2, two, 2);
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    if (lanes > 1) vst1_f32(to, vget_low_f32(x));
    if (lanes == 1) vst1q_lane_f32(to, x, 0);
    if (lanes == 3) vst1q_lane_f32(to + 2, x, 2);
}

#elif HC_NEON

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    const float64x2_t none = vdupq_n_f64(0);
    return lanes ? vld1q_lane_f64(from, none, 0) : none;
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    if (lanes) vst1q_lane_f64(to, x, 0);
}

#else

HC_INLINE Vec vec_load_some(const HC_REAL *from, Lanes lanes) {
    HC_REAL lane[V] = {0};
    for (size_t l = 0; l < V - 1 && l < lanes; l++)
        lane[l] = from[l];
    return vec_load(lane);
}

HC_INLINE void vec_store_some(HC_REAL *to, Vec x, Lanes lanes) {
    HC_REAL lane[V];
    vec_store(lane, x);
    for (size_t l = 0; l < V - 1 && l < lanes; l++)
        to[l] = lane[l];
}

#endif
#endif

/* ---- half a vector, where the vector is two of the units' width ------------------------------- */

#if HC_VECTOR_BYTES == 64
#define HC_VECTOR_HALVES 1
typedef HC_REAL Half __attribute__((vector_size(32)));

HC_INLINE Half half_add_product(Half acc, Half a, Half b) {
    return acc + a * b;
}

#if HC_REAL_BITS == 32
HC_INLINE Half half_of(Vec x) {
    return _mm512_castps512_ps256(x);
}

HC_INLINE Half half_load_some(const HC_REAL *from, Lanes lanes) {
    return _mm256_maskz_loadu_ps((__mmask8)lanes, from);
}

HC_INLINE void half_store_some(HC_REAL *to, Half x, Lanes lanes) {
    _mm256_mask_storeu_ps(to, (__mmask8)lanes, x);
}
#else
HC_INLINE Half half_of(Vec x) {
    return _mm512_castpd512_pd256(x);
}

HC_INLINE Half half_load_some(const HC_REAL *from, Lanes lanes) {
    return _mm256_maskz_loadu_pd(lanes, from);
}

HC_INLINE void half_store_some(HC_REAL *to, Half x, Lanes lanes) {
    _mm256_mask_storeu_pd(to, lanes, x);
}
#endif
#else
#define HC_VECTOR_HALVES 0
typedef Vec Half;

HC_INLINE Half half_of(Vec x) {
    return x;
}

HC_INLINE Half half_add_product(Half acc, Half a, Half b) {
    return vec_add_product(acc, a, b);
}

HC_INLINE Half half_load_some(const HC_REAL *from, Lanes lanes) {
    return vec_load_some(from, lanes);
}

HC_INLINE void half_store_some(HC_REAL *to, Half x, Lanes lanes) {
    vec_store_some(to, x, lanes);
}
#endif

/* ---- the sum of the lanes, by halves ------------------------------------------------------------ */

#if HC_VECTOR_BYTES >= 32
#if HC_REAL_BITS == 32
HC_INLINE HC_REAL quarter_sum(__m128 x) {
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

HC_INLINE HC_REAL half_sum(__m256 x) {
    return quarter_sum(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}
#else
HC_INLINE HC_REAL half_sum(__m256d x) {
    const __m128d y = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(y, _mm_unpackhi_pd(y, y)));
}
#endif
#endif

HC_INLINE HC_REAL vec_sum(Vec x) {
#if HC_VECTOR_BYTES == 64 && HC_REAL_BITS == 32
    return half_sum(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
#elif HC_VECTOR_BYTES == 64
    return half_sum(_mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1)));
#elif HC_VECTOR_BYTES == 32
    return half_sum(x);
#else
    HC_REAL lane[V];
    vec_store(lane, x);
    for (size_t half = V / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
#endif
}

#endif
