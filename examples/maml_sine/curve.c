/* Follows one adaptation on a grid. */
#include "curve.h"

static void look(Curve *curve, int stage, const SineTask *task, FModule *fnet, Tensor *grid) {
    float *y = curve->y[stage];
    if (!tensor_copy_to_f32(fmodule_forward(fnet, grid), y, CURVE_POINTS)) return;
    double sum = 0;
    for (size_t i = 0; i < CURVE_POINTS; i++) {
        double error = (double)y[i] - task_value(task, (double)curve->x[i]);
        sum += error * error;
    }
    curve->mse[stage] = sum / CURVE_POINTS;
}

void curve_follow(Curve *curve, const Learner *learner, const SineTask *task, const Points *support,
                  size_t shots, Tape *tape) {
    *curve = (Curve){.steps = {0, 1, 10}};
    for (size_t i = 0; i < CURVE_POINTS; i++)
        curve->x[i] = (float)(-5.0 + 10.0 * (double)i / (CURVE_POINTS - 1));

    FModuleOptions options = fmodule_options(true);
    options.mode = HC_EVAL;
    tape_reset(tape);
    Tensor *grid = tensor_from_f32(tape, shape2(CURVE_POINTS, 1), curve->x);
    Tensor *x = tensor_from_f32(tape, shape2(shots, 1), support->x);
    Tensor *y = tensor_from_f32(tape, shape2(shots, 1), support->y);
    FModule *fnet = fmodule_create_with(tape, learner->net, options);
    DiffOpt *opt = learner_optimizer(learner, fnet);

    size_t step = 0;
    for (int stage = 0; stage < CURVE_STAGES; stage++) {
        for (; step < curve->steps[stage]; step++)
            diffopt_step_release(opt, tensor_mse_loss(fmodule_forward(fnet, x), y));
        look(curve, stage, task, fnet, grid);
    }
}
