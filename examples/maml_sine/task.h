/** @file task.h
 *  The tasks: sine curves y = A sin(x - phi), each with an amplitude and a phase of its own. */
#ifndef MAML_SINE_TASK_H
#define MAML_SINE_TASK_H

#include <higherc/higherc.h>

enum { MAX_POINTS = 1000 };

typedef struct SineTask {
    double amplitude;
    double phase;
} SineTask;

/** Points of a curve. */
typedef struct Points {
    float x[MAX_POINTS];
    float y[MAX_POINTS];
} Points;

/** A ~ U[0.1, 5], phi ~ U[0, pi]. */
SineTask task_draw(Rng *rng);
double task_value(const SineTask *task, double x);
/** The first `count` points: x ~ U[-5, 5], y on the curve. */
void task_sample(const SineTask *task, Points *points, size_t count, Rng *rng);

#endif
