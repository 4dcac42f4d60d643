/* The environment's HIGHERC_ISA: a name that no level has is an error, not another level. And HIGHERC_NEVER_REUSE. */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#endif
#include "higherc/higherc.h"

#include <stdlib.h>

#include "kernels/kernels.h"
#include "support/check.h"

static void set_to(const char *variable, const char *value) {
#if defined(_WIN32)
    _putenv_s(variable, value);
#else
    setenv(variable, value, 1);
#endif
}

static void set(const char *name) {
    set_to("HIGHERC_ISA", name);
}

static void never_reuse(bool on) {
    set_to("HIGHERC_NEVER_REUSE", on ? "1" : "");
    Tape *tape = tape_create(HC_F32);
    Tensor *first = tensor_scalar(tape, 1);
    for (int turn = 0; turn < 10; turn++) {
        tape_reset(tape);
        CHECK(tensor_scalar(tape, 2) != NULL);
    }
    CHECK(tape_stats(tape).nodes == (on ? 11 : 1));
    CHECK(!on || (!tensor_neg(first) && higherc_status() == HC_ERR_EXPIRED));
    higherc_clear_error();
    tape_destroy(tape);
}

static bool makes_a_tape(void) {
    Tape *tape = tape_create(HC_F32);
    bool right = tape && tensor_item(tensor_square(tensor_scalar(tape, 3))) == 9;
    tape_destroy(tape);
    return right;
}

int main(void) {
    set("avx1024");
    CHECK(!makes_a_tape() && higherc_status() == HC_ERR_ARG);
    CHECK_ERROR("HIGHERC_ISA is \"avx1024\"");
    set("baseline");
    CHECK(makes_a_tape() && hc_kernels(HC_F32) == hc_kernels_at(0, HC_F32));
    set("");
    CHECK(makes_a_tape() && !higherc_error());
    never_reuse(true);
    never_reuse(false);
    return check_done();
}
