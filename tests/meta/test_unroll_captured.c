/* What steps of an unrolled loop in a Program may read, and where such Programs run: each against the stored loop,
 * recorded afresh, bit for bit. */
#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

enum { STEPS = 7, IN = 8, MOST = 128, LARGE = 1 << 14 };

typedef struct World World;

typedef struct Case {
    const char *name;
    Tensor *(*before)(World *w);                   /* what stands before the loop; or NULL */
    Tensor *(*part)(const World *w, Tensor *kept); /* of a step's loss; or NULL */
    bool amsgrad, clipped, tied, warm, unread;     /* unread: by the meta-loss */
} Case;

struct World {
    const Case *of;
    Tape *tape;
    Module *net;
    Optim *optim;
    Param *scale; /* of what stands before the loop */
    FModule *f;
    DiffOpt *opt;
    Tensor *x, *kept[2]; /* of each loop */
};

/* ---- the module ------------------------------------------------------------------------------ */

static bool forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *a = frame_param(frame, "a"), *b = frame_param(frame, "b"), *none = frame_param(frame, "none");
    Tensor *both = tensor_mul(a, tensor_tanh(b));
    out[0] = tensor_add(tensor_matmul(in[0], tensor_unsqueeze(both, 1)), tensor_sum(none));
    return nin == 1 && nout == 1;
}

static void begin(World *w, const Case *of) {
    static const ModuleClass cls = {.name = "products", .forward = forward};
    TapeOptions options = tape_options(HC_F64);
    options.check_nan = true;
    *w = (World){.of = of, .tape = tape_create_with(options), .net = module_create(&cls, NULL)};
    CHECK(module_to(w->net, HC_F64));
    Param *a = module_add_param(w->net, "a", shape1(4)), *b = module_add_param(w->net, "b", shape1(4));
    CHECK(param_fill(module_add_param(w->net, "none", shape2(0, 3)), 0) && param_fill(a, 0.5) && param_fill(b, -0.25));
    if (of->tied) CHECK(module_tie(w->net, "b", "a"));
    w->scale = param_create("scale", shape_scalar(), HC_F64);
    CHECK(param_fill(w->scale, 0.7));
    AdamOptions adam = adam_options(0.03);
    adam.amsgrad = of->amsgrad;
    w->optim = optim_adam(module_params(w->net), adam);
}

static void end(World *w) {
    optim_destroy(w->optim);
    module_destroy(w->net);
    param_unref(w->scale);
    tape_destroy(w->tape);
}

/* ---- recording ------------------------------------------------------------------------------- */

static bool step(UnrollStep *call, void *user) {
    const World *w = user;
    Tensor *rows = tensor_from_f64(w->tape, shape2(1, 4), (double[]){1, 0.5, (double)call->step, -1});
    Tensor *loss = tensor_sum(tensor_square(tensor_sub_scalar(fmodule_forward(w->f, rows), 0.3)));
    if (w->of->part) loss = tensor_add(loss, w->of->part(w, w->kept[call->step >= STEPS]));
    return diffopt_step(call->opts[0], loss);
}

static Tensor *record(World *w, UnrollKeep keep, const double *x) {
    UnrollOptions o = unroll_options(STEPS);
    o.keep = keep;
    o.every = 2;
    w->x = tensor_from_f64(w->tape, shape2(2, 4), x);
    w->f = fmodule_create(w->tape, w->net, false);
    w->opt = diffopt_create(w->optim, w->f);
    if (w->of->clipped) CHECK(diffopt_clip_norm(w->opt, 0.4, 1e-6));
    w->kept[0] = w->of->before ? w->of->before(w) : NULL;
    CHECK(unroll(&w->opt, 1, o, step, w));
    o.steps = STEPS - 2;
    o.first = STEPS;
    if (w->of->warm && w->of->before) w->kept[1] = w->of->before(w);
    if (w->of->warm) CHECK(unroll(&w->opt, 1, o, step, w));
    if (w->of->unread) return tensor_sum(tensor_square(fmodule_vector(w->f)));
    return tensor_mean(tensor_square(fmodule_forward(w->f, w->x)));
}

/* ---- what steps read -------------------------------------------------------------------------- */

static Tensor *the_input(World *w) {
    return w->x;
}

static Tensor *of_input(const World *w, Tensor *kept) {
    return tensor_mean(tensor_square(fmodule_forward(w->f, kept)));
}

static Tensor *transposed(World *w) {
    return tensor_transpose(tensor_reshape(w->x, shape2(4, 2)), 0, 1);
}

static Tensor *expanded(World *w) {
    return tensor_expand(tensor_slice(w->x, 0, 1, 2, 1), shape2(3, 4));
}

static Tensor *sliced(World *w) {
    Tensor *both = tensor_concat((Tensor *[]){w->x, w->x}, 2, 1);
    return tensor_slice(both, 1, 1, 8, 2);
}

static Tensor *flipped(World *w) {
    return tensor_flip(tensor_transpose(tensor_reshape(w->x, shape2(4, 2)), 0, 1), (int[]){1}, 1);
}

/* A gradient flows to it; that of the first step's loss goes through it to the weights, and reads the scale. */
static Tensor *of_weights(World *w) {
    Tensor *a = fmodule_param(w->f, "a"), *outer = tensor_mul(tensor_unsqueeze(a, 1), tensor_unsqueeze(a, 0));
    Tensor *scaled = tensor_mul(outer, param_tensor(w->tape, w->scale));
    return tensor_slice(tensor_transpose(scaled, 0, 1), 0, 0, 4, 2);
}

static Tensor *empty(World *w) {
    return tensor_slice(w->x, 0, 1, 1, 1);
}

static Tensor *of_empty(const World *w, Tensor *kept) {
    return tensor_sum(fmodule_forward(w->f, kept));
}

static Tensor *large(World *w) {
    Tensor *many = tensor_expand(tensor_unsqueeze(w->x, 0), shape3(LARGE / IN, 2, 4));
    return tensor_reshape(tensor_mul_scalar(many, 0.5), shape2(LARGE / 4, 4));
}

static const Case cases[] = {{.name = "an input", .before = the_input, .part = of_input},
                             {.name = "an input that nothing else reads", the_input, of_input, .unread = true},
                             {.name = "a transposed view", .before = transposed, .part = of_input},
                             {.name = "an expanded view", .before = expanded, .part = of_input, .unread = true},
                             {.name = "a sliced view", .before = sliced, .part = of_input},
                             {.name = "a flipped view", .before = flipped, .part = of_input},
                             {.name = "a view of what weights gave", .before = of_weights, .part = of_input},
                             {.name = "that of a loop's", .before = of_weights, .part = of_input, .warm = true},
                             {.name = "nothing", .before = empty, .part = of_empty},
                             {.name = "much", .before = large, .part = of_input},
                             {.name = "amsgrad", .amsgrad = true},
                             {.name = "clipping", .clipped = true, .before = sliced, .part = of_input},
                             {.name = "tied weights", .tied = true, .before = the_input, .part = of_input},
                             {.name = "a loop after a loop", .warm = true, .before = the_input, .part = of_input},
                             {.name = "all", sliced, of_input, true, true, true, true, true}};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- bits ------------------------------------------------------------------------------------- */

typedef struct Numbers {
    double of[MOST];
    size_t count;
} Numbers;

static void take(Numbers *n, const double *numbers, size_t count) {
    CHECK(numbers || count == 0);
    for (size_t i = 0; numbers && i < count && n->count < MOST; i++)
        n->of[n->count++] = numbers[i];
}

static void take_grads(Numbers *n, const World *w) {
    ParamList params = module_params(w->net);
    for (size_t i = 0; i < params.count; i++) {
        take(n, param_grad(params.items[i]), param_count(params.items[i]));
        param_zero_grad(params.items[i]);
    }
    if (w->of->before == of_weights) take(n, param_grad(w->scale), 1);
    param_zero_grad(w->scale);
}

static void input_of(double *x, int round) {
    for (int i = 0; i < IN; i++)
        x[i] = 0.3 * i - 0.4 * round - 0.5;
}

static void change(const World *w, int round) {
    CHECK(param_fill(module_params(w->net).items[0], 0.5 + 0.1 * round));
}

static void recorded(const Case *of, UnrollKeep keep, int round, Numbers *want) {
    World w;
    double x[IN];
    input_of(x, round);
    begin(&w, of);
    change(&w, round);
    Tensor *loss = record(&w, keep, x);
    CHECK(tensor_backward(loss));
    want->count = 0;
    take(want, tensor_data(loss), 1);
    take_grads(want, &w);
    end(&w);
}

static bool equal(const Numbers *a, const Numbers *b) {
    return a->count == b->count && memcmp(a->of, b->of, a->count * sizeof *a->of) == 0;
}

static Program *capture(World *w, UnrollKeep keep) {
    double x[IN];
    input_of(x, 5);
    Tensor *loss = record(w, keep, x);
    return program_capture(w->tape, &w->x, 1, &loss, 1, loss);
}

static void run(const World *w, Program *p, int round, Numbers *got) {
    double x[IN];
    input_of(x, round);
    change(w, round);
    CHECK(program_set_f64(p, 0, shape2(2, 4), x) && program_run(p));
    got->count = 0;
    take(got, program_output(p, 0), 1);
    take_grads(got, w);
}

/* Two Programs of one recording, run in turn. */
static void check_case(const Case *of, UnrollKeep keep) {
    World w;
    begin(&w, of);
    Tape *tape = w.tape;
    Program *p = capture(&w, keep);
    CHECK(p != NULL);
    if (!p) printf("%s: %s\n", of->name, tape_error(tape));
    double x[IN];
    input_of(x, 4);
    Tensor *loss = record(&w, keep, x);
    Program *other = program_capture(tape, &w.x, 1, &loss, 1, loss), *again;
    again = program_capture(tape, &w.x, 1, &loss, 1, loss);
    ProgramStats stats = program_stats(again), same = program_stats(other);
    CHECK(again && stats.bytes == same.bytes && stats.nodes == same.nodes && stats.table_bytes == same.table_bytes);
    tape_destroy(w.tape);
    w.tape = NULL;
    for (int round = 0; round < 3 && p && other && again; round++) {
        Numbers want, got;
        recorded(of, HC_KEEP_ALL, round, &want);
        recorded(of, keep, round, &got);
        CHECK(equal(&want, &got));
        Program *all[] = {p, other, again, p};
        for (int i = 0; i < 4; i++) {
            run(&w, all[i], round, &got);
            CHECK(equal(&want, &got));
            if (!equal(&want, &got)) printf("%s, keep %d, round %d, program %d\n", of->name, (int)keep, round, i);
        }
    }
    CHECK(program_stats(again).bytes == stats.bytes);
    program_destroy(other);
    program_destroy(p);
    program_destroy(again);
    end(&w);
}

/* ---- on threads ------------------------------------------------------------------------------- */

enum { TASKS = 6, THREADS = 2 };

typedef struct Batch {
    World of[THREADS];
    Program *programs[THREADS];
    double losses[TASKS];
} Batch;

static bool task(Task *task, void *user) {
    Batch *b = user;
    double x[IN];
    Program *p = b->programs[task->worker];
    input_of(x, (int)task->index % 3);
    bool done = program_set_f64(p, 0, shape2(2, 4), x) && program_run_into(p, task->grads);
    b->losses[task->index] = done ? program_item(p, 0) : 0;
    return done;
}

/* A task records a loop, makes it a Program and runs that. */
static bool task_captures(Task *task, void *user) {
    Batch *b = user;
    World w = b->of[0];
    double x[IN];
    w.tape = task->tape;
    input_of(x, (int)task->index % 3);
    Tensor *loss = record(&w, HC_KEEP_SQRT, x);
    Program *p = program_capture(w.tape, NULL, 0, &loss, 1, loss);
    bool done = p && program_run_into(p, task->grads);
    b->losses[task->index] = done ? program_item(p, 0) : 0;
    program_destroy(p);
    return done;
}

static void check_tasks(const Case *of) {
    static Batch b;
    Numbers want[3];
    Rng rng = rng_seed(2);
    Pool *pool = pool_create(THREADS);
    begin(&b.of[0], of);
    for (size_t i = 0; i < THREADS; i++) {
        tape_reset(b.of[0].tape);
        b.programs[i] = capture(&b.of[0], HC_KEEP_EVERY);
    }
    change(&b.of[0], 0);
    for (int k = 0; k < 3; k++) {
        World w;
        double x[IN];
        begin(&w, of);
        change(&w, 0);
        input_of(x, k);
        want[k].count = 0;
        take(&want[k], tensor_data(record(&w, HC_KEEP_ALL, x)), 1);
        end(&w);
    }
    Tasks *tasks = tasks_create(pool, module_params(b.of[0].net), HC_F64);
    for (int way = 0; way < 2; way++) {
        CHECK(tasks_run(tasks, TASKS, &rng, way ? task_captures : task, &b));
        for (size_t i = 0; i < TASKS; i++)
            CHECK(b.losses[i] == want[i % 3].of[0]);
    }
    Numbers grads[2] = {{.count = 0}, {.count = 0}};
    for (int way = 0; way < 2; way++) {
        optim_zero_grad(b.of[0].optim);
        CHECK(tasks_run(tasks, TASKS, &rng, way ? task_captures : task, &b));
        take_grads(&grads[way], &b.of[0]);
    }
    CHECK(equal(&grads[0], &grads[1]) && grads[0].count > 0);
    tasks_destroy(tasks);
    for (size_t i = 0; i < THREADS; i++)
        program_destroy(b.programs[i]);
    end(&b.of[0]);
    pool_destroy(pool);
}

/* ---- little memory ---------------------------------------------------------------------------- */

/* The tape may take so much more: the capture fails in words and the tape goes on, or all is well. */
static void check_budget(const Case *of) {
    size_t refused = 0;
    bool done = false;
    for (size_t more = 0; !done && more < 1 << 20; more = 2 * more + 1) {
        World w;
        double x[IN];
        Numbers want, got = {.count = 0};
        begin(&w, of);
        input_of(x, 0);
        Tensor *loss = record(&w, HC_KEEP_EVERY, x);
        failing_units(w.tape, more);
        Program *p = program_capture(w.tape, &w.x, 1, &loss, 1, loss);
        failing_units_never(w.tape);
        done = p != NULL;
        refused += !done;
        CHECK(tape_status(w.tape) == (done ? HC_OK : HC_ERR_NOMEM));
        tape_clear_error(w.tape);
        higherc_clear_error();
        if (!done) p = program_capture(w.tape, &w.x, 1, &loss, 1, loss);
        CHECK(p != NULL);
        if (p) run(&w, p, 1, &got);
        recorded(of, HC_KEEP_ALL, 1, &want);
        CHECK(equal(&want, &got));
        program_destroy(p);
        end(&w);
    }
    CHECK(done && refused > 0);
}

int main(void) {
    for (size_t i = 0; i < CASES; i++)
        for (int keep = HC_KEEP_EVERY; keep <= HC_KEEP_SQRT; keep++)
            check_case(&cases[i], (UnrollKeep)keep);
    check_tasks(&cases[CASES - 1]);
    check_tasks(&cases[2]);
    check_budget(&cases[CASES - 1]);
    return check_done();
}
