/* Makers that are handed nonsense: an error in words at once, never a layer that fails later, or a loop without end.
 * And depth: a tree as deep as trees may be works on a small stack. */
#include <higherc/higherc.h>
#include <math.h>
#include <stdint.h>

#include "base/threads.h"
#include "support/check.h"
#include "support/refuse.h"

#define HUGE_SIZE (SIZE_MAX / 2 + 1)

/* Products of these overflow, on 32 bits and on 64. */
static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 1, HUGE_SIZE, SIZE_MAX / 3};

#define EACH_HUGE(h) for (size_t k = 0, h = huge[0]; k < 4; k++, h = k < 4 ? huge[k] : 0)

static void plain_layers(void) {
    EACH_HUGE(h) {
        REFUSED(module_linear(h, 2));
        REFUSED(module_linear(2, h));
        REFUSED(module_linear(h, h));
        REFUSED(module_linear_no_bias(h, 4));
        REFUSED(module_embedding(h, 2));
        REFUSED(module_embedding(4, h));
        REFUSED(module_batch_norm1d(h, batch_norm_options()));
        REFUSED(module_batch_norm2d(h, batch_norm_options()));
        REFUSED(module_group_norm(h, 3, norm_options()));
        REFUSED(module_group_norm(1, h, norm_options()));
        REFUSED(module_layer_norm(shape1(h), norm_options()));
        REFUSED(module_layer_norm(shape2(h, 2), norm_options()));
    }
    REFUSED(module_group_norm(0, 4, norm_options()));
    NormOptions bare = norm_options();
    bare.affine = false;
    REFUSED(module_layer_norm(shape_of(NULL, -1), bare));
    REFUSED(module_layer_norm(shape_of(NULL, INT32_MIN), bare));
    REFUSED(module_layer_norm(shape2(SIZE_MAX, SIZE_MAX), bare));
    static const double no_eps[] = {-1e-5, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 4; i++) {
        BatchNormOptions b = batch_norm_options();
        NormOptions n = norm_options();
        b.eps = n.eps = no_eps[i];
        REFUSED(module_batch_norm1d(2, b));
        REFUSED(module_layer_norm(shape1(2), n));
        REFUSED(module_group_norm(1, 2, n));
        b = batch_norm_options();
        b.momentum = i ? no_eps[i] : 1.5;
        REFUSED(module_batch_norm2d(2, b));
        REFUSED(module_dropout(i ? no_eps[i] : 1.5));
    }
}

/* One setting at a time is nonsense. */
static void windows(void) {
    static const size_t wrong[] = {0, 65536, SIZE_MAX};
    REFUSED(module_conv2d(2, 2, 0, 3, conv2d_options()));
    REFUSED(module_conv1d(2, 2, 0, conv1d_options()));
    EACH_HUGE(h) {
        REFUSED(module_conv2d(h, 2, 3, 3, conv2d_options()));
        REFUSED(module_conv2d(2, h, 3, 3, conv2d_options()));
        REFUSED(module_conv2d(2, 2, h, 3, conv2d_options()));
        REFUSED(module_conv2d(2, 2, 3, h, conv2d_options()));
        REFUSED(module_conv1d(h, 2, 3, conv1d_options()));
        REFUSED(module_conv1d(2, h, 3, conv1d_options()));
        REFUSED(module_conv1d(2, 2, h, conv1d_options()));
    }
    for (size_t i = 0; i < 3; i++)
        for (int axis = 0; axis < 2; axis++) {
            size_t w = wrong[i];
            Conv2dOptions c = conv2d_options();
            Pool2dOptions p = pool2d_options(2);
            c.stride[axis] = w;
            p.stride[axis] = w;
            REFUSED(module_conv2d(2, 2, 3, 3, c));
            REFUSED(module_max_pool2d(p));
            REFUSED(module_avg_pool2d(p));
            c = conv2d_options();
            p = pool2d_options(2);
            c.dilation[axis] = w;
            p.dilation[axis] = w;
            REFUSED(module_conv2d(2, 2, 3, 3, c));
            REFUSED(module_max_pool2d(p));
            REFUSED(module_avg_pool2d(p));
            p = pool2d_options(2);
            p.kernel[axis] = w;
            REFUSED(module_max_pool2d(p));
            REFUSED(module_avg_pool2d(p));
            c = conv2d_options();
            p = pool2d_options(2);
            c.padding[axis] = w;
            p.padding[axis] = w ? w : 2; /* more than half the kernel */
            if (w) REFUSED(module_conv2d(2, 2, 3, 3, c));
            REFUSED(module_max_pool2d(p));
            REFUSED(module_avg_pool2d(p));
            Conv1dOptions one = conv1d_options();
            Pool1dOptions q = pool1d_options(2);
            one.stride = q.stride = w;
            REFUSED(module_conv1d(2, 2, 3, one));
            REFUSED(module_max_pool1d(q));
            REFUSED(module_avg_pool1d(q));
            one = conv1d_options();
            one.dilation = w;
            REFUSED(module_conv1d(2, 2, 3, one));
        }
    Pool1dOptions q = pool1d_options(2);
    q.dilation = 2;
    REFUSED(module_avg_pool1d(q));
    Conv2dOptions c = conv2d_options();
    c.groups = 0;
    REFUSED(module_conv2d(2, 2, 3, 3, c));
    c.groups = SIZE_MAX;
    REFUSED(module_conv2d(2, 2, 3, 3, c));
    c.groups = 3;
    REFUSED(module_conv2d(2, 3, 3, 3, c));
    REFUSED(module_adaptive_avg_pool2d(0, 2));
    REFUSED(module_adaptive_avg_pool2d(2, 0));
}

static void recurrent(void) {
    static Module *(*const layers[])(size_t, size_t, RnnOptions) = {module_rnn, module_lstm,
                                                                    module_gru};
    static Module *(*const cells[])(size_t, size_t, RnnCellOptions) = {
        module_rnn_cell, module_lstm_cell, module_gru_cell};
    for (int i = 0; i < 3; i++) {
        EACH_HUGE(h) {
            RnnOptions o = rnn_options();
            REFUSED(layers[i](h, 2, o));
            REFUSED(layers[i](2, h, o));
            REFUSED(cells[i](h, 2, rnn_cell_options()));
            REFUSED(cells[i](2, h, rnn_cell_options()));
            o.bidirectional = true;
            o.layers = 2;
            REFUSED(layers[i](1, h, o));
            o.layers = h;
            REFUSED(layers[i](1, 1, o));
        }
        static const double no_share[] = {-0.1, 1.1, NAN, INFINITY};
        for (size_t k = 0; k < 4; k++) {
            RnnOptions o = rnn_options();
            o.dropout = no_share[k];
            REFUSED(layers[i](1, 1, o));
        }
        RnnOptions o = rnn_options();
        o.layers = 0;
        REFUSED(layers[i](1, 1, o));
        RnnCellOptions c = rnn_cell_options();
        o = rnn_options();
        o.relu = c.relu = true;
        if (i > 0) REFUSED(layers[i](1, 1, o));
        if (i > 0) REFUSED(cells[i](1, 1, c));
    }
}

static void trees(void) {
    static const ModuleClass none = {.name = "none"};
    REFUSED(module_create(NULL, NULL));
    REFUSED(module_create(&none, NULL));
    REFUSED(module_sequential(NULL, 3));
    Module *module = module_linear(2, 2);
    static const char *const names[] = {
        "", ".", "a.b", "0123456789012345678901234567890123456789012345678901234567890123", NULL};
    for (size_t i = 0; i < 5; i++) {
        REFUSED(module_add_param(module, names[i], shape1(1)));
        REFUSED(module_add_buffer(module, names[i], shape1(1), 0));
        REFUSED(module_add_child(module, names[i], module_relu()));
    }
    EACH_HUGE(h) {
        REFUSED(module_add_param(module, "w", shape1(h)));
        REFUSED(module_add_param(module, "w", shape3(0, h, h))); /* a 0 excuses nothing */
        REFUSED(module_add_buffer(module, "b", shape2(h, h), 0));
    }
    REFUSED(module_add_param(module, "w", shape_of(NULL, INT32_MAX)));
    REFUSED(module_add_param(module, "w", (Shape){.ndim = INT32_MIN}));
    REFUSED(module_add_param(module, "w", (Shape){.ndim = HC_MAX_DIMS + 1}));
    CHECK(module_params(module).count == 2);
    module_destroy(module);
}

/* ---- depth ------------------------------------------------------------------------------------------------ */

static bool around_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out,
                           size_t nout) {
    (void)nin, (void)nout;
    out[0] = frame_call(frame, "in", in[0]);
    return out[0] != NULL;
}

/* All that walks a tree. */
static void deep(void *unused) {
    static const ModuleClass around = {.name = "around", .forward = around_forward};
    (void)unused;
    Module *module = module_linear(2, 2);
    for (int i = 0; i < 255; i++) {
        Module *outer = module_create(&around, NULL);
        CHECK(module_add_child(outer, "in", module));
        module = outer;
    }
    Rng rng = rng_seed(1);
    CHECK(module_to(module, HC_F64) && module_init(module, &rng));
    module_train(module, false);
    Module *copy = module_clone(module);
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape2(1, 2));
    double is = tensor_item(tensor_sum(module_forward(copy, x)));
    FModule *f = fmodule_create(tape, module, false);
    CHECK(tensor_item(tensor_sum(fmodule_forward(f, x))) == is);
    CHECK(tensor_backward(tensor_sum(fmodule_forward(f, x))));
    Module *below = module_find(module, "in.in.in");
    CHECK(below && module_add_param(below, "late", shape1(1)));
    CHECK(module_params(module).count == 3);
    tape_destroy(tape);
    module_destroy(copy);
    module_destroy(module);
}

/* 256 KiB, where no sanitizer makes frames larger. */
static void on_a_small_stack(void) {
#ifdef HC_HAVE_THREADS
    size_t bytes = (size_t)256 << 10;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    bytes *= 8;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
    bytes *= 8;
#endif
#endif
    HcThread thread;
    CHECK(hc_thread_start(&thread, bytes, deep, NULL));
    hc_thread_join(&thread);
#else
    deep(NULL);
#endif
}

int main(void) {
    plain_layers();
    windows();
    recurrent();
    trees();
    on_a_small_stack();
    return check_done();
}
