/* Large angles: x 2 / pi with as many digits of 2 / pi as matter (Payne and Hanek 1983, "Radian reduction for
 * trigonometric functions"), in whole numbers. Systems' own functions reduce by a pi of 64 bits, some of them. */
#include "base/arithmetic.h"
#include "kernels/angle.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

enum { DIGITS = 38, TAKEN = 7 };

/* 2 / pi, behind the point. */
static const uint32_t two_over_pi[DIGITS] = {
    0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB, 0xDEBBC561,
    0xB7246E3A, 0x424DD2E0, 0x06492EEA, 0x09D1921C, 0xFE1DEB1C, 0xB129A73E, 0xE88235F5, 0x2EBB4484,
    0xE99C7026, 0xB45F7E41, 0x3991D639, 0x835339F4, 0x9C845F8B, 0xBDF9283B, 0x1FF897FF, 0xDE05980F,
    0xEF2F118B, 0x5A0A6D1F, 0x6D367ECF, 0x27CB09B7, 0x4F463F66, 0x9E5FEA2D, 0x7527BAC7, 0xEBE5F17B,
    0x3D0739F7, 0x8A5292EA, 0x6BFB5FB1, 0x1F8D5D08, 0x56033046, 0xFC7B6BAB};

static const uint64_t quarter_pi = UINT64_C(0xC90FDAA22168C235); /* 2^64 pi / 4 */

/* 32 bits of a row of words, from a bit on. */
static uint64_t bits_at(const uint32_t *words, int bit) {
    const uint64_t pair = (uint64_t)words[bit / 32] << 32 | words[bit / 32 + 1];
    return pair >> (32 - bit % 32) & UINT32_MAX;
}

/* to += factor * from, words with the highest first; to[-1] takes what is carried out. */
static void add_product(uint32_t *to, const uint32_t from[TAKEN], uint32_t factor) {
    uint64_t carry = 0;
    for (int i = TAKEN; i-- > 0; carry >>= 32) {
        carry += (uint64_t)factor * from[i] + to[i];
        to[i] = (uint32_t)carry;
    }
    to[-1] = (uint32_t)carry;
}

/* The high half of a product. */
static uint64_t high_product(uint64_t a, uint64_t b) {
    const uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (middle & UINT32_MAX);
    return a1 * b1 + (middle >> 32) + (other >> 32);
}

static double power_of_two(int exponent) {
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

double hc_angle_rest(double x, double *low, unsigned *quarters) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 2047), shift = exponent - 1075;
    const uint64_t whole = (bits & (UINT64_MAX >> 12)) | UINT64_C(1)
                                                             << 52; /* |x| = whole 2^shift */
    *low = 0;
    *quarters = 0;
    if (exponent == 2047) return (double)NAN;
    /* Digits before `first` make whole turns: the last bit of theirs, times 2^shift, is 4 or more. */
    const int first = shift > 34 ? (shift - 2) / 32 : 0;
    uint32_t product[TAKEN + 2] = {0};
    add_product(product + 2, two_over_pi + first, (uint32_t)whole);
    add_product(product + 1, two_over_pi + first, (uint32_t)(whole >> 32));
    const int point = 64 + shift - 32 * first; /* the quarters end there */
    uint64_t fraction = bits_at(product, point) << 32 | bits_at(product, point + 32);
    uint64_t next = bits_at(product, point + 64) << 32 | bits_at(product, point + 96);
    /* Past a half it is what is missing from a whole. */
    const bool up = fraction >> 63;
    if (up) fraction = ~fraction, next = ~next;
    const int gone = 63 - (int)hc_highest_bit(fraction | 1);
    if (gone) fraction = fraction << gone | next >> (64 - gone);
    const uint64_t rest = high_product(fraction, quarter_pi);
    const bool negative = up != (x < 0);
    const unsigned count = (unsigned)bits_at(product, point - 32) + up;
    *quarters = (x < 0 ? 0 - count : count) & 3;
    const double unit = negative ? -power_of_two(-63 - gone) : power_of_two(-63 - gone);
    *low = (double)(rest & 2047) * unit;
    return (double)(rest - (rest & 2047)) * unit;
}
