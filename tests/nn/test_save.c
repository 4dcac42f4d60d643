/* Saving and loading modules: the same bits come back; what does not fit, cannot be read or written is said
 * in words and changes nothing. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"

static const char path[] = "nn_save.tmp";

static Module *make(size_t hidden, uint64_t seed) {
    Rng rng = rng_seed(seed);
    Module *layers[] = {module_linear(2, hidden), module_relu(), module_linear(hidden, 1)};
    Module *net = module_sequential(layers, 3);
    CHECK(module_add_buffer(net, "seen", shape1(3), (double)seed));
    CHECK(module_init(net, &rng));
    return net;
}

static bool same(const Module *a, const Module *b) {
    ParamList x = module_params(a), y = module_params(b);
    size_t item = module_dtype(a) == HC_F32 ? sizeof(float) : sizeof(double);
    bool equal = x.count == y.count &&
                 param_get(module_buffer(a, "seen"), 2) == param_get(module_buffer(b, "seen"), 2);
    for (size_t i = 0; equal && i < x.count; i++)
        equal = memcmp(param_data(x.items[i]), param_data(y.items[i]),
                       param_count(x.items[i]) * item) == 0;
    return equal;
}

static void round_trip(DType dtype) {
    Module *net = make(4, 1), *other = make(4, 2);
    CHECK(module_to(net, dtype) && module_to(other, dtype));
    CHECK(!same(net, other));
    CHECK(module_save(net, path) && module_load(other, path));
    CHECK(same(net, other));
    module_destroy(net);
    module_destroy(other);
}

/* Loading is an in-place write, and initialises. */
static void effects(void) {
    Module *net = make(4, 1), *layers[] = {module_linear(2, 4), module_relu(), module_linear(4, 1)};
    Module *raw = module_sequential(layers, 3);
    CHECK(module_add_buffer(raw, "seen", shape1(3), 9));
    CHECK(!module_save(raw, path));
    CHECK_ERROR("'0.weight' is not initialised");
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape2(1, 2));
    CHECK(module_save(net, path));
    Tensor *loss = tensor_sum(tensor_square(module_forward(net, x)));
    CHECK(module_load(net, path));
    CHECK(!tensor_backward(loss)); /* recorded before the write */
    CHECK_ERROR("changed in place");
    tape_clear_error(tape);
    CHECK(module_load(raw, path) && module_forward(raw, x) && same(net, raw));
    tape_destroy(tape);
    module_destroy(net);
    module_destroy(raw);
}

/* A copy of the file with `size` bytes, one of them changed where at < size. */
static void damaged(size_t size, size_t at, unsigned char bits) {
    unsigned char bytes[4096] = {0};
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    if (!file) return;
    CHECK(fread(bytes, 1, sizeof bytes, file) > 0);
    fclose(file);
    if (at < size) bytes[at] ^= bits;
    file = fopen("nn_save_bad.tmp", "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    if (file) fclose(file);
}

static size_t file_size(void) {
    FILE *file = fopen(path, "rb");
    CHECK(file && fseek(file, 0, SEEK_END) == 0);
    long size = file ? ftell(file) : 0;
    if (file) fclose(file);
    return (size_t)size;
}

static bool pass(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)frame;
    out[0] = in[0];
    return nin == 1 && nout == 1;
}

static void errors(void) {
    Module *net = make(4, 1), *other = make(5, 2), *keep = module_clone(net);
    CHECK(!module_save(NULL, path));
    CHECK_ERROR("the module is NULL");
    CHECK(!module_save(net, NULL));
    CHECK_ERROR("the path is NULL");
    CHECK(!module_load(NULL, path));
    CHECK_ERROR("the module is NULL");
    CHECK(!module_load(net, NULL));
    CHECK_ERROR("the path is NULL");
    CHECK(!module_save(net, "no/such/folder/file"));
    CHECK_ERROR("could not be opened for writing");
    CHECK(!module_load(net, "no/such/file"));
    CHECK_ERROR("could not be opened");
    CHECK(!module_load(net, "."));
    CHECK_ERROR("could not be "); /* read, or, on Windows, opened */
    FILE *full = fopen("/dev/full", "wb");
    if (full) {
        fclose(full);
        CHECK(!module_save(net, "/dev/full"));
        CHECK_ERROR("could not be written in full");
    }
    FILE *zero = fopen("/dev/zero", "rb"); /* without an end: not read on */
    if (zero) {
        fclose(zero);
        CHECK(!module_load(net, "/dev/zero"));
        CHECK_ERROR("is no file of this library");
    }
    CHECK(module_save(net, path));
    size_t size = file_size();
    CHECK(!module_load(other, path));
    CHECK_ERROR("'0.weight' has another shape than (5, 2)");
    CHECK(module_to(other, HC_F64) && !module_load(other, path));
    CHECK_ERROR("was saved as f32");
    Module *one = module_linear(2, 4);
    CHECK(!module_load(one, path));
    CHECK_ERROR("holds 4 tensors, not 2");
    Module *renamed = module_create(&(ModuleClass){.name = "renamed", .forward = pass}, NULL);
    const char *names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        CHECK(module_add_param(renamed, names[i], shape1(1)));
    CHECK(!module_load(renamed, path));
    CHECK_ERROR("has '0.weight' in the place of 'a'");
    for (size_t cut = 0; cut < size; cut++) {
        damaged(cut, cut, 0);
        CHECK(!module_load(net, "nn_save_bad.tmp"));
        CHECK_ERROR(cut < 8 ? "is no file of this library" : "is cut off");
    }
    static const struct {
        size_t at;
        const char *words;
    } flips[] = {{0, "no file of this library"},
                 {9, "holds something else than 'module'"},
                 {16, "has version"},
                 {30, "checksum"},
                 {100, "checksum"}};
    for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
        damaged(size, flips[i].at, 0x10);
        CHECK(!module_load(net, "nn_save_bad.tmp"));
        CHECK_ERROR(flips[i].words);
    }
    Optim *optim = optim_new("sgd", module_params(net));
    CHECK(!optim_load(optim, path));
    CHECK_ERROR("holds something else than 'optim'");
    CHECK(same(net, keep));
    optim_destroy(optim);
    module_destroy(renamed);
    module_destroy(one);
    module_destroy(keep);
    module_destroy(net);
    module_destroy(other);
    remove("nn_save_bad.tmp");
}

int main(void) {
    round_trip(HC_F32);
    round_trip(HC_F64);
    effects();
    errors();
    remove(path);
    CHECK(higherc_error() == NULL);
    return check_done();
}
