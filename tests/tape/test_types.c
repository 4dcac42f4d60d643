/* Both types, or a build without f64: HIGHERC_TYPES. */
#include <higherc/higherc.h>

#include "support/check.h"

static void check_f32(void) {
    Tape *tape = tape_create(HC_F32);
    CHECK_NEAR(tensor_item(tensor_exp(tensor_scalar(tape, 1))), 2.718281828459045, 1e-6, 0);
    tape_destroy(tape);
}

#ifdef HC_NO_F64

static void check_refused(const char *message) {
    CHECK(higherc_status() == HC_ERR_DTYPE);
    CHECK_ERROR(message);
}

static void check_f64(void) {
    CHECK(!tape_create(HC_F64));
    check_refused("tape_create: the library was built without f64 (HIGHERC_TYPES)");
    CHECK(!param_create("w", shape1(3), HC_F64));
    check_refused("param_create: the library was built without f64 (HIGHERC_TYPES)");
    Module *module = module_linear(2, 2);
    CHECK(!module_to(module, HC_F64));
    check_refused("module_to: the library was built without f64 (HIGHERC_TYPES)");
    CHECK(module_to(module, HC_F32) && module_dtype(module) == HC_F32);
    module_destroy(module);
}

#else

static void check_f64(void) {
    Tape *tape = tape_create(HC_F64);
    Module *module = module_linear(2, 2);
    CHECK(tape && module_to(module, HC_F64) && module_dtype(module) == HC_F64);
    module_destroy(module);
    tape_destroy(tape);
}

#endif

/* Numbers of the host's are f64 in either build. */
static void check_numbers(void) {
    CHECK_NEAR(hyper_exp(hyper_const(1)).value, 2.718281828459045, 1e-15, 0);
    CHECK_NEAR(hyper_log(hyper_const(2)).value, 0.6931471805599453, 1e-15, 0);
}

int main(void) {
    check_f32();
    check_f64();
    check_numbers();
    return check_done();
}
