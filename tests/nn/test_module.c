/* Modules: names, shared children, ties, clones, printing, buffers, first values, several tensors in and out;
 * and that adding to a tree without memory leaves it as it was. */
#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

static bool named(ParamList list, size_t i, const char *name) {
    return i < list.count && strcmp(param_name(list.items[i]), name) == 0;
}

static void names(void) {
    Module *body[] = {module_linear(2, 3), module_tanh(), module_linear_no_bias(3, 3)};
    Module *layers[] = {module_sequential(body, 3), module_relu(), module_linear(3, 1)};
    Module *net = module_sequential(layers, 3);
    ParamList list = module_params(net);
    CHECK(list.count == 5 && named(list, 0, "0.0.weight") && named(list, 1, "0.0.bias"));
    CHECK(named(list, 2, "0.2.weight") && named(list, 3, "2.weight") && named(list, 4, "2.bias"));
    CHECK(module_param(net, "0.2.weight") == list.items[2]);
    CHECK(module_find(net, "0") == layers[0] && module_find(net, "0.2") == body[2]);
    CHECK(module_find(net, "") == net && strcmp(module_name(net), "sequential") == 0);
    CHECK(module_param(module_find(net, "0"), "2.weight") == list.items[2]);
    for (size_t i = 0; i < 8; i++) {
        const char *const wrong[] = {"0.2",         "weight",      "0..weight",   "0.0..weight",
                                     ".0.0.weight", "0.0.weight.", "3.weight", "2..weight"};
        REFUSED(module_param(net, wrong[i]));
    }
    module_destroy(net);
}

/* A child at two places has one set of weights; a tie is one weight at two paths. */
static void sharing(void) {
    Rng rng = rng_seed(4);
    Module *cell = module_linear(2, 2), *layers[] = {cell, module_tanh(), cell};
    Module *net = module_sequential(layers, 3);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    CHECK(module_params(net).count == 2 && module_find(net, "0") == module_find(net, "2"));
    CHECK(module_param(net, "0.weight") == module_param(net, "2.weight"));
    Module *copy = module_clone(net);
    CHECK(module_params(copy).count == 2 && module_find(copy, "0") == module_find(copy, "2"));
    CHECK(module_param(copy, "0.weight") != module_param(net, "0.weight"));

    Module *pair[] = {module_linear(2, 2), module_tanh(), module_linear(2, 2)};
    Module *tied = module_sequential(pair, 3);
    CHECK(module_to(tied, HC_F64) && module_tie(tied, "2.weight", "0.weight"));
    CHECK(module_tie(tied, "2.bias", "0.bias") && module_tie(tied, "2.bias", "0.bias"));
    CHECK(module_params(tied).count == 2 && named(module_params(tied), 0, "0.weight"));
    CHECK(param_set_f64(module_param(tied, "2.weight"), param_data(module_param(net, "0.weight")),
                        4));
    CHECK(param_set_f64(module_param(tied, "0.bias"), param_data(module_param(net, "0.bias")), 2));
    Module *again = module_clone(tied);
    CHECK(module_params(again).count == 2);
    CHECK(module_param(again, "2.weight") == module_param(again, "0.weight"));

    /* all four compute the same values and the same gradients */
    Module *all[] = {net, copy, tied, again};
    double value[4], grad[4][4];
    for (int i = 0; i < 4; i++) {
        Tape *tape = tape_create(HC_F64);
        Tensor *x = tensor_from_f64(tape, shape2(1, 2), (double[]){0.3, -1.2});
        Tensor *y = tensor_sum(tensor_square(module_forward(all[i], x)));
        value[i] = tensor_item(y);
        CHECK(tensor_backward(y));
        memcpy(grad[i], param_grad(module_param(all[i], "2.weight")), sizeof grad[i]);
        FModule *f = fmodule_create(tape, all[i], false);
        CHECK(fmodule_param(f, "0.weight") == fmodule_param(f, "2.weight"));
        CHECK(tensor_item(tensor_sum(tensor_square(fmodule_forward(f, x)))) == value[i]);
        CHECK(value[i] == value[0] && memcmp(grad[i], grad[0], sizeof grad[0]) == 0);
        tape_destroy(tape);
    }
    CHECK(module_params(net).items[0] == module_param(net, "0.weight"));
    for (int i = 0; i < 4; i++)
        module_destroy(all[i]);
}

/* A list that holds a module and that module's own child is given back whole, once. */
static void handed_with_its_child(void) {
    for (int order = 0; order < 3; order++) {
        Module *inner = module_linear(2, 2), *outer = module_sequential(&inner, 1);
        Module *lists[3][3] = {{NULL, outer, inner}, {inner, outer, NULL}, {outer, inner, outer}};
        CHECK(!module_sequential(lists[order], 3));
        CHECK(higherc_error() != NULL);
        higherc_clear_error();
    }
}

static void clones(void) {
    Rng rng = rng_seed(4);
    Module *layers[] = {module_linear(2, 2), module_leaky_relu(0.3), module_softmax(-1)};
    Module *net = module_sequential(layers, 3);
    CHECK(module_add_buffer(layers[0], "mean", shape1(2), 0.5));
    Module *early = module_clone(net);
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape2(1, 2));
    WRONG(HC_ERR_STATE, module_forward(early, x)); /* no first values: neither has the copy */
    CHECK(module_init(net, &rng));
    param_freeze(module_param(net, "0.bias"), true);
    module_train(net, false);
    CHECK(param_add_grad_f64(module_param(net, "0.bias"), (double[]){1, 1}, 2));
    Module *copy = module_clone(net);
    CHECK(param_frozen(module_param(copy, "0.bias")) &&
          !param_frozen(module_param(copy, "0.weight")));
    CHECK(!param_grad(module_param(copy, "0.bias")) && !module_training(module_find(copy, "1")));
    CHECK(param_get(module_buffer(copy, "0.mean"), 1) == 0.5);
    Tensor *a = module_forward(net, x), *b = module_forward(copy, x);
    CHECK(memcmp(tensor_data(a), tensor_data(b), 2 * sizeof(float)) == 0);
    CHECK(param_fill(module_param(copy, "0.weight"), 3)); /* apart */
    CHECK(param_get(module_param(net, "0.weight"), 0) != 3);
    param_freeze(module_param(net, "0.weight"), true);
    param_fill(module_param(net, "0.weight"), 7);
    CHECK(module_init(net, &rng) && param_get(module_param(net, "0.weight"), 0) == 7); /* frozen */
    tape_destroy(tape);
    module_destroy(early);
    module_destroy(copy);
    module_destroy(net);
}

/* ---- a module of one's own ----------------------------------------------------------------------- */

typedef struct Counter {
    int alive, calls;
} Counter;

static Counter counter;

/* Two in, two out: sums with a weight, and how often it was called, in a buffer. */
static bool two_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin != 2 || nout != 2) return false;
    ((Counter *)frame_state(frame))->calls++;
    Tensor *w = frame_param(frame, "weight"), *count = frame_buffer(frame, "count");
    Tensor *more = tensor_add_scalar(count, frame_training(frame) ? 1 : 0);
    CHECK(!frame_set_buffer(frame, "count", NULL));
    higherc_clear_error();
    tape_clear_error(frame_tape(frame));
    out[0] = tensor_add(tensor_mul(in[0], w), in[1]);
    out[1] = frame_call(frame, "inner", in[1]);
    return frame_set_buffer(frame, "count", more);
}

static void *two_clone(const void *state) {
    ((Counter *)(uintptr_t)state)->alive++;
    return (void *)(uintptr_t)state;
}

static void two_destroy(void *state) {
    ((Counter *)state)->alive--;
}

static Module *make_two(void) {
    static const ModuleClass cls = {.name = "two",
                                    .forward = two_forward,
                                    .clone_state = two_clone,
                                    .destroy_state = two_destroy};
    counter.alive++;
    Module *two = module_create(&cls, &counter);
    if (two && module_add_param(two, "weight", shape1(2)) &&
        module_add_buffer(two, "count", shape_scalar(), 0) &&
        module_add_child(two, "inner", module_tanh()))
        return two;
    module_destroy(two);
    return NULL;
}

static void custom(void) {
    Module *two = make_two();
    CHECK(param_set_f32(module_param(two, "weight"), (float[]){2, 3}, 2));
    Tape *tape = tape_create(HC_F32);
    Tensor *in[2] = {tensor_ones(tape, shape1(2)), tensor_full(tape, shape1(2), 0.5)};
    Tensor *out[2] = {NULL, NULL}, *marker = in[0];
    CHECK(module_forward_n(two, in, 2, out, 2));
    CHECK(((const float *)tensor_data(out[0]))[1] == 3.5f && out[1] != NULL);
    CHECK(module_forward_n(two, in, 2, out, 2));
    CHECK(param_get(module_buffer(two, "count"), 0) == 2);
    /* fast weights keep their own count */
    FModule *f = fmodule_create(tape, two, false);
    CHECK(fmodule_forward_n(f, in, 2, out, 2) && tensor_item(fmodule_buffer(f, "count")) == 3);
    CHECK(fmodule_train(f, false) && fmodule_forward_n(f, in, 2, out, 2));
    CHECK(tensor_item(fmodule_buffer(f, "count")) == 3 && !fmodule_training(f));
    CHECK(param_get(module_buffer(two, "count"), 0) == 2);
    out[0] = out[1] = marker;
    WRONG(HC_ERR_STATE, module_forward_n(two, in, 1, out, 1)); /* its forward says no */
    ANY(module_forward_n(two, (Tensor *[]){in[0], tensor_ones(tape, shape1(5))}, 2, out, 2));
    ANY(fmodule_forward_n(f, (Tensor *[]){in[0], tensor_ones(tape, shape1(5))}, 2, out, 2));
    ANY(fmodule_forward_n(f, in, 2, out, 17));
    CHECK(out[0] == marker && out[1] == marker);
    CHECK(tensor_item(fmodule_buffer(f, "count")) == 3);
    Module *copy = module_clone(two);
    CHECK(counter.alive == 2 && module_state(copy) == &counter);
    CHECK(fmodule_commit(f, copy) && param_get(module_buffer(copy, "count"), 0) == 3);
    module_destroy(copy);
    CHECK(counter.alive == 1);
    static const ModuleClass broken = {.name = "broken", .destroy_state = two_destroy};
    counter.alive++;
    REFUSED(module_create(&broken, &counter)); /* no forward: its state is destroyed all the same */
    CHECK(counter.alive == 1);
    Module *stateless = module_create(&(ModuleClass){.forward = two_forward, .destroy_state = two_destroy}, NULL);
    module_destroy(stateless); /* there is no state to destroy */
    REFUSED(module_create(&broken, NULL));
    CHECK(counter.alive == 1);
    static const ModuleClass fixed = {.forward = two_forward};
    Module *nameless = module_create(&fixed, &counter);
    CHECK(nameless && module_name(nameless) != NULL);
    REFUSED(module_clone(nameless)); /* a state without clone_state */
    module_destroy(nameless);
    tape_destroy(tape);
    module_destroy(two);
    CHECK(counter.alive == 0);
}

/* ---- first values ------------------------------------------------------------------------------- */

static bool init_gives_up(Module *module, Rng *rng) {
    (void)module;
    (void)rng;
    return param_fill(NULL, 0); /* an error in words */
}

static void first_values(void) {
    Rng rng = rng_seed(3);
    Module *layers[] = {module_linear(40, 50), module_tanh(), module_linear(50, 3)};
    Module *net = module_sequential(layers, 3);
    CHECK(module_init(net, &rng));
    param_freeze(module_param(net, "2.weight"), true);
    double frozen = param_get(module_param(net, "2.weight"), 7), square = 0;
    CHECK(module_init_truncated_normal(net, 0.5, &rng));
    const Param *w = module_param(net, "0.weight");
    for (size_t i = 0; i < param_count(w); i++) {
        square += param_get(w, i) * param_get(w, i) / (double)param_count(w);
        CHECK(param_get(w, i) >= -1 && param_get(w, i) <= 1);
    }
    CHECK(square > 0.15 &&
          square < 0.25); /* 0.194: a normal that is redrawn beyond two deviations */
    CHECK(param_get(module_param(net, "0.bias"), 3) == 0 &&
          param_get(module_param(net, "2.bias"), 1) == 0);
    CHECK(param_get(module_param(net, "2.weight"), 7) == frozen);
    REFUSED(module_init_truncated_normal(net, 0.5, NULL));
    REFUSED(module_init(net, NULL));
    ModuleClass cls = {.name = "stubborn", .forward = two_forward, .init = init_gives_up};
    CHECK(module_add_child(net, "last", module_create(&cls, NULL)) && !module_init(net, &rng));
    CHECK_ERROR("param_fill");
    module_destroy(net);
}

static void wrong_children(void) {
    Module *net = module_sequential(NULL, 0), *wide = module_linear(1, 1);
    CHECK(module_add_child(net, "a", module_relu()) && module_to(wide, HC_F64));
    CHECK(!module_add_child(net, "a", module_relu()));
    CHECK_ERROR("module_add_child: there is a 'a' already");
    CHECK(!module_add_child(net, "b", wide)); /* which goes with that */
    CHECK_ERROR("module_add_child: 'b' is f64, the module f32 (module_to)");
    CHECK(!module_add_child(net, NULL, module_relu()));
    CHECK_ERROR("module_add_child: the name is NULL");
    char name[65] = {0};
    memset(name, 'n', 63);
    CHECK(module_add_child(net, name, module_relu()) && module_find(net, name));
    name[63] = 'n';
    REFUSED(module_add_child(net, name, module_relu()));
    REFUSED(module_tie(net, "a", NULL));
    REFUSED(module_tie(net, NULL, "a"));
    REFUSED(module_param(net, NULL));
    REFUSED(module_find(net, NULL));
    REFUSED(module_print(net, NULL));
    REFUSED(module_to(module_find(net, "a"), HC_F64));
    module_destroy(net);
}

/* ---- the table ----------------------------------------------------------------------------------- */

static void table(void) {
    Module *layers[] = {module_linear(2, 3), module_relu(), module_linear(3, 1)};
    Module *net = module_sequential(layers, 3);
    char text[2048] = {0};
    const char *name = "nn_module_table.txt"; /* tmpfile is not everywhere */
    FILE *file = fopen(name, "w+");
    CHECK(file != NULL);
    param_freeze(module_param(net, "2.bias"), true);
    CHECK(module_print(net, file));
    rewind(file);
    CHECK(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    remove(name);
    CHECK(strstr(text, "sequential") && strstr(text, "0.weight") && strstr(text, "(3, 2)"));
    CHECK(strstr(text, "2.bias") && strstr(text, "frozen") && strstr(text, "total"));
    CHECK(strstr(text, "13\n")); /* 6 + 3 + 3 + 1 */
    FILE *nothing = fopen(name, "w"); /* a file that only can be read */
    fclose(nothing);
    nothing = fopen(name, "r");
    CHECK(nothing && !module_print(net, nothing));
    CHECK_ERROR("module_print: could not write");
    fclose(nothing);
    remove(name);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        CHECK(!module_print(net, full) && higherc_status() == HC_ERR_IO);
        higherc_clear_error();
        fclose(full);
    }
    module_destroy(net);
}

/* ---- without memory ------------------------------------------------------------------------------- */

static bool act(Module *net, int what) {
    switch (what) {
    case 0:
        return module_add_param(module_find(net, "0"), "extra", shape1(5)) != NULL;
    case 1:
        return module_add_buffer(module_find(net, "0"), "extra", shape1(5), 1);
    case 2:
        return module_add_child(module_find(net, "0"), "extra", module_linear(1, 1));
    case 3:
        return module_tie(net, "2.weight", "0.weight");
    case 4:
        return module_tie(net, "0.weight", "2.weight");
    default:
        return module_to(net, HC_F64);
    }
}

/* The tree's parameters by path and list, as one number. */
static double picture(Module *net) {
    ParamList list = module_params(net), buffers = module_buffers(net);
    double sum = (double)list.count * 1000 + (double)buffers.count * 100 + module_dtype(net) * 10;
    for (size_t i = 0; i < list.count; i++) {
        const Param *p = list.items[i];
        CHECK(module_param(net, param_name(p)) == p); /* names lead back */
        sum += (double)(i + 1) * param_get(p, 0) + (double)strlen(param_name(p)) * 0.001;
    }
    return sum;
}

static void without_memory(void) {
    failing_begin();
    for (int what = 0; what < 6; what++) {
        bool done = false;
        for (size_t allowed = 0; !done && allowed < 200; allowed++) {
            Rng rng = rng_seed(9);
            Module *layers[] = {module_linear(2, 2), module_relu(), module_linear(2, 2)};
            Module *net = module_sequential(layers, 3);
            CHECK(module_init(net, &rng));
            double before = picture(net);
            failing_after(allowed);
            done = act(net, what);
            failing_never();
            CHECK(done || higherc_status() == HC_ERR_NOMEM);
            higherc_clear_error();
            CHECK(done || picture(net) == before);
            CHECK(done || act(net, what)); /* with memory it works */
            CHECK(picture(net) != before);
            Tape *tape = tape_create(module_dtype(net));
            Tensor *x = tensor_ones(tape, shape2(1, 2));
            CHECK(what < 3 || module_forward(net, x) != NULL);
            tape_destroy(tape);
            Module *copy = module_clone(net);
            CHECK(copy != NULL);
            module_destroy(copy);
            module_destroy(net);
        }
        CHECK(done);
    }
    failing_end();
}

static bool build(void) {
    Module *layers[] = {module_linear(2, 2), make_two(), module_leaky_relu(0.1),
                        module_linear(2, 2)};
    Module *net = module_sequential(layers, 4);
    bool tied = net && module_tie(net, "3.weight", "0.weight") && module_to(net, HC_F64);
    Module *copy = tied ? module_clone(net) : NULL;
    bool done = copy != NULL;
    module_destroy(copy);
    module_destroy(net);
    CHECK(counter.alive == 0);
    return done;
}

int main(void) {
    handed_with_its_child();
    names();
    sharing();
    clones();
    custom();
    first_values();
    wrong_children();
    table();
    without_memory();
    fail_each_allocation("build", build);
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("none");
    return check_done();
}
