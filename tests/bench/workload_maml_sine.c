/* maml-sine-N: 25 sine curves, a net 1-40-40-1, N inner SGD steps on 10 points, the exact meta-gradient
 * of the loss on 10 others, Adam outside. The paper's protocol (Finn, Abbeel, Levine 2017), as
 * examples/maml_sine trains. */
#include <math.h>
#include <stdlib.h>

#include "workload.h"

enum { TASKS = 25, SHOTS = 10, POOL = 16 * TASKS, LAYERS = 5 };

typedef struct Maml {
    Tape *tape;
    Module *net;
    Optim *inner, *outer;
    size_t steps, next; /* task of the pool */
    float x[POOL][SHOTS], y[POOL][SHOTS], xq[POOL][SHOTS], yq[POOL][SHOTS];
} Maml;

static void draw(float *x, float *y, double amplitude, double phase, Rng *rng) {
    for (size_t i = 0; i < SHOTS; i++) {
        double at = -5 + 10 * rng_uniform(rng);
        x[i] = (float)at;
        y[i] = (float)(amplitude * sin(at - phase));
    }
}

static void destroy(void *state) {
    Maml *maml = state;
    optim_destroy(maml->outer);
    optim_destroy(maml->inner);
    module_destroy(maml->net);
    tape_destroy(maml->tape);
    free(maml);
}

static void *create(size_t steps) {
    Maml *maml = calloc(1, sizeof *maml);
    if (!maml) return NULL;
    Rng rng = rng_seed(1);
    Module *layers[LAYERS] = {module_linear(1, 40), module_relu(), module_linear(40, 40),
                              module_relu(), module_linear(40, 1)};
    maml->tape = tape_create(HC_F32);
    maml->net = module_sequential(layers, LAYERS);
    module_init(maml->net, &rng);
    maml->inner = optim_sgd(module_params(maml->net), sgd_options(0.01));
    maml->outer = optim_adam(module_params(maml->net), adam_options(0.001));
    maml->steps = steps;
    for (size_t i = 0; i < POOL; i++) {
        double amplitude = 0.1 + 4.9 * rng_uniform(&rng);
        double phase = 3.14159265358979 * rng_uniform(&rng);
        draw(maml->x[i], maml->y[i], amplitude, phase, &rng);
        draw(maml->xq[i], maml->yq[i], amplitude, phase, &rng);
    }
    return maml;
}

static bool meta_gradient(Maml *maml) {
    const Shape column = shape2(SHOTS, 1);
    Tape *tape = maml->tape;
    optim_zero_grad(maml->outer);
    for (size_t task = 0; task < TASKS; task++) {
        size_t i = maml->next;
        maml->next = (i + 1) % POOL;
        tape_reset(tape);
        Tensor *x = tensor_from_f32(tape, column, maml->x[i]);
        Tensor *y = tensor_from_f32(tape, column, maml->y[i]);
        Tensor *xq = tensor_from_f32(tape, column, maml->xq[i]);
        Tensor *yq = tensor_from_f32(tape, column, maml->yq[i]);
        FModule *net = fmodule_create(tape, maml->net, false);
        DiffOpt *opt = diffopt_create(maml->inner, net);
        for (size_t k = 0; k < maml->steps; k++)
            diffopt_step(opt, tensor_mse_loss(fmodule_forward(net, x), y));
        Tensor *loss = tensor_mse_loss(fmodule_forward(net, xq), yq);
        tensor_backward(tensor_div_scalar(loss, TASKS));
    }
    return !higherc_error();
}

static bool iterate(void *state) {
    Maml *maml = state;
    return meta_gradient(maml) && optim_step(maml->outer);
}

static bool record(void *state, const char *folder) {
    Maml *maml = state;
    const size_t count = (size_t)POOL * SHOTS;
    ParamList params = module_params(maml->net);
    return meta_gradient(maml) && record_floats(folder, "x", maml->x[0], count) &&
           record_floats(folder, "y", maml->y[0], count) &&
           record_floats(folder, "xq", maml->xq[0], count) &&
           record_floats(folder, "yq", maml->yq[0], count) &&
           record_params(folder, "weights", params, false) &&
           record_params(folder, "grad", params, true);
}

const Workload workload_maml_sine = {.stem = "maml-sine-",
                                     .numbered = true,
                                     .create = create,
                                     .iterate = iterate,
                                     .record = record,
                                     .destroy = destroy};
