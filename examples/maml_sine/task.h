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

/** What is known of a task: points to adapt to, and others to judge by. */
typedef struct TaskPoints {
    size_t shots, queries; /* how many of each */
    Points support, query;
} TaskPoints;

/** The same as columns on a tape. */
typedef struct TaskTensors {
    Tensor *x, *y;   /**< [shots, 1] */
    Tensor *xq, *yq; /**< [queries, 1] */
} TaskTensors;

/** A ~ U[0.1, 5], phi ~ U[0, pi]. */
SineTask task_draw(Rng *rng);
double task_value(const SineTask *task, double x);
/** The first `count` points: x ~ U[-5, 5], y on the curve. */
void task_sample(const SineTask *task, Points *points, size_t count, Rng *rng);

TaskTensors task_tensors(Tape *tape, const TaskPoints *points);
/** A Program of what has been computed from them, to be run on the points of other tasks. */
Program *task_capture(Tape *tape, TaskTensors tensors, Tensor *const *outputs, size_t output_count,
                      Tensor *backward_of);
bool task_set(Program *program, const TaskPoints *points);

#endif
