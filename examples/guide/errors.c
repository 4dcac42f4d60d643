/* The page errors.md: how errors are said, how they stick, and how they are cleared. */
#include <higherc/higherc.h>

#include <stdio.h>

int main(void) {
    Tape *tape = tape_create(HC_F32);

    //! [sticky]
    Tensor *a = tensor_zeros(tape, shape2(2, 3)), *b = tensor_zeros(tape, shape1(4));
    Tensor *c = tensor_add(a, b);             /* does not fit: NULL, and the tape says why */
    Tensor *d = tensor_sum(tensor_mul(c, c)); /* a NULL after an error passes silently */
    bool stepped = tensor_backward(d);        /* false */
    if (!stepped) printf("%s\n%s\n", higherc_status_name(higherc_status()), higherc_error());
    //! [sticky]

    //! [clear]
    higherc_clear_error();  /* the thread's, which is the first of all tapes */
    tape_clear_error(tape); /* and the tape's own: operations work again */
    Tensor *e = tensor_add(a, tensor_zeros(tape, shape1(3)));
    printf("after clearing: %s\n", e ? "works" : "fails");
    //! [clear]

    //! [expired]
    tape_reset(tape); /* a, and all that was made on the tape, is gone */
    tensor_neg(a);
    printf("a tensor after tape_reset: %s\n", higherc_status_name(tape_status(tape)));
    //! [expired]
    higherc_clear_error();
    tape_clear_error(tape);

    //! [memory]
    TapeOptions options = tape_options(HC_F32);
    options.max_bytes = 100000; /* where malloc gives up it is the same */
    Tape *small = tape_create_with(options);
    Tensor *large = tensor_zeros(small, shape2(1000, 1000));
    printf("a large tensor: %s, %s\n", large ? "made" : "NULL",
           higherc_status_name(tape_status(small)));
    tape_clear_error(small);
    higherc_clear_error();
    printf("a small one then: %s\n", tensor_zeros(small, shape1(10)) ? "made" : "NULL");
    //! [memory]

    //! [nan]
    tape_reset(tape);
    tape_check_nan(tape, true);
    Tensor *x = tensor_full(tape, shape1(2), -1);
    tensor_sqrt(x);
    printf("%s\n", higherc_status_name(tape_status(tape)));
    //! [nan]

    bool failed = tape_status(tape) != HC_ERR_NAN;
    tape_destroy(small);
    tape_destroy(tape);
    return failed;
}
