/* Functional modules one promise at a time: the latest weights everywhere, histories that others do not touch,
 * rollbacks by release, handles that are gone, and one program that gives the same bits twice. */
#include <string.h>

#include "support/each.h"
#include "support/refuse.h"

static Tape *tape;
static Module *net;
static Optim *inner;

static Tensor *input(void) {
    return tensor_from_f64(tape, shape2(2, 2), (double[]){0.5, -1, 2, 0.25});
}

static Tensor *loss_of(FModule *f) {
    return tensor_mean(tensor_square(tensor_sub_scalar(fmodule_forward(f, input()), 0.3)));
}

static bool same(Tensor *a, Tensor *b) {
    double x[16], y[16];
    size_t n = tensor_count(a);
    return n <= 16 && tensor_copy_to_f64(a, x, n) && tensor_copy_to_f64(b, y, n) &&
           memcmp(x, y, n * sizeof *x) == 0;
}

static void latest_weights(void) {
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, f);
    FModule *first = fmodule_child(f, "0"), *last = fmodule_child(f, "2");
    Tensor *before = fmodule_forward(first, input());
    CHECK(diffopt_step(opt, loss_of(f)));
    Tensor *after = fmodule_forward(first, input());
    CHECK(!same(before, after)); /* the child was made before the step, and uses what came of it */
    Tensor *by_hand =
        tensor_linear(input(), fmodule_param(f, "0.weight"), fmodule_param(f, "0.bias"));
    CHECK(same(after, by_hand) && fmodule_steps(first) == 1);
    CHECK(fmodule_param(first, "weight") == fmodule_param(f, "0.weight"));
    CHECK(same(fmodule_forward(last, tensor_tanh(after)), fmodule_forward(f, input())));
    CHECK(tensor_depends_on(after, fmodule_params_at(f, 0).items[0]));
    CHECK(fmodule_child(fmodule_child(f, ""), "2") != NULL);
    REFUSED(fmodule_child(first, "0"));
    tape_clear_error(tape);
}

static void histories(void) {
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, f);
    CHECK(fmodule_params(f).count == 4 && fmodule_steps(f) == 0);
    TensorList start = fmodule_params_at(f, 0);
    CHECK(start.items == fmodule_params(f).items);
    for (int t = 1; t <= 3; t++) {
        CHECK(diffopt_step(opt, loss_of(f)) && fmodule_steps(f) == (size_t)t);
        CHECK(fmodule_params_at(f, (size_t)t).items == fmodule_params(f).items);
    }
    CHECK(fmodule_params_at(f, 0).items == start.items);
    WRONG(HC_ERR_RANGE, fmodule_params_at(f, 4).count);
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < 4; i++)
            CHECK(tensor_depends_on(fmodule_params(f).items[i], fmodule_params_at(f, t).items[0]));

    /* forward_with leaves all that alone, and sees only what it is given */
    TensorList now = fmodule_params(f), middle = fmodule_params_at(f, 1);
    Tensor *with = fmodule_forward_with(f, middle.items, middle.count, input());
    CHECK(fmodule_steps(f) == 3 && fmodule_params(f).items == now.items);
    CHECK(tensor_depends_on(with, middle.items[0]) && !tensor_depends_on(with, now.items[0]));
    CHECK(
        same(fmodule_forward_with(f, now.items, now.count, input()), fmodule_forward(f, input())));

    /* set_params is a step; gradients flow to what was set */
    Tensor *own[4];
    for (size_t i = 0; i < 4; i++)
        own[i] = tensor_leaf(tensor_mul_scalar(now.items[i], 0.5));
    CHECK(fmodule_set_params(f, own, 4) && fmodule_steps(f) == 4 && diffopt_steps(opt) == 3);
    CHECK(fmodule_params(f).items != own && fmodule_params(f).items[2] == own[2]);
    Tensor *swap[4] = {own[0], own[1], own[2], own[3]};
    memset(own, 0, sizeof own); /* the list was copied */
    CHECK(fmodule_param(f, "2.weight") == swap[2]);
    Tensor *grads[4] = {NULL};
    CHECK(tensor_grad(loss_of(f), swap, 4, grads, 0) && grads[3] != NULL);
    CHECK(diffopt_step(opt, loss_of(f)) && fmodule_steps(f) == 5);
    CHECK(tensor_depends_on(fmodule_params(f).items[0], swap[0]));
    /* Adam's moments remember the steps before */
    CHECK(tensor_depends_on(fmodule_params(f).items[0], start.items[0]));

    /* cut here: leaves with the same values, of which gradients can be asked */
    Tensor *old = fmodule_params(f).items[0];
    CHECK(fmodule_detach(f) && fmodule_steps(f) == 5);
    Tensor *leaf = fmodule_params(f).items[0];
    CHECK(leaf != old && same(leaf, old) && tensor_requires_grad(leaf) &&
          !tensor_depends_on(leaf, old));
    CHECK(tensor_grad(loss_of(f), &leaf, 1, grads, 0));
}

static void rollbacks(void) {
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, f);
    CHECK(diffopt_step(opt, loss_of(f)) && fmodule_train(f, false));
    TensorList at_mark = fmodule_params(f);
    Tensor *loss = diffopt_loss(opt), *lr = tensor_scalar(tape, 0.5);
    TapeMark mark = tape_mark(tape);
    for (int round = 0; round < 3; round++) {
        CHECK(diffopt_step(opt, loss_of(f)));
        /* settings and state are back where they were, so each round is the same */
        double values[4];
        CHECK(tensor_copy_to_f64(fmodule_param(f, "0.weight"), values, 4));
        static double first[4];
        if (round == 0) memcpy(first, values, sizeof first);
        CHECK(memcmp(first, values, sizeof first) == 0);
        CHECK(diffopt_override(opt, "lr", 0, lr) && diffopt_clip_norm(opt, 1e-3, 0));
        CHECK(fmodule_train(f, true) && diffopt_step(opt, loss_of(f)));
        FModule *late = fmodule_create(tape, net, true);
        CHECK(diffopt_step(diffopt_create(inner, late), loss_of(late)));
        CHECK(tape_release(tape, mark));
        CHECK(fmodule_steps(f) == 1 && diffopt_steps(opt) == 1 && !fmodule_training(f));
        CHECK(fmodule_params(f).items == at_mark.items && diffopt_loss(opt) == loss);
    }
}

/* Gone with a reset or a release, and said so. */
static void expired_handles(void) {
    TapeMark mark = tape_mark(tape);
    FModule *f = fmodule_create(tape, net, false), *child = fmodule_child(f, "0");
    DiffOpt *opt = diffopt_create(inner, f);
    CHECK(tape_release(tape, mark));
    for (int way = 0; way < 2; way++) {
        if (way) {
            f = fmodule_create(tape, net, false);
            opt = diffopt_create(inner, f);
            tape_reset(tape);
        }
        Tensor *x = input();
        WRONG(HC_ERR_EXPIRED, fmodule_forward(f, x));
        WRONG(HC_ERR_EXPIRED, fmodule_param(f, "0.weight"));
        WRONG(HC_ERR_EXPIRED, fmodule_train(f, true));
        WRONG(HC_ERR_EXPIRED, fmodule_detach(f));
        WRONG(HC_ERR_EXPIRED, fmodule_child(f, "0"));
        WRONG(HC_ERR_EXPIRED, fmodule_commit(f, net));
        WRONG(HC_ERR_EXPIRED, diffopt_create(inner, f));
        WRONG(HC_ERR_EXPIRED, diffopt_step(opt, tensor_sum(x)));
        WRONG(HC_ERR_EXPIRED, diffopt_override(opt, "lr", 0, x));
        WRONG(HC_ERR_EXPIRED, diffopt_detach(opt));
        WRONG(HC_ERR_EXPIRED, diffopt_commit(opt, inner));
        CHECK(way || child != NULL);
    }
}

/* One weight assigned, and all of them as one vector: each a step, with history. */
static void assignments(void) {
    FModule *f = fmodule_create(tape, net, false), *last = fmodule_child(f, "2");
    Tensor *before[4], *value = tensor_leaf(tensor_full(tape, shape2(1, 2), 0.5)), *g = NULL;
    memcpy(before, fmodule_params(f).items, sizeof before);
    CHECK(fmodule_set_param(last, "weight", value) && fmodule_steps(f) == 1);
    CHECK(fmodule_param(f, "2.weight") == value && fmodule_params_at(f, 0).items[2] == before[2]);
    for (size_t i = 0; i < 4; i++)
        CHECK(i == 2 || fmodule_params(f).items[i] == before[i]);
    CHECK(tensor_grad(loss_of(f), &value, 1, &g, 0) && g != NULL);
    WRONG(HC_ERR_NAME, fmodule_set_param(f, "3.weight", value));
    WRONG(HC_ERR_SHAPE, fmodule_set_param(f, "0.weight", value));
    WRONG(HC_ERR_ARG, fmodule_set_param(f, "0.weight", NULL));
    WRONG(HC_ERR_ARG, fmodule_set_param(f, NULL, value));
    CHECK(fmodule_steps(f) == 1);

    Tensor *vector = fmodule_vector(f), *old = loss_of(f);
    CHECK(tensor_ndim(vector) == 1 && tensor_count(vector) == 9);
    CHECK(fmodule_set_vector(f, vector) && fmodule_steps(f) == 2 && same(old, loss_of(f)));
    CHECK(tensor_depends_on(loss_of(f), value)); /* through the vector and out of it again */
    Tensor *twice = tensor_leaf(tensor_mul_scalar(vector, 2));
    CHECK(fmodule_set_vector(f, twice) && same(fmodule_vector(f), twice));
    CHECK(same(fmodule_param(f, "2.weight"), tensor_mul_scalar(value, 2)));
    CHECK(tensor_grad(loss_of(f), &twice, 1, &g, 0) && tensor_count(g) == 9);
    WRONG(HC_ERR_SHAPE, fmodule_set_vector(f, tensor_zeros(tape, shape1(8))));
    WRONG(HC_ERR_SHAPE, fmodule_set_vector(f, tensor_zeros(tape, shape2(9, 1))));
    WRONG(HC_ERR_ARG, fmodule_set_vector(f, NULL));
    CHECK(fmodule_steps(f) == 3);

    Module *empty = module_tanh(); /* no weights: a vector of none */
    CHECK(module_to(empty, HC_F64));
    FModule *none = fmodule_create(tape, empty, false);
    CHECK(tensor_count(fmodule_vector(none)) == 0 &&
          fmodule_set_vector(none, fmodule_vector(none)));
    tape_reset(tape);
    module_destroy(empty);
}

/* The same program twice, and after a reset of a tape with a past: the same bits. */
static double program(Tape *where) {
    tape = where;
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(inner, f);
    for (int k = 0; k < 3; k++)
        CHECK(diffopt_step(opt, loss_of(f)));
    Tensor *w = fmodule_params_at(f, 0).items[0], *g = NULL;
    CHECK(tensor_grad(loss_of(f), &w, 1, &g, 0));
    return tensor_item(tensor_sum(tensor_exp(g)));
}

static void same_bits(void) {
    Tape *kept = tape, *other = tape_create(HC_F64);
    double first = program(kept), second = program(other);
    tape_reset(other);
    tensor_zeros(other, shape1(1000));
    tape_reset(other);
    double third = program(other), fourth = program(kept); /* further up an older tape */
    CHECK(first == second && first == third && first == fourth);
    tape_destroy(other);
    tape = kept;
}

int main(void) {
    void (*const tests[])(void) = {latest_weights,  histories,   rollbacks,
                                   expired_handles, assignments, same_bits};
    Rng rng = rng_seed(6);
    Module *layers[] = {module_linear(2, 2), module_tanh(), module_linear(2, 1)};
    net = module_sequential(layers, 3);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    AdamOptions options = adam_options(0.05);
    inner = optim_adam(module_params(net), options);
    each_on_a_tape(&tape, tests, sizeof tests / sizeof *tests);
    optim_destroy(inner);
    module_destroy(net);
    return check_done();
}
