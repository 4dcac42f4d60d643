/* Objects that hold what another may change or destroy: in whatever order that happens, what is held lives on and is
 * right, or is refused in words. */
#include <stdio.h>

#include "support/refuse.h"

static Tape *tape;
static Module *net;
static Optim *optim;
static Tensor *x;
static Rng rng;

static void begin(void) {
    rng = rng_seed(1);
    Module *layers[] = {module_linear(2, 3), module_tanh(), module_linear(3, 1)};
    net = module_sequential(layers, 3);
    CHECK(module_init(net, &rng));
    optim = optim_adam(module_params(net), adam_options(0.1));
    tape = tape_create(HC_F32);
    x = tensor_ones(tape, shape2(4, 2));
}

static void end(void) {
    CHECK(higherc_error() == NULL);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
}

static Tensor *loss_of(FModule *f) {
    return tensor_mean(tensor_square(fmodule_forward(f, x)));
}

static double fill_grads(void) {
    Tensor *loss = tensor_mean(tensor_square(module_forward(net, x)));
    CHECK(tensor_backward(loss));
    return tensor_item(loss);
}

/* ---- Program --------------------------------------------------------------------------------------------- */

typedef enum Loss { TRIM, TAPE, MODULE, OPTIM, POOL, LOSSES } Loss;

static void program(Loss lost) {
    begin();
    Pool *pool = pool_create(2);
    tape_set_pool(tape, pool);
    Tensor *loss = tensor_mean(tensor_square(module_forward(net, x)));
    Program *p = program_capture(tape, &x, 1, &loss, 1, loss);
    double is = tensor_item(loss);
    tape_reset(tape);
    if (lost == TRIM) tape_trim(tape);
    if (lost == TRIM) tape_trim(tape);
    if (lost == TAPE) tape_destroy(tape);
    if (lost == TAPE) tape = NULL;
    Param *weight = param_ref(module_param(net, "0.weight"));
    if (lost == MODULE) module_destroy(net);
    if (lost == MODULE) net = NULL;
    if (lost == OPTIM) optim_destroy(optim);
    if (lost == OPTIM) optim = NULL;
    if (lost == POOL) pool_destroy(pool);
    CHECK(program_run(p) && program_run(p));
    CHECK(program_item(p, 0) == is);
    CHECK(param_grad(weight) != NULL);
    program_destroy(p);
    param_unref(weight);
    if (lost != POOL) pool_destroy(pool);
    end();
}

/* ---- Grads, Optim ------------------------------------------------------------------------------------------ */

static void gradients(void) {
    begin();
    Grads *grads = grads_create(module_params(net));
    CHECK(tensor_backward_into(tensor_mean(module_forward(net, x)), grads));
    Param *bias = param_ref(module_param(net, "2.bias"));
    optim_destroy(optim);
    optim = NULL;
    module_destroy(net);
    net = NULL;
    CHECK(grads_add_to_params(grads));
    CHECK(param_grad_get(bias, 0) == 1);
    param_unref(bias);
    CHECK(grads_add_to_params(grads)); /* it holds them by itself */
    grads_destroy(grads);
    end();
}

/* A module that grows, or goes, under its optimizer: that goes on with the Params it was handed. */
static void under_optimizer(bool grows) {
    begin();
    fill_grads();
    Param *bias = param_ref(module_param(net, "2.bias"));
    double was = param_get(bias, 0);
    if (grows) {
        CHECK(module_add_child(net, "3", module_linear(1, 1)));
    } else {
        module_destroy(net);
        net = NULL;
    }
    CHECK(optim_step(optim) && optim_steps(optim) == 1);
    CHECK(param_get(bias, 0) != was);
    param_unref(bias);
    if (grows) { /* and what is made of both has Params in no group */
        CHECK(module_init(net, &rng));
        FModule *f = fmodule_create(tape, net, false);
        DiffOpt *opt = diffopt_create(optim, f);
        CHECK(opt && diffopt_step(opt, loss_of(f)));
        Tensor *untouched = fmodule_param(f, "3.bias");
        CHECK(tensor_item(untouched) == param_get(module_param(net, "3.bias"), 0));
    }
    end();
}

/* ---- DiffOpt ------------------------------------------------------------------------------------------------ */

typedef void Change(void);

static void destroy_it(void) {
    optim_destroy(optim);
    optim = NULL;
}

static void learn_it(void) {
    CHECK(optim_learn(optim, "lr", HC_ALL_GROUPS, HC_LEARN_PARAM));
}

static void set_it(void) {
    CHECK(optim_set(optim, "lr", HC_ALL_GROUPS, 0.5));
}

static void schedule_it(void) {
    Schedule schedule = schedule_exponential(hyper_const(0.5));
    CHECK(optim_schedule(optim, "lr", HC_ALL_GROUPS, &schedule));
}

static void group_it(void) {
    Param *more = param_create("more", shape1(2), HC_F32);
    CHECK(optim_add_group(optim, (ParamList){&more, 1}) == 1);
    param_unref(more);
}

static void step_it(void) {
    fill_grads();
    CHECK(optim_step(optim));
}

/* What was made of the optimizer before has what that was then. */
static double unrolled(Change *change, bool scheduled) {
    begin();
    Schedule first = schedule_warmup(2, hyper_const(0.1)), next = schedule_cosine(9, hyper_const(0));
    Schedule both = schedule_then(&first, 2, &next);
    if (scheduled) CHECK(optim_schedule(optim, "lr", 0, &both));
    FModule *f = fmodule_create(tape, net, true);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(diffopt_step(opt, loss_of(f)));
    if (change) change();
    for (int i = 0; i < 3; i++)
        CHECK(diffopt_step(opt, loss_of(f)));
    double is = tensor_item(loss_of(f));
    if (change == group_it) {
        WRONG(HC_ERR_STATE, diffopt_commit(opt, optim));
    } else if (optim) {
        CHECK(diffopt_commit(opt, optim));
    }
    end();
    return is;
}

/* An optimizer destroyed with schedules that were read from a file, which are its own. */
static void loaded(void) {
    const char *path = "orders.optim";
    double expected = unrolled(NULL, true);
    begin();
    Schedule first = schedule_warmup(2, hyper_const(0.1)), next = schedule_cosine(9, hyper_const(0));
    Schedule both = schedule_then(&first, 2, &next);
    CHECK(optim_schedule(optim, "lr", 0, &both));
    CHECK(optim_save(optim, path) && optim_load(optim, path));
    remove(path);
    FModule *f = fmodule_create(tape, net, true);
    DiffOpt *opt = diffopt_create(optim, f);
    destroy_it();
    for (int i = 0; i < 4; i++)
        CHECK(diffopt_step(opt, loss_of(f)));
    CHECK(tensor_item(loss_of(f)) == expected);
    end();
}

/* A module destroyed or grown while all that is made of it stands: told by what needs the tree; the rest is right. */
static void under_recording(void) {
    begin();
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(optim, f);
    CHECK(diffopt_step(opt, loss_of(f)));
    Tensor *loss = loss_of(f);
    Param *bias = param_ref(module_param(net, "2.bias"));
    module_destroy(net);
    net = NULL;
    WRONG(HC_ERR_CHANGED, diffopt_step(opt, loss));
    WRONG(HC_ERR_CHANGED, fmodule_forward(f, x));
    TapeMark mark = tape_mark(tape);
    CHECK(tape_release(tape, mark));
    CHECK(tensor_backward(loss) && param_grad(bias) != NULL);
    param_unref(bias);
    end();
}

/* ---- ties ------------------------------------------------------------------------------------------------- */

/* The tied weight's former Param goes; who holds it goes on with it. */
static void ties(void) {
    begin();
    Module *twin = module_sequential((Module *[]){module_linear(3, 3), module_linear(3, 3)}, 2);
    CHECK(module_init(twin, &rng));
    Param *former = param_ref(module_param(twin, "1.weight"));
    Optim *both = optim_sgd(module_params(twin), sgd_options(0.5));
    Tensor *row = tensor_ones(tape, shape2(1, 3));
    FModule *f = fmodule_create(tape, twin, false);
    CHECK(tensor_backward(tensor_sum(fmodule_forward(f, row))));
    CHECK(param_grad(former) != NULL);
    CHECK(module_tie(twin, "1.weight", "0.weight"));
    CHECK(module_params(twin).count == 3 && module_param(twin, "1.weight") != former);
    double was = param_get(former, 0);
    CHECK(optim_step(both) && param_get(former, 0) != was);
    WRONG(HC_ERR_STATE, diffopt_create(both, fmodule_create(tape, twin, false)));
    param_unref(former);
    CHECK(optim_step(both));
    module_destroy(twin);
    CHECK(optim_step(both));
    optim_destroy(both);
    end();
}

/* ---- Tasks ------------------------------------------------------------------------------------------------- */

static bool in_phases(Task *task, void *user) {
    (void)user;
    for (int phase = 0; phase < 3; phase++) {
        Tensor *ones = tensor_ones(task->tape, shape2(1, 2));
        if (phase < 2) {
            tape_reset(task->tape); /* its own */
            if (phase) tape_trim(task->tape);
            if (phase && (tensor_neg(ones) || tape_status(task->tape) != HC_ERR_EXPIRED)) return false;
            tape_clear_error(task->tape);
            higherc_clear_error();
            continue;
        }
        if (!tensor_backward_into(tensor_sum(module_forward(net, ones)), task->grads)) return false;
    }
    return true;
}

static void under_tasks(void) {
    begin();
    Pool *pool = pool_create(2);
    Tasks *tasks = tasks_create(pool, module_params(net), HC_F32);
    pool_destroy(pool);
    CHECK(tasks_run(tasks, 5, &rng, in_phases, NULL));
    Param *bias = param_ref(module_param(net, "2.bias"));
    CHECK(param_grad_get(bias, 0) == 5);
    /* A Param that was added later is none of theirs until it is listed. */
    CHECK(module_add_child(net, "3", module_linear(1, 1)) && module_init(net, &rng));
    Param *late = module_param(net, "3.bias");
    CHECK(tasks_run(tasks, 5, &rng, in_phases, NULL));
    CHECK(param_grad(late) == NULL);
    CHECK(tasks_add_params(tasks, module_params(net)));
    CHECK(tasks_run(tasks, 5, &rng, in_phases, NULL));
    CHECK(param_grad_get(late, 0) == 5);
    optim_destroy(optim);
    optim = NULL;
    module_destroy(net);
    net = NULL;
    tasks_destroy(tasks);
    param_unref(bias);
    end();
}

int main(void) {
    for (int lost = 0; lost < LOSSES; lost++)
        program((Loss)lost);
    gradients();
    under_optimizer(true);
    under_optimizer(false);
    static Change *const changes[] = {destroy_it, learn_it, set_it, schedule_it, group_it, step_it};
    for (int scheduled = 0; scheduled < 2; scheduled++)
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
            CHECK(unrolled(changes[i], scheduled) == unrolled(NULL, scheduled));
    loaded();
    under_recording();
    ties();
    under_tasks();
    return check_done();
}
