/* A program of a user's: it links what it needs, threads included. */
#include <higherc/higherc.h>

#include <stdio.h>

int main(void) {
    Pool *pool = pool_create(2);
    Tape *tape = tape_create(HC_F32);
    double nine = tensor_item(tensor_square(tensor_scalar(tape, 3.0)));
    printf("higherc %s, %zu threads, 3 * 3 = %g\n", higherc_version(), pool_threads(pool), nine);
    tape_destroy(tape);
    pool_destroy(pool);
    return higherc_error() || nine < 9 || nine > 9;
}
