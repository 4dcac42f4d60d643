/* optim_clip_grad_norm: over the gradients there are, of all groups; and what leaves them as they are. */
#include <math.h>

#include "support/refuse.h"

static void clips(DType dtype) {
    Param *p[3];
    const double values[3][2] = {{3, 0}, {0, -4}, {7, 7}};
    for (int i = 0; i < 3; i++) {
        p[i] = param_create("p", shape1(2), dtype);
        CHECK(param_fill(p[i], 1));
        if (i < 2) CHECK(param_add_grad_f64(p[i], values[i], 2)); /* the last has none */
    }
    Optim *optim = optim_sgd((ParamList){p, 1}, sgd_options(0.1));
    CHECK(optim_add_group(optim, (ParamList){p + 1, 2}) == 1);
    CHECK_NEAR(optim_clip_grad_norm(optim, 6), 5, 1e-15, 0);
    CHECK(param_grad_get(p[0], 0) == 3 && param_grad_get(p[1], 1) == -4);
    CHECK_NEAR(optim_clip_grad_norm(optim, INFINITY), 5, 1e-15, 0);
    CHECK(param_grad_get(p[0], 0) == 3);
    CHECK_NEAR(optim_clip_grad_norm(optim, 2), 5, 1e-15, 0);
    double factor = 2 / (5 + 1e-6), tolerance = dtype == HC_F32 ? 1e-6 : 1e-15;
    CHECK_NEAR(param_grad_get(p[0], 0), 3 * factor, tolerance, 0);
    CHECK_NEAR(param_grad_get(p[1], 1), -4 * factor, tolerance, 0);
    CHECK(param_grad(p[2]) == NULL && param_get(p[0], 0) == 1);
    CHECK_NEAR(optim_clip_grad_norm(optim, 0), 2, 1e-6, 0);
    CHECK(param_grad_get(p[0], 0) == 0 && param_grad_get(p[1], 1) == 0);
    CHECK(optim_clip_grad_norm(optim, 0) == 0);
    NOT_A_NUMBER(optim_clip_grad_norm(optim, -1));
    NOT_A_NUMBER(optim_clip_grad_norm(optim, NAN));
    NOT_A_NUMBER(optim_clip_grad_norm(NULL, 1));
    optim_destroy(optim);
    for (int i = 0; i < 3; i++)
        param_unref(p[i]);
}

int main(void) {
    clips(HC_F32);
    clips(HC_F64);
    return check_done();
}
