/* Handles kept over a reset or release: told, as long as nothing took their place. */
#include "support/refuse.h"

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

/* Another kind of object at the address of a former one does not pass for it. */
static void kinds(void) {
    Rng rng = rng_seed(1);
    Module *net = module_linear(2, 2);
    module_init(net, &rng);
    Optim *optim = optim_adam(module_params(net), adam_options(0.1));
    Tape *tape = tape_create(HC_F32);
    DiffOpt *former = diffopt_create(optim, fmodule_create(tape, net, false));
    bool met = false;
    for (size_t fill = 0; fill < 400 && !met; fill++) {
        tape_reset(tape);
        for (size_t i = 0; i < fill; i++)
            tensor_zeros(tape, shape1(16));
        FModule *fast = fmodule_create(tape, net, false);
        met = (void *)fast == (void *)former;
        if (!met) continue;
        CHECK(diffopt_steps(former) == 0 && !diffopt_loss(former));
        WRONG(HC_ERR_EXPIRED, diffopt_grad_callback(former, NULL, NULL));
        Tensor *loss = tensor_mean(fmodule_forward(fast, tensor_ones(tape, shape2(1, 2))));
        WRONG(HC_ERR_EXPIRED, diffopt_step(former, loss));
        WRONG(HC_ERR_EXPIRED, diffopt_commit(former, optim));
    }
    CHECK(met);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

int main(void) {
    tensors();
    trimmed();
    kinds();
    return check_done();
}
