#include "fuzz/own.h"

#include <math.h>
#include <string.h>

#include "fuzz/world.h"
#include "meta/diffopt.h"

/* ---- modules --------------------------------------------------------------------------------- */

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *w = frame_param(frame, "w"), *x = nin > 0 ? in[0] : NULL;
    world_give(K_TENSOR, x);
    world_give(K_TENSOR, w);
    world_nested(frame_tape(frame), frame);
    frame_set_buffer(frame, "b", w);
    for (size_t i = 0; i < nout; i++)
        out[i] = i == 0 ? tensor_mul(x, w) : x;
    return world_byte() < 250;
}

static bool bare_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    world_nested(frame_tape(frame), frame);
    if (nin > 0 && nout > 0) out[0] = in[0];
    return world_byte() < 128 || nin > 0;
}

static bool init(Module *module, Rng *rng) {
    (void)rng;
    (void)module;
    world_nested(NULL, NULL);
    return world_byte() < 200;
}

static void *clone_state(const void *state) {
    return (void *)(uintptr_t)state;
}

static const ModuleClass whole = {.name = "whole", .forward = forward};
static const ModuleClass bare = {.name = NULL, .forward = bare_forward, .init = init};
static const ModuleClass stateful = {
    .name = "stateful", .forward = bare_forward, .clone_state = clone_state};
static const ModuleClass none = {.name = "none"};
const ModuleClass *const own_module_classes[4] = {&whole, &bare, &stateful, &none};

Module *own_module(void) {
    Module *m = module_create(&whole, NULL);
    module_add_param(m, "w", shape1(3));
    module_add_buffer(m, "b", shape1(3), 1);
    return m;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static bool update(OptimUpdate *u, void *user) {
    (void)user;
    Tensor *last = u->state[0];
    world_nested(tensor_tape(u->param), NULL);
    u->state[0] = u->param;
    u->param = world_byte() < 128 && last ? last : hyper_axpy(u->hypers[0], u->grad, u->param);
    return world_byte() < 250;
}

/* Gives whatever there is. */
static bool any_update(OptimUpdate *u, void *user) {
    (void)user;
    world.near = world_tape_index(tensor_tape(u->param));
    u->state[1] = world_take(K_TENSOR);
    if (world_byte() < 128) u->param = world_take(K_TENSOR);
    return world_byte() < 250;
}

static const char *const states[] = {"exp_avg", "sum"};
static const OptimHyper hypers[] = {
    {"lr", -0.1, -1, 1, false}, {"momentum", 0, 0, 1, false}, {"amsgrad", 0, 0, 1, true}};
static const OptimClass sound = {.name = "sound",
                                 .hypers = hypers,
                                 .hyper_count = 3,
                                 .states = states,
                                 .state_count = 2,
                                 .update = update};
static const OptimClass any = {
    .name = "any", .states = states, .state_count = 2, .update = any_update};
static const OptimClass many = {
    .name = "many", .state_count = HC_MAX_STATES + 1, .states = states, .update = update};
static const OptimClass no_update = {.name = "no update"};
const OptimClass *const own_optim_classes[4] = {&sound, &any, &many, &no_update};

/* ---- operations ------------------------------------------------------------------------------ */

static Tensor *custom_forward(const CustomCall *call) {
    world_nested(call->tape, NULL);
    return tensor_square(call->inputs[0]);
}

static bool custom_backward(const CustomCall *call, Tensor **grads) {
    world_nested(call->tape, NULL);
    grads[0] = tensor_mul(call->gradient, tensor_mul_scalar(call->inputs[0], 2));
    return world_byte() < 250;
}

static Tensor *any_forward(const CustomCall *call) {
    world.near = world_tape_index(call->tape);
    return world_take(K_TENSOR);
}

static bool any_backward(const CustomCall *call, Tensor **grads) {
    world.near = world_tape_index(call->tape);
    for (size_t i = 0; i < call->count; i++)
        grads[i] = world_take(K_TENSOR);
    return world_byte() < 250;
}

static const CustomClass square = {
    .name = "square", .forward = custom_forward, .backward = custom_backward};
static const CustomClass anything = {
    .name = "anything", .forward = any_forward, .backward = any_backward};
static const CustomClass flat = {.name = "flat", .forward = custom_forward};
static const CustomClass no_forward = {.name = "no forward"};
const CustomClass *const own_custom_classes[4] = {&square, &anything, &flat, &no_forward};

/* ---- callbacks ------------------------------------------------------------------------------- */

bool own_grad_callback(Tape *tape, Tensor **grads, size_t count, void *user) {
    (void)user;
    world_nested(tape, NULL);
    world.near = world_tape_index(tape);
    if (count > 0 && world_byte() < 64) grads[world_below(count)] = world_take(K_TENSOR);
    return world_byte() < 250;
}

Hyper own_schedule(size_t step, void *user) {
    (void)step;
    (void)user;
    world_nested(NULL, NULL);
    return world_byte() < 128 ? hyper_const(0.5) : hyper_tensor(world_take(K_TENSOR));
}

Tensor *own_gradcheck(Tensor *const *inputs, size_t count, void *user) {
    (void)user;
    Tensor *sum = NULL;
    for (size_t i = 0; i < count && i < LIST; i++)
        sum =
            i == 0 ? tensor_sum(tensor_square(inputs[0])) : tensor_add(sum, tensor_sum(inputs[i]));
    return sum;
}

Tensor *own_module_fn(Tensor *x, void *user) {
    (void)user;
    return world_byte() < 240 ? tensor_mul_scalar(x, 0.5) : NULL;
}

/* Of whatever Params there are: gradients without a history. */
bool own_descent(double *loss, void *user) {
    (void)user;
    world_nested(NULL, NULL);
    for (int i = 0; i < 3; i++) {
        Param *p = world_take(K_PARAM);
        for (size_t k = 0; p && k < 64 && param_count(p) <= 64; k++)
            if (param_add_grad_f64(p, (double[64]){0.5, -0.25}, param_count(p))) break;
    }
    unsigned byte = world_byte();
    *loss = byte < 250 ? (double)byte / 8 : (double)INFINITY;
    return byte != 249;
}

/* On any thread: nothing of the world is looked at. */
void own_share(size_t index, size_t worker, void *user) {
    (void)index;
    (void)worker;
    (void)user;
}

bool own_task(Task *task, void *user) {
    Tensor *x = tensor_leaf(tensor_ones(task->tape, shape1(3)));
    if (user) world_nested(task->tape, NULL); /* the one thread is the caller's */
    return tensor_item(tensor_sum(x)) == 3;
}

/* With a peer that has the same to say. */
bool own_exchange(size_t peer, const void *send, void *receive, size_t bytes, void *user) {
    memcpy(receive, send, bytes);
    return peer < 8 && !user;
}

void *own_worker(size_t worker, Tape *tape, void *user) {
    (void)worker;
    return tensor_ones(tape, shape1(2)) ? user : NULL;
}

/* ---- loops ----------------------------------------------------------------------------------- */

static Tensor *loss_within(FModule *fmodule, void *user) {
    (void)user;
    Tape *tape = fmodule_tape(fmodule);
    world_nested(tape, NULL);
    return tensor_mean(tensor_square(fmodule_forward(fmodule, tensor_ones(tape, shape2(2, 3)))));
}

Tensor *own_loss(FModule *fmodule, void *user) {
    world_inner_begin();
    Tensor *loss = loss_within(fmodule, user);
    world_inner_end();
    return loss;
}

static bool step_within(UnrollStep *step, void *user) {
    DiffOpt *opt = step->opts[step->step % step->count];
    Tensor *loss = loss_within(opt->module, user);
    if (world_byte() >= 240) diffopt_override(opt, "lr", HC_ALL_GROUPS, world_take(K_TENSOR));
    return diffopt_step(opt, loss);
}

/* One optimizer's step; now and then not the same again. */
bool own_step(UnrollStep *step, void *user) {
    world_inner_begin();
    bool done = step_within(step, user);
    world_inner_end();
    return done;
}

bool own_judge(UnrollStep *step, void *user) {
    world_inner_begin();
    bool done = tensor_backward(loss_within(step->opts[0]->module, user));
    world_inner_end();
    return done;
}

bool own_progress(size_t done, void *user) {
    (void)done;
    (void)user;
    world_nested(NULL, NULL);
    return world_byte() < 250;
}
