/* Objects that a caller's own code destroys or converts while the library is at work on them: refused in words, held on
 * to, or looked at again. */
#include "support/refuse.h"

static Tape *tape;
static Module *net;

static void begin(void) {
    Rng rng = rng_seed(1);
    tape = tape_create(HC_F32);
    net = module_linear(2, 2);
    module_init(net, &rng);
}

static void end(void) {
    higherc_clear_error();
    tape_destroy(tape);
    module_destroy(net);
}

/* ---- by a task --------------------------------------------------------------------------------------------- */

/* A worker's tape, and Tasks, pulled away from where they are at work; a pool is held on to. */
static Tasks *at_work;
static Pool *of_tasks;

static void *make_state(size_t worker, Tape *on, void *user) {
    (void)worker;
    tensor_ones(on, shape1(1));
    tape_reset(on); /* it is its own */
    tape_destroy(on);
    CHECK(tape_status(on) == HC_ERR_STATE);
    CHECK_ERROR("tape_destroy: the tape belongs to Tasks, which destroy it");
    tape_clear_error(on);
    return user;
}

static void end_state(void *state, void *user) {
    (void)state;
    (void)user;
    tasks_destroy(at_work);
    CHECK_ERROR("tasks_destroy: the tasks are running or being destroyed");
}

static bool pulls(Task *task, void *user) {
    (void)user;
    tape_destroy(task->tape);
    tape_clear_error(task->tape);
    CHECK_ERROR("tape_destroy: the tape belongs to Tasks, which destroy it");
    tasks_destroy(at_work);
    CHECK_ERROR("tasks_destroy: the tasks are running or being destroyed");
    REFUSED(tasks_add_params(at_work, module_params(net)));
    Tensor *loss = tensor_sum(module_forward(net, tensor_ones(task->tape, shape2(1, 2))));
    return tensor_backward_into(loss, task->grads);
}

static bool lets_go(Task *task, void *user) {
    (void)user;
    if (task->index == 0) pool_destroy(of_tasks);
    return true;
}

static void pulled_away(void) {
    for (size_t threads = 1; threads <= 2; threads++) {
        begin();
        Rng rng = rng_seed(2);
        static int state;
        TasksOptions options = tasks_options(HC_F32);
        options.create = make_state;
        options.destroy = end_state;
        options.user = &state;
        of_tasks = pool_create(threads);
        tape_set_pool(tape, of_tasks);
        at_work = tasks_create_with(of_tasks, module_params(net), options);
        CHECK(tasks_run(at_work, 4, &rng, pulls, NULL));
        CHECK(param_grad_get(module_param(net, "bias"), 0) == 4);
        CHECK(tasks_run(at_work, 4, &rng, lets_go, NULL));
        CHECK(tasks_run(at_work, 4, &rng, pulls, NULL));
        Tensor *x = tensor_ones(tape, shape1(1 << 16));
        CHECK(tensor_item(tensor_sum(tensor_square(x))) == 1 << 16);
        tasks_destroy(at_work);
        end();
    }
}

static void drop_it(size_t index, size_t worker, void *user) {
    (void)worker;
    if (index == 0) pool_destroy(user);
}

/* ---- by a custom operation, a callback or an init ---------------------------------------------------------- */

static Program *run_within;
static Grads *list;

static Tensor *pull_program(const CustomCall *call) {
    if (run_within) {
        program_destroy(run_within);
        CHECK_ERROR("program_destroy: from within");
        CHECK(!program_run(run_within));
        CHECK_ERROR("program_run: from within");
    }
    return tensor_square(call->inputs[0]);
}

static bool pull_grads(const CustomCall *call, Tensor **grads) {
    grads_destroy(list);
    CHECK_ERROR("grads_destroy: from within");
    grads[0] = call->gradient;
    return true;
}

static bool convert_once, convert_twice;

static bool convert(const CustomCall *call, Tensor **grads) {
    CHECK(!convert_once || module_to(net, HC_F64));
    CHECK(!convert_twice || module_to(net, HC_F32));
    grads[0] = call->gradient;
    return true;
}

/* Of Params whose gradients the sweep is about to add to: converting gives those up. */
static void converted_in_backward(void) {
    static const CustomClass converter = {.name = "converter", .forward = pull_program, .backward = convert};
    for (int i = 0; i < 2; i++) {
        begin();
        convert_once = true;
        convert_twice = i == 0;
        Tensor *y = tensor_sum(module_forward(net, tensor_ones(tape, shape2(1, 2))));
        Tensor *loss = tensor_custom(&converter, &y, 1, NULL);
        const Param *weight = module_params(net).items[0];
        param_add_grad_f64((Param *)(uintptr_t)weight, (double[]){1, 1, 1, 1}, 4);
        if (i == 0) CHECK(tensor_backward(loss) && param_grad(weight));
        if (i == 1) WRONG(HC_ERR_DTYPE, tensor_backward(loss));
        end();
    }
}

static void programs_and_buffers(void) {
    static const CustomClass puller = {
        .name = "puller", .forward = pull_program, .backward = pull_grads};
    begin();
    Tensor *x = tensor_ones(tape, shape2(1, 2)), *y = tensor_sum(module_forward(net, x));
    Tensor *loss = tensor_custom(&puller, &y, 1, NULL);
    list = grads_create(module_params(net));
    CHECK(tensor_backward_into(loss, list) && grads_get(list, 0));
    Program *program = program_capture(tape, &x, 1, &loss, 1, NULL);
    run_within = program;
    CHECK(program_run(program));
    run_within = NULL;
    program_destroy(program);
    grads_destroy(list);
    end();
}

static bool pull_module(Tape *on, Tensor **grads, size_t count, void *user) {
    (void)on;
    (void)grads;
    (void)count;
    (void)user;
    module_destroy(net);
    CHECK_ERROR("module_destroy: from within");
    REFUSED(module_add_param(net, "late", shape1(1)));
    REFUSED(module_to(net, HC_F64));
    return true;
}

static bool handed_on(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame;
    (void)nin;
    (void)nout;
    out[0] = in[0];
    return true;
}

static bool pull_init(Module *module, Rng *rng) {
    (void)rng;
    module_destroy(module);
    CHECK_ERROR("module_destroy: from within");
    return false;
}

static void modules_at_work(void) {
    static const ModuleClass cls = {.name = "pull", .forward = handed_on, .init = pull_init};
    begin();
    Rng rng = rng_seed(3);
    Optim *sgd = optim_sgd(module_params(net), sgd_options(0.1));
    FModule *fast = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(sgd, fast);
    CHECK(diffopt_grad_callback(opt, pull_module, NULL));
    CHECK(diffopt_step(opt, tensor_sum(fmodule_forward(fast, tensor_ones(tape, shape2(1, 2))))));
    Module *bad = module_create(&cls, NULL);
    CHECK(!module_init(bad, &rng) && higherc_status() == HC_ERR_STATE);
    CHECK_ERROR("the init of the pull module failed");
    module_destroy(bad);
    optim_destroy(sgd);
    end();
}

int main(void) {
    pulled_away();
    Pool *pool = pool_create(2);
    CHECK(pool_run(pool, 8, drop_it, pool));
    programs_and_buffers();
    converted_in_backward();
    modules_at_work();
    return check_done();
}
