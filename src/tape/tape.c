/* The tape: its life, its error, marks and releases. */
#include "base/pool.h"
#include "tape/moves.h"
#include "tape/stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef HC_BLOCK_BYTES
#define HC_BLOCK_BYTES 65536
#endif

#define MANY_FORMS 4096 /* that no tensor may use */
#define MOST_ASIDES 2   /* what came before a loop, and its first turn */
#define MOST_ASIDE_BYTES ((size_t)1 << 20)

TapeOptions tape_options(DType dtype) {
    return (TapeOptions){.dtype = dtype, .max_bytes = SIZE_MAX, .block_bytes = HC_BLOCK_BYTES};
}

Tape *tape_create(DType dtype) {
    return tape_create_with(tape_options(dtype));
}

Tape *tape_create_with(TapeOptions options) {
    if (!hc_has_type("tape_create", options.dtype)) return NULL;
    const char *misnamed = hc_kernels_misnamed();
    if (misnamed) {
        hc_fail_thread(HC_ERR_ARG,
                       "tape_create: the environment's HIGHERC_ISA is \"%.40s\", which is not baseline, "
                       "avx2, avx512 or neon",
                       misnamed);
        return NULL;
    }
    const char *always = getenv("HIGHERC_NEVER_REUSE");
    Tape *tape = hc_alloc_zero(1, sizeof *tape);
    if (!tape) {
        hc_fail_thread(HC_ERR_NOMEM, "tape_create: out of memory");
        return NULL;
    }
    size_t block = options.block_bytes < 1024 ? 1024 : options.block_bytes;
    tape->k = hc_kernels((int)options.dtype);
    tape->item = tape->k->size;
    tape->dtype = options.dtype;
    tape->manner.recording = true;
    tape->check_nan = options.check_nan;
    tape->never_reuse = options.never_reuse || (always && *always);
    tape->budget.limit = options.max_bytes;
    tape->read = SIZE_MAX;
    tape->rng = rng_seed(0);
    while (((size_t)2 << tape->chunk_shift) * sizeof(Tensor) <= block && tape->chunk_shift < 16)
        tape->chunk_shift++;
    hc_arena_init(&tape->data, &tape->budget, block);
    hc_scratch_init(&tape->scratch, &tape->budget, block);
    hc_scratch_init(&tape->handles, &tape->budget, 1024);
    hc_forms_init(&tape->forms, &tape->budget);
    return tape;
}

static size_t chunk_bytes(const Tape *tape) {
    return sizeof(Tensor) << tape->chunk_shift;
}

static bool at_rest(Tape *tape, const char *who) {
    return tape->calling.depth == 0 ||
           hc_fail(tape, HC_ERR_STATE,
                   "%s: from within a forward, rule or callback that is at work on the tape", who);
}

void tape_destroy(Tape *tape) {
    if (!tape || !at_rest(tape, "tape_destroy")) return;
    if (tape->of_tasks) {
        hc_fail(tape, HC_ERR_STATE, "tape_destroy: the tape belongs to Tasks, which destroy it");
        return;
    }
    HC_ASSERT(tape->born_count == 0);
    hc_tape_drop_stamps(tape, (HcPosition){0, 0});
    hc_leaves_free(tape);
    if (tape->free_sweeps) tape->free_sweeps(tape);
    for (size_t i = 0; i < tape->chunk_count; i++)
        hc_budget_free(&tape->budget, tape->chunks[i], chunk_bytes(tape));
    hc_budget_free(&tape->budget, tape->chunks, tape->chunk_capacity * sizeof *tape->chunks);
    hc_moves_free(tape);
    hc_budget_free(&tape->budget, tape->born, tape->born_capacity * sizeof *tape->born);
    hc_arena_destroy(&tape->data);
    hc_scratch_destroy(&tape->scratch);
    hc_arena_destroy(&tape->handles.arena); /* with the scopes that are there */
    hc_forms_destroy(&tape->forms);
    pool_destroy(tape->pool);
    hc_free(tape);
}

DType tape_dtype(const Tape *tape) {
    return tape ? tape->dtype : HC_F32;
}

static size_t live_bytes(const Tape *tape) {
    return tape->count * sizeof(Tensor) + hc_arena_live(&tape->data);
}

static void note_peak(Tape *tape) {
    size_t live = live_bytes(tape);
    if (live > tape->peak) tape->peak = live;
}

/* Drops the forms that no node has; scratch nodes are not looked for, so only while there are none. */
static void sweep_forms(Tape *tape) {
    if (tape->scratch.live > 0 || tape->calling.depth > 0) return;
    for (size_t i = 0; i < tape->count; i++)
        hc_form_use(hc_node(tape, i)->form); /* that of an attribute is for infer alone */
    for (const HcDensed *d = tape->densed; d; d = d->next)
        hc_form_use(d->form);
    hc_forms_sweep(&tape->forms);
}

/* A sweep looks at all nodes and all forms, so as many were made since the last, up to a factor. */
void hc_tape_tidy(Tape *tape) {
    size_t made = tape->forms.count - tape->forms.kept;
    if (made >= MANY_FORMS && made >= tape->forms.kept && made >= tape->count / 16)
        sweep_forms(tape);
}

/* Views whose dense copy is about to go become views again. */
static void undo_densed(Tape *tape, HcPosition place) {
    for (; tape->densed && hc_position_before(place, tape->densed->place);
         tape->densed = tape->densed->next) {
        Tensor *x = tape->densed->tensor;
        if (x->serial != tape->densed->serial) continue;
        x->data = tape->densed->data;
        x->form = tape->densed->form;
    }
}

/* Takes the top back. The nodes stop being tensors, so that a handle kept over it is told apart until its
 * place is taken. Where addresses are never used again, they stay; a new serial tells marks that ended in them
 * that they have expired. */
static void cut(Tape *tape, size_t count, HcPosition place) {
    note_peak(tape);
    if (tape->count > tape->most_nodes) tape->most_nodes = tape->count;
    hc_tape_drop_stamps(tape, place);
    for (size_t i = count; i < tape->count; i++)
        hc_node(tape, i)->check = 0;
    if (tape->never_reuse) {
        for (size_t i = count; i < tape->count; i++)
            hc_node(tape, i)->serial = ++tape->serial;
        return;
    }
    undo_densed(tape, place);
    tape->count = count;
    if (tape->read != SIZE_MAX && tape->read > count) tape->read = count;
    hc_arena_rewind(&tape->data, place);
}

/* The nodes of a tape's first iterations keep their places, and new ones take others: a tensor that was made before
 * the loop and is used in it, or made in one turn and used in the next, is told from the start on, and is not another
 * in silence. Later resets use places again, so that a steady loop pays nothing. */
static void set_aside(Tape *tape, size_t nodes) {
    size_t chunks = (nodes + ((size_t)1 << tape->chunk_shift) - 1) >> tape->chunk_shift;
    if (tape->asides == MOST_ASIDES || chunks == 0 || chunks * chunk_bytes(tape) > MOST_ASIDE_BYTES ||
        tape->budget.limit < SIZE_MAX)
        return;
    size_t before = tape->chunk_count;
    if (!hc_tape_room(tape, (before + chunks) << tape->chunk_shift)) return;
    for (size_t i = 0; i < chunks; i++) {
        Tensor *used = tape->chunks[i];
        tape->chunks[i] = tape->chunks[before + i];
        tape->chunks[before + i] = used;
    }
    tape->asides++;
    tape->most_nodes = tape->chunk_count << tape->chunk_shift; /* which the next trim leaves */
}

static void drop_scope(Tape *tape) {
    HcScope *scope = tape->scopes;
    tape->scopes = scope->next;
    scope->check = 0;
    if (!tape->never_reuse) hc_scratch_free(&tape->handles, scope, scope->bytes);
}

void tape_reset(Tape *tape) {
    if (!tape || !at_rest(tape, "tape_reset")) return;
    while (tape->scopes)
        drop_scope(tape);
    HC_ASSERT(tape->born_count == 0 && tape->scratch.live == 0 && tape->move_count == 0); /* nothing is at work */
    size_t nodes = tape->count;
    cut(tape, 0, (HcPosition){0, 0});
    if (!tape->never_reuse) set_aside(tape, nodes);
    tape->read = SIZE_MAX;
    tape->resets++;
    hc_leaves_reset(tape);
    hc_tape_tidy(tape);
}

TapeMark tape_mark(Tape *tape) {
    if (!tape) {
        hc_null("tape_mark", "the tape");
        return (TapeMark){.tape = 0};
    }
    HcPosition top = hc_arena_top(&tape->data);
    return (TapeMark){.tape = (uint64_t)(uintptr_t)tape,
                      .last = tape->count ? hc_node(tape, tape->count - 1)->serial : tape->resets,
                      .nodes = tape->count,
                      .block = top.block,
                      .offset = top.offset};
}

static bool mark_holds(const Tape *tape, const TapeMark *mark) {
    if (mark->nodes > tape->count) return false;
    if (mark->nodes == 0) return mark->last == tape->resets;
    return hc_node(tape, mark->nodes - 1)->serial == mark->last;
}

/* Writes what outlives the release to memory of its own; all or nothing. *most: how many nodes there are at most once
 * the scopes have restored what they moved. */
static bool keep_scopes(Tape *tape, const TapeMark *mark, size_t *most) {
    const char *who = "tape_release";
    HC_ASSERT(tape->move_count == 0);
    for (HcScope *s = tape->scopes; s; s = s->next)
        if (s->keep && !hc_above(s->place, mark) && !s->keep(s, mark)) return false;
    *most = (tape->never_reuse ? tape->count : mark->nodes) + tape->move_count;
    if (!hc_tape_room(tape, *most)) {
        hc_moves_drop(tape);
        return hc_fail_nomem(tape, who);
    }
    if (!hc_moves_hold(tape, who)) return false;
    hc_moves_make(tape);
    return true;
}

bool tape_release(Tape *tape, TapeMark mark) {
    if (!tape) return hc_null("tape_release", "the tape");
    if (mark.tape != (uint64_t)(uintptr_t)tape)
        return hc_fail(tape, HC_ERR_TAPE, "tape_release: the mark is of another tape");
    HcPosition place = {mark.block, mark.offset};
    if (!mark_holds(tape, &mark) || hc_position_before(hc_arena_top(&tape->data), place))
        return hc_fail(tape, HC_ERR_EXPIRED,
                       "tape_release: the mark has expired: the tape was reset, or released below "
                       "it, since");
    if (mark.nodes < tape->calling.nodes || hc_position_before(place, tape->calling.place))
        return at_rest(tape, "tape_release");
    size_t most;
    if (!keep_scopes(tape, &mark, &most)) return false;
    while (tape->scopes && hc_above(tape->scopes->place, &mark))
        drop_scope(tape);
    for (HcScope *s = tape->scopes; s; s = s->next)
        if (s->back) s->back(s, &mark);
    cut(tape, mark.nodes, place);
    HcStatus status = tape->status; /* an error must not keep scopes from their leaves */
    tape->status = HC_OK;
    for (HcScope *s = tape->scopes; s; s = s->next)
        if (s->restore) s->restore(s, &mark);
    HC_ASSERT(tape->count <= most);
    bool restored = tape->status == HC_OK;
    if (status != HC_OK) tape->status = status;
    hc_tape_tidy(tape);
    return restored;
}

void tape_trim(Tape *tape) {
    if (!tape || !at_rest(tape, "tape_trim")) return;
    hc_arena_trim(&tape->data);
    hc_scratch_trim(&tape->scratch);
    if (tape->free_sweeps) tape->free_sweeps(tape);
    hc_leaves_trim(tape);
    sweep_forms(tape);
    hc_forms_trim(&tape->forms);
    /* Nodes keep their memory through one trim, so that handles of just now are told. */
    size_t most = tape->count > tape->most_nodes ? tape->count : tape->most_nodes;
    size_t kept = (most + ((size_t)1 << tape->chunk_shift) - 1) >> tape->chunk_shift;
    while (tape->chunk_count > kept)
        hc_budget_free(&tape->budget, tape->chunks[--tape->chunk_count], chunk_bytes(tape));
    tape->most_nodes = tape->count;
}

HcStatus tape_status(const Tape *tape) {
    return tape ? tape->status : HC_OK;
}

const char *tape_error(const Tape *tape) {
    return tape && tape->status != HC_OK ? tape->message : NULL;
}

void tape_clear_error(Tape *tape) {
    if (tape) tape->status = HC_OK;
}

TapeStats tape_stats(const Tape *tape) {
    if (!tape) return (TapeStats){.nodes = 0};
    size_t live = live_bytes(tape);
    return (TapeStats){.nodes = tape->count,
                       .live_bytes = live,
                       .peak_bytes = live > tape->peak ? live : tape->peak,
                       .reserved_bytes = tape->budget.used,
                       .mallocs = tape->budget.calls};
}

void tape_seed(Tape *tape, uint64_t seed) {
    if (tape) tape->rng = rng_seed(seed);
}

Rng *tape_rng(Tape *tape) {
    if (!tape) hc_null("tape_rng", "the tape");
    return tape ? &tape->rng : NULL;
}

bool tape_set_recording(Tape *tape, bool on) {
    if (!tape) return false;
    bool was = tape->manner.recording;
    tape->manner.recording = on;
    return was;
}

bool tape_recording(const Tape *tape) {
    return tape && tape->manner.recording;
}

bool tape_check_nan(Tape *tape, bool on) {
    if (!tape) return false;
    bool was = tape->check_nan;
    tape->check_nan = on;
    return was;
}

Pool *tape_set_pool(Tape *tape, Pool *pool) {
    if (!tape) return NULL;
    Pool *was = tape->pool;
    tape->pool = hc_pool_ref(pool);
    pool_destroy(was);
    return was;
}

size_t hc_workers(const Tape *tape) {
    return tape->pool ? pool_threads(tape->pool) : 1;
}

void hc_parallel(Tape *tape, size_t count, PoolFn *fn, void *user) {
    if (tape->pool && count > 1)
        hc_pool_run_near(tape->pool, count, fn, user);
    else
        for (size_t i = 0; i < count; i++)
            fn(i, 0, user);
}

void *hc_tape_add_scope(Tape *tape, const void *made, size_t bytes, uint32_t word,
                        const char *who) {
    /* A byte, so that it stands above every mark before it. */
    HcScope *scope = hc_arena_alloc(&tape->data, 1) ? hc_scratch_alloc(&tape->handles, bytes) : NULL;
    if (!scope) {
        hc_fail_nomem(tape, who);
        return NULL;
    }
    memcpy(scope, made, bytes);
    scope->check = word;
    scope->bytes = bytes;
    scope->place = hc_arena_top(&tape->data);
    scope->next = tape->scopes;
    HC_ASSERT(!scope->next || hc_position_before(scope->next->place, scope->place)); /* newest first */
    tape->scopes = scope;
    return scope;
}
