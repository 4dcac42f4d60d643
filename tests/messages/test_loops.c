/* Of unrolled loops, Programs and tasks. */
#include "support/tells.h"

static Tape *tape, *far;
static Module *net;
static Optim *sgd;
static Tensor *x;

static bool stops(UnrollStep *step, void *user) {
    (void)step, (void)user;
    return false;
}

static bool goes(UnrollStep *step, void *user) {
    FModule *f = user;
    return diffopt_step(step->opts[0], tensor_mean(tensor_square(fmodule_forward(f, x))));
}

static bool enough(size_t done, void *user) {
    (void)done, (void)user;
    return false;
}

static void loops(void) {
    FModule *f = fmodule_create(tape, net, false), *there = fmodule_create(far, net, false);
    DiffOpt *opt = diffopt_create(sgd, f), *other = diffopt_create(sgd, there), *none = NULL;
    Tensor *outer[2] = {tensor_leaf(tensor_scalar(tape, 1)), tensor_leaf(tensor_scalar(far, 1))};
    UnrollOptions o = unroll_options(4);
    TELLS(ARG, unroll(NULL, 0, o, goes, f), "unroll: there are no optimizers");
    TELLS(ARG, unroll(&none, 1, o, goes, f), "unroll: the optimizer is NULL");
    TELLS(TAPE, unroll(((DiffOpt *[]){opt, other}), 2, o, goes, f), "unroll: optimizers of two different tapes");
    TELLS(ARG, unroll(((DiffOpt *[]){opt, opt}), 2, o, goes, f), "unroll: optimizer 1 is listed twice");
    TELLS(ARG, unroll(&opt, 1, o, NULL, f), "unroll: the step's function is NULL");
    TELLS(STATE, unroll(&opt, 1, o, stops, f), "unroll: step 0 returned false");
    o.progress = enough;
    TELLS(STATE, unroll(&opt, 1, o, goes, f), "unroll: given up after 1 steps");
    o = unroll_options(4);
    o.keep = (UnrollKeep)9;
    TELLS(ARG, unroll(&opt, 1, o, goes, f), "unroll: 9 is nothing to keep");
    o.keep = HC_KEEP_EVERY, o.every = 0;
    TELLS(ARG, unroll(&opt, 1, o, goes, f), "unroll: a checkpoint every 0 steps");
    o = unroll_options(4);
    o.window = 2;
    TELLS(ARG, unroll(&opt, 1, o, goes, f), "unroll: there are windows and nothing to judge them");
    o.judge = stops;
    TELLS(STATE, unroll(&opt, 1, o, goes, f), "unroll: judging returned false after 2 steps");
    o = unroll_options(4);
    o.keep = HC_KEEP_TANGENTS;
    TELLS(ARG, unroll(&opt, 1, o, goes, f), "unroll: there are no outer tensors for the tangents");
    o.outer = (TensorList){&outer[1], 1};
    TELLS(TAPE, unroll(&opt, 1, o, goes, f), "unroll: the outer tensors are on another tape");
    o.outer = (TensorList){(Tensor *[]){outer[0], outer[0]}, 2};
    TELLS(ARG, unroll(&opt, 1, o, goes, f), "unroll: outer tensor 1 is listed twice");
}

static FModule *another;

static bool changes_another(UnrollStep *step, void *user) {
    FModule *f = user;
    return step && fmodule_set_params(another, fmodule_params(f).items, 2);
}

static Tensor *first_read, *then_read;
static size_t times_read;

/* What it reads when the loop is recorded, and when it is captured. */
static bool reads_another(UnrollStep *step, void *user) {
    FModule *f = user;
    Tensor *read = times_read++ < 4 ? first_read : then_read;
    return diffopt_step(step->opts[0], tensor_mean(tensor_square(fmodule_forward(f, tensor_mul(x, read)))));
}

static void loops_that_differ(void) {
    FModule *f = fmodule_create(tape, net, false);
    DiffOpt *opt = diffopt_create(sgd, f);
    another = fmodule_create(tape, net, true);
    TELLS(STATE, unroll(&opt, 1, unroll_options(4), changes_another, f),
          "unroll: step 0 changed a functional module that is none of those handed over");
    first_read = tensor_ones(tape, shape1(2)), then_read = tensor_ones(tape, shape1(2));
    f = fmodule_create(tape, net, false);
    opt = diffopt_create(sgd, f);
    CHECK(unroll(&opt, 1, unroll_options(4), reads_another, f));
    Tensor *loss = tensor_mean(fmodule_forward(f, x));
    TELLS(STATE, program_capture(tape, NULL, 0, &loss, 1, NULL),
          "program_capture: a step of a loop reads tensor (12 on the tape), which it did not read when it first ran");
}

static void programs(void) {
    Param *p = param_create("p", shape1(2), HC_F64);
    param_fill(p, 1);
    double two[2] = {0};
    Tensor *in = tensor_from_f64(tape, shape1(2), two), *y = tensor_mul(in, param_tensor(tape, p)),
           *loss = tensor_sum(y);
    Tensor *constant = tensor_sum(in), *alien = tensor_ones(far, shape1(2));
    TELLS(ARG, program_capture(NULL, &in, 1, &y, 1, loss), "program_capture: the tape is NULL");
    TELLS(ARG, program_capture(tape, &y, 1, &y, 1, loss),
          "program_capture: input 0 is no constant of the tape (tensor_from_f32 and the like)");
    TELLS(ARG, program_capture(tape, ((Tensor *[]){in, in}), 2, &y, 1, loss),
          "program_capture: input 1 is listed twice");
    TELLS(TAPE, program_capture(tape, &alien, 1, &y, 1, loss), "program_capture: a tensor of another tape");
    TELLS(SHAPE, program_capture(tape, &in, 1, &y, 1, y), "program_capture: the loss is no scalar");
    TELLS(ARG, program_capture(tape, &in, 1, NULL, 0, NULL), "program_capture: neither an output nor a loss");
    TELLS(ARG, program_capture(tape, &in, 1, NULL, 1, loss), "program_capture: a list is NULL");
    TELLS(GRAD, program_capture(tape, &in, 1, &y, 1, constant),
          "program_capture: the loss reaches no trainable Param: it is a constant (tensor_leaf makes one that collects "
          "gradients)");
    Program *program = program_capture(tape, &in, 1, &y, 1, loss);
    Tape *own = tape_create(HC_F64);
    tells_on(tape, own);
    TELLS(ARG, program_set_f64(NULL, 0, shape1(2), two), "program_set_f64: the program is NULL");
    TELLS(RANGE, program_set_f64(program, 1, shape1(2), two), "program_set_f64: there is no input 1");
    program_destroy(program);
    program = program_capture(tape, &in, 1, &y, 1, loss);
    TELLS(SHAPE, program_set_f64(program, 0, shape1(3), two), "program_set_f64: input 0 is (2), the numbers (3)");
    program_destroy(program);
    program = program_capture(tape, &in, 1, &y, 1, loss);
    TELLS(ARG, program_set_f64(program, 0, shape1(2), NULL), "program_set_f64: values is NULL");
    TELLS(RANGE, program_output(program, 1), "program_output: there is no output 1");
    program_destroy(program);
    program = program_capture(tape, &in, 1, &y, 1, loss);
    TELLS(SHAPE, program_item(program, 0), "program_item: (2) has not one element");
    TELLS(ARG, program_run_into(program, NULL), "program_run_into: grads is NULL");
    TELLS(ARG, program_run(NULL), "program_run: the program is NULL");
    program_destroy(program);
    tells_on(tape, far);
    tape_destroy(own);
    param_unref(p);
}

static bool no_task(Task *task, void *user) {
    (void)task, (void)user;
    return false;
}

static void *no_state(size_t worker, Tape *on, void *user) {
    (void)worker, (void)on, (void)user;
    return NULL;
}

static void tasks(void) {
    Param *p = param_create("p", shape1(2), HC_F32), *wide = param_create("wide", shape1(2), HC_F64);
    Rng rng = rng_seed(1);
    Pool *pool = pool_create(1);
    Tasks *many = tasks_create(pool, (ParamList){&p, 1}, HC_F32);
    TELLS(ARG, tasks_create(NULL, (ParamList){&p, 1}, HC_F32), "tasks_create: the pool is NULL");
    TELLS(DTYPE, tasks_create(pool, (ParamList){&p, 1}, HC_F64), "tasks_create: 'p' is of another type than the tapes");
    TasksOptions stateless = tasks_options(HC_F32);
    stateless.create = no_state;
    TELLS(STATE, tasks_create_with(pool, (ParamList){&p, 1}, stateless),
          "tasks_create_with: no state was made for worker 0");
    TELLS(DTYPE, tasks_add_params(many, (ParamList){&wide, 1}),
          "tasks_add_params: 'wide' is of another type than the tapes");
    TELLS(ARG, tasks_add_params(NULL, (ParamList){&wide, 1}), "tasks_add_params: the tasks is NULL");
    TELLS(ARG, tasks_run(many, 2, NULL, no_task, NULL), "tasks_run: the rng is NULL");
    TELLS(ARG, tasks_run(many, 2, &rng, NULL, NULL), "tasks_run: fn is NULL");
    TELLS(ARG, tasks_run(NULL, 2, &rng, no_task, NULL), "tasks_run: the tasks is NULL");
    TELLS(ARG, tasks_run_part(many, 3, 3, 2, &rng, no_task, NULL),
          "tasks_run_part: part 3 of 3: there are 1, 2, 4, 8 ... of them, numbered from 0");
    TELLS(STATE, tasks_run(many, 2, &rng, no_task, NULL), "tasks_run: task 0: its function returned false");
    tasks_destroy(many);
    pool_destroy(pool);
    param_unref(p);
    param_unref(wide);
}

int main(void) {
    tape = tape_create(HC_F64), far = tape_create(HC_F64);
    tells_on(tape, far);
    net = module_linear(2, 1);
    module_to(net, HC_F64);
    module_init(net, &(Rng){1, 2});
    sgd = optim_sgd(module_params(net), sgd_options(0.1));
    x = tensor_from_f64(tape, shape2(2, 2), (double[]){1, 2, 3, 5});
    loops();
    loops_that_differ();
    programs();
    tasks();
    optim_destroy(sgd);
    module_destroy(net);
    tape_destroy(far);
    tape_destroy(tape);
    return check_done();
}
