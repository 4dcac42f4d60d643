/* Memory that runs out at each call in turn: every optimizer, what it learns and schedules, saving and
 * loading, and operations of one's own either work or say so, with nothing half done and nothing left. And
 * optimizers' steady loops do not allocate. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/unroll.h"

static const char path[] = "optim_memory.tmp";
static const char *rule; /* the optimizer whose turn it is */

static Tensor *double_forward(const CustomCall *call) {
    return tensor_mul_scalar(call->inputs[0], 2);
}

static bool double_backward(const CustomCall *call, Tensor **grads) {
    grads[0] = tensor_mul_scalar(call->gradient, 2);
    return true;
}

static const CustomClass twice = {"twice", double_forward, double_backward};

static double first_number(const Optim *optim) {
    ParamList list = optim ? optim_group_params(optim, 0) : (ParamList){NULL, 0};
    return list.count ? param_get(list.items[0], 0) : 0;
}

/* Learning, scheduling, steps on the tape and in place, saving and loading. True when nothing failed. */
static bool scenario(void) {
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 4096;
    Tape *tape = tape_create_with(options);
    Module *net = unroll_net(HC_F64, false);
    Optim *optim = net ? optim_new(rule, module_params(net)) : NULL;
    Schedule half = schedule_exponential(hyper_const(0.5)), both = schedule_then(&half, 3, &half);
    bool done = optim && optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM) &&
                optim_schedule(optim, "lr", 0, &both);
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, f);
    for (int k = 0; k < 2; k++) {
        Tensor *loss = unroll_loss(tape, NULL, f, (size_t)k);
        diffopt_step(opt, tensor_custom(&twice, &loss, 1, NULL));
    }
    Tensor *last = unroll_loss(tape, NULL, f, 2), *own = tensor_custom(&twice, &last, 1, NULL);
    done = done && tensor_backward(own);
    double before = first_number(optim);
    bool stepped = done && optim_step(optim);
    if (done && !stepped) CHECK(first_number(optim) == before && optim_steps(optim) == 0);
    bool committed = stepped && diffopt_commit(opt, optim);
    if (stepped) CHECK(optim_steps(optim) == (committed ? 2 : 1));
    bool loaded = committed && optim_save(optim, path) && optim_load(optim, path) &&
                  module_save(net, path) && module_load(net, path);
    if (committed) CHECK(optim_steps(optim) == 2);
    tape_destroy(tape);
    options.block_bytes = 64; /* each state that is taken over asks for memory */
    tape = loaded ? tape_create_with(options) : NULL;
    if (loaded) loaded = diffopt_create(optim, fmodule_create(tape, net, false)) != NULL;
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
    return loaded;
}

/* After some iterations neither the tape nor the optimizer asks for more. */
static void steady_loop(void) {
    Tape *tape = tape_create(HC_F32);
    Module *net = unroll_net(HC_F32, false);
    Optim *inner = optim_new(rule, module_params(net)),
          *outer = optim_adam(module_params(net), adam_options(0.001));
    Schedule half = schedule_exponential(hyper_const(0.9));
    CHECK(optim_learn(inner, "lr", HC_ALL_GROUPS, HC_LEARN_WEIGHT));
    CHECK(optim_schedule(inner, "lr", 0, &half));
    CHECK(optim_add_group(outer, optim_learned(inner)) == 1);
    size_t before = 0;
    for (int it = 0; it < 20; it++) {
        if (it == 10) before = failing_calls();
        optim_zero_grad(outer);
        tape_reset(tape);
        FModule *f = fmodule_create(tape, net, false);
        DiffOpt *opt = diffopt_create(inner, f);
        CHECK(unroll_fast(tape, f, opt, 2));
        CHECK(tensor_backward(unroll_loss(tape, NULL, f, 1)) && optim_step(outer));
    }
    CHECK(failing_calls() == before);
    tape_destroy(tape);
    module_destroy(net);
    optim_destroy(inner);
    optim_destroy(outer);
}

int main(void) {
    static const char *const names[] = {"sgd",  "adam",    "adamw", "adadelta", "adagrad", "adamax",
                                        "asgd", "rmsprop", "rprop", "radam",    "nadam",   "lion"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rule = names[i];
        fail_each_allocation(rule, scenario);
        failing_begin();
        steady_loop();
        failing_end();
    }
    remove(path);
    CHECK(higherc_error() == NULL);
    return check_done();
}
