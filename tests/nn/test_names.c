/* Many names in one module: each is found, by a path and by a forward in whatever order, also after memory ended
 * while it was added; one that is there already is refused. So many take seconds where each is
 * searched from the start, and minutes where sanitizers look on. */
#include <higherc/higherc.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"
#include "support/failing.h"

enum { MANY = 50000, SOME = 70 };

static size_t asked; /* how many names a forward asks for */

static const char *name_of(size_t i) {
    static char name[24];
    snprintf(name, sizeof name, "n%zu", i);
    return name;
}

/* The number each name stands for is what its weight holds. */
static bool sums(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)nout;
    size_t wrong = 0;
    for (size_t k = 0; k < asked; k++) {
        size_t i = asked - 1 - (k * 7) % asked;
        Tensor *w = frame_param(frame, name_of(i));
        wrong += !w || tensor_item(w) != (double)i;
    }
    CHECK(wrong == 0);
    out[0] = in[0];
    return true;
}

static bool passes(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    (void)nin, (void)out, (void)nout;
    for (size_t i = 0; i < SOME; i++) {
        Tensor *b = frame_buffer(frame, name_of(SOME + i)), *y = frame_call(frame, name_of(i), in[0]);
        CHECK(b && tensor_item(b) == (double)i);
        CHECK(y && tensor_item(y) == (double)i);
    }
    CHECK(!frame_call(frame, name_of(SOME), in[0]));
    return false; /* with that error on the tape */
}

static const ModuleClass of_many = {.name = "many", .forward = sums}, of_some = {.name = "some", .forward = passes};

static void forward(Module *module) {
    Tape *tape = tape_create(HC_F64);
    CHECK(module_to(module, HC_F64));
    bool done = module_forward(module, tensor_ones(tape, shape2(1, 1)));
    CHECK(done == (asked > 0));
    if (!done) CHECK_ERROR("has no child 'n70'");
    tape_destroy(tape);
}

static void many(void) {
    Module *module = module_create(&of_many, NULL);
    size_t lost = 0;
    for (size_t i = 0; i < MANY; i++) {
        Param *p = module_add_param(module, name_of(i), shape1(1));
        lost += !p || !param_fill(p, (double)i);
    }
    for (size_t i = 0; i < MANY; i++)
        lost += module_param(module, name_of(i)) != module_params(module).items[i];
    CHECK(lost == 0);
    CHECK(!module_add_param(module, name_of(MANY / 2), shape1(1)));
    CHECK_ERROR("there is a 'n25000' already");
    CHECK(!module_add_buffer(module, name_of(0), shape1(1), 0));
    CHECK_ERROR("there is a 'n0' already");
    CHECK(!module_param(module, name_of(MANY)));
    CHECK_ERROR("there is no 'n50000'");
    asked = MANY;
    forward(module);
    asked = 0;
    CHECK(higherc_error() == NULL);
    module_destroy(module);
}

/* Adds the same again and again, each time with one allocation more, until it is done. */
static void add(Module *module, size_t i, bool is_child) {
    bool done = false;
    for (size_t more = 0; !done; more++) {
        Module *child = is_child ? module_linear(1, 1) : NULL;
        failing_after(more);
        done = child ? module_add_child(module, name_of(i), child)
                     : module_add_buffer(module, name_of(SOME + i), shape1(1), (double)i);
        failing_never();
        CHECK(done == (higherc_status() == HC_OK));
        if (done) break;
        CHECK(higherc_status() == HC_ERR_NOMEM);
        higherc_clear_error();
        CHECK(child ? !module_find(module, name_of(i)) : !module_buffer(module, name_of(SOME + i)));
        CHECK_ERROR("there is no");
    }
    for (size_t k = 0; k <= i; k++)
        CHECK(is_child ? module_find(module, name_of(k)) != NULL : module_buffer(module, name_of(SOME + k)) != NULL);
}

static void memory_ends(void) {
    failing_begin();
    Module *module = module_create(&of_some, NULL);
    for (size_t i = 0; i < SOME; i++)
        add(module, i, false);
    for (size_t i = 0; i < SOME; i++) {
        add(module, i, true);
        ParamList last = module_params(module_find(module, name_of(i)));
        CHECK(param_fill(last.items[0], (double)i) && param_fill(last.items[1], 0));
    }
    forward(module);
    module_destroy(module);
    failing_end();
}

int main(void) {
    many();
    memory_ends();
    return check_done();
}
