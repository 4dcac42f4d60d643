/* Of tapes, of making tensors and of reading them. */
#include <math.h>

#include "support/tells.h"

static void making(Tape *tape) {
    Shape none = shape_of(NULL, 2);
    double values[2] = {0};
    TELLS(ARG, tensor_zeros(NULL, shape1(1)), "tensor_zeros: the tape is NULL");
    TELLS(SHAPE, tensor_zeros(tape, none),
          "tensor_zeros: (no shape) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(SHAPE, tensor_ones(tape, shape2(4000000000, 4000000000)),
          "tensor_ones: (4000000000, 4000000000) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(SHAPE, tensor_full(tape, none, 1),
          "tensor_full: (no shape) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(SHAPE, tensor_from_f64(tape, none, values),
          "tensor_from_f64: (no shape) is no shape of a tensor: 0 to 8 sizes that fit memory");
    TELLS(ARG, tensor_from_f32(tape, shape1(2), NULL), "tensor_from_f32: values is NULL");
    TELLS(ARG, tensor_from_f64(tape, shape1(2), NULL), "tensor_from_f64: values is NULL");
    TELLS(ARG, tensor_from_i64(tape, shape1(2), NULL), "tensor_from_i64: values is NULL");
    TELLS(ARG, tensor_borrow(tape, shape1(2), NULL), "tensor_borrow: values is NULL");
    TELLS(RANGE, tensor_from_i64(tape, shape1(2), ((int64_t[]){1, INT64_MAX})),
          "tensor_from_i64: 9223372036854775807 at 1 is not exact in f64");
    TELLS(ARG, tensor_uniform(tape, shape1(2), 0, 1, NULL), "tensor_uniform: the stream is NULL");
    TELLS(ARG, tensor_normal(tape, shape1(2), 0, 1, NULL), "tensor_normal: the stream is NULL");
    TELLS(ARG, tensor_arange(tape, 0, 1, 0),
          "tensor_arange: from 0 to 1 by 0: no step of 0, and less than 2^52 numbers");
    TELLS(ARG, tensor_arange(tape, 0, 1, NAN),
          "tensor_arange: from 0 to 1 by nan: no step of 0, and less than 2^52 numbers");
    TELLS(ARG, tensor_arange(NULL, 0, 1, 1), "tensor_arange: the tape is NULL");
    TELLS(RANGE, tensor_one_hot(tensor_scalar(tape, 5), 2), "tensor_one_hot: index 5 at position 0 is not in 0..1");
    TELLS(RANGE, tensor_one_hot(tensor_scalar(tape, 0.5), 2), "tensor_one_hot: index 0.5 at position 0 is not in 0..1");
    TELLS(RANGE, tensor_one_hot(tensor_scalar(tape, 0), 0),
          "tensor_one_hot: index 0 at position 0, where there is none");
    TELLS(SHAPE, tensor_one_hot(tensor_zeros(tape, shape_of((const size_t[8]){1, 1, 1, 1, 1, 1, 1, 1}, 8)), 2),
          "tensor_one_hot: a tensor has at most 8 axes");
    TELLS(SHAPE, tensor_one_hot(tensor_zeros(tape, shape1(8)), SIZE_MAX / 8),
          "tensor_one_hot: the result does not fit memory");
    TELLS(ARG, tensor_one_hot(NULL, 2), "tensor_one_hot: a tensor is NULL");
}

static void reading(Tape *tape) {
    Tensor *x = tensor_ones(tape, shape2(2, 3));
    double room[6];
    float small[6];
    TELLS(SHAPE, tensor_item(x), "tensor_item: (2, 3) has not one element");
    TELLS(ARG, tensor_item(NULL), "tensor_item: a tensor is NULL");
    TELLS(ARG, tensor_data(NULL), "tensor_data: a tensor is NULL");
    TELLS(SHAPE, tensor_copy_to_f64(x, room, 5), "tensor_copy_to_f64: room for 5 numbers, the tensor has 6");
    TELLS(SHAPE, tensor_copy_to_f32(x, small, 7), "tensor_copy_to_f32: room for 7 numbers, the tensor has 6");
    TELLS(ARG, tensor_copy_to_f64(x, NULL, 6), "tensor_copy_to_f64: values is NULL");
    TELLS(ARG, tensor_leaf(NULL), "tensor_leaf: a tensor is NULL");
    TELLS(ARG, tensor_detach(NULL), "tensor_detach: a tensor is NULL");
    TELLS(ARG, tape_write_dot(NULL, x, "x.dot"), "tape_write_dot: the tape is NULL");
    TELLS(ARG, tape_write_dot(tape, x, NULL), "tape_write_dot: the path is NULL");
    TELLS(IO, tape_write_dot(tape, x, "no/such/folder/x.dot"),
          "tape_write_dot: 'no/such/folder/x.dot' could not be written in full");
}

static void between(Tape *tape, Tape *far, Tape *single) {
    Tensor *x = tensor_ones(tape, shape2(2, 3)), *alien = tensor_ones(far, shape2(2, 3));
    TELLS(TAPE, tensor_add(x, alien), "tensor_add: tensor 2 is on another tape than the first");
    TELLS(TAPE, tensor_add(x, tensor_ones(single, shape1(3))),
          "tensor_add: tensor 2 is on another tape than the first");
    TELLS(TAPE, tape_write_dot(tape, alien, "x.dot"), "tape_write_dot: the output is on another tape");
    TELLS(ARG, tensor_add(NULL, NULL), "tensor_add: a tensor is NULL");
    TELLS(ARG, tensor_add(x, NULL), "tensor_add: tensor 2 is NULL");
    TELLS(ARG, tensor_add(NULL, x), "tensor_add: tensor 1 is NULL");
    TELLS(ARG, tensor_concat((Tensor *[]){x, x, NULL}, 3, 0), "tensor_concat: tensor 3 is NULL");
    tape_clear_error(single);
}

static void stale(Tape *tape) {
    TapeMark mark = tape_mark(tape);
    Tensor *x = tensor_ones(tape, shape2(2, 3));
    double room[6];
    tape_reset(tape);
    TELLS(EXPIRED, tensor_relu(x),
          "tensor_relu: tensor 1 was freed by tape_reset or tape_release: make it anew in each turn");
    TELLS(EXPIRED, tensor_item(x),
          "tensor_item: tensor 1 was freed by tape_reset or tape_release: make it anew in each turn");
    TELLS(EXPIRED, tensor_copy_to_f64(x, room, 6),
          "tensor_copy_to_f64: tensor 1 was freed by tape_reset or tape_release: make it anew in each turn");
    TELLS(EXPIRED, tensor_sum(x),
          "tensor_sum: tensor 1 was freed by tape_reset or tape_release: make it anew in each turn");
    TELLS(EXPIRED, tensor_linear(tensor_ones(tape, shape2(1, 3)), x, NULL),
          "tensor_linear: tensor 2 was freed by tape_reset or tape_release: make it anew in each turn");
    tensor_ones(tape, shape1(1));
    TELLS(EXPIRED, tape_release(tape, mark),
          "tape_release: the mark has expired: the tape was reset, or released below it, since");
}

static void tapes(Tape *tape, Tape *far) {
    TELLS(ARG, tape_create((DType)7), "tape_create: 7 is no type");
    TELLS(TAPE, tape_release(tape, tape_mark(far)), "tape_release: the mark is of another tape");
    TELLS(ARG, tape_release(NULL, tape_mark(far)), "tape_release: the tape is NULL");
    TapeOptions options = tape_options(HC_F64);
    options.max_bytes = 1000;
    Tape *tight = tape_create_with(options);
    tells_on(tape, tight);
    TELLS(NOMEM, tensor_zeros(tight, shape1(1000)), "tensor_zeros: out of memory (the tape may hold 1000 bytes)");
    tape_destroy(tight);
    tells_on(tape, far);
    tape_check_nan(tape, true);
    TELLS(NAN, tensor_log(tensor_scalar(tape, -1)), "tensor_log: made a NaN out of inputs without one");
    tape_check_nan(tape, false);
    TELLS(ARG, pool_create(0), "pool_create: 0 threads: from 1 to 1024 are possible");
    TELLS(ARG, pool_create(5000), "pool_create: 5000 threads: from 1 to 1024 are possible");
    TELLS(ARG, rng_truncated_normal(NULL, 1), "rng_truncated_normal: the stream is NULL");
    TELLS(ARG, rng_truncated_normal(&(Rng){0}, 0), "rng_truncated_normal: bound 0 is not positive");
    TELLS(STATE, higherc_set_allocator(&(Allocator){0}),
          "higherc_set_allocator: blocks of the present allocator are in use");
    TELLS(STATE, higherc_set_allocator(NULL), "higherc_set_allocator: blocks of the present allocator are in use");
}

int main(void) {
    Tape *tape = tape_create(HC_F64), *far = tape_create(HC_F64), *single = tape_create(HC_F32);
    tells_on(tape, far);
    making(tape);
    reading(tape);
    between(tape, far, single);
    stale(tape);
    tapes(tape, far);
    tape_destroy(single);
    tape_destroy(far);
    tape_destroy(tape);
    return check_done();
}
