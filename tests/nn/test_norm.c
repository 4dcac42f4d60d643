/* Batch, layer and group norm as modules: values against plain loops, running statistics, modes, options,
 * derivatives through fast weights, and what is refused. */
#include <math.h>
#include <string.h>

#include "support/refuse.h"

enum { N = 4, C = 3, H = 2, W = 2, S = H * W, ALL = N * C * S };

static double xs[2][ALL];
static const double weights[C] = {0.7, -1.3, 1.9}, biases[C] = {0.2, 0.5, -0.4};

static void draw(void) {
    Rng rng = rng_seed(11);
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < ALL; i++)
            xs[b][i] = 1 + 2 * rng_normal(&rng);
}

static Module *ready(Module *module) {
    Rng rng = rng_seed(1);
    CHECK(module && module_to(module, HC_F64) && module_init(module, &rng));
    if (module_params(module).count == 2 && param_count(module_params(module).items[0]) == C) {
        CHECK(param_set_f64(module_param(module, "weight"), weights, C));
        CHECK(param_set_f64(module_param(module, "bias"), biases, C));
    }
    return module;
}

static double buffer(const Module *module, const char *name, size_t i) {
    return param_get(module_buffer(module, name), i);
}

/* Mean and biased variance of x[i * stride + j], i < outer, j < inner. */
static void moments(const double *x, int outer, int stride, int inner, double *mean, double *var) {
    *mean = *var = 0;
    for (int i = 0; i < outer; i++)
        for (int j = 0; j < inner; j++)
            *mean += x[i * stride + j] / (outer * inner);
    for (int i = 0; i < outer; i++)
        for (int j = 0; j < inner; j++)
            *var += pow(x[i * stride + j] - *mean, 2) / (outer * inner);
}

/* ---- batch norm ------------------------------------------------------------------------------------- */

/* What a batch norm should hold and give, by loops. */
typedef struct Expected {
    double mean[C], var[C], tracked;
} Expected;

static void check_batch(Module *bn, Tape *tape, const double *x, int s, Expected *e,
                        double momentum, bool affine, double eps) {
    Shape shape = s == 1 ? shape2(N, C) : s == S ? shape4(N, C, H, W) : shape3(N, C, (size_t)s);
    Tensor *y = module_forward(bn, tensor_from_f64(tape, shape, x));
    CHECK(y && shape_equal(tensor_shape(y), shape));
    const double *got = tensor_data(y);
    e->tracked++;
    double m = momentum < 0 ? 1 / e->tracked : momentum;
    for (int c = 0; c < C && got; c++) {
        double mean, var, n = N * s;
        moments(x + c * s, N, C * s, s, &mean, &var);
        e->mean[c] = (1 - m) * e->mean[c] + m * mean;
        e->var[c] = (1 - m) * e->var[c] + m * var * n / (n - 1);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < s; j++) {
                int at = (i * C + c) * s + j;
                double xhat = (x[at] - mean) / sqrt(var + eps);
                CHECK_NEAR(got[at], affine ? xhat * weights[c] + biases[c] : xhat, 1e-12, 1e-12);
            }
    }
}

static void check_running(Module *bn, Tape *tape, const double *x, const Expected *e, double eps) {
    module_train(bn, false);
    const double *got =
        tensor_data(module_forward(bn, tensor_from_f64(tape, shape4(N, C, H, W), x)));
    for (int c = 0; c < C && got; c++) {
        CHECK_NEAR(buffer(bn, "running_mean", (size_t)c), e->mean[c], 1e-12, 1e-13);
        CHECK_NEAR(buffer(bn, "running_var", (size_t)c), e->var[c], 1e-12, 1e-13);
        for (int i = 0; i < N * S; i++) {
            int at = (i / S * C + c) * S + i % S;
            CHECK_NEAR(got[at],
                       (x[at] - e->mean[c]) / sqrt(e->var[c] + eps) * weights[c] + biases[c], 1e-12,
                       1e-12);
        }
    }
    CHECK(buffer(bn, "num_batches_tracked", 0) == e->tracked);
    module_train(bn, true);
}

static void batch_norms(void) {
    Tape *tape = tape_create(HC_F64);
    BatchNormOptions options = batch_norm_options();
    CHECK(options.eps == 1e-5 && options.momentum == 0.1 && !options.cumulative && options.affine &&
          options.track_running_stats);
    for (int kind = 0; kind < 3; kind++) {
        options.momentum = kind == 1 ? 0.6 : 0.1;
        options.cumulative = kind == 2;
        options.eps = kind == 1 ? 0.3 : 1e-5;
        Module *bn = ready(module_batch_norm2d(C, options));
        Expected e = {{0, 0, 0}, {1, 1, 1}, 0};
        for (int b = 0; b < 4; b++) {
            check_batch(bn, tape, xs[b % 2], S, &e, kind == 2 ? -1 : options.momentum, true,
                        options.eps);
            check_running(bn, tape, xs[0], &e, options.eps);
        }
        Module *copy = module_clone(bn);
        check_running(copy, tape, xs[1], &e, options.eps);
        module_destroy(copy);
        Rng rng = rng_seed(2);
        CHECK(module_init(bn, &rng) && buffer(bn, "running_mean", 0) == 0 &&
              buffer(bn, "running_var", 2) == 1 && buffer(bn, "num_batches_tracked", 0) == 0);
        CHECK(param_get(module_param(bn, "weight"), 1) == 1 &&
              param_get(module_param(bn, "bias"), 1) == 0);
        module_destroy(bn);
    }
    for (int s = 1; s <= 2; s++) { /* [N, C] and [N, C, L] */
        Module *bn = ready(module_batch_norm1d(C, batch_norm_options()));
        Expected e = {{0, 0, 0}, {1, 1, 1}, 0};
        check_batch(bn, tape, xs[0], s, &e, 0.1, true, 1e-5);
        CHECK_NEAR(buffer(bn, "running_var", 1), e.var[1], 1e-12, 0);
        module_destroy(bn);
    }
    options = batch_norm_options();
    options.affine = options.track_running_stats = false;
    Module *bn = ready(module_batch_norm1d(C, options));
    CHECK(module_params(bn).count == 0 && module_buffers(bn).count == 0);
    Expected e = {{0, 0, 0}, {1, 1, 1}, 0};
    for (int training = 1; training >= 0; training--) { /* the batch's in both modes */
        module_train(bn, training);
        check_batch(bn, tape, xs[1], 2, &e, 0.1, false, 1e-5);
    }
    module_destroy(bn);
    CHECK(higherc_error() == NULL);
    tape_destroy(tape);
}

/* ---- layer norm, group norm ---------------------------------------------------------------------------- */

static void layer_norms(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_from_f64(tape, shape3(N, S, C), xs[0]);
    NormOptions options = norm_options();
    CHECK(options.eps == 1e-5 && options.affine);
    Module *one = ready(module_layer_norm(shape1(C), options));
    const double *got = tensor_data(module_forward(one, x));
    for (int i = 0; i < N * S && got; i++) {
        double mean, var;
        moments(xs[0] + i * C, 1, 0, C, &mean, &var);
        for (int c = 0; c < C; c++)
            CHECK_NEAR(got[i * C + c],
                       (xs[0][i * C + c] - mean) / sqrt(var + 1e-5) * weights[c] + biases[c], 1e-12,
                       1e-12);
    }
    options.affine = false;
    options.eps = 0.2;
    Module *two = ready(module_layer_norm(shape2(S, C), options));
    CHECK(module_params(two).count == 0);
    got = tensor_data(module_forward(two, x));
    for (int i = 0; i < N && got; i++) {
        double mean, var;
        moments(xs[0] + i * S * C, 1, 0, S * C, &mean, &var);
        for (int j = 0; j < S * C; j++)
            CHECK_NEAR(got[i * S * C + j], (xs[0][i * S * C + j] - mean) / sqrt(var + 0.2), 1e-12,
                       1e-12);
    }
    module_destroy(one);
    module_destroy(two);

    enum { G = 3, K = 12 / G }; /* 12 channels, one value each: [N, 12] */
    options = norm_options();
    Module *grouped = ready(module_group_norm(G, 12, options));
    CHECK(param_count(module_param(grouped, "weight")) == 12);
    got = tensor_data(module_forward(grouped, tensor_from_f64(tape, shape2(N, 12), xs[1])));
    for (int i = 0; i < N * G && got; i++) {
        double mean, var;
        moments(xs[1] + i * K, 1, 0, K, &mean, &var);
        for (int j = 0; j < K; j++)
            CHECK_NEAR(got[i * K + j], (xs[1][i * K + j] - mean) / sqrt(var + 1e-5), 1e-12, 1e-12);
    }
    module_destroy(grouped);
    Module *whole = ready(module_group_norm(1, C, options)); /* one group: with space, and affine */
    got = tensor_data(module_forward(whole, tensor_from_f64(tape, shape4(N, C, H, W), xs[1])));
    for (int i = 0; i < ALL && got; i++) {
        double mean, var;
        int c = i / S % C;
        moments(xs[1] + i / (C * S) * C * S, 1, 0, C * S, &mean, &var);
        CHECK_NEAR(got[i], (xs[1][i] - mean) / sqrt(var + 1e-5) * weights[c] + biases[c], 1e-12,
                   1e-12);
    }
    module_destroy(whole);
    CHECK(higherc_error() == NULL);
    tape_destroy(tape);
}

/* ---- derivatives --------------------------------------------------------------------------------------- */

/* Inputs: x, then the weights in the order of fmodule_params. */
static Tensor *through(Tensor *const *in, size_t count, void *user) {
    Tensor *y = fmodule_forward_with(user, in + 1, count - 1, in[0]);
    return tensor_mul(y, tensor_sin(y));
}

static void check_derivatives(Module *module, Shape shape, bool training, bool positive_var) {
    Tape *tape = tape_create(HC_F64);
    ready(module);
    if (positive_var) { /* some running statistics that are not the first ones */
        module_train(module, true);
        CHECK(module_forward(module, tensor_from_f64(tape, shape, xs[1])) != NULL);
    }
    module_train(module, training);
    FModule *f = fmodule_create(tape, module, false);
    TensorList params = fmodule_params(f);
    Tensor *in[3] = {tensor_from_f64(tape, shape, xs[0])};
    for (size_t i = 0; i < params.count; i++)
        in[1 + i] = params.items[i];
    GradcheckOptions options = gradcheck_options(HC_F64);
    options.order = 2;
    CHECK(gradcheck(through, in, 1 + params.count, options, f));
    if (higherc_error()) CHECK_ERROR("the message of gradcheck");
    tape_destroy(tape);
    module_destroy(module);
}

static void derivatives(void) {
    BatchNormOptions options = batch_norm_options();
    options.eps = 0.1;
    NormOptions norm = {.eps = 0.1, .affine = true};
    check_derivatives(module_batch_norm1d(C, options), shape2(N, C), true, false);
    check_derivatives(module_batch_norm1d(C, options), shape2(N, C), false, true);
    check_derivatives(module_batch_norm2d(C, options), shape4(2, C, 1, 2), true, false);
    check_derivatives(module_layer_norm(shape1(C), norm), shape2(N, C), true, false);
    check_derivatives(module_group_norm(1, C, norm), shape3(2, C, 2), true, false);
}

/* ---- errors ---------------------------------------------------------------------------------------------- */

static void errors(void) {
    Tape *tape = tape_create(HC_F64);
    BatchNormOptions options = batch_norm_options();
    options.eps = -1;
    REFUSED(module_batch_norm1d(3, options));
    options = batch_norm_options();
    options.momentum = 1.5;
    REFUSED(module_batch_norm2d(3, options));
    REFUSED(module_group_norm(2, 3, norm_options()));
    REFUSED(module_group_norm(0, 3, norm_options()));
    REFUSED(module_layer_norm(shape1(3), ((NormOptions){.eps = NAN})));
    REFUSED(module_layer_norm(shape_of(NULL, 2), norm_options()));

    Module *bn = module_batch_norm1d(C, batch_norm_options());
    CHECK(module_to(bn, HC_F64));
    Tensor *x = tensor_ones(tape, shape2(N, C));
    WRONG(HC_ERR_STATE, module_forward(bn, x)); /* not initialised */
    ready(bn);
    WRONG(HC_ERR_SHAPE, module_forward(bn, tensor_ones(tape, shape2(N, C + 1))));
    CHECK(!module_forward(bn, tensor_ones(tape, shape4(N, C, 1, 1))));
    CHECK(strstr(tape_error(tape), "it takes 2 or 3 axes, the second of size 3"));
    tape_clear_error(tape);
    higherc_clear_error();
    CHECK(!module_forward(bn, tensor_ones(tape, shape2(1, C))));
    CHECK_ERROR("fewer than two values per channel");
    tape_clear_error(tape);
    CHECK(buffer(bn, "num_batches_tracked", 0) == 0); /* nothing was half done */
    module_train(bn, false);
    CHECK(module_forward(bn, tensor_ones(tape, shape2(1, C))) != NULL); /* one is enough here */
    Tensor *two[2];
    CHECK(!module_forward_n(bn, &x, 1, two, 2));
    CHECK_ERROR("batch_norm1d: takes one tensor and gives one");
    tape_clear_error(tape);
    module_destroy(bn);
    Module *ln = ready(module_layer_norm(shape1(C), norm_options()));
    Module *gn = ready(module_group_norm(1, C, norm_options()));
    CHECK(!module_forward_n(ln, (Tensor *[]){x, x}, 2, two, 1));
    CHECK_ERROR("layer_norm: takes one tensor and gives one");
    tape_clear_error(tape);
    CHECK(!module_forward_n(gn, (Tensor *[]){x, x}, 2, two, 1));
    CHECK_ERROR("group_norm: takes one tensor and gives one");
    tape_clear_error(tape);
    module_destroy(ln);
    module_destroy(gn);

    Tensor *v = tensor_ones(tape, shape1(C)), *w = tensor_ones(tape, shape1(C + 1));
    WRONG(HC_ERR_ARG, tensor_batch_norm(x, v, NULL, NULL, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_batch_norm(x, v, w, NULL, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_batch_norm(x, NULL, NULL, w, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_batch_norm(v, NULL, NULL, NULL, NULL, 1e-5));
    WRONG(HC_ERR_ARG, tensor_batch_norm(x, NULL, NULL, NULL, NULL, -1));
    WRONG(HC_ERR_SHAPE, tensor_layer_norm(x, shape1(C + 1), NULL, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_layer_norm(x, shape1(C), w, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_layer_norm(x, shape_scalar(), NULL, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_layer_norm(x, shape_of(NULL, 3), NULL, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_group_norm(x, 2, NULL, NULL, 1e-5));
    WRONG(HC_ERR_SHAPE, tensor_group_norm(x, 0, NULL, NULL, 1e-5));
    REFUSED(tensor_batch_norm(NULL, NULL, NULL, NULL, NULL, 1e-5));
    REFUSED(tensor_batch_norm(NULL, v, v, NULL, NULL, 1e-5));
    REFUSED(tensor_layer_norm(NULL, shape1(3), NULL, NULL, 1e-5));
    REFUSED(tensor_rms_norm(NULL, shape1(3), NULL, 1e-5));
    REFUSED(tensor_group_norm(NULL, 1, NULL, NULL, 1e-5));
    tape_destroy(tape);
}

int main(void) {
    draw();
    batch_norms();
    layer_norms();
    derivatives();
    errors();
    return check_done();
}
