/* The program the interface was designed around, a few iterations of it; compiled as C11 and, through
 * design_program.cpp, as C++17. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>

static void draw(Rng *rng, float *x, float *y) {
    double amplitude = 0.1 + 4.9 * rng_uniform(rng), phase = 3.14159265358979 * rng_uniform(rng);
    for (int i = 0; i < 10; i++) {
        double at = 10 * rng_uniform(rng) - 5;
        x[i] = (float)at;
        y[i] = (float)(amplitude * sin(at - phase));
    }
}

int main(void) {
    Rng rng = rng_seed(1);
    Tape *tape = tape_create(HC_F32);
    Module *layers[] = {module_linear(1, 40), module_relu(), module_linear(40, 40), module_relu(),
                        module_linear(40, 1)};
    Module *net = module_sequential(layers, 5);
    module_init(net, &rng);
    Optim *inner = optim_sgd(module_params(net), sgd_options(0.01));
    Optim *outer = optim_adam(module_params(net), adam_options(0.001));
    double first = param_get(module_param(net, "4.bias"), 0);

    for (int it = 0; it < 3; it++) {
        optim_zero_grad(outer);
        for (int task = 0; task < 5; task++) {
            float sx[10], sy[10];
            tape_reset(tape);
            draw(&rng, sx, sy);
            Tensor *x = tensor_from_f32(tape, shape2(10, 1), sx);
            Tensor *y = tensor_from_f32(tape, shape2(10, 1), sy);
            FModule *fnet = fmodule_create(tape, net, HC_KEEP_HISTORY);
            DiffOpt *opt = diffopt_create(inner, fnet);
            for (int k = 0; k < 2; k++)
                diffopt_step(opt, tensor_mse_loss(fmodule_forward(fnet, x), y));
            tensor_backward(tensor_mse_loss(fmodule_forward(fnet, x), y));
        }
        optim_step(outer);
    }
    int failed = higherc_error() != NULL || param_get(module_param(net, "4.bias"), 0) == first;
    if (higherc_error()) fprintf(stderr, "%s\n", higherc_error());

    tape_destroy(tape); /* in any order */
    module_destroy(net);
    optim_destroy(outer);
    optim_destroy(inner);
    if (higherc_live_allocations() != 0) failed = 1;
    return failed;
}
