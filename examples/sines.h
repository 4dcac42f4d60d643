/** @file sines.h
 *  Sine curves of random amplitude and phase, as tasks: points of one to adapt on, and to judge by. */
#ifndef EXAMPLES_SINES_H
#define EXAMPLES_SINES_H

#include <higherc/higherc.h>
#include <math.h>

enum { SHOTS = 10 };

typedef struct Episode {
    Tensor *x, *y, *xq, *yq;
} Episode;

static inline void sines_sample(double amplitude, double phase, Tape *tape, Tensor **x, Tensor **y, Rng *rng) {
    double xs[SHOTS], ys[SHOTS];
    for (int i = 0; i < SHOTS; i++) {
        xs[i] = 10 * rng_uniform(rng) - 5;
        ys[i] = amplitude * sin(xs[i] - phase);
    }
    *x = tensor_from_f64(tape, shape2(SHOTS, 1), xs);
    *y = tensor_from_f64(tape, shape2(SHOTS, 1), ys);
}

static inline Episode sines_draw(Tape *tape, Rng *rng) {
    double amplitude = 0.1 + 4.9 * rng_uniform(rng), phase = 3.14159 * rng_uniform(rng);
    Episode e;
    sines_sample(amplitude, phase, tape, &e.x, &e.y, rng);
    sines_sample(amplitude, phase, tape, &e.xq, &e.yq, rng);
    return e;
}

#endif
