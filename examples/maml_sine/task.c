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

TaskTensors task_tensors(Tape *tape, const TaskPoints *points) {
    Shape support = shape2(points->shots, 1), query = shape2(points->queries, 1);
    return (TaskTensors){
        .x = tensor_from_f32(tape, support, points->support.x),
        .y = tensor_from_f32(tape, support, points->support.y),
        .xq = tensor_from_f32(tape, query, points->query.x),
        .yq = tensor_from_f32(tape, query, points->query.y),
    };
}

Program *task_capture(Tape *tape, TaskTensors t, Tensor *const *outputs, size_t output_count,
                      Tensor *backward_of) {
    Tensor *const inputs[] = {t.x, t.y, t.xq, t.yq};
    return program_capture(tape, inputs, 4, outputs, output_count, backward_of);
}

bool task_set(Program *program, const TaskPoints *points) {
    Shape support = shape2(points->shots, 1), query = shape2(points->queries, 1);
    return program_set_f32(program, 0, support, points->support.x) &&
           program_set_f32(program, 1, support, points->support.y) &&
           program_set_f32(program, 2, query, points->query.x) &&
           program_set_f32(program, 3, query, points->query.y);
}
