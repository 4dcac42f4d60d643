/* Runs over ranks, which a process plays in turn: parts and ranks have the bits of a tree written out, on any number of
 * threads. */
#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "support/check.h"
#include "support/ranks.h"

/* ---- the tree written out --------------------------------------------------------------------------- */

static double each_grad[TASKS][WEIGHTS];

static void each_task(Problem *p, Rng *seeds) {
    Tape *tape = tape_create(p->dtype);
    for (size_t i = 0; i < TASKS; i++) {
        Rng rng = rng_split(seeds);
        tape_reset(tape);
        tape_seed(tape, rng_u64(&rng));
        zero_grads(p);
        CHECK(tensor_backward(loss_of(p, tape, i, &rng)));
        read_grads(p, each_grad[i]);
    }
    zero_grads(p);
    tape_destroy(tape);
}

static double sum_of(DType dtype, size_t begin, size_t end, size_t weight) {
    if (begin == end) return ABSENT;
    if (end - begin == 1) return each_grad[begin][weight];
    size_t middle = begin + (end - begin) / 2;
    double a = sum_of(dtype, begin, middle, weight), b = sum_of(dtype, middle, end, weight);
    if (a == ABSENT || b == ABSENT) return a == ABSENT ? b : a;
    return dtype == HC_F32 ? (double)((float)a + (float)b) : a + b;
}

/* What is in a sum of gradients, with ABSENT. */
static void read_sum(const Problem *p, const Grads *sum, double out[WEIGHTS]) {
    for (size_t i = 0; i < PARAMS; i++) {
        const void *grad = grads_get(sum, i);
        for (size_t e = 0; e < param_count(p->param[i]); e++)
            *out++ = !grad ? ABSENT : p->dtype == HC_F32 ? (double)((const float *)grad)[e] : ((const double *)grad)[e];
    }
}

static void parts(DType dtype, bool all, size_t threads) {
    Problem p = problem_create(dtype);
    p.all = all;
    Pool *pool = pool_create(threads);
    Tasks *tasks = tasks_create(pool, list_of(&p), dtype);
    for (size_t count = 1; count <= 32; count *= 2) {
        Rng plain = rng_seed(3);
        each_task(&p, &plain);
        for (size_t part = 0, begin = 0; part < count; part++) {
            Rng rng = rng_seed(3);
            Grads *sum = tasks_run_part(tasks, part, count, TASKS, &rng, learn, &p);
            CHECK(sum && memcmp(&rng, &plain, sizeof rng) == 0 && untouched(&p));
            size_t end = TASKS, flat = 0; /* a part: halves of halves of the tasks */
            for (size_t bit = count / 2, low = 0; bit; bit /= 2) {
                size_t middle = low + (end - low) / 2;
                if (part & bit)
                    low = middle;
                else
                    end = middle;
            }
            double got[WEIGHTS], want[WEIGHTS];
            read_sum(&p, sum, got);
            for (size_t w = 0; w < WEIGHTS; w++)
                want[w] = sum_of(dtype, begin, end, w);
            CHECK(memcmp(got, want, sizeof got) == 0);
            CHECK(grads_flat(sum, &flat) && flat == WEIGHTS);
            begin = end;
        }
    }
    tasks_destroy(tasks);
    pool_destroy(pool);
    problem_destroy(&p);
}

/* ---- over ranks ---------------------------------------------------------------------------------------- */

static void same_bits(DType dtype, bool all) {
    double want[WEIGHTS], got[WEIGHTS];
    for (size_t threads = 1; threads <= 2; threads++)
        for (size_t count = 1; count <= MOST_RANKS; count *= 2) {
            static Player players[MOST_RANKS];
            char text[MOST_TEXT];
            Rng plain = rng_seed(3);
            players_create(players, count, threads, dtype);
            for (size_t i = 0; i < count; i++)
                players[i].problem.all = all;
            /* Twice, so that the second run adds to what is there. */
            bool ok = run_all(players, count, text) && run_all(players, count, text);
            CHECK(ok);
            for (int i = 0; i < 2 * TASKS; i++)
                rng_split(&plain);
            for (size_t i = 0; i < count; i++) {
                read_grads(&players[i].problem, threads == 1 && count == 1 ? want : got);
                if (threads > 1 || count > 1) CHECK(memcmp(want, got, sizeof got) == 0);
                CHECK(memcmp(&players[i].rng, &plain, sizeof plain) == 0);
            }
            players_destroy(players, count);
        }
    /* The first of the two runs is the tree's sum. */
    Player one;
    char text[MOST_TEXT];
    players_create(&one, 1, 1, dtype);
    one.problem.all = all;
    one.ranks.exchange = NULL;
    Rng plain = rng_seed(3);
    each_task(&one.problem, &plain);
    CHECK(run_all(&one, 1, text));
    read_grads(&one.problem, got);
    for (size_t w = 0; w < WEIGHTS; w++)
        CHECK(got[w] == sum_of(dtype, 0, TASKS, w));
    players_destroy(&one, 1);
}

/* NaNs too: which of two a sum keeps is the same on all ranks. */
static void same_nans(void) {
    Player players[4];
    char text[MOST_TEXT];
    players_create(players, 4, 1, HC_F32);
    for (size_t i = 0; i < 4; i++)
        players[i].problem.nan = players[i].problem.all = true;
    CHECK(run_all(players, 4, text));
    const void *first = param_grad(players[0].problem.param[2]);
    CHECK(isnan(param_grad_get(players[0].problem.param[2], 0)));
    for (size_t i = 1; i < 4; i++)
        CHECK(memcmp(first, param_grad(players[i].problem.param[2]), 5 * sizeof(float)) == 0);
    players_destroy(players, 4);
}

/* No task, or none that reaches a Param; no Params. */
static void nothing_to_add(void) {
    Player players[4];
    char text[MOST_TEXT];
    players_create(players, 4, 2, HC_F32);
    for (int i = 0; i < 4; i++)
        players[i].count = 0;
    CHECK(run_all(players, 4, text));
    for (int i = 0; i < 4; i++) { /* the first task alone, which reaches one Param */
        CHECK(untouched(&players[i].problem));
        players[i].count = 1;
    }
    CHECK(run_all(players, 4, text));
    for (int i = 0; i < 4; i++) {
        CHECK(!param_grad(players[i].problem.param[0]) && param_grad(players[i].problem.param[1]));
        tasks_destroy(players[i].tasks);
        players[i].tasks = tasks_create(players[i].pool, (ParamList){NULL, 0}, HC_F32);
        zero_grads(&players[i].problem);
        players[i].problem.idle = true;
    }
    CHECK(run_all(players, 4, text));
    CHECK(untouched(&players[3].problem));
    players_destroy(players, 4);
}

int main(void) {
    for (int way = 0; way < 4; way++) {
        DType dtype = way < 2 ? HC_F32 : HC_F64;
        for (size_t threads = 1; threads <= 2; threads++)
            parts(dtype, way % 2, threads);
        same_bits(dtype, way % 2);
    }
    same_nans();
    nothing_to_add();
    if (higherc_error()) CHECK_ERROR("no error is left");
    return check_done();
}
