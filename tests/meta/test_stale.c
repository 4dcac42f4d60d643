/* Handles kept over a reset or release: told, as long as nothing took their place. */
#include "support/refuse.h"
#include "tape/tape.h"

static void tensors(void) {
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_full(tape, shape1(3), 7);
    tape_reset(tape);
    WRONG(HC_ERR_EXPIRED, tensor_add(x, x));
    WRONG(HC_ERR_EXPIRED, tensor_data(x));
    Tensor *below = tensor_ones(tape, shape1(2));
    TapeMark mark = tape_mark(tape);
    Tensor *above[3];
    for (int i = 0; i < 3; i++)
        above[i] = tensor_ones(tape, shape1(2));
    CHECK(tape_release(tape, mark));
    CHECK(tensor_ones(tape, shape1(2))); /* takes the first place */
    WRONG(HC_ERR_EXPIRED, tensor_add(below, above[1]));
    WRONG(HC_ERR_EXPIRED, tensor_backward(above[2]));
    CHECK(tensor_item(tensor_sum(below)) == 2);
    tape_destroy(tape);
}

/* Trimmed, too: nodes keep their memory through one trim. The numbers' goes at once, the nodes' with the next. */
static void trimmed(void) {
    enum { MANY = 20000 };
    Tape *tape = tape_create(HC_F32);
    Tensor *first = tensor_ones(tape, shape1(3)), *last = first;
    for (int i = 0; i < MANY; i++)
        last = tensor_neg(last);
    size_t held = tape_stats(tape).reserved_bytes;
    tape_reset(tape);
    tape_trim(tape);
    WRONG(HC_ERR_EXPIRED, tensor_neg(first));
    WRONG(HC_ERR_EXPIRED, tensor_neg(last));
    WRONG(HC_ERR_EXPIRED, tensor_count(last));
    CHECK(tape_stats(tape).reserved_bytes < held - MANY * 64);
    Tensor *again = tensor_ones(tape, shape1(3)); /* takes the first place */
    TapeMark mark = tape_mark(tape);
    Tensor *above = tensor_neg(again);
    CHECK(tape_release(tape, mark));
    tape_trim(tape);
    WRONG(HC_ERR_EXPIRED, tensor_neg(above));
    CHECK(tape_stats(tape).reserved_bytes < held / 10);
    tape_destroy(tape);
}

/* Functional modules, their children and optimizers are told also after any number of trims. */
static void objects(void) {
    Rng rng = rng_seed(1);
    Module *net = module_sequential((Module *[]){module_linear(2, 2)}, 1);
    module_init(net, &rng);
    Optim *optim = optim_adam(module_params(net), adam_options(0.1));
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape2(1, 2));
    TapeMark mark = tape_mark(tape);
    for (int i = 0; i < 300; i++) {
        FModule *fast = fmodule_create(tape, net, false), *child = fmodule_child(fast, "0");
        DiffOpt *opt = diffopt_create(optim, fast);
        if (i % 3 == 0) tape_reset(tape);
        if (i % 3 == 1) CHECK(tape_release(tape, mark));
        for (int k = 0; k < i % 4; k++)
            tape_trim(tape);
        if (i % 3 == 0) x = tensor_ones(tape, shape2(1, 2));
        if (i % 3 == 0) mark = tape_mark(tape);
        if (i % 3 == 2) {
            TapeMark above = tape_mark(tape);
            CHECK(fmodule_forward(child, x) && fmodule_child(fast, "0"));
            CHECK(tape_release(tape, above));
            CHECK(fmodule_forward(child, x) != NULL);
            continue;
        }
        WRONG(HC_ERR_EXPIRED, fmodule_forward(fast, x));
        WRONG(HC_ERR_EXPIRED, fmodule_forward(child, x));
        WRONG(HC_ERR_EXPIRED, fmodule_child(fast, "0"));
        WRONG(HC_ERR_EXPIRED, diffopt_step(opt, x));
        WRONG(HC_ERR_EXPIRED, diffopt_override(opt, "lr", 0, x));
        CHECK(fmodule_params(fast).count == 0 && diffopt_steps(opt) == 0 && !fmodule_tape(child));
    }
    /* Children made in a loop that releases do not collect. */
    FModule *fast = fmodule_create(tape, net, false);
    size_t held = 0;
    mark = tape_mark(tape);
    for (int i = 0; i < 1000; i++) {
        CHECK(fmodule_child(fast, "0") != NULL && tape_release(tape, mark));
        if (i == 10) held = tape_stats(tape).reserved_bytes;
    }
    CHECK(tape_stats(tape).reserved_bytes == held);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

/* Objects of another kind, wherever they stand now, do not pass for a former one. */
static void kinds(void) {
    Rng rng = rng_seed(1);
    Module *net = module_linear(2, 2);
    module_init(net, &rng);
    Optim *optim = optim_adam(module_params(net), adam_options(0.1));
    Tape *tape = tape_create(HC_F32);
    DiffOpt *former = diffopt_create(optim, fmodule_create(tape, net, false));
    for (size_t count = 1; count < 20; count++) {
        tape_reset(tape);
        FModule *fast = NULL;
        for (size_t i = 0; i < count; i++)
            fast = fmodule_create(tape, net, false);
        CHECK(diffopt_steps(former) == 0 && !diffopt_loss(former));
        WRONG(HC_ERR_EXPIRED, diffopt_grad_callback(former, NULL, NULL));
        Tensor *loss = tensor_mean(fmodule_forward(fast, tensor_ones(tape, shape2(1, 2))));
        WRONG(HC_ERR_EXPIRED, diffopt_step(former, loss));
        WRONG(HC_ERR_EXPIRED, diffopt_commit(former, optim));
    }
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

static bool adapt(UnrollStep *step, void *user) {
    FModule *fast = user;
    Tensor *x = tensor_ones(fmodule_tape(fast), shape2(1, 2));
    return diffopt_step(step->opts[0], tensor_mean(tensor_square(fmodule_forward(fast, x))));
}

/* A place where now a node of several outputs stands, which no caller has: of a rule's, and of a loop's. */
static void nodes_of_parts(void) {
    Rng rng = rng_seed(1);
    Module *net = module_linear(2, 2);
    Optim *optim = optim_adam(module_params(net), adam_options(0.1));
    Tape *tape = tape_create(HC_F32);
    size_t found = 0;
    CHECK(module_init(net, &rng));
    FModule *fast = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, fast);
    UnrollStep one = {.opts = &opt, .count = 1};
    CHECK(adapt(&one, fast) && unroll(&opt, 1, unroll_options(3), adapt, fast));
    size_t nodes = tape_stats(tape).nodes;
    for (size_t i = 0; i < nodes; i++) {
        Tensor *node = hc_node(tape, i);
        if (!(node->op->flags & HC_OP_PARTS)) continue;
        WRONG(HC_ERR_EXPIRED, tensor_sum(node));
        found++;
    }
    CHECK(found > 0);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    tensors();
    nodes_of_parts();
    trimmed();
    objects();
    kinds();
    return check_done();
}
