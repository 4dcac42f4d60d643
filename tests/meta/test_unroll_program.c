/* Unrolled loops in Programs: the bits of what is recorded, whatever steps do; tables that do not grow with the number
 * of steps; what cannot be captured, in words. What all loops have in common is in meta_metamorphic and in golden with
 * --replay --unroll. */
#include <stdio.h>
#include <string.h>

#include "support/refuse.h"

enum { STEPS = 13, ROWS = 10, MOST = 64 };

/* What a step does beside the usual. */
typedef struct Kind {
    const char *name;
    bool adam, noise, changes_shape, learns, drops, alternates;
} Kind;

typedef struct World {
    const Kind *kind;
    Tape *tape;
    Module *net;
    Optim *optim, *other;
    UnrollFn *step;
    Param *weight, *lr;
    FModule *f;
    DiffOpt *opt;
    Tensor *x, *y;
    double rows[ROWS * 2][1];
} World;

static UnrollFn step;

static void begin(World *w, const Kind *kind) {
    Rng rng = rng_seed(4);
    Module *layers[] = {module_linear(1, 4), module_tanh(), kind->drops ? module_dropout(0.5) : module_tanh(),
                        module_linear(4, 1)};
    *w = (World){.kind = kind, .tape = tape_create(HC_F64), .net = module_sequential(layers, 4)};
    w->weight = param_create("weight", shape_scalar(), HC_F64);
    w->lr = param_create("lr", shape_scalar(), HC_F64);
    CHECK(module_to(w->net, HC_F64) && module_init(w->net, &rng));
    CHECK(param_fill(w->weight, 0.1) && param_fill(w->lr, 0.05));
    SgdOptions sgd = sgd_options(0.05);
    sgd.momentum = 0.5;
    ParamList params = module_params(w->net);
    w->other = optim_sgd(params, sgd_options(0.05));
    w->step = step;
    w->optim = kind->adam ? optim_adam(params, adam_options(0.05)) : optim_sgd(params, sgd);
    for (int i = 0; i < ROWS * 2; i++)
        w->rows[i][0] = rng_normal(&rng);
}

static void end(World *w) {
    optim_destroy(w->optim);
    optim_destroy(w->other);
    module_destroy(w->net);
    param_unref(w->weight);
    param_unref(w->lr);
    tape_destroy(w->tape);
}

/* Data of its own for each step, and x, which stands before the loop. */
static Tensor *loss_of(const World *w, size_t t, Rng *rng) {
    size_t rows = w->kind->changes_shape ? 1 + t % 3 : ROWS;
    Tensor *own = tensor_borrow(w->tape, shape2(rows, 1), w->rows[t % ROWS]);
    if (w->kind->noise)
        own = tensor_dropout(tensor_add(own, tensor_normal(w->tape, shape2(rows, 1), 0, 0.1, rng)), 0.3, rng);
    Tensor *loss = tensor_mean(tensor_square(tensor_sub(fmodule_forward(w->f, own), tensor_sin(own))));
    loss = tensor_add(loss, tensor_mse_loss(fmodule_forward(w->f, w->x), w->y));
    Tensor *size = tensor_sum(tensor_square(fmodule_vector(w->f)));
    Param *weight = w->kind->alternates && t % 3 == 2 ? w->lr : w->weight;
    return tensor_add(loss, tensor_mul(param_tensor(w->tape, weight), size));
}

static bool step(UnrollStep *call, void *user) {
    const World *w = user;
    return diffopt_step(call->opts[0], loss_of(w, call->step, call->rng));
}

static UnrollOptions kept(UnrollKeep keep, size_t steps) {
    UnrollOptions o = unroll_options(steps);
    o.keep = keep;
    o.every = 3;
    o.max_bytes = 10000;
    return o;
}

/* The loop, and a meta-loss that reads x too. */
static Tensor *record(World *w, const UnrollOptions *o, const double *x) {
    w->x = tensor_from_f64(w->tape, shape2(ROWS, 1), x);
    w->y = tensor_from_f64(w->tape, shape2(ROWS, 1), w->rows[ROWS]);
    w->f = fmodule_create(w->tape, w->net, false);
    w->opt = diffopt_create(w->optim, w->f);
    if (w->kind->learns) CHECK(diffopt_override(w->opt, "lr", HC_ALL_GROUPS, param_tensor(w->tape, w->lr)));
    UnrollOptions options = *o;
    while (!unroll(&w->opt, 1, options, w->step, w) && options.keep == HC_KEEP_FIT && options.max_bytes < 1000000) {
        options.max_bytes += 300; /* so much that it just fits: fewer points than segments */
        tape_clear_error(w->tape);
    }
    UnrollReport report = unroll_report(w->opt);
    CHECK(o->keep != HC_KEEP_FIT || report.checkpoints + 1 < (STEPS + report.segment - 1) / report.segment);
    return tensor_mse_loss(fmodule_forward(w->f, w->x), w->y);
}

typedef struct Numbers {
    double of[MOST];
    size_t count;
} Numbers;

static void take(Numbers *n, const void *numbers, size_t count) {
    CHECK(numbers && n->count + count <= MOST);
    if (!numbers || n->count + count > MOST) return;
    memcpy(n->of + n->count, numbers, count * sizeof(double));
    n->count += count;
}

static void take_grads(Numbers *n, World *w) {
    ParamList params = module_params(w->net);
    for (size_t i = 0; i < params.count; i++) {
        take(n, param_grad(params.items[i]), param_count(params.items[i]));
        param_zero_grad(params.items[i]);
    }
    take(n, param_grad(w->weight), 1);
    if (w->kind->learns || w->kind->alternates) take(n, param_grad(w->lr), 1);
    param_zero_grad(w->weight);
    param_zero_grad(w->lr);
}

static void fill(double *x, int round) {
    for (int i = 0; i < ROWS; i++)
        x[i] = 0.3 * i - 0.2 * round;
}

/* What changes between runs: an input, and the Params. */
static void change(World *w, int round) {
    param_fill(w->weight, 0.1 + 0.05 * round);
    param_fill(w->lr, 0.05 + 0.01 * round);
    param_fill(module_params(w->net).items[1], 0.3 * round);
}

static void check_rounds(const Kind *kind, UnrollKeep keep, size_t threads) {
    World w, stored;
    double x[ROWS];
    UnrollOptions o = kept(keep, STEPS), all = kept(HC_KEEP_ALL, STEPS);
    begin(&w, kind);
    begin(&stored, kind);
    Pool *pool = pool_create(threads);
    tape_set_pool(w.tape, pool);
    fill(x, 0);
    Tensor *loss = record(&w, &o, x);
    size_t again = unroll_report(w.opt).again;
    CHECK(isfinite(tensor_item(loss))); /* what is read after the recording is no part of it */
    Program *p = program_capture(w.tape, &w.x, 1, &loss, 1, loss);
    CHECK(unroll_report(w.opt).again == again);
    if (!p) printf("%s: %s\n", kind->name, tape_error(w.tape));
    CHECK(p != NULL);
    tape_destroy(w.tape);
    w.tape = NULL;
    for (int round = 2; round >= 0 && p; round--) {
        Numbers got = {.count = 0}, want = {.count = 0};
        fill(x, round);
        change(&w, round);
        change(&stored, round);
        CHECK(program_set_f64(p, 0, shape2(ROWS, 1), x) && program_run(p));
        take(&got, program_output(p, 0), 1);
        take_grads(&got, &w);
        loss = record(&stored, &all, x);
        CHECK(tensor_backward(loss));
        take(&want, tensor_data(loss), 1);
        take_grads(&want, &stored);
        tape_reset(stored.tape);
        bool same = got.count == want.count && memcmp(got.of, want.of, got.count * sizeof(double)) == 0;
        if (!same) printf("%s, keep %d, round %d differs\n", kind->name, (int)keep, round);
        CHECK(same);
    }
    program_destroy(p);
    pool_destroy(pool);
    end(&w);
    end(&stored);
}

/* A Param that only some steps read belongs to the Program too. */
static void check_held(void) {
    static const Kind kind = {.name = "Params in turn", .alternates = true};
    World w;
    double x[ROWS];
    UnrollOptions o = kept(HC_KEEP_EVERY, STEPS);
    o.every = 1;
    fill(x, 1);
    begin(&w, &kind);
    param_freeze(w.lr, true); /* else the loop's operation reads it */
    Tensor *loss = record(&w, &o, x);
    Program *p = program_capture(w.tape, NULL, 0, &loss, 1, NULL);
    double recorded = tensor_item(loss);
    tape_destroy(w.tape);
    w.tape = NULL;
    size_t before = higherc_live_allocations();
    param_unref(w.weight);
    param_unref(w.lr);
    w.weight = w.lr = NULL;
    CHECK(higherc_live_allocations() == before); /* the Program holds both */
    CHECK(p && program_run(p) && program_item(p, 0) == recorded);
    program_destroy(p);
    end(&w);
}

/* A gradient taken on the way is a second pass back through the same loop, whose points the first may have moved. */
static void check_twice(UnrollKeep keep) {
    static const Kind kind = {.name = "twice", .adam = true};
    Numbers of[2] = {{.count = 0}, {.count = 0}};
    double x[ROWS];
    fill(x, 1);
    for (int way = 0; way < 2; way++) {
        World w;
        begin(&w, &kind);
        UnrollOptions o = kept(way ? keep : HC_KEEP_ALL, STEPS);
        Tensor *loss = record(&w, &o, x), *first = fmodule_params_at(w.f, 0).items[0], *g = NULL;
        CHECK(tensor_grad(loss, &first, 1, &g, 0));
        Tensor *total = tensor_add(loss, tensor_sum(tensor_mul(g, tensor_square(fmodule_params(w.f).items[0]))));
        Program *p = way ? program_capture(w.tape, NULL, 0, (Tensor *[]){g, total}, 2, total) : NULL;
        CHECK(way ? p && program_run(p) && program_run(p) : tensor_backward(total));
        take(&of[way], way ? program_output(p, 0) : tensor_data(g), 4);
        take(&of[way], way ? program_output(p, 1) : tensor_data(total), 1);
        if (way) { /* ran twice, into empty grads and on top of them */
            optim_zero_grad(w.optim);
            param_zero_grad(w.weight);
            CHECK(program_run(p));
        }
        take_grads(&of[way], &w);
        program_destroy(p);
        end(&w);
    }
    CHECK(of[0].count == of[1].count && memcmp(&of[0].of, &of[1].of, of[0].count * sizeof(double)) == 0);
}

/* ---- tables --------------------------------------------------------------------------------- */

static ProgramStats stats_of(const Kind *kind, size_t steps) {
    World w;
    double x[ROWS];
    UnrollOptions o = kept(HC_KEEP_EVERY, steps);
    o.every = 10;
    fill(x, 0);
    begin(&w, kind);
    Tensor *loss = record(&w, &o, x);
    Program *p = program_capture(w.tape, NULL, 0, &loss, 1, loss);
    ProgramStats stats = program_stats(p);
    CHECK(p && program_run(p) && stats.table_bytes > 0 && stats.table_bytes < stats.bytes);
    program_destroy(p);
    end(&w);
    return stats;
}

static void check_tables(void) {
    const Kind kinds[] = {{.name = "plain"}, {.name = "Adam", .adam = true, .learns = true}};
    for (size_t k = 0; k < 2; k++) {
        ProgramStats some = stats_of(&kinds[k], 50), many = stats_of(&kinds[k], 400);
        CHECK(many.nodes == some.nodes && many.steps == some.steps);
        CHECK((double)many.table_bytes < 1.1 * (double)some.table_bytes);
        CHECK((double)many.bytes < 4.0 * (double)some.bytes); /* points, and constants of steps */
    }
}

/* ---- what cannot be ------------------------------------------------------------------------- */

static bool judge(UnrollStep *call, void *user) {
    (void)user;
    return call->step > 0;
}

static void check_refused(void) {
    static const Kind drops = {.name = "dropout", .drops = true}, plain = {.name = "plain"};
    World w;
    double x[ROWS];
    fill(x, 0);
    begin(&w, &drops);
    Tape *tape = w.tape;
    UnrollOptions o = kept(HC_KEEP_EVERY, STEPS);
    Tensor *loss = record(&w, &o, x);
    higherc_clear_error();
    CHECK(!program_capture(tape, NULL, 0, &loss, 1, loss) && tape_status(tape) == HC_ERR_STATE);
    CHECK_ERROR(" on the tape) drew from the tape's stream: each run would draw the same again (hand it a stream "
                "of its own if that is meant)");
    tape_clear_error(tape);
    end(&w);

    /* Steps that run the caller's code in between. */
    for (int tangents = 0; tangents < 2; tangents++) {
        begin(&w, &plain);
        tape = w.tape;
        UnrollOptions in_between = kept(tangents ? HC_KEEP_TANGENTS : HC_KEEP_SQRT, STEPS);
        Tensor *outer = param_tensor(tape, w.weight);
        in_between.outer = (TensorList){&outer, 1};
        in_between.window = tangents ? 0 : 4;
        in_between.judge = judge;
        loss = record(&w, &in_between, x);
        WRONG(HC_ERR_STATE, program_capture(tape, NULL, 0, &loss, 1, NULL));
        if (tangents)
            WRONG_SAYING(HC_ERR_STATE, program_capture(tape, NULL, 0, &loss, 1, loss),
                         "unroll: with HC_KEEP_TANGENTS its backward pass can be neither recorded nor held by a "
                         "Program");
        else /* after windows nothing reaches a Param */
            WRONG(HC_ERR_GRAD, program_capture(tape, NULL, 0, &loss, 1, loss));
        end(&w);
    }

    begin(&w, &plain);
    tape = w.tape;
    loss = record(&w, &o, x);
    Program *p = program_capture(tape, NULL, 0, &loss, 1, loss);
    CHECK(p && program_run(p));
    ParamList params = module_params(w.net);
    CHECK(module_to(w.net, HC_F32));
    CHECK(!program_run(p) && strstr(program_error(p), "converted to another type"));
    higherc_clear_error();
    CHECK(module_to(w.net, HC_F64) && params.count == 4);
    program_destroy(p);
    end(&w);
}

/* An optimizer that only steps of the loop branch from is one that the recording was made with. */
static bool step_with_another(UnrollStep *call, void *user) {
    World *w = user;
    FModule *f = fmodule_create(w->tape, w->net, true);
    CHECK(fmodule_set_params(f, fmodule_params(w->f).items, fmodule_params(w->f).count));
    DiffOpt *other = diffopt_create(w->other, f);
    if (!diffopt_step(other, tensor_mse_loss(fmodule_forward(f, w->x), w->y))) return false;
    return diffopt_step(call->opts[0], tensor_mse_loss(fmodule_forward(f, w->y), w->x));
}

static void check_settings(void) {
    static const Kind kind = {.name = "another optimizer"};
    World w;
    double x[ROWS];
    fill(x, 1);
    begin(&w, &kind);
    UnrollOptions o = kept(HC_KEEP_EVERY, STEPS);
    w.step = step_with_another;
    Tensor *loss = record(&w, &o, x);
    for (int backward = 0; backward < 2; backward++) {
        Program *p = program_capture(w.tape, NULL, 0, &loss, 1, backward ? loss : NULL);
        CHECK(p && program_run(p));
        CHECK(optim_set(w.other, "lr", 0, 0.02));
        CHECK(!program_run(p) && higherc_status() == HC_ERR_CHANGED);
        higherc_clear_error();
        CHECK(optim_set(w.other, "lr", 0, 0.05));
        program_destroy(p);
        tape_reset(w.tape);
        loss = record(&w, &o, x);
    }
    end(&w);
}

int main(void) {
    const Kind kinds[] = {{.name = "plain"},
                          {.name = "Adam", .adam = true, .learns = true},
                          {.name = "noise", .noise = true, .learns = true},
                          {.name = "Params in turn", .alternates = true},
                          {.name = "steps of several shapes", .changes_shape = true},
                          {.name = "all", .adam = true, .noise = true, .changes_shape = true, .learns = true}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int keep = HC_KEEP_ALL; keep <= HC_KEEP_FIT; keep++)
            check_rounds(&kinds[k], (UnrollKeep)keep, 1 + k % 2);
    for (int keep = HC_KEEP_EVERY; keep <= HC_KEEP_FIT; keep++)
        check_twice((UnrollKeep)keep);
    check_held();
    check_tables();
    check_refused();
    check_settings();
    return check_done();
}
