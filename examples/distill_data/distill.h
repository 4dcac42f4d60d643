/** @file distill.h
 *  The two experiments: a few points in place of many, and ten pictures in place of thousands of digits. */
#ifndef DISTILL_DATA_DISTILL_H
#define DISTILL_DATA_DISTILL_H

#include <higherc/higherc.h>

typedef struct Wanted {
    size_t steps;     /**< outer ones; 0: as many as the experiment needs */
    size_t nets;      /**< fresh nets that judge the points */
    size_t seed;      /**< of all random numbers */
    size_t validate;  /**< not 0: the digits to test on are left alone, others are held out */
    const char *data; /**< a folder of digits; NULL: points */
    const char *net;  /**< of digits: "lenet" or "mlp" */
    const char *svg;  /**< a file to draw the pictures in, or NULL */
} Wanted;

/** False when something failed, which the library's error or a line on stderr tells, or when what was learned was
 *  no better than as much of the real data. */
bool distill_points(const Wanted *wanted);
bool distill_digits(const Wanted *wanted);

enum { DISTILL_CLASSES = 10 };

/** Draws, as SVG, a picture of each class as it was, and beneath it as it was learned; each of height x width
 *  numbers. False when the file cannot be written, which a line on stderr tells. */
bool distill_draw(const char *path, const float *was, const float *learned, size_t height,
                  size_t width);

#endif
