/* Loops that only release, over ever new modules, hold neither their Params nor more and more memory. */
#include <higherc/higherc.h>

#include "support/check.h"

int main(void) {
    Tape *tape = tape_create(HC_F32);
    Tensor *x = tensor_ones(tape, shape2(1, 8));
    Module *stays = module_linear(8, 8);
    Rng rng = rng_seed(1);
    CHECK(module_init(stays, &rng));
    Tensor *leaf = param_tensor(tape, module_param(stays, "weight"));
    TapeMark mark = tape_mark(tape);
    size_t most = 0, alone = higherc_live_allocations();
    for (int i = 0; i < 5000; i++) {
        Module *module = module_linear(8, 8);
        CHECK(module_init(module, &rng));
        CHECK(module_forward(module, x) != NULL);
        CHECK(tape_release(tape, mark));
        module_destroy(module);
        if (i == 200) most = tape_stats(tape).reserved_bytes;
    }
    CHECK(tape_stats(tape).reserved_bytes <= most);
    CHECK(higherc_live_allocations() < alone + 200);
    CHECK(param_tensor(tape, module_param(stays, "weight")) == leaf);
    tape_trim(tape);
    CHECK(higherc_live_allocations() <= alone + 5);
    CHECK(param_tensor(tape, module_param(stays, "weight")) == leaf);
    module_destroy(stays);
    tape_destroy(tape);
    return check_done();
}
