/* Building takes time in proportion to the Params: these sizes would take a cubic or quadratic way past the time limit.
 * Depth and numbers of layers are bounded, in words. */
#include <higherc/higherc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"

enum { MANY = 20000, LAYERS = 3000 };

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)nout;
    out[0] = frame_call(frame, "in", in[0]);
    return out[0] != NULL;
}

static const ModuleClass around = {.name = "around", .forward = forward};

/* All that is done once for each module, over many Params; the optimizer's list runs backward. */
static void use(Module *module, size_t count) {
    Rng rng = rng_seed(1);
    ParamList params = module_params(module);
    CHECK(params.count == count);
    CHECK(module_init(module, &rng));
    Param **turned = malloc(count * sizeof(Param *));
    for (size_t i = 0; i < count; i++)
        turned[i] = params.items[count - 1 - i];
    Optim *optim = optim_sgd((ParamList){turned, count / 2}, sgd_options(0.1));
    CHECK(optim_add_group(optim, (ParamList){turned + count / 2, count - count / 2}) == 1);
    CHECK(optim_add_group(optim, (ParamList){turned, 1}) == SIZE_MAX);
    CHECK_ERROR("listed twice");
    Tape *tape = tape_create(HC_F32);
    FModule *f = fmodule_create(tape, module, true);
    CHECK(f != NULL);
    CHECK(diffopt_create(optim, f) != NULL);
    tape_destroy(tape);
    optim_destroy(optim);
    free(turned);
    Module *copy = module_clone(module);
    CHECK(module_params(copy).count == count);
    module_destroy(copy);
}

static void sequential_of_many(void) {
    Module **list = malloc(MANY * sizeof(Module *));
    for (size_t i = 0; i < MANY; i++)
        list[i] = module_linear(1, 1);
    Module *module = module_sequential(list, MANY);
    free(list);
    use(module, (size_t)2 * MANY);
    CHECK(module_param(module, "19999.bias") == module_params(module).items[2 * MANY - 1]);
    module_destroy(module);
}

static void many_of_one(void) {
    Module *module = module_create(&around, NULL);
    for (size_t i = 0; i < MANY; i++) {
        char name[24];
        snprintf(name, sizeof name, "w%zu", i);
        if (!module_add_param(module, name, shape1(1))) CHECK(false);
    }
    use(module, MANY);
    module_destroy(module);
}

/* Ties, repeated children, children that come late: plans made step by step are those made anew. */
static void same_plans(void) {
    Module *inner = module_sequential((Module *[]){module_linear(2, 2), module_linear(2, 2)}, 2);
    CHECK(module_tie(inner, "1.weight", "0.weight"));
    Module *shared = module_linear(2, 2);
    Module *module = module_sequential((Module *[]){shared, inner, shared}, 3);
    CHECK(module_params(module).count == 5);
    CHECK(module_param(module, "1.1.weight") == module_param(module, "1.0.weight"));
    CHECK(module_param(module, "2.bias") == module_param(module, "0.bias"));
    Param *late = module_add_param(inner, "late", shape1(3));
    CHECK(module_params(module).count == 6);
    CHECK(module_param(module, "1.late") == late);
    CHECK(module_params(module).items[2] == late);
    Module *copy = module_clone(module);
    CHECK(module_params(copy).count == 6);
    CHECK(module_param(copy, "1.1.weight") == module_param(copy, "1.0.weight"));
    CHECK(module_param(copy, "1.1.bias") == module_params(copy).items[5]);
    module_destroy(copy);
    module_destroy(module);
}

static void deep(void) {
    Module *module = module_linear(2, 2);
    size_t depth = 0;
    for (; depth < 20000; depth++) {
        Module *outer = module_create(&around, NULL);
        if (module_add_child(outer, "in", module)) {
            module = outer;
            continue;
        }
        CHECK_ERROR("nested more than");
        module_destroy(outer);
        module = NULL; /* gone with the failure, as module_add_child says */
        break;
    }
    CHECK(depth == 255);
    module_destroy(module);
    module = module_linear(2, 2);
    for (size_t i = 0; i < 255; i++) {
        Module *outer = module_create(&around, NULL);
        CHECK(module_add_child(outer, "in", module));
        module = outer;
    }
    Rng rng = rng_seed(1);
    CHECK(module_init(module, &rng));
    Module *copy = module_clone(module);
    Tape *tape = tape_create(HC_F32);
    CHECK(module_forward(copy, tensor_ones(tape, shape2(1, 2))) != NULL);
    tape_destroy(tape);
    /* From above, too. */
    Module *top = module_create(&around, NULL), *below = module_create(&around, NULL);
    CHECK(module_add_child(top, "in", below));
    CHECK(!module_add_child(below, "in", module));
    CHECK_ERROR("nested more than");
    module_destroy(top);
    module_destroy(copy);
}

static void bounds(void) {
    RnnOptions o = rnn_options();
    o.layers = SIZE_MAX;
    CHECK(!module_rnn(1, 1, o));
    CHECK_ERROR("layers");
    CHECK(!module_lstm(1, 1, o));
    CHECK_ERROR("layers");
    CHECK(!module_gru(1, 1, o));
    CHECK_ERROR("layers");
    o.layers = LAYERS;
    Module *module = module_lstm(1, 1, o);
    CHECK(module_params(module).count == (size_t)4 * LAYERS);
    module_destroy(module);
    o.layers = 2;
    o.bidirectional = true;
    CHECK(!module_gru(1, SIZE_MAX / 3, o));
    CHECK_ERROR("");
    CHECK(!module_linear(SIZE_MAX, SIZE_MAX));
    CHECK_ERROR("");
    CHECK(!module_conv2d(SIZE_MAX / 2, 2, SIZE_MAX, 3, conv2d_options()));
    CHECK_ERROR("");
    CHECK(!module_embedding(SIZE_MAX / 2, 8));
    CHECK_ERROR("");
}

/* A plan that was made anew, and then grows at its end again. */
static void grown_after_replanning(void) {
    enum { CHILDREN = 200 };
    Module *module = module_create(&around, NULL);
    CHECK(module_add_child(module, "first", module_linear(1, 1)));
    CHECK(module_add_param(module, "own", shape1(1)));
    for (size_t i = 0; i < CHILDREN; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        CHECK(module_add_child(module, name, module_linear(1, 1)));
    }
    CHECK(module_params(module).count == 2 * CHILDREN + 3);
    module_destroy(module);
}

int main(void) {
    sequential_of_many();
    many_of_one();
    same_plans();
    grown_after_replanning();
    deep();
    bounds();
    return check_done();
}
