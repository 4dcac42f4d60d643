/* The steps of an unrolled loop: one, and a way from one point to another that keeps nothing. */
#include "meta/unroll.h"

static const char who[] = "unroll";

bool hc_unroll_step(HcUnroll *u, size_t step, Rng *rng, bool again) {
    Tape *tape = u->tape;
    Rng own = rng_split(rng);
    UnrollStep call = {
        .step = u->first_step + step, .opts = u->opts, .count = u->opt_count, .rng = &own, .again = again};
    HcCalling outer = hc_call_begin(tape);
    bool was = tape->again;
    tape->again = was || again;
    hc_unroll_hold(u);
    bool done = u->fn(&call, u->user);
    hc_unroll_unhold(u);
    tape->again = was;
    done = hc_call_end(tape, outer) && done;
    if (again) u->again++;
    return done || hc_fail(tape, HC_ERR_STATE, "%s: step %zu returned false", who, u->first_step + step);
}

/* Whether what is on the tape as a functional module or optimizer is one of those handed over, or a child. */
static bool is_ours(const HcUnroll *u, const HcScope *s, const FModule *f, const DiffOpt *opt) {
    bool ours = f && f->root != f;
    for (size_t r = 0; r < u->root_count; r++)
        ours = ours || &u->roots[r]->scope == s;
    for (size_t o = 0; o < u->opt_count; o++)
        ours = ours || &u->opts[o]->scope == s;
    return ours || (!f && !opt);
}

bool hc_unroll_others_unchanged(const HcUnroll *u, const TapeMark *mark, size_t step) {
    for (const HcScope *s = u->tape->scopes; s; s = s->next) {
        const FModule *f = s->check == HC_FMODULE_WORD ? (const FModule *)s : NULL;
        const DiffOpt *opt = s->check == HC_DIFFOPT_WORD ? (const DiffOpt *)s : NULL;
        if (hc_above(s->place, mark) || is_ours(u, s, f, opt)) continue;
        bool changed = (f && hc_above(f->now->place, mark)) || (opt && hc_above(opt->now->place, mark));
        if (changed)
            return hc_fail(u->tape, HC_ERR_STATE, "%s: step %zu changed %s that is none of those handed over", who,
                           u->first_step + step, f ? "a functional module" : "an optimizer");
    }
    return true;
}

/* W<t> has the same bits in all modes, and this is the one in which the update alone is recorded:
 * what it reads is seen. With several modules a step of one may be differentiated through by
 * another's. Not of the first step, when what is read is found out: its gradient may go through what was made of the
 * weights before the loop, and reads that too. */
static void lighten(const HcUnroll *u) {
    for (size_t r = 0; r < u->root_count && u->root_count == 1; r++)
        if (u->modes[r] == HC_FULL) u->roots[r]->mode = HC_FIRST_ORDER;
}

size_t hc_unroll_segments(const HcUnroll *u) {
    if (u->steps <= u->first_segment) return 1;
    return 2 + (u->steps - u->first_segment - 1) / u->segment;
}

size_t hc_unroll_begin_of(const HcUnroll *u, size_t segment) {
    if (segment == 0) return 0;
    return segment >= hc_unroll_segments(u) ? u->steps : u->first_segment + (segment - 1) * u->segment;
}

/* The segment that begins with a step, or has it within. */
static size_t segment_of(const HcUnroll *u, size_t step) {
    if (step >= u->steps) return hc_unroll_segments(u);
    return step < u->first_segment ? 0 : 1 + (step - u->first_segment) / u->segment;
}

HcPoint *hc_unroll_point(HcUnroll *u, size_t place) {
    return place == 0 ? &u->begin : &u->kept[place - 1];
}

bool hc_unroll_record(HcUnroll *u, size_t from, size_t to, Rng *rng) {
    for (size_t t = from; t < to; t++)
        if (!hc_unroll_step(u, t, rng, true)) return false;
    return true;
}

bool hc_unroll_recognise(HcUnroll *u, const HcPoint *point, bool again) {
    size_t segment = segment_of(u, point->step);
    if (hc_unroll_begin_of(u, segment) != point->step) return true;
    uint64_t mark = hc_unroll_fingerprint(u, point), *noted = &u->marks[segment];
    if (!again) *noted = mark;
    return *noted == mark || hc_fail(u->tape, HC_ERR_CHANGED,
                                     "%s: the steps up to %zu, computed again, gave other weights "
                                     "than before: a step's function "
                                     "does not do the same again, or what it reads was changed",
                                     who, u->first_step + point->step);
}

HcPoint *hc_unroll_advance(HcUnroll *u, HcPoint *from, size_t to, HcUnrollSeen *seen, void *user) {
    Tape *tape = u->tape;
    HcStand stand;
    TapeMark outer = tape_mark(tape);
    if (!hc_unroll_stand(u, &stand)) return NULL;
    TapeMark mark = tape_mark(tape);
    bool done = true;
    for (size_t t = from->step; t < to && done; t++) {
        HcPoint *next = from == &u->spare[0] ? &u->spare[1] : &u->spare[0];
        Rng rng = from->rng;
        if (!seen || t > 0) lighten(u);
        done = hc_unroll_enter(u, from, u->now) && hc_unroll_step(u, t, &rng, !seen) &&
               hc_unroll_others_unchanged(u, &mark, t);
        if (done) {
            hc_unroll_gather(u, u->now);
            done = !seen || seen(u, &mark, t, user);
        }
        if (done) hc_unroll_save(u, u->now, t + 1, rng, next);
        hc_unroll_return(u, &stand);
        done = tape_release(tape, mark) && done && hc_unroll_recognise(u, next, !seen);
        from = next;
    }
    hc_unroll_return(u, &stand);
    tape_release(tape, outer);
    return done ? from : NULL;
}

HcPoint *hc_unroll_walk(HcUnroll *u, size_t place, size_t to, size_t into, HcUnrollSeen *seen, void *user) {
    HcPoint *at =
        hc_unroll_advance(u, hc_unroll_point(u, place), hc_unroll_begin_of(u, to), seen, user);
    bool done = at && (into == HC_CURRENT || hc_unroll_pack(u, at, hc_unroll_point(u, into)));
    return done ? at : NULL;
}
