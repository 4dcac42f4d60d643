/* maml-sine-N, below 1000 steps: 25 sine curves, a net 1-40-40-1, N inner SGD steps on 10 points, the exact
 * meta-gradient of the loss on 10 others, Adam outside. The paper's protocol (Finn, Abbeel, Levine 2017), as
 * examples/maml_sine trains. */
#include <math.h>
#include <stdlib.h>

#include "few_shot.h"

enum { TASKS = 25, SHOTS = 10, POOL = 16 * TASKS, LAYERS = 5 };

static void draw(float *x, float *y, double amplitude, double phase, Rng *rng) {
    for (size_t i = 0; i < SHOTS; i++) {
        double at = -5 + 10 * rng_uniform(rng);
        x[i] = (float)at;
        y[i] = (float)(amplitude * sin(at - phase));
    }
}

static bool make_data(FewShot *shot, Rng *rng) {
    for (size_t i = 0; i < FEW_SHOT_INPUTS; i++) {
        shot->shape[i] = shape2(SHOTS, 1);
        shot->data[i] = malloc((size_t)POOL * SHOTS * sizeof(float));
        if (!shot->data[i]) return false;
    }
    for (size_t i = 0; i < (size_t)POOL * SHOTS; i += SHOTS) {
        double amplitude = 0.1 + 4.9 * rng_uniform(rng);
        double phase = 3.14159265358979 * rng_uniform(rng);
        draw(shot->data[FEW_SHOT_X] + i, shot->data[FEW_SHOT_Y] + i, amplitude, phase, rng);
        draw(shot->data[FEW_SHOT_XQ] + i, shot->data[FEW_SHOT_YQ] + i, amplitude, phase, rng);
    }
    return true;
}

static void *create(Settings settings) {
    FewShot *shot = calloc(1, sizeof *shot);
    if (!shot) return NULL;
    Rng rng = rng_seed(1);
    Module *layers[LAYERS] = {module_linear(1, 40), module_relu(), module_linear(40, 40),
                              module_relu(), module_linear(40, 1)};
    shot->settings = settings;
    shot->net = module_sequential(layers, LAYERS);
    module_init(shot->net, &rng);
    shot->inner = optim_sgd(module_params(shot->net), sgd_options(0.01));
    shot->outer = optim_adam(module_params(shot->net), adam_options(0.001));
    shot->loss = tensor_mse_loss;
    shot->steps = settings.number;
    shot->tasks = TASKS;
    shot->pool = POOL;
    if (make_data(shot, &rng) && few_shot_begin(shot)) return shot;
    few_shot_destroy(shot);
    return NULL;
}

const Workload workload_maml_sine = {.stem = "maml-sine-",
                                     .numbered = true,
                                     .most = LONG_SINE - 1,
                                     .threaded = true,
                                     .unrolls = true,
                                     .create = create,
                                     .iterate = few_shot_iterate,
                                     .record = few_shot_record,
                                     .destroy = few_shot_destroy};
