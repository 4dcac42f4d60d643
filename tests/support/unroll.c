#include "support/unroll.h"

#include <math.h>
#include <stdio.h>

const UnrollConfig unroll_configs[] = {
    {"sgd", {{"lr", 0.1}}},
    {"sgd",
     {{"lr", 0.002},
      {"momentum", 0.8},
      {"dampening", 0.2},
      {"weight_decay", 0.05},
      {"maximize", 1}}},
    {"sgd", {{"lr", 0.1}, {"momentum", 0.8}, {"nesterov", 1}}},
    {"adam", {{"lr", 0.05}, {"beta1", 0.8}, {"beta2", 0.9}, {"eps", 0.01}}},
    {"adam", {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"weight_decay", 0.1}, {"amsgrad", 1}}},
    {"adam", {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"maximize", 1}}},
    {"adamw", {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"weight_decay", 0.1}}},
    {"adamw", {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"amsgrad", 1}, {"maximize", 1}}},
    {"adadelta", {{"lr", 0.5}, {"rho", 0.8}, {"eps", 0.01}, {"weight_decay", 0.1}}},
    {"adadelta", {{"lr", 0.5}, {"eps", 0.01}, {"maximize", 1}}},
    {"adagrad", {{"lr", 0.1}, {"lr_decay", 0.3}, {"eps", 0.02}, {"weight_decay", 0.1}}},
    {"adagrad", {{"lr", 0.1}, {"eps", 0.02}, {"initial_accumulator_value", 0.1}, {"maximize", 1}}},
    {"adamax", {{"lr", 0.05}, {"beta1", 0.8}, {"beta2", 0.95}, {"eps", 0.02}}},
    {"adamax", {{"lr", 0.05}, {"eps", 0.02}, {"weight_decay", 0.1}, {"maximize", 1}}},
    {"asgd", {{"lr", 0.1}, {"lambd", 0.05}, {"alpha", 0.6}, {"weight_decay", 0.1}}},
    {"asgd", {{"lr", 0.005}, {"t0", 2.5}, {"maximize", 1}}},
    {"rmsprop", {{"lr", 0.05}, {"alpha", 0.8}, {"eps", 0.02}, {"weight_decay", 0.1}}},
    {"rmsprop", {{"lr", 0.05}, {"alpha", 0.8}, {"eps", 0.02}, {"momentum", 0.7}}},
    {"rmsprop",
     {{"lr", 0.05},
      {"alpha", 0.8},
      {"eps", 0.05},
      {"momentum", 0.7},
      {"centered", 1},
      {"maximize", 1}}},
    {"rprop", {{"lr", 0.02}}},
    {"rprop",
     {{"lr", 0.05}, {"etaminus", 0.4}, {"etaplus", 1.3}, {"step_max", 0.06}, {"maximize", 1}}},
    {"rprop", {{"lr", 0.3}, {"etaminus", 0.4}, {"step_min", 0.25}, {"step_max", 0.4}}},
    {"radam", {{"lr", 0.05}, {"beta1", 0.8}, {"beta2", 0.95}, {"eps", 0.02}}},
    {"radam", {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"weight_decay", 0.1}}},
    {"radam", {{"lr", 0.05}, {"beta2", 0.95}, {"eps", 0.02}, {"maximize", 1}}},
    {"nadam", {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"momentum_decay", 0.5}}},
    {"nadam",
     {{"lr", 0.05}, {"beta2", 0.9}, {"eps", 0.02}, {"weight_decay", 0.1}, {"maximize", 1}}},
    {"lion", {{"lr", 0.02}, {"beta1", 0.8}, {"beta2", 0.9}}},
    {"lion", {{"lr", 0.02}, {"weight_decay", 0.2}, {"maximize", 1}}},
};
const size_t unroll_config_count = sizeof unroll_configs / sizeof *unroll_configs;

Module *unroll_net(DType dtype, bool dead) {
    Rng rng = rng_seed(11);
    Module *layers[] = {module_linear(2, 4), dead ? module_relu() : module_tanh(),
                        module_linear(4, 3), module_tanh(), module_linear(3, 1)};
    Module *net = module_sequential(layers, 5);
    module_to(net, dtype);
    module_init(net, &rng);
    /* Far from the kink: three units always fire, the fourth never does. */
    if (dead) param_set_f64(module_param(net, "0.bias"), (const double[]){3, 4, 3.5, -9}, 4);
    return net;
}

Optim *unroll_optim(const UnrollConfig *config, ParamList params) {
    Optim *optim = optim_new(config->name, params);
    for (size_t i = 0; i < UNROLL_MOST_SETTINGS && config->set[i].key; i++)
        if (!optim_set(optim, config->set[i].key, HC_ALL_GROUPS, config->set[i].value)) {
            optim_destroy(optim);
            return NULL;
        }
    return optim;
}

Tensor *unroll_loss(Tape *tape, Module *net, FModule *f, size_t k) {
    static const double x[3][8] = {{-1, 0.4, 0.7, 1.1, -0.3, -0.8, 1.4, 0.2},
                                   {0.5, -0.9, -1.2, 0.6, 0.3, 0.9, -0.4, 1.3},
                                   {0.8, 0.1, -0.6, -1.1, 1.2, -0.7, 0.2, 0.5}},
                        y[3][4] = {
                            {0.9, -0.4, 0.7, 0.1}, {0.2, 1.1, -0.8, 0.5}, {0.6, 0.3, -0.2, 1}};
    Tensor *in = tensor_from_f64(tape, shape2(4, 2), x[k % 3]);
    Tensor *out = f ? fmodule_forward(f, in) : module_forward(net, in);
    return tensor_mse_loss(out, tensor_from_f64(tape, shape2(4, 1), y[k % 3]));
}

bool unroll_in_place(Module *net, Optim *optim, size_t steps) {
    Tape *tape = tape_create(module_dtype(net));
    bool done = tape != NULL;
    for (size_t k = 0; k < steps && done; k++) {
        optim_zero_grad(optim);
        tape_reset(tape);
        done = tensor_backward(unroll_loss(tape, net, NULL, k)) && optim_step(optim);
    }
    tape_destroy(tape);
    return done;
}

bool unroll_fast(Tape *tape, FModule *f, DiffOpt *opt, size_t steps) {
    bool done = true;
    for (size_t k = 0; k < steps && done; k++)
        done = diffopt_step(opt, unroll_loss(tape, NULL, f, k));
    return done;
}

double unroll_difference(ScalarFn *f, double x, double h, void *user) {
    return (8 * (f(x + h, user) - f(x - h, user)) - (f(x + 2 * h, user) - f(x - 2 * h, user))) /
           (12 * h);
}

bool unroll_agrees(ScalarFn *f, double x, double maximum, double derivative, void *user) {
    double scale = x != 0 ? fmin(fabs(x), maximum - x) : 0.1, difference = NAN;
    for (double h = 1e-2; h > 1e-6; h /= 4) {
        difference = unroll_difference(f, x, h * scale, user);
        double largest = fmax(fabs(derivative), fabs(difference));
        if (fabs(derivative - difference) <= 1e-6 * largest + 1e-10) return true;
    }
    printf("    derivative %.12g, difference %.12g\n", derivative, difference);
    return false;
}
