/* An unrolled loop from within: what its steps hand on, and points at which that was kept. */
#ifndef HC_META_UNROLL_H
#define HC_META_UNROLL_H

#include "higherc/program.h"
#include "higherc/unroll.h"
#include "meta/diffopt.h"
#include "meta/revolve.h"

/* Of one tensor that a step hands on, at a point. */
typedef enum HcHanded {
    HC_HANDED_NONE,     /* a state that is not there yet */
    HC_HANDED_FIRST,    /* still the tensor that the loop began with */
    HC_HANDED_CONSTANT, /* its numbers are the point's; no gradient flows to it ... */
    HC_HANDED_NEEDS     /* ... or one does */
} HcHanded;

/* Whether a gradient flows through what is carried. */
typedef enum HcFlows {
    HC_FLOWS_NEVER, /* of a module in HC_EVAL */
    HC_FLOWS_ASKED, /* as the tensor says */
    HC_FLOWS_ALWAYS /* a state in HC_FULL: where only the update is recorded its gradient seems a constant */
} HcFlows;

/* All that step `step` begins with. */
typedef struct HcPoint {
    size_t step;
    Rng rng, of_tape; /* the streams as they are then */
    uint8_t *carried; /* [count]: HcHanded */
    size_t *same;     /* [count]: the first place where the same tensor stands */
    size_t *numbers;  /* of the host: steps made, and whether training */
    const struct HcLayout *layout;
    char *data;       /* tensor i at layout->offset[i] */
} HcPoint;

/* Where tensors' numbers stand at a point: all that may be carried, or what has numbers of its own there. */
typedef struct HcLayout {
    size_t *offset, bytes;
} HcLayout;

/* The settings that a loop began with. */
typedef struct HcBegan {
    const HcSnapshot *now; /* of its callback and clipping */
    HcSettingsThen then;
} HcBegan;

/* Derivatives of what is carried, with respect to each number of the outer tensors (a direction). */
typedef struct HcTangents {
    size_t count;   /* directions */
    bool *there;    /* [count][u->count]; else zero */
    char *numbers;  /* [count][u->bytes], dense, at u->offset */
} HcTangents;

/* On the tape. What is carried is one list: of each functional module the weights, then the
 * buffers; of each optimizer the states. */
typedef struct HcUnroll {
    Tape *tape;
    size_t steps, first_step; /* and the number of the first */
    UnrollFn *fn;
    void *user;
    size_t opt_count, root_count;
    DiffOpt **opts;
    FModule **roots;
    FMode *modes;           /* of each root */
    HcBegan *began;         /* of each optimizer */
    HcWeights **beginnings; /* of each root */
    size_t count, number_count;
    size_t states;         /* of the list, the first that is a state */
    Shape *shapes;
    uint8_t *flows;        /* [count]: HcFlows */
    HcLayout all;
    const HcLayout *packed; /* the latest of points that are kept: of those that `own` says; or NULL */
    bool *own;             /* [count]: had numbers of its own after any step */
    Tensor **first, **now; /* [count]: as the loop began; and a list to work with */
    size_t *seen, seen_mask; /* a table of places, to find those that hold the same */
    Tensor **held;         /* weights as a step began, where there are several modules */
    size_t weight_count;
    HcPoint begin, end, spare[2];
    HcPoint *kept; /* between begin and end: place i of the walk is kept[i - 1] */
    size_t kept_bytes;
    HcWalk walk;
    size_t first_segment;  /* steps of the first segment ... */
    size_t segment;        /* ... and of each but the first and the last */
    uint64_t *marks;       /* of what was carried before each segment, to know it again */
    size_t again;          /* steps computed again */
    Tensor *const *inputs; /* of the operation: what steps read of before the loop, or the outer tensors */
    size_t input_count, flowing; /* to the first of them a gradient may flow */
    HcTangents tangents; /* at the end; or none */
} HcUnroll;

/* Where modules and optimizers stand. */
typedef struct HcStand {
    HcWeights **weights;
    HcSnapshot **snapshots;
    TapeMark *bases;
} HcStand;

/* ---- unroll_carry.c ------------------------------------------------------------------------- */
/* The lists, for optimizers of one tape; NULL after hc_fail. */
HcUnroll *hc_unroll_create(DiffOpt *const *opts, size_t count);
/* Memory for a point, on the tape. */
bool hc_unroll_room(HcUnroll *u, HcPoint *point);
/* What the points of these steps take that are kept. */
size_t hc_unroll_packed_bytes(const HcUnroll *u);
/* Keeps a point in another, which gets memory the first time. */
bool hc_unroll_pack(HcUnroll *u, const HcPoint *from, HcPoint *into);
/* What a step's gradients hold fixed: what it begins with. hc_unroll_unhold ends that. */
void hc_unroll_hold(HcUnroll *u);
void hc_unroll_unhold(HcUnroll *u);
/* What is carried now. */
void hc_unroll_gather(HcUnroll *u, Tensor **list);
/* Notes that at a point whose data nothing reads. */
void hc_unroll_save(HcUnroll *u, Tensor *const *list, size_t step, Rng rng, HcPoint *point);
/* Makes modules and optimizers stand at a point, in new snapshots, with the settings that the loop
 * began with; list[] is what is carried then. */
bool hc_unroll_enter(HcUnroll *u, const HcPoint *point, Tensor **list);
/* Puts what is carried in new snapshots, with the host's numbers of a point. */
bool hc_unroll_put(HcUnroll *u, Tensor *const *list, const size_t *numbers);
/* Settings that a step made end with it. */
bool hc_unroll_settle(HcUnroll *u);
/* Tells whether numbers at a point are those that were there before. */
uint64_t hc_unroll_fingerprint(const HcUnroll *u, const HcPoint *point);
/* Whether place i has numbers of its own there; and a gradient of its own. */
bool hc_unroll_owns(const HcPoint *point, size_t i);
bool hc_unroll_flows(const HcPoint *point, size_t i);

/* Notes where modules and optimizers stand, on the tape, to go back to. */
bool hc_unroll_stand(const HcUnroll *u, HcStand *stand);
void hc_unroll_return(const HcUnroll *u, const HcStand *stand);

/* ---- unroll_run.c --------------------------------------------------------------------------- */
/* A way to run a loop, or the part of one that begins after `before` steps, from a stand. */
typedef bool HcUnrollRun(HcUnroll *u, const UnrollOptions *o, size_t before, const HcStand *stand);
HcUnrollRun hc_unroll_in; /* with checkpoints, or stored */
/* Makes the lists and runs; all or nothing. */
bool hc_unroll_by(HcUnrollRun *run, DiffOpt *const *opts, size_t count, const UnrollOptions *o, size_t before,
                  UnrollFn *fn, void *user);
bool hc_unroll_tell(HcUnroll *u, const UnrollOptions *o, size_t done);

/* ---- unroll_windows.c ------------------------------------------------------------------------ */
HcUnrollRun hc_unroll_windows;
bool hc_unroll_judge(HcUnroll *u, const UnrollOptions *o, size_t done);

/* ---- unroll_tangents.c ----------------------------------------------------------------------- */
HcUnrollRun hc_unroll_with_tangents;

/* ---- unroll_steps.c ------------------------------------------------------------------------- */
/* Calls the function for a step, its stream split off rng. */
bool hc_unroll_step(HcUnroll *u, size_t step, Rng *rng, bool again);
/* Whether no other functional module or optimizer made before the mark was changed. */
bool hc_unroll_others_unchanged(const HcUnroll *u, const TapeMark *mark, size_t step);
/* After a step, while all it recorded since the mark is still there; u->now is what it hands on. */
typedef bool HcUnrollSeen(HcUnroll *u, const TapeMark *mark, size_t step, void *user);
/* Goes from a point to step `to`, keeping nothing of the way but fingerprints (checked when
 * computed again). Returns where it stands then, one of the spare points; NULL after an error. */
HcPoint *hc_unroll_advance(HcUnroll *u, HcPoint *from, size_t to, HcUnrollSeen *seen, void *user);
/* The same over segments from a place, the point going into another, or being a spare one. */
HcPoint *hc_unroll_walk(HcUnroll *u, size_t place, size_t to, size_t into, HcUnrollSeen *seen, void *user);
/* The fingerprint of a point between segments: notes it, or (again) holds it to what was noted. */
bool hc_unroll_recognise(HcUnroll *u, const HcPoint *point, bool again);
/* Records steps on the tape, from where modules and optimizers stand. */
bool hc_unroll_record(HcUnroll *u, size_t from, size_t to, Rng *rng);
/* How many segments there are, and the step that one begins with. */
size_t hc_unroll_segments(const HcUnroll *u);
size_t hc_unroll_begin_of(const HcUnroll *u, size_t segment);
/* The point in a place of the walk. */
HcPoint *hc_unroll_point(HcUnroll *u, size_t place);

/* ---- unroll_op.c ---------------------------------------------------------------------------- */
/* Whether tensor i, as the loop left it, is a part of the operation. */
bool hc_unroll_is_part(const HcUnroll *u, size_t i);
/* The loop that x is tensor *i of, or NULL. */
const HcUnroll *hc_unroll_of(const Tensor *x, size_t *i);
/* Makes u->inputs the operation's, and list[i] its part for each i that a gradient is to flow from. */
bool hc_unroll_emit(HcUnroll *u, const HcOp *op, Tensor **list);
/* For descriptors. */
bool hc_unroll_form(Tensor *y, size_t parts, size_t bytes); /* of so many parts, which take so many bytes */
bool hc_unroll_infer(Tensor *y);
bool hc_unroll_forward(Tensor *y);

/* ---- unroll_backward.c ---------------------------------------------------------------------- */
extern const HcOp hc_op_unroll; /* whose rule records segments again */

/* ---- unroll_capture.c, unroll_replay.c ------------------------------------------------------ */
/* In an abstract sweep: the operation that a Program's backward pass through the loop is. */
void hc_unroll_back(HcSweep *sweep, Tensor *y);
/* The descriptor's own. */
bool hc_unroll_own(Program *program, Tensor *copy);

#endif
