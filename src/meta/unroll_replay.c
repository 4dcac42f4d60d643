/* A loop in a Program is run: forward, keeping points; and back, each segment from its point. */
#include <string.h>

#include "meta/unroll_loop.h"

/* ---- a segment ------------------------------------------------------------------------------ */

static void put_made(const HcLoop *loop, const HcSegment *segment, HcPacked *to) {
    for (size_t i = 0, output = 0; i < to->count; i++) {
        if (!segment->made[i]) continue;
        const void *numbers = hc_series_output(loop->series, segment->program, output++);
        if (to->bytes[i]) memcpy(to->numbers + to->offset[i], numbers, to->bytes[i]);
    }
}

static bool run_forward(HcLoop *loop, size_t from, size_t to) {
    for (size_t k = from; k < to; k++) {
        if (!hc_series_run(loop->series, loop->forward[k].program)) return false;
        put_made(loop, &loop->forward[k], &loop->carried);
    }
    return true;
}

/* Stands at the point in a place. At the beginning what is carried is among the inputs. */
static void stand_at(HcLoop *loop, size_t place) {
    if (place == HC_CURRENT || place == loop->stands) return;
    if (place > 0 && loop->carried.total)
        memcpy(loop->carried.numbers, loop->kept + (place - 1) * loop->carried.total, loop->carried.total);
    loop->stands = place;
}

static bool advance(HcLoop *loop, size_t place, size_t to, size_t into) {
    stand_at(loop, place);
    if (!run_forward(loop, loop->walk.before[place], to)) return false;
    if (into != HC_CURRENT && loop->carried.total)
        memcpy(loop->kept + (into - 1) * loop->carried.total, loop->carried.numbers, loop->carried.total);
    loop->stands = into;
    return true;
}

/* ---- forward -------------------------------------------------------------------------------- */

typedef struct Run {
    Tensor *y;
    bool done;
} Run;

static bool go_on(void *user, size_t place, size_t to, size_t into) {
    return advance(user, place, to, into);
}

static void run_loop(void *user) {
    Run *run = user;
    HcLoop *loop = run->y->attr.custom.state;
    run->done = hc_stamped_check(&loop->stamps, run->y->tape, "program_run");
    if (!run->done) return;
    for (size_t j = 0; j < loop->inputs.count; j++)
        if (loop->inputs.bytes[j])
            memcpy(loop->inputs.numbers + loop->inputs.offset[j], hc_inputs(run->y)[j]->data, loop->inputs.bytes[j]);
    run->done = hc_walk_forth(&loop->walk, &(HcMoves){.advance = go_on, .user = loop});
    for (size_t i = 0; i < loop->carried.count && run->done; i++)
        if (loop->ends[i] != SIZE_MAX && loop->carried.bytes[i])
            memcpy((char *)run->y->data + loop->ends[i], loop->carried.numbers + loop->carried.offset[i],
                   loop->carried.bytes[i]);
}

static bool loop_forward(Tensor *y) {
    Run run = {y, true};
    y->tape->k->call(run_loop, &run);
    return run.done;
}

const HcOp hc_op_loop = {
    .name = "unroll", .flags = HC_OP_PARTS | HC_OP_MORE, .arity = 1, .infer = hc_unroll_infer, .forward = loop_forward};

/* ---- back ----------------------------------------------------------------------------------- */

static bool go_on_again(void *user, size_t place, size_t to, size_t into) {
    HcBack *back = user;
    return advance(back->loop, place, to, into);
}

static bool reverse(void *user, size_t place, size_t segment) {
    HcBack *back = user;
    const HcSegment *s = &back->segments[segment];
    stand_at(back->loop, place);
    if (s->program == SIZE_MAX) return true;
    if (!hc_series_run(back->loop->series, s->program)) return false;
    put_made(back->loop, s, &back->flows);
    return true;
}

static void run_back(void *user) {
    Run *run = user;
    Tensor *y = run->y;
    HcBack *back = y->attr.custom.state;
    for (size_t i = 0; i < back->given_count; i++)
        hc_copy_dense(hc_inputs(y)[1 + i], back->flows.numbers + back->flows.offset[back->given[i]]);
    run->done = hc_walk_back(&back->loop->walk, &(HcMoves){go_on_again, reverse, back});
    for (size_t i = 0; i < back->part_count && run->done; i++) {
        size_t from = back->parts[i];
        char *to = (char *)y->data + back->offset[i];
        if (back->segments[0].made[from])
            memcpy(to, back->flows.numbers + back->flows.offset[from], back->flows.bytes[from]);
        else
            memset(to, 0, back->flows.bytes[from]);
    }
}

static bool back_forward(Tensor *y) {
    Run run = {y, true};
    y->tape->k->call(run_back, &run);
    return run.done;
}

const HcOp hc_op_loop_back = {
    .name = "unroll", .flags = HC_OP_PARTS | HC_OP_MORE, .arity = 1, .infer = hc_unroll_infer, .forward = back_forward};
