#include "support/each.h"

#include <stdio.h>

#include "support/check.h"

void each_on_a_tape(Tape **tape, void (*const *tests)(void), size_t count) {
    for (size_t i = 0; i < count; i++) {
        *tape = tape_create(HC_F64);
        tests[i]();
        CHECK(tape_error(*tape) == NULL);
        CHECK(higherc_error() == NULL);
        if (higherc_error()) printf("  test %zu: %s\n", i, higherc_error());
        higherc_clear_error();
        tape_destroy(*tape);
    }
}
