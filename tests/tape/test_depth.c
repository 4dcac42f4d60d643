/* Depth is no limit: a chain of a million nodes under a small stack, in bounded memory; and many short
 * gradients on a long tape with an old leaf among the inputs that none of them uses. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>

#include "base/threads.h"
#include "support/check.h"

enum { LENGTH = QUICK ? 100000 : 1000000, STEPS = LENGTH / 10 };

static void deep_chain(void *unused) {
    (void)unused;
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_leaf(tensor_scalar(tape, 0.5)), *y = x, *g = NULL, *gg = NULL;
    for (int i = 0; i < LENGTH; i++)
        y = tensor_sin(y);
    TapeStats stats = tape_stats(tape);
    CHECK(stats.nodes >= LENGTH && stats.live_bytes / stats.nodes <= 256);
    CHECK(tensor_depends_on(y, x));
    CHECK(tensor_grad(y, &x, 1, &g, HC_CREATE_GRAPH));
    CHECK(tensor_grad(g, &x, 1, &gg, 0));
    CHECK(isfinite(tensor_item(g)) && tensor_item(g) != 0 && isfinite(tensor_item(gg)));
    char path[] = "test_depth.dot";
    CHECK(tape_write_dot(tape, y, path));
    remove(path);
    tape_destroy(tape);
}

static void old_leaf(void *unused) {
    (void)unused;
    Tape *tape = tape_create(HC_F64);
    Tensor *old = tensor_leaf(tensor_scalar(tape, 1));
    Tensor *inputs[2] = {old, tensor_leaf(tensor_scalar(tape, 0.3))}, *grads[2] = {NULL, NULL};
    for (int i = 0; i < STEPS; i++) {
        Tensor *w = tensor_leaf(inputs[1]);
        inputs[1] = w;
        if (!tensor_grad(tensor_square(w), inputs, 2, grads, HC_ALLOW_UNUSED)) break;
        inputs[1] = tensor_sub(w, tensor_mul_scalar(grads[1], 0.1));
    }
    CHECK(grads[0] == NULL && higherc_error() == NULL);
    tape_destroy(tape);
}

static void on_small_stack(HcThreadFn *body) {
#ifdef HC_HAVE_THREADS
    HcThread thread;
    CHECK(hc_thread_start(&thread, 128 * 1024, body, NULL));
    hc_thread_join(&thread);
#else
    body(NULL);
#endif
}

int main(void) {
    on_small_stack(deep_chain);
    on_small_stack(old_leaf);
    return check_done();
}
