/** @file curve.h
 *  One adaptation, looked at as a curve: what adaptation.svg shows. */
#ifndef MAML_SINE_CURVE_H
#define MAML_SINE_CURVE_H

#include "learner.h"
#include "task.h"

enum { CURVE_POINTS = 201, CURVE_STAGES = 3 };

/** The net's predictions at CURVE_POINTS places evenly from -5 to 5, before and after some steps.
 */
typedef struct Curve {
    size_t steps[CURVE_STAGES]; /**< 0, 1, 10 */
    float x[CURVE_POINTS];
    float y[CURVE_STAGES][CURVE_POINTS];
    double mse[CURVE_STAGES]; /**< against the true curve, at those places */
} Curve;

/** Adapts to the first `shots` points of `support`. */
void curve_follow(Curve *curve, const Learner *learner, const SineTask *task, const Points *support,
                  size_t shots, Tape *tape);

#endif
