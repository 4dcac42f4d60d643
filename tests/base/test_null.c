/* Random streams and gradients take NULL: an error, and 0. */
#include "support/refuse.h"

int main(void) {
    Rng split = rng_split(NULL);
    CHECK(higherc_status() == HC_ERR_ARG && split.counter == 0);
    higherc_clear_error();
    REFUSED_NULL(grads_create((ParamList){NULL, 3}) != NULL);
    return check_done();
}
