/* Operations of one's own: derivatives to the third order, also with sweeps inside the backward; the tape
 * is left as it was; failures of every kind in words; in inner loops and in Programs. */
#include <higherc/higherc.h>

#include <math.h>
#include <string.h>

#include "support/check.h"

/* ---- x^3, written out ------------------------------------------------------------------------------------ */

static size_t cube_calls;

static Tensor *cube_forward(const CustomCall *call) {
    cube_calls++;
    return tensor_mul(call->inputs[0], tensor_square(call->inputs[0]));
}

static bool cube_backward(const CustomCall *call, Tensor **grads) {
    Tensor *slope = tensor_mul_scalar(tensor_square(call->inputs[0]), 3);
    grads[0] = tensor_mul(call->gradient, slope);
    return true;
}

static const CustomClass cube = {"cube", cube_forward, cube_backward};

static Tensor *call_cube(Tensor *const *x, size_t n, void *user) {
    return tensor_custom(&cube, x, n, user);
}

/* ---- A x = b by conjugate gradients, A symmetric: derivatives by the implicit function theorem ------------- */

static Tensor *product(Tensor *a, Tensor *x) {
    return tensor_matmul(a, x);
}

static Tensor *solve_forward(const CustomCall *call) {
    Tensor *a = call->inputs[0], *b = call->inputs[1];
    Tensor *x = tensor_zeros(call->tape, tensor_shape(b)), *r = b, *p = b;
    double size = tensor_item(tensor_dot(r, r)); /* reading is fine here */
    for (int k = 0; k < 20 && size > 1e-28; k++) {
        Tensor *ap = product(a, p);
        double alpha = size / tensor_item(tensor_dot(p, ap));
        x = tensor_add(x, tensor_mul_scalar(p, alpha));
        r = tensor_sub(r, tensor_mul_scalar(ap, alpha));
        double next = tensor_item(tensor_dot(r, r));
        p = tensor_add(r, tensor_mul_scalar(p, next / size));
        size = next;
    }
    return x;
}

static bool solve_backward(const CustomCall *call, Tensor **grads);

static const CustomClass solve = {"solve", solve_forward, solve_backward};

static bool solve_backward(const CustomCall *call, Tensor **grads) {
    Tensor *in[] = {call->inputs[0], call->gradient};
    Tensor *u = tensor_custom(&solve, in, 2, NULL);
    if (call->needed[0])
        grads[0] =
            tensor_neg(tensor_mul(tensor_unsqueeze(u, 1), tensor_unsqueeze(call->output, 0)));
    grads[1] = u;
    return u != NULL;
}

/* A = m m^T + 1 */
static Tensor *call_solve(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    Tensor *tape_eye = tensor_one_hot(tensor_arange(tensor_tape(x[0]), 0, 3, 1), 3);
    Tensor *a = tensor_add(tensor_matmul(x[0], tensor_transpose(x[0], 0, 1)), tape_eye);
    return tensor_custom(&solve, (Tensor *[]){a, x[1]}, 2, NULL);
}

/* ---- a backward that sweeps: partial derivatives although one input is made of the other --------------------- */

static Tensor *blend(Tensor *a, Tensor *b) {
    return tensor_mul(tensor_sin(a), tensor_square(b));
}

static Tensor *blend_forward(const CustomCall *call) {
    Tensor *y = blend(call->inputs[0], call->inputs[1]), *g[2];
    /* Sweeping inside the forward does no harm either. */
    if (!tensor_grad(tensor_sum(y), call->inputs, 2, g, 0)) return NULL;
    return y;
}

static bool blend_backward(const CustomCall *call, Tensor **grads) {
    return tensor_vjp(blend(call->inputs[0], call->inputs[1]), call->gradient, call->inputs, 2,
                      grads, HC_CREATE_GRAPH | HC_ZEROS);
}

static const CustomClass blended = {"blend", blend_forward, blend_backward};

static Tensor *call_blend(Tensor *const *x, size_t n, void *user) {
    (void)n;
    (void)user;
    Tensor *b = tensor_exp(tensor_mul(x[0], x[1]));
    return tensor_custom(&blended, (Tensor *[]){x[0], b}, 2, NULL);
}

static void orders(void) {
    static const double m[9] = {0.8, -0.3, 0.2, 0.5, 0.9, -0.4, 0.1, 0.6, 0.7},
                        v[3] = {0.4, -1.1, 0.8}, w[3] = {0.3, 0.5, -0.6};
    Tape *tape = tape_create(HC_F64);
    Tensor *mt = tensor_leaf(tensor_from_f64(tape, shape2(3, 3), m)),
           *vt = tensor_leaf(tensor_from_f64(tape, shape1(3), v)),
           *wt = tensor_leaf(tensor_from_f64(tape, shape1(3), w));
    GradcheckOptions options = gradcheck_options(HC_F64);
    options.order = 3;
    CHECK(gradcheck(call_cube, &vt, 1, options, NULL));
    CHECK(gradcheck(call_blend, (Tensor *[]){vt, wt}, 2, options, NULL));
    CHECK(gradcheck(call_solve, (Tensor *[]){mt, vt}, 2, options, NULL));
    CHECK(higherc_error() == NULL);
    if (higherc_error()) CHECK_ERROR("nothing");
    tape_destroy(tape);
}

/* One node for the operation; a first-order gradient leaves none but its result. */
static void leaves_no_trace(void) {
    static const double v[3] = {0.4, -1.1, 0.8};
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape1(3), v)), *in[] = {x, x}, *g = NULL;
    size_t before = tape_stats(tape).nodes;
    Tensor *y = tensor_custom(&blended, in, 2, NULL);
    CHECK(y && tape_stats(tape).nodes == before + 1 && tensor_requires_grad(y));
    Tensor *sum = tensor_sum(y);
    size_t nodes = tape_stats(tape).nodes;
    CHECK(tensor_grad(sum, &x, 1, &g, 0));
    CHECK(tape_stats(tape).nodes == nodes + 1);
    double got[3];
    CHECK(tensor_copy_to_f64(g, got, 3));
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(got[i], cos(v[i]) * v[i] * v[i] + sin(v[i]) * 2 * v[i], 1e-14, 0);
    /* A transposed view, and a cotangent that is one expanded number. */
    Tensor *t = tensor_leaf(tensor_from_f64(tape, shape2(1, 3), v));
    Tensor *view = tensor_transpose(t, 0, 1);
    Tensor *c = tensor_custom(&cube, &view, 1, NULL);
    CHECK(shape_equal(tensor_shape(c), shape2(3, 1)));
    CHECK(tensor_grad(tensor_sum(c), &t, 1, &g, 0));
    CHECK(tensor_copy_to_f64(g, got, 3));
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(got[i], 3 * v[i] * v[i], 1e-14, 0);
    /* History off: a constant. */
    tape_set_recording(tape, false);
    CHECK(!tensor_requires_grad(tensor_custom(&cube, &x, 1, NULL)));
    CHECK(!tape_recording(tape));
    tape_destroy(tape);
}

/* ---- what can go wrong ------------------------------------------------------------------------------------- */

typedef enum Fault {
    NONE,
    FORWARD,
    FORWARD_ERROR,
    FORWARD_FOREIGN,
    FORWARD_OLD,
    BACKWARD,
    BACKWARD_ERROR,
    BACKWARD_SHAPE,
    BACKWARD_FOREIGN,
    BACKWARD_OLD,
    BACKWARD_ZERO
} Fault;

typedef struct State {
    Fault fault;
    Tensor *foreign;
    size_t needed; /* bits */
} State;

static Tensor *odd_forward(const CustomCall *call) {
    const State *state = call->state;
    if (state->fault == FORWARD) return NULL;
    if (state->fault == FORWARD_ERROR) return tensor_matmul(call->inputs[0], call->inputs[0]);
    if (state->fault == FORWARD_FOREIGN || state->fault == FORWARD_OLD) return state->foreign;
    Tensor *sum = call->inputs[0];
    for (size_t i = 1; i < call->count; i++)
        sum = tensor_add(sum, call->inputs[i]);
    return sum;
}

static bool odd_backward(const CustomCall *call, Tensor **grads) {
    State *state = call->state;
    state->needed = 0;
    for (size_t i = 0; i < call->count; i++)
        state->needed |= (size_t)call->needed[i] << i;
    if (state->fault == BACKWARD) return false;
    if (state->fault == BACKWARD_ZERO) return true;
    for (size_t i = 0; i < call->count; i++)
        grads[i] = call->gradient; /* handed to several inputs */
    if (state->fault == BACKWARD_SHAPE) grads[0] = tensor_sum(call->gradient);
    if (state->fault == BACKWARD_FOREIGN || state->fault == BACKWARD_OLD) grads[0] = state->foreign;
    if (state->fault == BACKWARD_ERROR)
        grads[0] = tensor_matmul(call->inputs[0], tensor_zeros(call->tape, shape2(7, 7)));
    return true;
}

static const CustomClass odd = {"odd", odd_forward, odd_backward};
static const CustomClass flat = {"flat", odd_forward, NULL};

static void fault(Fault which, bool create_graph, const char *words) {
    static const double v[6] = {0.4, -1.1, 0.8, 2, 3, 4};
    Tape *tape = tape_create(HC_F64), *other = tape_create(HC_F64);
    State state = {which, tensor_ones(other, shape2(2, 3)), 0};
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape2(2, 3), v)), *g = NULL;
    if (which == FORWARD_OLD || which == BACKWARD_OLD) { /* of the tape, but released since */
        TapeMark mark = tape_mark(tape);
        state.foreign = x;
        for (int i = 0; i < 40; i++)
            state.foreign = tensor_neg(state.foreign);
        CHECK(tape_release(tape, mark));
    }
    Tensor *y = tensor_custom(&odd, &x, 1, &state);
    if (which >= BACKWARD)
        CHECK(y && !tensor_grad(tensor_sum(y), &x, 1, &g, create_graph ? HC_CREATE_GRAPH : 0));
    else
        CHECK(!y);
    CHECK(tape_status(tape) != HC_OK && g == NULL);
    CHECK_ERROR(words);
    tape_clear_error(tape);
    state.fault = NONE; /* and the tape goes on */
    y = tensor_custom(&odd, &x, 1, &state);
    CHECK(y && tensor_grad(tensor_sum(y), &x, 1, &g, 0) && tensor_item(tensor_sum(g)) == 6);
    tape_destroy(tape);
    tape_destroy(other);
}

static void faults(void) {
    fault(FORWARD, false, "tensor_custom: 'odd': its forward failed");
    fault(FORWARD_ERROR, false, "tensor_matmul");
    fault(FORWARD_FOREIGN, false, "tensor_custom: 'odd': its forward gave a tensor of another tape");
    fault(FORWARD_OLD, false, "tensor_custom: 'odd': its forward gave a tensor that was freed");
    for (int graph = 0; graph <= 1; graph++) {
        fault(BACKWARD, graph, "'odd': its backward failed");
        fault(BACKWARD_ERROR, graph, "tensor_matmul");
        fault(BACKWARD_SHAPE, graph,
              "tensor_custom: 'odd': the gradient to input 0 has shape (), the input (2, 3)");
        fault(BACKWARD_FOREIGN, graph, "tensor_custom: 'odd': its backward gave a tensor of another tape");
        fault(BACKWARD_OLD, graph, "'odd': its backward gave a tensor that was freed");
    }
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape1(2)), *none[] = {x, NULL};
    State state = {NONE, NULL, 0};
    const CustomClass empty = {"empty", NULL, NULL};
    CHECK(!tensor_custom(NULL, &x, 1, NULL));
    CHECK_ERROR("no name or no forward");
    CHECK(!tensor_custom(&empty, &x, 1, NULL));
    CHECK_ERROR("no name or no forward");
    CHECK(!tensor_custom(&odd, NULL, 1, &state));
    CHECK_ERROR("there are no inputs");
    CHECK(!tensor_custom(&odd, &x, 0, &state));
    CHECK_ERROR("there are no inputs");
    CHECK(!tensor_custom(&odd, none, 2, &state));
    CHECK_ERROR("tensor_custom");
    tape_destroy(tape);
}

/* Six inputs, two of which want no gradient; a NULL is a zero; no backward, no gradient. */
static void many_inputs(void) {
    for (int graph = 0; graph <= 1; graph++) {
        Tape *tape = tape_create(HC_F32);
        State state = {NONE, NULL, 0};
        Tensor *x[6], *g[4];
        for (int i = 0; i < 6; i++) {
            x[i] = tensor_full(tape, shape1(2), i);
            if (i % 3) x[i] = tensor_leaf(x[i]);
        }
        Tensor *wanted[4] = {x[1], x[2], x[4], x[5]};
        Tensor *y = tensor_sum(tensor_custom(&odd, x, 6, &state));
        CHECK(tensor_item(y) == 30);
        CHECK(tensor_grad(y, wanted, 4, g, graph ? HC_CREATE_GRAPH : 0));
        CHECK(state.needed == 0x36);
        for (int i = 0; i < 4; i++)
            CHECK(tensor_item(tensor_sum(g[i])) == 2);
        state.fault = BACKWARD_ZERO;
        CHECK(tensor_grad(y, wanted, 4, g, graph ? HC_CREATE_GRAPH : 0));
        for (int i = 0; i < 4; i++)
            CHECK(tensor_item(tensor_sum(g[i])) == 0);
        Tensor *constant = tensor_custom(&flat, x, 6, &state);
        CHECK(constant && !tensor_requires_grad(constant));
        CHECK(!tensor_grad(tensor_sum(constant), wanted, 1, g, 0));
        CHECK_ERROR("an operation on the way has no derivative");
        tape_destroy(tape);
    }
}

/* A Param among the inputs that was written since is noticed, the sixth as the first. */
static void changed(void) {
    for (int at = 0; at < 6; at += 5) {
        Tape *tape = tape_create(HC_F32);
        Param *p = param_create("theta", shape1(2), HC_F32);
        CHECK(param_fill(p, 1));
        State state = {NONE, NULL, 0};
        Tensor *x[6];
        for (int i = 0; i < 6; i++)
            x[i] = i == at ? param_tensor(tape, p) : tensor_ones(tape, shape1(2));
        Tensor *y = tensor_sum(tensor_custom(&odd, x, 6, &state));
        CHECK(param_fill(p, 2));
        CHECK(!tensor_backward(y));
        CHECK_ERROR("the gradient of tensor_custom needs 'theta' as it was, but it was changed in place since");
        param_unref(p);
        tape_destroy(tape);
    }
}

/* ---- in the inner loop, and in a Program ----------------------------------------------------------------------- */

static Tensor *inner_loss(FModule *f, Tensor *x, bool own) {
    Tensor *y = fmodule_forward(f, x);
    return tensor_sum(own ? tensor_custom(&cube, &y, 1, NULL) : tensor_mul(y, tensor_square(y)));
}

static double meta_gradient(FMode mode, bool own) {
    static const double v[4] = {0.4, -1.1, 0.8, 0.3};
    Module *net = module_linear(2, 1);
    CHECK(module_to(net, HC_F64) && param_fill(module_param(net, "weight"), 0.3) &&
          param_fill(module_param(net, "bias"), -0.2));
    Optim *optim = optim_sgd(module_params(net), sgd_options(0.1));
    Tape *tape = tape_create(HC_F64);
    FModuleOptions options = fmodule_options(false);
    options.mode = mode;
    Tensor *x = tensor_from_f64(tape, shape2(2, 2), v);
    FModule *f = fmodule_create_with(tape, net, options);
    DiffOpt *opt = diffopt_create(optim, f);
    for (int k = 0; k < 3; k++)
        CHECK(mode == HC_FULL ? diffopt_step(opt, inner_loss(f, x, own))
                              : diffopt_step_release(opt, inner_loss(f, x, own)));
    CHECK(tensor_backward(inner_loss(f, x, own)));
    double g = param_grad_get(module_param(net, "weight"), 1);
    tape_destroy(tape);
    optim_destroy(optim);
    module_destroy(net);
    return g;
}

static void programs(void) {
    float numbers[2] = {2, 3};
    Tape *tape = tape_create(HC_F32);
    Param *p = param_create("theta", shape1(2), HC_F32);
    CHECK(param_fill(p, 2));
    Tensor *x = tensor_from_f32(tape, shape1(2), numbers), *leaf = param_tensor(tape, p), *g = NULL;
    Tensor *xp = tensor_mul(x, leaf);
    Tensor *y = tensor_sum(tensor_custom(&cube, &xp, 1, NULL));
    CHECK(tensor_grad(y, &leaf, 1, &g, HC_CREATE_GRAPH));
    Program *program = program_capture(tape, &x, 1, (Tensor *[]){y, g}, 2, NULL);
    CHECK(program != NULL);
    for (int run = 0; run < 3; run++) {
        numbers[0] = (float)run;
        size_t calls = cube_calls;
        CHECK(program_set_f32(program, 0, shape1(2), numbers) && program_run(program));
        CHECK(cube_calls == calls + 1);
        const float *sum = program_output(program, 0), *slope = program_output(program, 1);
        CHECK(sum && slope);
        if (!sum || !slope) continue;
        CHECK(*sum == (float)(8 * (run * run * run + 27)));
        CHECK(slope[0] == (float)(12 * run * run * run) && slope[1] == 12 * 27);
    }
    CHECK(!program_capture(tape, &x, 1, &y, 1, y));
    CHECK_ERROR("tensor_custom: 'cube': a Program cannot record its backward pass: take the gradient with "
                        "HC_CREATE_GRAPH before the capture");
    program_destroy(program);
    param_unref(p);
    tape_destroy(tape);
}

static Tensor *moody_forward(const CustomCall *call) {
    const int *mood = call->state;
    if (*mood == 1) return NULL;
    return *mood == 2 ? tensor_sum(call->inputs[0]) : tensor_neg(call->inputs[0]);
}

/* What a Program runs again gives what was captured, or the run fails in words and goes on later. */
static void another_value(void) {
    static const CustomClass moody = {"moody", moody_forward, NULL};
    int mood = 0;
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape1(2)), *y = tensor_custom(&moody, &x, 1, &mood);
    Program *program = program_capture(tape, &x, 1, &y, 1, NULL);
    for (int i = 1; i <= 2; i++) {
        mood = i;
        CHECK(!program_run(program));
        if (i == 1) CHECK_ERROR("tensor_custom: 'moody': its forward failed");
        if (i == 2) CHECK_ERROR("tensor_custom: 'moody': its value's shape changed");
        tape_clear_error(tape);
        mood = 0;
        double two[] = {2, 3};
        CHECK(program_set_f64(program, 0, shape1(2), two) && program_run(program));
        const double *out = program_output(program, 0);
        CHECK(out && out[0] == -2 && out[1] == -3);
    }
    program_destroy(program);
    tape_destroy(tape);
}

/* A gradient that is recorded has the bits of one that is not, however what the operation reads is stored: images with
 * the channels last, and a cotangent that is one number seen many times. */
static void bits(void) {
    Tape *tape = tape_create(HC_F64);
    for (uint64_t seed = 0; seed < 40; seed++) {
        tape_reset(tape);
        Rng rng = rng_seed(seed);
        Tensor *bias = tensor_leaf(tensor_uniform(tape, shape1(4), -1, 1, &rng)), *a = NULL, *b = NULL;
        Tensor *x = tensor_conv2d(tensor_uniform(tape, shape4(2, 4, 4, 4), -1, 1, &rng),
                                  tensor_uniform(tape, shape4(4, 4, 2, 2), -1, 1, &rng), NULL, conv2d_options());
        x = tensor_add(x, tensor_expand(tensor_reshape(bias, shape4(1, 4, 1, 1)), tensor_shape(x)));
        Tensor *sines = tensor_sum(tensor_sin(x)); /* first, so that its gradient comes last */
        Tensor *y = tensor_add(sines, tensor_sum(tensor_custom(&cube, &x, 1, NULL)));
        CHECK(tensor_grad(y, &bias, 1, &a, 0) && tensor_grad(y, &bias, 1, &b, HC_CREATE_GRAPH));
        CHECK(a && b && memcmp(tensor_data(a), tensor_data(b), 4 * sizeof(double)) == 0);
    }
    tape_destroy(tape);
}

int main(void) {
    bits();
    orders();
    leaves_no_trace();
    faults();
    many_inputs();
    changed();
    for (int mode = HC_FULL; mode <= HC_FIRST_ORDER; mode++)
        CHECK_NEAR(meta_gradient((FMode)mode, true), meta_gradient((FMode)mode, false), 1e-12, 0);
    programs();
    another_value();
    CHECK(higherc_error() == NULL);
    return check_done();
}
