/* An unrolled loop in windows: each is a loop of its own, which is judged and taken away again; the next goes on from
 * its numbers. */
#include "meta/unroll.h"

static const char who[] = "unroll";

bool hc_unroll_judge(HcUnroll *u, const UnrollOptions *o, size_t done) {
    Tape *tape = u->tape;
    UnrollStep call = {.step = u->first_step + done, .opts = u->opts, .count = u->opt_count};
    HcCalling outer = hc_call_begin(tape);
    bool good = o->judge(&call, u->user);
    return (hc_call_end(tape, outer) && good) ||
           hc_fail(tape, HC_ERR_STATE, "%s: judging returned false after %zu steps", who, done);
}

/* Without history: weights as fmodule_detach leaves them, the rest as constants. */
static bool enter_detached(HcUnroll *u, const HcPoint *point) {
    for (size_t i = 0; i < u->count; i++) {
        HcHanded handed = (HcHanded)point->carried[i];
        u->now[i] = handed == HC_HANDED_FIRST ? u->first[i] : NULL;
        if (handed < HC_HANDED_CONSTANT) continue;
        bool cut = handed == HC_HANDED_NEEDS;
        Tensor *x = hc_emit_leaf(u->tape, who, u->shapes[i], point->data + point->layout->offset[i],
                                 cut ? HC_WHY_DETACHED : HC_WHY_CONSTANT);
        if (!(u->now[i] = x)) return false;
        if (cut && i < u->states) x->flags |= HC_NODE_NEEDS | HC_NODE_LOST;
    }
    return hc_unroll_put(u, u->now, point->numbers);
}

/* The report of a window is gone with it. */
static void note_report(HcUnroll *u) {
    const HcUnroll *window = u->opts[0]->now->unroll;
    if (!window) return;
    u->walk.most = window->walk.most;
    u->kept_bytes = window->kept_bytes;
    u->segment = window->segment;
    u->again += window->again;
}

bool hc_unroll_windows(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand) {
    Tape *tape = u->tape;
    Rng rng = o->rng ? *o->rng : rng_seed(0);
    const HcPoint *from = NULL;
    if (!hc_unroll_room(u, &u->spare[0]) || !hc_unroll_room(u, &u->spare[1])) return false;
    for (size_t i = 0; i < u->count; i++) /* so that its numbers are kept, and it is detached */
        if (u->first[i] && (u->first[i]->flags & HC_NODE_NEEDS)) u->first[i] = NULL;
    UnrollOptions part = *o;
    part.window = 0;
    part.rng = &rng;
    TapeMark mark = tape_mark(tape);
    for (size_t at = 0; at < o->steps; at += part.steps) {
        HcPoint *next = from == &u->spare[0] ? &u->spare[1] : &u->spare[0];
        part.first = o->first + at;
        part.steps = o->steps - at < o->window ? o->steps - at : o->window;
        bool done = (!from || enter_detached(u, from)) &&
                    hc_unroll_by(hc_unroll_in, u->opts, u->opt_count, &part, before + at, u->fn, u->user) &&
                    hc_unroll_judge(u, o, at + part.steps);
        if (done) {
            hc_unroll_gather(u, u->now);
            hc_unroll_save(u, u->now, at + part.steps, rng, next);
            note_report(u);
        }
        hc_unroll_return(u, stand);
        if (!tape_release(tape, mark) || !done) return false;
        from = next;
    }
    if (!enter_detached(u, from)) return false;
    for (size_t i = 0; i < u->opt_count; i++)
        u->opts[i]->now->unroll = u;
    if (o->rng) *o->rng = rng;
    return true;
}
