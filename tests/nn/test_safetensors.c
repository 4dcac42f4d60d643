/* Modules by name: PyTorch's names, all or nothing, in part with a report, shared weights, conversion. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/failing.h"
#include "support/refuse.h"

static const char path[] = "nn.safetensors";

/* A batch norm between two linear layers. */
static Module *make(size_t hidden, uint64_t seed) {
    Rng rng = rng_seed(seed);
    Module *layers[] = {module_linear(2, hidden), module_batch_norm1d(hidden, batch_norm_options()), module_tanh(),
                        module_linear(hidden, 1)};
    Module *net = module_sequential(layers, 4);
    if (net && !module_init(net, &rng)) return module_destroy(net), NULL;
    return net;
}

static bool list_same(ParamList a, ParamList b) {
    bool same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++)
        for (size_t k = 0; k < param_count(a.items[i]); k++)
            same = same && param_get(a.items[i], k) == param_get(b.items[i], k);
    return same;
}

static bool same(const Module *a, const Module *b) {
    return list_same(module_params(a), module_params(b)) && list_same(module_buffers(a), module_buffers(b));
}

static void names_and_types(void) {
    Module *net = make(3, 1);
    param_fill(module_buffer(net, "1.num_batches_tracked"), 7);
    CHECK(module_save_safetensors(net, path));
    Safetensors *file = safetensors_open(path);
    /* As the reference implementation orders them: by type, then by name. */
    static const char *const names[] = {"1.num_batches_tracked", "0.bias",   "0.weight", "1.bias",  "1.running_mean",
                                        "1.running_var",         "1.weight", "3.bias",   "3.weight"};
    CHECK(safetensors_count(file) == 9 && strcmp(safetensors_metadata(file, "format"), "pt") == 0);
    for (size_t i = 0; i < 9; i++)
        CHECK(strcmp(safetensors_name(file, i), names[i]) == 0);
    CHECK(safetensors_type(file, 0) == HC_STORED_I64 && safetensors_shape(file, 0).ndim == 0);
    CHECK(safetensors_type(file, 2) == HC_STORED_F32);
    CHECK(shape_equal(safetensors_shape(file, 2), shape2(3, 2)));
    safetensors_destroy(file);
    LoadReport report;
    Module *other = make(3, 2), *wide = make(3, 3);
    CHECK(module_load_safetensors(other, path, load_options(), &report) && same(net, other));
    CHECK(report.loaded == 9 && report.missing == 0 && report.text[0] == 0);
    CHECK(module_to(wide, HC_F64) && module_load_safetensors(wide, path, load_options(), NULL) && same(net, wide));
    /* A count that is no whole number is stored as it is. */
    param_fill(module_buffer(net, "1.num_batches_tracked"), 0.5);
    CHECK(module_save_safetensors(net, path) && module_load_safetensors(other, path, load_options(), NULL));
    CHECK(param_get(module_buffer(other, "1.num_batches_tracked"), 0) == 0.5);
    module_destroy(net);
    module_destroy(other);
    module_destroy(wide);
}

/* What does not fit is told whole, and changes nothing unless it is allowed. */
static void parts(void) {
    LoadReport report;
    Module *net = make(3, 1), *old = module_clone(net), *wider = make(4, 2);
    Module *head[] = {module_linear(2, 3), module_linear(3, 3)};
    Module *small = module_sequential(head, 2);
    Rng rng = rng_seed(5);
    CHECK(module_init(small, &rng) && module_save_safetensors(small, path));
    CHECK(!module_load_safetensors(net, path, load_options(), &report) && higherc_status() == HC_ERR_NAME);
    CHECK_ERROR(
        "module_load_safetensors: of another shape: 1.weight is (3) here and (3, 3) in the file; missing: 3.weight "
        "(1, 3), 3.bias (1), 1.running_mean (3), 1.running_var (3), 1.num_batches_tracked ()");
    CHECK(report.loaded == 0 && report.missing == 5 && report.other_shape == 1 && report.left_over == 0);
    CHECK(same(net, old));
    LoadOptions options = load_options();
    options.missing = true;
    CHECK(!module_load_safetensors(net, path, options, &report) && higherc_status() == HC_ERR_SHAPE &&
          same(net, old));
    CHECK_ERROR("1.weight is (3) here and (3, 3) in the file");
    options.other_shape = true;
    CHECK(module_load_safetensors(net, path, options, &report) && report.loaded == 3 && report.other_shape == 1);
    CHECK(strstr(report.text, "missing: 3.weight"));
    CHECK(list_same((ParamList){module_params(net).items, 2}, (ParamList){module_params(small).items, 2}));
    CHECK(param_get(module_param(net, "1.weight"), 0) == 1 &&
          param_get(module_param(net, "1.bias"), 1) == param_get(module_param(small, "1.bias"), 1));
    CHECK(module_save_safetensors(old, path));
    CHECK(!module_load_safetensors(small, path, load_options(), &report) && report.left_over == 5);
    CHECK_ERROR("left over: 1.num_batches_tracked ()");
    options = load_options();
    options.left_over = true;
    CHECK(!module_load_safetensors(small, path, options, NULL));
    CHECK_ERROR("of another shape: 1.weight is (3, 3) here and (3) in the file");
    CHECK(!module_load_safetensors(wider, path, load_options(), &report) && higherc_status() == HC_ERR_SHAPE);
    higherc_clear_error();
    module_destroy(net);
    module_destroy(old);
    module_destroy(wider);
    module_destroy(small);
}

/* More names than the report has room for. */
static void many(void) {
    LoadReport report;
    Module *layers[60];
    for (size_t i = 0; i < 60; i++)
        layers[i] = module_linear(1, 1);
    Module *net = module_sequential(layers, 60);
    Safetensors *file = safetensors_create();
    CHECK(!safetensors_to_module(file, net, load_options(), &report) && report.missing == 120);
    size_t length = strlen(report.text);
    CHECK(length < sizeof report.text && strcmp(report.text + length - 4, " ...") == 0);
    CHECK_ERROR("0.weight (1, 1), 0.bias (1), 1.weight");
    safetensors_destroy(file);
    module_destroy(net);
}

/* Several modules in one file, each under its prefix; a part of a module by itself. */
static void prefixes(void) {
    Module *a = make(3, 1), *b = make(4, 2), *a2 = make(3, 3), *b2 = make(4, 4);
    Safetensors *file = safetensors_create();
    CHECK(safetensors_add_module(file, "actor.", a) && safetensors_add_module(file, "critic.", b));
    CHECK(!safetensors_add_module(file, "critic.", b2) && safetensors_count(file) == 18); /* all or nothing */
    CHECK_ERROR("'critic.0.weight' is there already");
    CHECK(safetensors_save(file, path));
    safetensors_destroy(file);
    file = safetensors_open(path);
    LoadOptions options = load_options();
    options.prefix = "actor.";
    CHECK(safetensors_to_module(file, a2, options, NULL) && same(a, a2));
    options.prefix = "critic.";
    CHECK(safetensors_to_module(file, b2, options, NULL) && same(b, b2));
    CHECK(!safetensors_to_module(file, b2, load_options(), NULL));
    higherc_clear_error();
    options.prefix = "critic.0.";
    param_fill(module_param(b2, "0.weight"), 0);
    CHECK(safetensors_to_module(file, module_find(b2, "0"), options, NULL) && same(b, b2));
    safetensors_destroy(file);
    file = safetensors_create();
    CHECK(safetensors_add_module(file, NULL, module_find(b, "1")) &&
          safetensors_find(file, "running_var") != SIZE_MAX);
    safetensors_destroy(file);
    module_destroy(a);
    module_destroy(b);
    module_destroy(a2);
    module_destroy(b2);
}

/* A weight at two places: written once, read under either name. */
static void shared(void) {
    static const float w[4] = {1, 2, 3, 4};
    Module *layers[] = {module_linear_no_bias(2, 2), module_linear_no_bias(2, 2)}, *one = module_linear_no_bias(2, 2);
    Module *tied = module_sequential(layers, 2), *twice[] = {one, one}, *net = module_sequential(twice, 2);
    CHECK(module_tie(tied, "1.weight", "0.weight"));
    Module *each[] = {tied, net};
    for (size_t i = 0; i < 2; i++) {
        LoadReport report;
        Safetensors *file = safetensors_create();
        CHECK(safetensors_add_f32(file, "1.weight", shape2(2, 2), w));
        CHECK(safetensors_to_module(file, each[i], load_options(), &report) && report.loaded == 1);
        CHECK(param_get(module_param(each[i], "0.weight"), 3) == 4);
        CHECK(safetensors_add_f32(file, "0.weight", shape2(2, 2), w) &&
              safetensors_to_module(file, each[i], load_options(), NULL));
        CHECK(safetensors_add_f32(file, ".weight", shape2(2, 2), w) &&
              safetensors_add_f32(file, "0..weight", shape2(2, 2), w) &&
              !safetensors_to_module(file, each[i], load_options(), &report) && report.left_over == 2);
        CHECK_ERROR("left over: .weight (2, 2), 0..weight (2, 2)");
        safetensors_destroy(file);
        file = safetensors_create();
        CHECK(safetensors_add_module(file, NULL, each[i]) && safetensors_count(file) == 1);
        CHECK(safetensors_find(file, "0.weight") == 0);
        safetensors_destroy(file);
        module_destroy(each[i]);
    }
}

/* Buffers too. */
static void shared_buffers(void) {
    static const float one[3] = {1, 1, 1}, mean[3] = {4, 5, 6};
    Module *norm = module_batch_norm1d(3, batch_norm_options()), *twice[] = {norm, norm},
           *net = module_sequential(twice, 2);
    Safetensors *file = safetensors_create();
    CHECK(safetensors_add_f32(file, "0.weight", shape1(3), one) &&
          safetensors_add_f32(file, "1.bias", shape1(3), one) &&
          safetensors_add_f32(file, "1.running_mean", shape1(3), mean) &&
          safetensors_add_f32(file, "0.running_var", shape1(3), one) &&
          safetensors_add_f32(file, "1.num_batches_tracked", shape_scalar(), mean));
    LoadReport report;
    CHECK(safetensors_to_module(file, net, load_options(), &report) && report.loaded == 5);
    CHECK(param_get(module_buffer(net, "0.running_mean"), 2) == 6);
    safetensors_destroy(file);
    /* Counts that are none are stored as they are. */
    static const double odd[] = {-1, 0x1p53, 0.5};
    for (size_t i = 0; i < 3; i++) {
        file = safetensors_create();
        param_fill(module_buffer(net, "0.num_batches_tracked"), odd[i]);
        CHECK(safetensors_add_module(file, NULL, net));
        CHECK(safetensors_type(file, safetensors_find(file, "0.num_batches_tracked")) == HC_STORED_F32);
        safetensors_destroy(file);
    }
    module_destroy(net);
}

/* Deep names are whole, and a child at two places on each of many levels takes no time of two to that power. */
static void deep(void) {
    Module *m = module_linear_no_bias(1, 1), *raw = NULL;
    for (int level = 0; level < 60; level++) {
        Module *twice[] = {m, m};
        m = module_sequential(twice, 2);
    }
    for (int level = 0; level < 40; level++) {
        Module *outer = module_identity();
        CHECK(module_add_child(outer, "a_rather_long_name", m));
        m = outer;
    }
    raw = module_clone(m);
    param_fill(module_params(m).items[0], 3);
    Safetensors *file = safetensors_create();
    CHECK(safetensors_add_module(file, NULL, m) && safetensors_count(file) == 1);
    CHECK(strlen(safetensors_name(file, 0)) == 40 * 19 + 60 * 2 + 6);
    CHECK(safetensors_to_module(file, raw, load_options(), NULL) && same(m, raw));
    module_destroy(m);
    m = NULL;
    safetensors_destroy(file);
    module_destroy(raw);
}

/* Lists of Params, of which two must not be called alike. */
static void lists(void) {
    Param *p[] = {param_create("a", shape1(2), HC_F32), param_create("b", shape_scalar(), HC_F64)};
    ParamList list = {p, 2}, doubled = {(Param *[]){p[0], p[0]}, 2}, gap = {(Param *[]){NULL}, 1}, none = {NULL, 3};
    Safetensors *file = safetensors_create();
    LoadOptions options = load_options();
    options.prefix = "x/";
    CHECK(!safetensors_add_params(file, "x/", list) && higherc_status() == HC_ERR_STATE);
    CHECK_ERROR("'a' is not initialised");
    param_fill(p[0], 2);
    param_fill(p[1], 0x1.0000001p0);
    CHECK(safetensors_add_params(file, "x/", list) && safetensors_count(file) == 2);
    CHECK(safetensors_type(file, 1) == HC_STORED_F64 && strcmp(safetensors_name(file, 1), "x/b") == 0);
    CHECK(safetensors_save(file, path));
    param_fill(p[0], 0);
    param_fill(p[1], 0);
    safetensors_destroy(file);
    file = safetensors_open(path);
    CHECK(safetensors_to_params(file, list, options, NULL));
    CHECK(param_get(p[0], 1) == 2 && param_get(p[1], 0) == 0x1.0000001p0);
    CHECK(!safetensors_to_params(file, doubled, options, NULL) && higherc_status() == HC_ERR_NAME);
    CHECK_ERROR("two are called 'x/a'");
    REFUSED_NULL(safetensors_to_params(file, gap, options, NULL));
    REFUSED_NULL(safetensors_add_params(file, NULL, none));
    REFUSED_NULL(safetensors_add_params(NULL, NULL, list));
    REFUSED_NULL(safetensors_to_params(NULL, list, options, NULL));
    safetensors_destroy(file);
    param_unref(p[0]);
    param_unref(p[1]);
}

static void nothing(void) {
    Module *net = make(2, 1);
    Safetensors *file = safetensors_create();
    LoadReport report = {.missing = 3};
    REFUSED_NULL(module_save_safetensors(NULL, path));
    REFUSED_NULL(module_save_safetensors(net, NULL));
    REFUSED_NULL(module_load_safetensors(NULL, path, load_options(), NULL));
    REFUSED_NULL(module_load_safetensors(net, NULL, load_options(), &report));
    CHECK(report.missing == 0);
    REFUSED_NULL(safetensors_add_module(NULL, NULL, net));
    REFUSED_NULL(safetensors_add_module(file, NULL, NULL));
    REFUSED_NULL(safetensors_to_module(NULL, net, load_options(), NULL));
    REFUSED_NULL(safetensors_to_module(file, NULL, load_options(), NULL));
    REFUSED(module_load_safetensors(net, "nowhere", load_options(), NULL));
    REFUSED(module_save_safetensors(net, "nowhere/at/all"));
    safetensors_destroy(file);
    Module *raw = module_linear(1, 1);
    CHECK(!module_save_safetensors(raw, path) && higherc_status() == HC_ERR_STATE);
    CHECK_ERROR("'weight' is not initialised");
    module_destroy(raw);
    module_destroy(net);
}

/* Loading is a write in place. */
static void in_place(void) {
    Module *net = make(2, 1);
    Tape *tape = tape_create(HC_F32);
    CHECK(module_save_safetensors(net, path));
    Tensor *loss = tensor_sum(tensor_square(module_forward(net, tensor_ones(tape, shape2(2, 2)))));
    CHECK(module_load_safetensors(net, path, load_options(), NULL));
    CHECK(!tensor_backward(loss) && higherc_status() == HC_ERR_CHANGED);
    higherc_clear_error();
    tape_destroy(tape);
    module_destroy(net);
}

static bool save_and_load(void) {
    Module *net = make(2, 1), *other = net ? make(2, 2) : NULL, *old = other ? module_clone(other) : NULL;
    bool done = old && module_save_safetensors(net, path);
    bool loaded = done && module_load_safetensors(other, path, load_options(), NULL);
    if (old) CHECK(loaded ? same(net, other) : same(old, other));
    module_destroy(net);
    module_destroy(other);
    module_destroy(old);
    return loaded;
}

static bool keep_lists(void) {
    Param *p[] = {param_create("a", shape1(2), HC_F32), param_create("b", shape1(2), HC_F32)};
    ParamList list = {p, 2}, none = {NULL, 0};
    Safetensors *file = p[0] && p[1] && param_fill(p[0], 1) && param_fill(p[1], 1) ? safetensors_create() : NULL;
    bool done = file && safetensors_add_params(file, NULL, none) && safetensors_add_params(file, NULL, list) &&
                safetensors_to_params(file, list, load_options(), NULL);
    safetensors_destroy(file);
    param_unref(p[0]);
    param_unref(p[1]);
    return done;
}

int main(void) {
    names_and_types();
    parts();
    many();
    prefixes();
    shared();
    shared_buffers();
    deep();
    lists();
    nothing();
    in_place();
    failing_begin();
    fail_each_allocation("save and load", save_and_load);
    fail_each_allocation("lists", keep_lists);
    failing_end();
    remove(path);
    return check_done();
}
