/* The latest weights as a stationary point of an inner loss: one operation, whose rule records the loss again,
 * solves for the vector v with H v = the weights' cotangent, and sweeps -v from the inner gradient down to what the
 * loss reads: there the cotangent is - (d2 inner / dW dx)^T v. */
#include "higherc/implicit.h"

#include <math.h>
#include <string.h>

#include "grad/sweep.h"
#include "higherc/program.h"
#include "meta/fmodule.h"
#include "meta/krylov.h"
#include "meta/reads.h"
#include "ops/ops.h"

static const char who[] = "implicit";

enum { WORTH_CAPTURING = 6 }; /* products */

typedef struct HcImplicit {
    Tape *tape;
    FModule *f, *root;
    ImplicitLoss *fn;
    void *user;
    ImplicitOptions options;
    const HcWeights *at;   /* snapshot whose weights these are */
    Tensor *const *first;  /* W<0>, or NULL without the proximal term */
    size_t count, numbers; /* weights that the loss reaches, and numbers in them */
    size_t *index;         /* of each, in the module's list */
    Shape *shapes;
    char **data; /* of each: W, dense */
    Tensor *const *inputs;
    size_t input_count;
    ImplicitReport report;
} HcImplicit;

ImplicitOptions implicit_options(void) {
    return (ImplicitOptions){.iterations = 100, .step = 0.01};
}

/* ---- the inner loss --------------------------------------------------------------------------- */

static Tensor *with_proximal(const HcImplicit *im, Tensor *loss, Tensor *const *leaves) {
    for (size_t i = 0; i < im->count && im->first; i++) {
        Tensor *apart = tensor_sub(leaves[i], im->first[im->index[i]]);
        loss = tensor_add(
            loss, tensor_mul_scalar(tensor_sum(tensor_square(apart)), im->options.proximal / 2));
    }
    return loss;
}

static bool is_loss(HcImplicit *im, Tensor *loss) {
    Tape *tape = im->tape;
    char text[HC_SHAPE_TEXT];
    if (tape->status != HC_OK) return false;
    if (!loss) return hc_fail(tape, HC_ERR_STATE, "%s: the inner loss failed", who);
    if (loss->tape != tape)
        return hc_fail(tape, HC_ERR_TAPE, "%s: the inner loss is on another tape", who);
    if (!hc_check(who, loss)) return false;
    return loss->form->count == 1 ||
           hc_fail(tape, HC_ERR_SHAPE, "%s: the inner loss has shape %s and is no scalar", who,
                   hc_shape_text(hc_form_shape(loss->form), text));
}

/* Records it with leaves in the place of the weights; NULL after hc_fail. */
static Tensor *record(HcImplicit *im, Tensor **leaves) {
    Tape *tape = im->tape;
    FModule *root = im->root;
    HcWeights *before = root->now;
    if (!hc_fmodule_push(root, im->at->weights, NULL, im->at->step, false)) return NULL;
    root->now->buffers = im->at->buffers;
    root->now->training = im->at->training;
    bool done = true;
    for (size_t i = 0; i < im->count && done; i++) {
        leaves[i] = hc_emit_leaf(tape, who, im->shapes[i], im->data[i], HC_WHY_NOTHING);
        root->now->weights[im->index[i]] = leaves[i];
        done = leaves[i] != NULL;
    }
    Tensor *loss = NULL;
    if (done) {
        HcCalling outer = hc_call_begin(tape);
        bool was = tape->again;
        tape->again = true;
        loss = im->fn(im->f, im->user);
        tape->again = was;
        hc_call_end(tape, outer);
        loss = is_loss(im, loss) ? with_proximal(im, loss, leaves) : NULL;
    }
    root->now = before;
    return loss;
}

/* ---- products with the Hessian ------------------------------------------------------------------- */

typedef struct Hessian {
    HcImplicit *im;
    Tensor **leaves, **gradients; /* of the inner loss, recorded */
    Tensor **vectors, **products;
    Program *program; /* or NULL */
    size_t recorded;
} Hessian;

static void to_doubles(const Tape *tape, const void *from, size_t count, double *to) {
    for (size_t i = 0; i < count; i++)
        to[i] =
            tape->dtype == HC_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

/* The gradient of sum(gradient * vector). */
static bool record_product(Hessian *h, const double *from) {
    HcImplicit *im = h->im;
    Tensor *sum = NULL;
    for (size_t i = 0; i < im->count; i++) {
        h->vectors[i] = tensor_from_f64(im->tape, im->shapes[i], from);
        if (h->vectors[i]) from += h->vectors[i]->form->count;
        Tensor *term = tensor_sum(tensor_mul(h->gradients[i], h->vectors[i]));
        sum = sum ? tensor_add(sum, term) : term;
    }
    if (sum && !(sum->flags & HC_NODE_NEEDS)) { /* a loss that is linear in W */
        for (size_t i = 0; i < im->count; i++)
            h->products[i] = tensor_zeros(im->tape, im->shapes[i]);
        return im->tape->status == HC_OK;
    }
    return sum && tensor_grad(sum, h->leaves, im->count, h->products, HC_ZEROS);
}

/* A Program for those to come, where the recording allows one. */
static void capture(Hessian *h) {
    Tape *tape = h->im->tape;
    tape->read = SIZE_MAX; /* it depends on nothing that the host read in between */
    h->program = program_capture(tape, h->vectors, h->im->count, h->products, h->im->count, NULL);
    if (h->program) return;
    tape_clear_error(tape);
    higherc_clear_error();
}

static bool run_product(const Hessian *h, const double *from, double *to) {
    const HcImplicit *im = h->im;
    for (size_t i = 0; i < im->count; i++) {
        if (!program_set_f64(h->program, i, im->shapes[i], from)) return false;
        from += shape_count(im->shapes[i]);
    }
    if (!program_run(h->program))
        return hc_fail(im->tape, higherc_status(), "%s", program_error(h->program));
    for (size_t i = 0; i < im->count; i++) {
        size_t n = shape_count(im->shapes[i]);
        to_doubles(im->tape, program_output(h->program, i), n, to);
        to += n;
    }
    return true;
}

static bool recorded_product(Hessian *h, const double *from, double *to) {
    Tape *tape = h->im->tape;
    TapeMark mark = tape_mark(tape);
    bool done = record_product(h, from);
    for (size_t i = 0; i < h->im->count && done; i++) {
        size_t n = h->products[i]->form->count;
        void *dense = hc_scratch_alloc(&tape->scratch, n * tape->item);
        if (!dense) {
            done = hc_fail_nomem(tape, who);
            break;
        }
        hc_copy_dense(h->products[i], dense);
        to_doubles(tape, dense, n, to);
        hc_scratch_free(&tape->scratch, dense, n * tape->item);
        to += n;
    }
    if (done && ++h->recorded == 1 && h->im->options.iterations >= WORTH_CAPTURING) capture(h);
    return tape_release(tape, mark) && done && tape->status == HC_OK;
}

static bool product(const double *from, double *to, void *user) {
    Hessian *h = user;
    if (!(h->program ? run_product(h, from, to) : recorded_product(h, from, to))) return false;
    for (size_t i = 0; i < h->im->numbers; i++)
        to[i] += h->im->options.damping * from[i];
    return true;
}

/* ---- the rule --------------------------------------------------------------------------------- */

/* Working memory of a backward pass, on the tape. */
typedef struct Pass {
    double *b, *v, *workspace;
    Tensor **leaves, **gradients, **vectors, **products;
    Tensor **starts, **cotangents; /* [input_count + count] */
} Pass;

static bool make_pass(const HcImplicit *im, Pass *pass) {
    Tape *tape = im->tape;
    size_t vectors = 2 + HC_LINEAR_WORKSPACE, n = im->numbers, all = im->input_count + im->count;
    pass->b = n > SIZE_MAX / sizeof(double) / vectors
                  ? NULL
                  : hc_tape_alloc(tape, vectors * n * sizeof(double), who);
    pass->leaves = hc_tape_alloc(tape, 4 * im->count * sizeof(Tensor *), who);
    pass->starts = hc_tape_alloc(tape, 2 * all * sizeof(Tensor *), who);
    if (!pass->b || !pass->leaves || !pass->starts) return false;
    pass->v = pass->b + n;
    pass->workspace = pass->v + n;
    pass->gradients = pass->leaves + im->count;
    pass->vectors = pass->gradients + im->count;
    pass->products = pass->vectors + im->count;
    pass->cotangents = pass->starts + all;
    return true;
}

static bool not_solved(HcImplicit *im, HcSolved solved) {
    const ImplicitReport *r = &im->report;
    if (solved == HC_GAVE_UP) return false;
    if (solved == HC_SOLVED || (im->options.inexact && isfinite(r->residual))) return true;
    return hc_fail(im->tape, HC_ERR_RANGE,
                   solved == HC_NOT_DEFINITE
                       ? "%s: the inner loss' Hessian is not positive definite (after %zu "
                         "iterations, residual %g): "
                         "W is no minimum, or use damping or HC_SOLVE_NORMAL"
                       : "%s: the solver did not converge: after %zu iterations the residual is %g",
                   who, r->iterations, r->residual);
}

/* v, for the inner gradient recorded. */
static bool solve(HcImplicit *im, Pass *pass) {
    Hessian h = {im, pass->leaves, pass->gradients, pass->vectors, pass->products, NULL, 0};
    HcLinear linear = {im->numbers, product, &h};
    HcSolved solved =
        hc_linear_solve(linear, &im->options, pass->b, pass->v, pass->workspace, &im->report);
    program_destroy(h.program);
    return not_solved(im, solved) && im->tape->status == HC_OK;
}

/* From -v at the gradients, and what has gathered at the inputs, down to the inputs. */
static bool sweep_down(HcImplicit *im, Pass *pass, size_t starts, const bool *needed,
                       Tensor **results) {
    Tape *tape = im->tape;
    const double *v = pass->v;
    HcSweep s;
    for (size_t i = 0; i < im->count; i++) {
        Tensor *vector = tensor_neg(tensor_from_f64(tape, im->shapes[i], v));
        if (!vector) return false;
        v += vector->form->count;
        pass->starts[starts] = pass->gradients[i];
        pass->cotangents[starts++] = vector;
    }
    Tensor *start = hc_start_at(pass->starts, pass->cotangents, starts);
    if (!start || !hc_sweep_begin(&s, start, HC_SWEEP_CUT)) return false;
    size_t born = tape->born_count;
    bool done = true;
    for (size_t j = 0; j < im->input_count && done; j++)
        if (needed[j]) done = hc_sweep_want(&s, im->inputs[j]);
    done = done && hc_sweep_find(&s) && hc_sweep_run(&s, NULL);
    for (size_t j = 0; j < im->input_count && done; j++) {
        size_t k = needed[j] ? hc_sweep_number(&s, im->inputs[j]) : s.count;
        Tensor *g = k < s.count ? s.nodes[k].cotangent : NULL;
        if (g) done = (results[j] = hc_apart(g)) != NULL;
    }
    hc_sweep_end(&s);
    hc_drop_born(tape, born);
    return done;
}

/* In the open; results[j] is held for the caller. */
static bool run_pass(HcSweep *s, void *state, const bool *needed, Tensor **results) {
    HcImplicit *im = state;
    Tape *tape = im->tape;
    Pass pass;
    if (!make_pass(im, &pass)) return false;
    double *b = pass.b;
    for (size_t i = 0; i < im->count; i++) {
        size_t n = shape_count(im->shapes[i]);
        Tensor *g = hc_part_cotangent(s, i);
        void *dense = hc_tape_alloc(tape, n * tape->item, who);
        if (!dense) return false;
        if (g) hc_copy_dense(g, dense);
        for (size_t k = 0; k < n && !g; k++)
            b[k] = 0;
        if (g) to_doubles(tape, dense, n, b);
        b += n;
    }
    size_t starts = 0;
    for (unsigned j = 0; j < im->input_count; j++) {
        Tensor *there = needed[j] ? hc_take(s, j) : NULL;
        if (!there) continue;
        Tensor *leaf = hc_emit_leaf(tape, who, hc_form_shape(there->form), NULL, HC_WHY_NO_GRAPH);
        if (!leaf) return false;
        hc_copy_dense(there, leaf->data);
        pass.starts[starts] = im->inputs[j];
        pass.cotangents[starts++] = leaf;
    }
    Tensor *loss = record(im, pass.leaves);
    return loss &&
           tensor_grad(loss, pass.leaves, im->count, pass.gradients, HC_CREATE_GRAPH | HC_ZEROS) &&
           solve(im, &pass) && sweep_down(im, &pass, starts, needed, results);
}

static void implicit_vjp(HcSweep *s, Tensor *y, Tensor *gy) {
    Tape *tape = y->tape;
    (void)gy; /* that of a part; the others have theirs */
    if (tape->manner.abstract || (tape->manner.recording && !tape->manner.scratching)) {
        hc_fail(tape, HC_ERR_STATE,
                "%s: its backward pass can be neither recorded nor held by a Program", who);
        return;
    }
    if (hc_inputs_unchanged(y)) hc_again_pass(s, y, run_pass);
}

/* ---- the operation ------------------------------------------------------------------------------ */

/* Its own numbers, one for each part, mean nothing. */
static bool implicit_infer(Tensor *y) {
    const HcImplicit *im = y->attr.custom.state;
    y->form = hc_form(&y->tape->forms, 1, &im->count, NULL);
    return y->form || hc_fail_nomem(y->tape, who);
}

static bool implicit_forward(Tensor *y) {
    y->tape->k->fill(y->data, y->form->count, 0);
    return true;
}

static bool part_infer(Tensor *y) {
    const HcImplicit *im = hc_inputs(y)[0]->attr.custom.state;
    size_t i = y->attr.range.start;
    y->form = hc_form_of(&y->tape->forms, &im->shapes[i], y->tape->item);
    y->data = im->data[i];
    return y->form || hc_fail_nomem(y->tape, who);
}

static const HcOp op_implicit = {.name = "implicit",
                                 .flags = HC_OP_PARTS | HC_OP_MORE,
                                 .arity = 1,
                                 .infer = implicit_infer,
                                 .forward = implicit_forward,
                                 .vjp = implicit_vjp};

static const HcOp op_part = {
    .name = "implicit", .flags = HC_OP_ALIAS | HC_OP_PART, .arity = 1, .infer = part_infer};

/* Weights with their new history, or, where the loss reads nothing, with none. */
static bool emit(HcImplicit *im, Tensor **weights) {
    Tensor *y = NULL;
    if (im->input_count > 0) {
        y = hc_emit(&op_implicit, &(HcAttr){.custom = {.state = im}}, im->inputs, im->input_count);
        if (!y) return false;
        y->flags |= HC_NODE_LOST;
        im->inputs = hc_inputs(y);
    }
    for (size_t i = 0; i < im->count; i++) {
        Tensor *w = y ? hc_emit1(&op_part, &(HcAttr){.range = {.start = i}}, y)
                      : hc_emit_leaf(im->tape, who, im->shapes[i], im->data[i], HC_WHY_NOTHING);
        if (!w) return false;
        weights[im->index[i]] = w;
    }
    hc_hide(y);
    return true;
}

/* ---- making ----------------------------------------------------------------------------------------- */

static HcImplicit *create(FModule *f, ImplicitLoss *fn, ImplicitOptions options, void *user) {
    Tape *tape = f->tape;
    FModule *root = f->root;
    size_t most = root->weight_slots.count;
    HcImplicit *im = hc_tape_alloc(tape, sizeof *im, who);
    if (!im) return NULL;
    *im = (HcImplicit){.tape = tape,
                       .f = f,
                       .root = root,
                       .fn = fn,
                       .user = user,
                       .options = options,
                       .at = root->now};
    if (options.tolerance == 0) im->options.tolerance = tape->dtype == HC_F32 ? 1e-5 : 1e-10;
    im->index = hc_tape_alloc(tape, most * sizeof *im->index, who);
    im->shapes = hc_tape_alloc(tape, most * sizeof *im->shapes, who);
    im->data = hc_tape_alloc(tape, most * sizeof *im->data, who);
    if (!im->index || !im->shapes || !im->data) return NULL;
    for (size_t i = 0; i < most; i++) {
        const Tensor *w = root->now->weights[i];
        if (!(w->flags & HC_NODE_NEEDS)) continue;
        im->index[im->count] = i;
        im->shapes[im->count] = hc_form_shape(w->form);
        im->data[im->count] = hc_tape_alloc(tape, w->form->count * tape->item, who);
        if (!im->data[im->count]) return NULL;
        hc_copy_dense(w, im->data[im->count++]);
    }
    if (options.proximal == 0) return im;
    const HcWeights *first = root->now; /* to W<0>, which no release takes away */
    while (first->step > 0)
        first = first->prev;
    im->first = first->weights;
    return im;
}

/* Leaves out weights that the loss does not reach. */
static bool keep_reached(HcImplicit *im, Tensor *loss, Tensor **leaves, Tensor **gradients) {
    size_t kept = 0;
    if (!(loss->flags & HC_NODE_NEEDS) ||
        !tensor_grad(loss, leaves, im->count, gradients, HC_ALLOW_UNUSED))
        return im->tape->status == HC_OK &&
               hc_fail(im->tape, HC_ERR_GRAD,
                       "%s: the inner loss reaches none of the latest weights", who);
    for (size_t i = 0; i < im->count; i++) {
        if (!gradients[i]) continue;
        im->index[kept] = im->index[i];
        im->shapes[kept] = im->shapes[i];
        im->data[kept++] = im->data[i];
        im->numbers += gradients[i]->form->count;
    }
    im->count = kept;
    return kept > 0 || hc_fail(im->tape, HC_ERR_GRAD,
                               "%s: the inner loss reaches none of the latest weights", who);
}

/* Runs the loss once, to see what it reads and reaches. */
static bool look(HcImplicit *im) {
    Tape *tape = im->tape;
    HcReads reads;
    Tensor **leaves = hc_tape_alloc(tape, 2 * im->count * sizeof *leaves, who);
    bool done = leaves && hc_reads_begin(tape, who, HC_READS_NEEDING, &reads);
    if (!leaves) return false;
    HcAgain was = hc_again_begin(tape);
    Tensor *loss = done ? record(im, leaves) : NULL;
    done = loss && hc_reads_look(&reads, &was.mark) &&
           keep_reached(im, loss, leaves, leaves + im->count);
    hc_again_end(tape, was);
    if (done) done = (im->inputs = hc_reads_list(&reads, &im->input_count, &im->input_count)) != NULL;
    hc_reads_end(&reads);
    return done;
}

static bool check_options(Tape *tape, const ImplicitOptions *o) {
    bool sound = (unsigned)o->solver <= HC_SOLVE_NEUMANN && o->iterations > 0 &&
                 o->tolerance >= 0 && o->damping >= 0 && o->proximal >= 0 && isfinite(o->damping) &&
                 isfinite(o->proximal) &&
                 (o->solver != HC_SOLVE_NEUMANN || (o->step > 0 && isfinite(o->step)));
    return sound ||
           hc_fail(tape, HC_ERR_ARG,
                   "%s: no such solver, no iterations, or a number that is negative or none", who);
}

bool implicit(FModule *f, ImplicitLoss *inner, ImplicitOptions options, void *user) {
    if (!hc_fmodule_usable(f, who)) return false;
    Tape *tape = f->tape;
    if (!inner) return hc_fail(tape, HC_ERR_ARG, "%s: the inner loss is NULL", who);
    if (!check_options(tape, &options)) return false;
    TapeMark mark = tape_mark(tape);
    size_t most = f->root->weight_slots.count;
    HcWeights *before = f->root->now;
    HcImplicit *im = create(f, inner, options, user);
    Tensor **weights = im && look(im) ? hc_tape_alloc(tape, most * sizeof *weights, who) : NULL;
    if (weights) {
        if (most) memcpy(weights, before->weights, most * sizeof *weights);
        if (emit(im, weights) && hc_fmodule_push(f->root, weights, NULL, before->step + 1, false)) {
            f->root->now->implicit = im;
            f->root->base = tape_mark(tape);
            return true;
        }
    }
    f->root->now = before;
    tape_release(tape, mark);
    return false;
}

ImplicitReport implicit_report(const FModule *f) {
    const HcImplicit *im = hc_fmodule_usable(f, "implicit_report") ? f->root->now->implicit : NULL;
    return im ? im->report : (ImplicitReport){.iterations = 0};
}
