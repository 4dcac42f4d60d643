/* Angles by whole turns, exactly: libraries that reduce them by a pi of 64 bits (MinGW's sinl, an x87's fsin) are
 * wrong near its multiples. What is left is at most an eighth of a turn, which they are right for. */
#ifndef TESTS_QUARTERS_H
#define TESTS_QUARTERS_H

#include <math.h>
#include <stdint.h>

enum { ANGLE_WORDS = 38, ANGLE_TAKEN = 7 };

/* 2 / pi, behind the point. */
static const uint32_t two_over_pi[ANGLE_WORDS] = {
    0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB, 0xDEBBC561,
    0xB7246E3A, 0x424DD2E0, 0x06492EEA, 0x09D1921C, 0xFE1DEB1C, 0xB129A73E, 0xE88235F5, 0x2EBB4484,
    0xE99C7026, 0xB45F7E41, 0x3991D639, 0x835339F4, 0x9C845F8B, 0xBDF9283B, 0x1FF897FF, 0xDE05980F,
    0xEF2F118B, 0x5A0A6D1F, 0x6D367ECF, 0x27CB09B7, 0x4F463F66, 0x9E5FEA2D, 0x7527BAC7, 0xEBE5F17B,
    0x3D0739F7, 0x8A5292EA, 0x6BFB5FB1, 0x1F8D5D08, 0x56033046, 0xFC7B6BAB};

/* x = quarter pi / 2 + rest; x is a finite double. */
static inline long double angle_rest(double x, int *quarter) {
    int exponent;
    const double fraction = frexp(fabs(x), &exponent);
    uint64_t m = (uint64_t)ldexp(fraction, 53); /* |x| = m 2^shift */
    int shift = exponent - 53;
    if (shift < -53) { /* less than a half */
        *quarter = 0;
        return (long double)x;
    }
    /* Words from `first` on: those before it make whole turns, for their last bit times m 2^shift is 4 or more. */
    int first = shift > 34 ? (shift - 2) / 32 : 0;
    uint32_t product[ANGLE_TAKEN + 2] = {0}; /* of m and these words, the highest first */
    for (int half = 0; half < 2; half++) {
        const uint64_t factor = half ? m >> 32 : m & 0xffffffff;
        uint64_t carry = 0;
        for (int i = ANGLE_TAKEN - 1; i >= 0; i--) {
            const int to = i + 2 - half;
            carry += factor * two_over_pi[first + i] + product[to];
            product[to] = (uint32_t)carry;
            carry >>= 32;
        }
        product[1 - half] += (uint32_t)carry;
    }
    /* The point stands behind 64 bits, moved by what is left of the shift. */
    const int point = 64 + shift - 32 * first;
    uint32_t whole = 0;
    for (int bit = point - 2; bit < point; bit++)
        whole = whole << 1 | (bit >= 0 ? product[bit / 32] >> (31 - bit % 32) & 1 : 0);
    const uint32_t up = product[point / 32] >> (31 - point % 32) & 1;
    long double rest = 0;
    for (int i = ANGLE_TAKEN + 1; i >= point / 32; i--) {
        const uint32_t mask =
            i > point / 32 ? UINT32_MAX : (uint32_t)(UINT64_C(0xffffffff) >> point % 32);
        /* Past a half it is counted down from 1, bit for bit, so that no digits cancel. */
        const uint32_t digits = (up ? ~product[i] : product[i]) & mask;
        rest += ldexpl((long double)digits, point - 32 * (i + 1));
    }
    whole = (whole + up) & 3;
    if (up) rest = -rest;
    if (x < 0) rest = -rest, whole = (4 - whole) & 3;
    *quarter = (int)whole;
    return rest * 1.570796326794896619231321691639751442L;
}

#endif
