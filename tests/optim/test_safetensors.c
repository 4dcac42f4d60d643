/* Optimizers and what they learn by name: a step after loading has the bits of one that was not stopped. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"
#include "support/unroll.h"

static const char path[] = "optim.safetensors";

static Module *make(size_t hidden) {
    Rng rng = rng_seed(3);
    Module *layers[] = {module_linear(2, hidden), module_tanh(), module_linear_no_bias(hidden, 1)};
    Module *net = module_sequential(layers, 3);
    if (net && !module_init(net, &rng)) return module_destroy(net), NULL;
    return net;
}

static Optim *adam(Module *net) {
    Optim *optim = optim_adam(module_params(net), adam_options(0.1));
    if (optim && !optim_learn(optim, "lr", 0, HC_LEARN_PARAM)) return optim_destroy(optim), NULL;
    return optim;
}

static bool step(Module *net, Optim *optim) {
    Tape *tape = tape_create(module_dtype(net));
    Tensor *loss = tensor_sum(tensor_square(module_forward(net, tensor_ones(tape, shape2(1, 2)))));
    optim_zero_grad(optim);
    bool done = tensor_backward(loss) && optim_step(optim);
    tape_destroy(tape);
    return done;
}

static bool same(const Module *a, const Module *b) {
    ParamList x = module_params(a), y = module_params(b);
    bool equal = x.count == y.count;
    for (size_t i = 0; i < x.count && equal; i++)
        for (size_t k = 0; k < param_count(x.items[i]); k++)
            equal = equal && param_get(x.items[i], k) == param_get(y.items[i], k);
    return equal;
}

/* Every rule, with what it keeps. */
static void goes_on(DType dtype) {
    for (size_t c = 0; c < unroll_config_count; c++) {
        Module *net = make(3), *other;
        CHECK(module_to(net, dtype));
        Optim *optim = unroll_optim(&unroll_configs[c], module_params(net));
        CHECK(step(net, optim) && step(net, optim));
        other = module_clone(net);
        Optim *fresh = optim_new(unroll_configs[c].name, module_params(other));
        Safetensors *file = safetensors_create();
        CHECK(safetensors_add_optim(file, "inner.", optim) && safetensors_save(file, path));
        safetensors_destroy(file);
        LoadOptions options = load_options();
        LoadReport report;
        options.prefix = "inner.";
        file = safetensors_open(path);
        CHECK(safetensors_to_optim(file, fresh, options, &report) && report.text[0] == 0 && optim_steps(fresh) == 2);
        safetensors_destroy(file);
        for (int i = 0; i < 3; i++)
            CHECK(step(net, optim) && step(other, fresh) && same(net, other));
        CHECK(optim_error(fresh) == NULL && higherc_error() == NULL);
        optim_destroy(optim);
        optim_destroy(fresh);
        module_destroy(net);
        module_destroy(other);
    }
}

static void names(void) {
    Module *net = make(3);
    Optim *optim = adam(net);
    Safetensors *file = safetensors_create();
    CHECK(step(net, optim) && safetensors_add_optim(file, NULL, optim));
    static const char *const there[] = {"step",
                                        "state.0.weight.step",
                                        "state.0.weight.exp_avg",
                                        "state.2.weight.exp_avg_sq",
                                        "param_groups.0.beta1",
                                        "learned.lr.0.weight"};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        CHECK(safetensors_find(file, there[i]) != SIZE_MAX);
    CHECK(safetensors_find(file, "state.0.weight.max_exp_avg_sq") == SIZE_MAX); /* not set yet */
    CHECK(strcmp(safetensors_metadata(file, "rule"), "adam") == 0);
    CHECK(safetensors_type(file, safetensors_find(file, "step")) == HC_STORED_I64);
    double beta = 0;
    CHECK(safetensors_to_f64(file, "param_groups.0.beta1", &beta, 1) && beta == 0.9);
    CHECK(!safetensors_add_optim(file, NULL, optim));
    CHECK_ERROR("'step' is there already");
    /* What is learned, by itself. */
    Safetensors *learned = safetensors_create();
    param_fill(optim_learned(optim).items[1], 0.25);
    CHECK(safetensors_add_params(learned, "lr/", optim_learned(optim)) && safetensors_count(learned) == 3);
    param_fill(optim_learned(optim).items[1], 0);
    LoadOptions options = load_options();
    options.prefix = "lr/";
    CHECK(safetensors_to_params(learned, optim_learned(optim), options, NULL));
    CHECK(param_get(optim_learned(optim).items[1], 0) == 0.25);
    safetensors_destroy(learned);
    safetensors_destroy(file);
    optim_destroy(optim);
    module_destroy(net);
}

static double state_of(const Optim *optim, const Module *net, const char *param, const char *name) {
    const float *state = optim_param_state(optim, module_param(net, param), name);
    return state ? (double)*state : -1;
}

/* A file of a part: what is not in it stays, what is has the states that are there. */
static void parts(void) {
    Module *net = make(3), *wider = make(4);
    Optim *optim = adam(net), *other = adam(wider);
    Safetensors *file = safetensors_create(), *part = safetensors_create();
    LoadOptions options = load_options();
    LoadReport report;
    CHECK(step(net, optim) && step(wider, other) && safetensors_add_optim(file, NULL, other));
    double before = state_of(optim, net, "0.weight", "exp_avg");
    CHECK(!safetensors_to_optim(file, optim, options, &report) && higherc_status() == HC_ERR_SHAPE);
    CHECK(report.other_shape == 6 && optim_error(optim) && strstr(optim_error(optim), "of another shape"));
    CHECK_ERROR("state.0.bias.exp_avg is (3) here and (4) in the file");
    CHECK(state_of(optim, net, "0.weight", "exp_avg") == before);
    options.other_shape = true;
    CHECK(step(net, optim) && safetensors_to_optim(file, optim, options, &report) && optim_steps(optim) == 1);
    CHECK(state_of(optim, net, "0.weight", "exp_avg") != -1);
    options = load_options();
    options.missing = true;
    CHECK(safetensors_set_metadata(part, "rule", "adam") &&
          safetensors_add_f64(part, "state.0.weight.step", shape_scalar(), (double[]){7}));
    CHECK(safetensors_to_optim(part, optim, options, &report) && report.loaded == 1);
    CHECK(optim_param_steps(optim, module_param(net, "0.weight")) == 7);
    CHECK(optim_param_steps(optim, module_param(net, "0.bias")) == 1);
    CHECK(state_of(optim, net, "0.weight", "exp_avg") == -1 && state_of(optim, net, "0.bias", "exp_avg") != -1);
    CHECK(optim_steps(optim) == 1);
    safetensors_destroy(part);
    safetensors_destroy(file);
    optim_destroy(optim);
    optim_destroy(other);
    module_destroy(net);
    module_destroy(wider);
}

static void refused(const char *name, double value, const char *why) {
    Module *net = make(3);
    Optim *optim = optim_new("sgd", module_params(net));
    Safetensors *file = safetensors_create();
    LoadOptions options = load_options();
    options.missing = true;
    CHECK(safetensors_set_metadata(file, "rule", "sgd") && safetensors_add_f64(file, name, shape_scalar(), &value));
    CHECK(!safetensors_to_optim(file, optim, options, NULL) && higherc_status() == HC_ERR_RANGE);
    CHECK_ERROR(why);
    CHECK(optim_get(optim, "lr", 0) == 0.001 && optim_steps(optim) == 0);
    safetensors_destroy(file);
    optim_destroy(optim);
    module_destroy(net);
}

static void wrong(void) {
    refused("step", -1, "safetensors_to_optim: 'step' cannot be -1");
    refused("step", 0.5, "'step' cannot be 0.5");
    refused("step", 1e18, "'step' cannot be 1e+18");
    refused("state.0.bias.step", NAN, "'state.0.bias.step' cannot be nan");
    refused("param_groups.0.lr", -1, "'param_groups.0.lr' cannot be -1");
    refused("param_groups.0.nesterov", 0.5, "'param_groups.0.nesterov' cannot be 0.5");
    refused("param_groups.0.nesterov", 1, "safetensors_to_optim: group 0: nesterov needs momentum > 0 and dampening 0");
    Module *net = make(3), *two[] = {make(2), make(2)};
    Optim *optim = optim_new("sgd", module_params(net)), *doubled = optim_new("sgd", module_params(two[0]));
    Safetensors *file = safetensors_create();
    CHECK(!safetensors_to_optim(file, optim, load_options(), NULL) && higherc_status() == HC_ERR_NAME);
    CHECK_ERROR("the file holds no optimizer: the metadata 'rule' is missing for 'sgd'");
    CHECK(safetensors_set_metadata(file, "rule", "adam"));
    CHECK(!safetensors_to_optim(file, optim, load_options(), NULL));
    CHECK_ERROR("the file is of the rule 'adam', not 'sgd'");
    CHECK(optim_add_group(doubled, module_params(two[1])) == 1);
    size_t before = safetensors_count(file);
    CHECK(!safetensors_add_optim(file, NULL, doubled) && safetensors_count(file) == before);
    CHECK_ERROR("'state.0.weight.step' is there already");
    CHECK(safetensors_set_metadata(file, "rule", "sgd") &&
          !safetensors_to_optim(file, doubled, load_options(), NULL));
    CHECK_ERROR("safetensors_to_optim: two are called 'state.0.bias.momentum_buffer'");
    REFUSED_NULL(safetensors_add_optim(NULL, NULL, optim));
    REFUSED_NULL(safetensors_add_optim(file, NULL, NULL));
    REFUSED_NULL(safetensors_to_optim(NULL, optim, load_options(), NULL));
    REFUSED_NULL(safetensors_to_optim(file, NULL, load_options(), NULL));
    safetensors_destroy(file);
    optim_destroy(optim);
    optim_destroy(doubled);
    module_destroy(net);
    module_destroy(two[0]);
    module_destroy(two[1]);
}

static bool save_and_load(void) {
    Module *net = make(2);
    Optim *optim = net ? adam(net) : NULL, *fresh = optim ? adam(net) : NULL;
    Safetensors *file = fresh && step(net, optim) ? safetensors_create() : NULL;
    bool done = file && safetensors_add_optim(file, "o.", optim);
    if (file && !done) CHECK(safetensors_count(file) == 0);
    LoadOptions options = load_options();
    options.prefix = "o.";
    bool loaded = done && safetensors_to_optim(file, fresh, options, NULL);
    if (fresh) CHECK(optim_steps(fresh) == loaded);
    safetensors_destroy(file);
    optim_destroy(optim);
    optim_destroy(fresh);
    module_destroy(net);
    return loaded;
}

int main(void) {
    goes_on(HC_F32);
    goes_on(HC_F64);
    names();
    parts();
    wrong();
    failing_begin();
    fail_each_allocation("save and load", save_and_load);
    failing_end();
    remove(path);
    return check_done();
}
