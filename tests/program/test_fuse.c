/* Where results live and how elementwise calls are gathered: random graphs over arrays of many blocks, mixed
 * with others that move what follows about in memory, replayed on other numbers and compared bit for bit with
 * a recording of them. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "program/call.h"
#include "support/check.h"

enum { SIDE = 72, N = SIDE * SIDE, SMALL = 700, KEPT = 6, STEPS = 40, OUTPUTS = 4, GRAPHS = 200 };

/* One step: the next matrix from those that are there; small arrays come and go beside it. */
static Tensor *next(Tensor *const *x, Tensor **small, Rng *rng) {
    Tensor *a = x[rng_below(rng, KEPT)], *b = x[rng_below(rng, KEPT)];
    switch (rng_below(rng, 12)) {
    case 0:
        return tensor_tanh(a);
    case 1:
        return tensor_add(a, b);
    case 2:
        return tensor_mul(tensor_sigmoid(a), b);
    case 3: /* an operand that is another view of what may be overwritten */
        a = tensor_sub_scalar(a, 0.5);
        return tensor_tanh(tensor_mul(a, tensor_transpose(a, 0, 1)));
    case 4: /* halves of one array change places */
        a = tensor_sin(a);
        b = tensor_concat(
            (Tensor *[]){tensor_slice(a, 0, SIDE / 2, SIDE, 1), tensor_slice(a, 0, 0, SIDE / 2, 1)},
            2, 0);
        return tensor_sub(tensor_cos(b), a);
    case 5: /* rows against the rows above them, in one array */
        a = tensor_tanh(a);
        b = tensor_add(tensor_slice(a, 0, 1, SIDE, 1), tensor_slice(a, 0, 0, SIDE - 1, 1));
        return tensor_pad(tensor_tanh(b), (size_t[]){1, 0}, (size_t[]){0, 0}, 2);
    case 6: /* something small moves what comes after */
        *small = tensor_cos(tensor_add(*small, tensor_mean(a)));
        return tensor_sub(a, tensor_mean(*small));
    case 7: /* the first row of what may be overwritten, against all rows */
        a = tensor_sin(a);
        return tensor_tanh(tensor_add(a, tensor_slice(a, 0, 0, 1, 1)));
    case 8: /* the last number of an array, which its last block makes */
        a = tensor_cos(a);
        b = tensor_slice(tensor_slice(a, 0, SIDE - 1, SIDE, 1), 1, SIDE - 1, SIDE, 1);
        return tensor_sub(tensor_mul(a, b), b);
    case 9: /* three quarters of an array leave gaps of another size */
        b = tensor_sin(tensor_tanh(tensor_slice(b, 0, 0, 3 * SIDE / 4, 1)));
        b = tensor_mul(tensor_cos(b), b);
        return tensor_sub(tensor_sin(tensor_tanh(a)), tensor_mean(b));
    case 10:
        return tensor_where(tensor_gt(a, b), tensor_square(tensor_tanh(a)), b);
    default:
        return tensor_mul(tensor_tanh(a), tensor_mean(b));
    }
}

static void record(Tape *tape, uint64_t seed, const float *values, Tensor **in, Tensor **out) {
    Rng rng = rng_seed(seed);
    Tensor *x[KEPT];
    in[0] = tensor_from_f32(tape, shape2(SIDE, SIDE), values);
    in[1] = tensor_from_f32(tape, shape2(SIDE, SIDE), values + N);
    Tensor *small = tensor_mul_scalar(
        tensor_reshape(tensor_slice(tensor_reshape(in[0], shape1(N)), 0, 0, SMALL, 1),
                       shape1(SMALL)),
        2);
    for (size_t i = 0; i < KEPT; i++)
        x[i] = tensor_mul_scalar(in[i % 2], 1 + (double)i);
    for (size_t i = 0; i < STEPS; i++)
        x[rng_below(&rng, KEPT)] = next(x, &small, &rng);
    for (size_t i = 0; i < OUTPUTS; i++)
        out[i] = x[i];
}

static void draw(float *values, Rng *rng) {
    for (size_t i = 0; i < 2 * N; i++)
        values[i] = (float)(2 * rng_uniform(rng) - 1);
}

static Tensor *choice(Tensor *a, Tensor *b) {
    return tensor_where(tensor_full(tensor_tape(a), tensor_shape(a), 1), a, b);
}

/* Elementwise calls on large arrays are one chain, whatever their number of operands. */
static void one_chain(void) {
    Tensor *(*const with[])(Tensor *, Tensor *) = {tensor_mul, tensor_maximum, choice};
    Tape *tape = tape_create(HC_F32);
    for (size_t i = 0; i < 4; i++) {
        Tensor *x = tensor_full(tape, shape2(SIDE, SIDE), 0.5), *y = tensor_sin(tensor_tanh(x));
        if (i > 0) y = with[i - 1](y, x);
        Program *program = program_capture(tape, &x, 1, &y, 1, NULL);
        CHECK(program && program->calls[0].count == (i > 0 ? 4 : 3)); /* the chain and its calls */
        program_destroy(program);
    }
    tape_destroy(tape);
}

int main(void) {
    one_chain();
    static float first[2 * N], second[2 * N];
    Tape *tape = tape_create(HC_F32);
    Rng rng = rng_seed(11);
    size_t chains = 0;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        Tensor *in[2], *out[OUTPUTS];
        draw(first, &rng);
        draw(second, &rng);
        tape_reset(tape);
        record(tape, seed, first, in, out);
        Program *program = program_capture(tape, in, 2, out, OUTPUTS, NULL);
        CHECK(program != NULL);
        if (!program) break;
        for (size_t i = 0; i < program->call_count; i += program->calls[i].count)
            chains += program->calls[i].count > 1;
        tape_reset(tape);
        record(tape, seed, second, in, out);
        for (size_t i = 0; i < 2; i++)
            CHECK(program_set_f32(program, i, shape2(SIDE, SIDE), second + i * N));
        CHECK(program_run(program));
        for (size_t i = 0; i < OUTPUTS; i++)
            CHECK(memcmp(program_output(program, i), tensor_data(out[i]), N * sizeof(float)) == 0);
        program_destroy(program);
    }
    CHECK(chains > GRAPHS);
    CHECK(higherc_error() == NULL);
    if (higherc_error()) printf("%s\n", higherc_error());
    tape_destroy(tape);
    return check_done();
}
