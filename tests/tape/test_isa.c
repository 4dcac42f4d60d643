/* The environment's HIGHERC_ISA: a name that no level has is an error, not another level. */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L
#endif
#include "higherc/higherc.h"

#include <stdlib.h>

#include "kernels/kernels.h"
#include "support/check.h"

static void set(const char *name) {
#if defined(_WIN32)
    _putenv_s("HIGHERC_ISA", name);
#else
    setenv("HIGHERC_ISA", name, 1);
#endif
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
    return check_done();
}
