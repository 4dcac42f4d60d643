/* The page numbers.md: kinks, and how exact numbers of either type are. */
#include <higherc/higherc.h>

#include <math.h>
#include <stdio.h>

static double slope(Tensor *(*function)(Tensor *x), Tape *tape, double at) {
    Tensor *x = tensor_leaf(tensor_scalar(tape, at)), *gradient = NULL;
    tensor_grad(function(x), &x, 1, &gradient, 0);
    return tensor_item(gradient);
}

static Tensor *norm(Tensor *x) {
    return tensor_norm(x);
}

int main(void) {
    Tape *tape = tape_create(HC_F64);
    //! [kinks]
    printf("slope at 0: relu %g, abs %g, norm %g, sqrt %s\n", slope(tensor_relu, tape, 0),
           slope(tensor_abs, tape, 0), slope(norm, tape, 0),
           slope(tensor_sqrt, tape, 0) == INFINITY ? "infinite" : "finite");
    Tensor *x = tensor_leaf(tensor_from_f64(tape, shape1(3), (const double[]){2, 2, 1})),
           *to_x = NULL;
    tensor_grad(tensor_max(x), &x, 1, &to_x, 0);
    const double *g = tensor_data(to_x);
    printf("slope of max(2, 2, 1): %g %g %g\n", g[0], g[1], g[2]);
    //! [kinks]

    //! [precision]
    Tape *single = tape_create(HC_F32);
    Tensor *third = tensor_div(tensor_scalar(tape, 1), tensor_scalar(tape, 3));
    Tensor *third_f32 = tensor_div(tensor_scalar(single, 1), tensor_scalar(single, 3));
    printf("1/3: f64 %.17f\n     f32 %.17f\n", tensor_item(third), tensor_item(third_f32));
    tensor_add(third, third_f32); /* two tapes do not mix, nor do two types */
    printf("added: %s\n", higherc_status_name(higherc_status()));
    //! [precision]
    bool failed = higherc_status() != HC_ERR_TAPE;

    tape_destroy(single);
    tape_destroy(tape);
    return failed;
}
