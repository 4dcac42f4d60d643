/* A module that changes its structure, or goes, under what was made of it: refused, in words. */
#include "support/refuse.h"

typedef void Change(Module *net);

static void add_child(Module *net) {
    CHECK(module_add_child(net, "more", module_linear(3, 3)));
}

static void add_grandchild(Module *net) {
    CHECK(module_add_child(module_find(net, "0"), "more", module_linear(3, 3)));
}

static void add_param(Module *net) {
    CHECK(module_add_param(module_find(net, "1"), "more", shape1(3)) != NULL);
}

static void add_buffer(Module *net) {
    CHECK(module_add_buffer(net, "more", shape1(3), 0));
}

static void tie(Module *net) {
    CHECK(module_tie(net, "1.weight", "0.weight"));
}

static void destroy(Module *net) {
    module_destroy(net);
}

static Module *two_layers(void) {
    Rng rng = rng_seed(1);
    Module *layers[] = {module_linear(3, 3), module_linear(3, 3)};
    Module *net = module_sequential(layers, 2);
    CHECK(module_init(net, &rng));
    return net;
}

static void refused_after(Change *change) {
    Module *net = two_layers();
    Tape *tape = tape_create(HC_F32);
    Optim *optim = optim_sgd(module_params(net), sgd_options(0.1));
    FModule *fast = fmodule_create(tape, net, false), *child = fmodule_child(fast, "1");
    DiffOpt *opt = diffopt_create(optim, fast);
    Tensor *x = tensor_ones(tape, shape2(1, 3)), *loss = tensor_sum(fmodule_forward(fast, x));
    Module *former = two_layers();
    change(net);
    WRONG(HC_ERR_CHANGED, fmodule_forward(fast, x));
    WRONG(HC_ERR_CHANGED, fmodule_forward(child, x));
    WRONG(HC_ERR_CHANGED, fmodule_param(fast, "0.weight"));
    WRONG(HC_ERR_CHANGED, fmodule_child(fast, "0"));
    WRONG(HC_ERR_CHANGED, fmodule_set_params(fast, fmodule_params(fast).items, 4));
    WRONG(HC_ERR_CHANGED, fmodule_commit(fast, former));
    WRONG(HC_ERR_CHANGED, diffopt_step(opt, loss));
    WRONG(HC_ERR_CHANGED, diffopt_create(optim, fast));
    tape_reset(tape);
    if (change != destroy) module_destroy(net);
    module_destroy(former);
    optim_destroy(optim);
    tape_destroy(tape);
}

/* What the recording holds is right as it is, and so is a Program of it. */
static void still_right(void) {
    Module *net = two_layers();
    Tape *tape = tape_create(HC_F32);
    FModule *fast = fmodule_create(tape, net, false);
    Tensor *x = tensor_ones(tape, shape2(1, 3)), *loss = tensor_sum(fmodule_forward(fast, x));
    Program *program = program_capture(tape, &x, 1, &loss, 1, loss);
    add_child(net);
    CHECK(program_run(program));
    CHECK(program_item(program, 0) == tensor_item(loss));
    CHECK(tensor_backward(loss));
    CHECK(fmodule_create(tape, module_find(net, "1"), false) != NULL);
    program_destroy(program);
    tape_destroy(tape);
    module_destroy(net);
}

int main(void) {
    static Change *const changes[] = {add_child, add_grandchild, add_param, add_buffer,
                                      tie,       destroy};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refused_after(changes[i]);
    still_right();
    return check_done();
}
