/* Where an unrolled loop puts its checkpoints: with HC_KEEP_SQRT least memory is taken, with HC_KEEP_FIT least is
 * computed again of all that fits; and what it tells of that. */
#include <higherc/higherc.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

/* A linear map learned from rows of numbers. */
typedef struct Problem {
    size_t in, out, rows;
    bool adam;
} Problem;

typedef struct World {
    Tape *tape;
    Module *net;
    Optim *optim;
    FModule *f;
    DiffOpt *opt;
    Tensor *x, *y;
} World;

static void begin(World *w, const Problem *p) {
    Rng rng = rng_seed(3);
    SgdOptions sgd = sgd_options(0.01);
    sgd.momentum = 0.9;
    *w = (World){.tape = tape_create(HC_F32), .net = module_linear(p->in, p->out)};
    CHECK(module_init(w->net, &rng));
    ParamList params = module_params(w->net);
    w->optim = p->adam ? optim_adam(params, adam_options(0.01)) : optim_sgd(params, sgd);
    w->f = fmodule_create(w->tape, w->net, false);
    w->opt = diffopt_create(w->optim, w->f);
    w->x = tensor_normal(w->tape, shape2(p->rows, p->in), 0, 1, &rng);
    w->y = tensor_normal(w->tape, shape2(p->rows, p->out), 0, 1, &rng);
}

static void end(World *w) {
    optim_destroy(w->optim);
    module_destroy(w->net);
    tape_destroy(w->tape);
}

static Tensor *loss_of(const World *w) {
    return tensor_mse_loss(fmodule_forward(w->f, w->x), w->y);
}

static bool step(UnrollStep *call, void *user) {
    return diffopt_step(call->opts[0], loss_of(user));
}

/* Runs the loop and a backward pass, anew; false where the loop fails. The most that was on the tape in *peak. */
static bool run(const Problem *p, const UnrollOptions *options, UnrollReport *report, size_t *peak) {
    World w;
    begin(&w, p);
    bool done = unroll(&w.opt, 1, *options, step, &w);
    CHECK(!done || tensor_backward(loss_of(&w)));
    *report = unroll_report(w.opt);
    *peak = tape_stats(w.tape).peak_bytes;
    end(&w);
    return done;
}

/* ---- HC_KEEP_SQRT ------------------------------------------------------------------------------- */

/* No other number of steps takes less. `unlike`: the square root of the number of steps takes much more. */
static void check_least_memory(const Problem *p, size_t steps, bool unlike) {
    UnrollOptions o = unroll_options(steps);
    UnrollReport report, other;
    size_t peak, least = SIZE_MAX, plain = 0;
    CHECK(run(p, &o, &report, &peak));
    CHECK(report.steps == steps && report.checkpoints == (steps - 1) / report.segment);
    o.keep = HC_KEEP_EVERY;
    for (o.every = 1; o.every <= steps; o.every++) {
        size_t taken;
        CHECK(run(p, &o, &other, &taken));
        if (taken < least) least = taken;
        if (o.every * o.every == steps) plain = taken;
    }
    CHECK((double)peak <= 1.05 * (double)least);
    CHECK(!unlike || (double)plain > 1.2 * (double)least);
}

static void check_sqrt(void) {
    check_least_memory(&(Problem){20, 30, 400, false}, QUICK ? 25 : 64, true); /* much is recorded, little carried */
    check_least_memory(&(Problem){40, 60, 1, false}, QUICK ? 25 : 64, false);  /* and nearly as much as is recorded */
}

/* ---- HC_KEEP_FIT -------------------------------------------------------------------------------- */

enum { LONGEST = 32 };

/* Units computed again beside those recorded, with so many points: all to be placed, or placed by the first pass,
 * whose way counts for nothing. */
static size_t anew[LONGEST][LONGEST + 1], placed[LONGEST][LONGEST + 1];

static void find_least(void) {
    for (size_t s = 0; s < LONGEST; s++)
        for (size_t l = 2; l <= LONGEST; l++) {
            size_t *a = &anew[s][l], *b = &placed[s][l];
            *a = *b = l * (l - 1) / 2;
            for (size_t m = 1; m < l && s > 0; m++) {
                size_t with_way = m + anew[s - 1][l - m] + anew[s][m], without = placed[s - 1][l - m] + anew[s][m];
                if (with_way < *a) *a = with_way;
                if (without < *b) *b = without;
            }
        }
}

static size_t number_behind(const char *text, const char *words) {
    const char *at = strstr(text, words);
    CHECK(at);
    return at ? (size_t)strtoull(at + strlen(words), NULL, 10) : 0;
}

/* What the library counts with: it says so where nothing fits. */
static void read_bytes(const Problem *p, size_t steps, size_t *carried, size_t *recorded, size_t *needed) {
    UnrollOptions o = unroll_options(steps);
    UnrollReport report;
    size_t peak;
    o.keep = HC_KEEP_FIT;
    o.max_bytes = 1;
    CHECK(!run(p, &o, &report, &peak) && higherc_status() == HC_ERR_RANGE);
    *carried = number_behind(higherc_error(), "carried takes ");
    *recorded = number_behind(higherc_error(), "a recorded step ");
    *needed = number_behind(higherc_error(), "and ");
    higherc_clear_error();
}

/* The least over all lengths of segments, and all numbers of points, that fit in so many bytes beside what is needed
 * for one recorded step. */
static size_t least_again(size_t steps, size_t carried, size_t recorded, size_t bytes) {
    size_t least = SIZE_MAX;
    for (size_t n = 1; n <= steps && (n - 1) * recorded <= bytes; n++) {
        size_t units = (steps + n - 1) / n;
        for (size_t points = 0; points < units && (n - 1) * recorded + points * carried <= bytes; points++)
            if (n * placed[points][units] < least) least = n * placed[points][units];
    }
    return least;
}

static void check_fit(const Problem *p, size_t steps) {
    size_t carried, recorded, needed, several = 0, last = SIZE_MAX;
    read_bytes(p, steps, &carried, &recorded, &needed);
    size_t most = steps * (carried < recorded ? carried : recorded), by = most / (QUICK ? 5 : 23) + 1;
    for (size_t bytes = 0; bytes <= most; bytes += by) {
        UnrollOptions o = unroll_options(steps);
        UnrollReport report;
        size_t peak;
        o.keep = HC_KEEP_FIT;
        o.max_bytes = needed + bytes;
        CHECK(run(p, &o, &report, &peak));
        size_t n = report.segment, units = (steps + n - 1) / n, again = n * placed[report.checkpoints][units];
        CHECK(again == least_again(steps, carried, recorded, bytes));
        /* Counted in whole segments; the first may be shorter. */
        CHECK(report.again <= steps + again && (n * units > steps || report.again == steps + again));
        CHECK(report.checkpoints * carried + (report.segment - 1) * recorded <= bytes);
        CHECK(report.bytes == report.checkpoints * carried);
        several += report.again != last;
        last = report.again;
    }
    CHECK(several > 2);
}

/* ---- HC_KEEP_ALL -------------------------------------------------------------------------------- */

/* Steps are told, and nothing of checkpoints; of an optimizer whose turn never came, too. They go with the loop. */
static void check_all(void) {
    World w;
    begin(&w, &(Problem){3, 2, 4, false});
    DiffOpt *opts[2] = {w.opt, diffopt_create(w.optim, w.f)};
    UnrollOptions o = unroll_options(7);
    o.keep = HC_KEEP_ALL;
    TapeMark mark = tape_mark(w.tape);
    CHECK(unroll(opts, 2, o, step, &w));
    for (int i = 0; i < 2; i++) {
        UnrollReport report = unroll_report(opts[i]);
        CHECK(report.steps == 7 && report.checkpoints == 0 && report.segment == 0 && report.bytes == 0);
        CHECK(tensor_backward(loss_of(&w)) && report.again == 0);
    }
    CHECK(diffopt_step(opts[0], loss_of(&w)) && unroll_report(opts[0]).steps == 7);
    CHECK(tape_release(w.tape, mark));
    CHECK(unroll_report(opts[0]).steps == 0 && unroll_report(opts[1]).steps == 0);
    end(&w);
}

int main(void) {
    find_least();
    check_sqrt();
    for (size_t steps = 5; steps <= LONGEST; steps += 9) {
        check_fit(&(Problem){3, 4, 5, false}, steps);
        check_fit(&(Problem){30, 20, 1, true}, steps);
    }
    check_all();
    return check_done();
}
