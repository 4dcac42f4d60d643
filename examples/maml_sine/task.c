/* The paper's distribution of tasks (Finn et al. 2017, section 5.1). */
#include "task.h"

#include <math.h>

#define PI 3.14159265358979323846

static double between(double low, double high, Rng *rng) {
    return low + (high - low) * rng_uniform(rng);
}

SineTask task_draw(Rng *rng) {
    SineTask task;
    task.amplitude = between(0.1, 5.0, rng);
    task.phase = between(0.0, PI, rng);
    return task;
}

double task_value(const SineTask *task, double x) {
    return task->amplitude * sin(x - task->phase);
}

void task_sample(const SineTask *task, Points *points, size_t count, Rng *rng) {
    for (size_t i = 0; i < count; i++) {
        double x = between(-5.0, 5.0, rng);
        points->x[i] = (float)x;
        points->y[i] = (float)task_value(task, x);
    }
}
