#include "support/models.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

const char *const model_names[MODEL_KINDS] = {"simple", "shared", "shared_sequential", "partial",
                                              "batch_norm"};

/* ---- modules of their own kind ------------------------------------------------------------------ */

static bool nested_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    return nin == 1 && nout == 1 && (out[0] = frame_call(frame, "f", in[0])) != NULL;
}

static bool both_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    if (nin != 1 || nout != 1) return false;
    out[0] = tensor_add(frame_call(frame, "e1", in[0]), frame_call(frame, "e2", in[0]));
    return out[0] != NULL;
}

static bool partial_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                            size_t nout) {
    return nin == 1 && nout == 1 &&
           (out[0] = tensor_matmul(in[0], frame_param(frame, "a"))) != NULL;
}

static const ModuleClass nested_class = {.name = "nested", .forward = nested_forward};
static const ModuleClass both_class = {.name = "both", .forward = both_forward};
static const ModuleClass partial_class = {.name = "partial", .forward = partial_forward};

static Module *nested(Module *f) {
    Module *m = module_create(&nested_class, NULL);
    module_add_child(m, "f", f);
    return m;
}

static Module *make_shared(void) {
    Module *m = module_create(&both_class, NULL);
    module_add_child(m, "e1", nested(module_linear(MODEL_IN, 2)));
    module_add_child(m, "e2", nested(module_linear(MODEL_IN, 2)));
    module_tie(m, "e2.f.weight", "e1.f.weight");
    module_tie(m, "e2.f.bias", "e1.f.bias");
    return m;
}

static Module *make_partial(void) {
    Module *m = module_create(&partial_class, NULL);
    module_add_param(m, "a", shape2(MODEL_IN, 3));
    module_add_param(m, "b", shape2(MODEL_IN, 3));
    return m;
}

static Module *make_simple(void) {
    Module *layers[] = {module_linear(MODEL_IN, 3), module_relu(), module_linear_no_bias(3, 4),
                        module_sigmoid(), module_linear(4, 2)};
    return module_sequential(layers, 5);
}

static Module *make_shared_sequential(void) {
    Module *project = module_linear(MODEL_IN, 3);
    Module *layers[] = {project, module_relu(), module_linear(3, 4), module_sigmoid(),
                        project, module_tanh(), module_linear(3, 2)};
    return module_sequential(layers, 7);
}

static Module *make_batch_norm(void) {
    Module *layers[] = {
        module_linear(MODEL_IN, 3), module_relu(),    module_batch_norm1d(3, batch_norm_options()),
        module_linear(3, 4),        module_sigmoid(), module_batch_norm1d(4, batch_norm_options()),
        module_linear(4, 2)};
    return module_sequential(layers, 7);
}

static Module *start(Module *net, DType dtype, uint64_t seed) {
    Rng rng = rng_seed(seed);
    CHECK(net && module_to(net, dtype) && module_init(net, &rng));
    return net;
}

Module *model_make(ModelKind kind, DType dtype, uint64_t seed) {
    Module *(*const makers[MODEL_KINDS])(void) = {make_simple, make_shared, make_shared_sequential,
                                                  make_partial, make_batch_norm};
    return start(makers[kind](), dtype, seed);
}

/* ---- the convolutional network -------------------------------------------------------------------- */

static bool convnet_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                            size_t nout) {
    if (nin != 1 || nout != 1) return false;
    Tensor *x = in[0];
    for (int block = 1; block <= 3; block++) {
        char conv[16], norm[16];
        snprintf(conv, sizeof conv, "conv%d", block);
        snprintf(norm, sizeof norm, "bn%d", block);
        x = tensor_relu(frame_call(frame, norm, frame_call(frame, conv, x)));
        x = tensor_max_pool2d(x, pool2d_options(2));
    }
    Shape flat = shape2(tensor_dim(x, 0), tensor_dim(x, 1));
    return (out[0] = frame_call(frame, "fc", tensor_reshape(x, flat))) != NULL;
}

Module *model_convnet(size_t channels, size_t width, size_t classes, DType dtype, uint64_t seed) {
    static const ModuleClass cls = {.name = "convnet", .forward = convnet_forward};
    Module *net = module_create(&cls, NULL);
    BatchNormOptions norm = batch_norm_options();
    norm.momentum = 1;
    for (int block = 1; block <= 3; block++) {
        char name[8];
        snprintf(name, sizeof name, "conv%d", block);
        module_add_child(
            net, name, module_conv2d(block == 1 ? channels : width, width, 3, 3, conv2d_options()));
        snprintf(name, sizeof name, "bn%d", block);
        module_add_child(net, name, module_batch_norm2d(width, norm));
    }
    module_add_child(net, "fc", module_linear(width, classes));
    return start(net, dtype, seed);
}

/* ---- losses and comparisons ------------------------------------------------------------------------ */

Tensor *model_loss(Tape *tape, Module *net, FModule *f, Rng *rng) {
    Tensor *x = tensor_uniform(tape, shape2(MODEL_BATCH, MODEL_IN), 0, 1, rng);
    Tensor *y = f ? fmodule_forward(f, x) : module_forward(net, x);
    return tensor_add(tensor_square(tensor_mean(y)), tensor_mean(tensor_square(y)));
}

static double *numbers(Tensor *x) {
    size_t count = tensor_count(x);
    double *values = malloc((count + 1) * sizeof *values);
    if (!values || !tensor_copy_to_f64(x, values, count)) abort();
    return values;
}

bool tensors_same(Tensor *a, Tensor *b) {
    if (!a || !b || !shape_equal(tensor_shape(a), tensor_shape(b))) return false;
    double *x = numbers(a), *y = numbers(b);
    bool same = memcmp(x, y, tensor_count(a) * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

bool tensor_is_param(Tensor *x, const Param *param) {
    size_t item = param_dtype(param) == HC_F32 ? sizeof(float) : sizeof(double);
    return shape_equal(tensor_shape(x), param_shape(param)) &&
           memcmp(tensor_data(x), param_data(param), param_count(param) * item) == 0;
}

bool tensors_near(Tensor *a, Tensor *b, double tolerance) {
    if (!a || !b || !shape_equal(tensor_shape(a), tensor_shape(b))) return false;
    double *x = numbers(a), *y = numbers(b), largest = 0;
    bool near = true;
    for (size_t i = 0; i < tensor_count(a); i++)
        largest = fmax(largest, fabs(x[i]));
    for (size_t i = 0; i < tensor_count(a); i++)
        near = near && fabs(x[i] - y[i]) <= tolerance * (1 + largest);
    free(x);
    free(y);
    return near;
}

/* ---- derivatives along a direction --------------------------------------------------------------------- */

static void move(Module *net, double *const *base, double step, uint64_t seed) {
    Rng rng = rng_seed(seed);
    ParamList params = module_params(net);
    for (size_t i = 0; i < params.count; i++) {
        size_t count = param_count(params.items[i]);
        double *moved = malloc((count + 1) * sizeof *moved);
        if (!moved) abort();
        for (size_t k = 0; k < count; k++)
            moved[k] = base[i][k] + step * rng_normal(&rng);
        CHECK(param_set_f64(params.items[i], step != 0 ? moved : base[i], count));
        free(moved);
    }
}

double model_difference(Module *net, ModelRun *run, double step, uint64_t seed, void *user) {
    ParamList params = module_params(net);
    double **base = malloc((params.count + 1) * sizeof *base);
    if (!base) abort();
    for (size_t i = 0; i < params.count; i++) {
        size_t count = param_count(params.items[i]);
        if (!(base[i] = malloc((count + 1) * sizeof **base))) abort();
        memcpy(base[i], param_data(params.items[i]), count * sizeof **base);
    }
    double at[4];
    for (int i = 0; i < 4; i++) {
        move(net, base, step * (double[]){-2, -1, 1, 2}[i], seed);
        at[i] = run(net, user);
    }
    move(net, base, 0, seed);
    for (size_t i = 0; i < params.count; i++)
        free(base[i]);
    free(base);
    return (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * step);
}

double model_along(Module *net, Tensor *const *grads, uint64_t seed) {
    Rng rng = rng_seed(seed);
    ParamList params = module_params(net);
    double sum = 0;
    for (size_t i = 0; i < params.count; i++) {
        double *g = grads[i] ? numbers(grads[i]) : NULL;
        for (size_t k = 0; k < param_count(params.items[i]); k++) {
            double direction = rng_normal(&rng);
            sum += g ? g[k] * direction : 0;
        }
        free(g);
    }
    return sum;
}

bool module_forwards_agree(Module *module, Tensor *const *in, size_t count) {
    Tape *tape = tensor_tape(in[0]);
    Module *copy = module_clone(module), *second = module_clone(module);
    Tensor *want, *y;
    bool same = copy && second && module_forward_n(copy, in, count, &want, 1);
    for (int mode = 0; same && mode < 3; mode++) {
        FModuleOptions options = fmodule_options(mode & 1);
        options.mode = (FMode)mode;
        FModule *f = fmodule_create_with(tape, second, options);
        same = f && fmodule_forward_n(f, in, count, &y, 1) && tensors_same(y, want);
    }
    module_destroy(copy);
    module_destroy(second);
    return same;
}

bool module_names_are(const Module *module, const char *names) {
    ParamList params = module_params(module);
    for (size_t i = 0; i < params.count; i++) {
        const char *name = param_name(params.items[i]);
        size_t length = strlen(name);
        if (strncmp(names, name, length) != 0 || names[length] != ' ') return false;
        names += length + 1;
    }
    return *names == 0;
}
