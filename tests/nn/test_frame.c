/* What a forward of one's own may ask of its frame, and what is wrong to: in words, with base and with fast weights,
 * and nothing is handed out. */
#include <string.h>

#include "support/refuse.h"

enum { SIZE = 3, MOST_OUTPUTS = 16 };

typedef enum Asks {
    NOTHING_WRONG,
    NO_PARAM,
    NULL_PARAM,
    NO_BUFFER,
    NO_CHILD,
    NULL_CHILD,
    BUFFER_SHAPE,
    NULL_BUFFER,
    OLD_BUFFER,
    LEAVES_NULL,
    FAILS,
    FAILS_ON_THE_TAPE,
    IGNORES_AN_ERROR,
    CASES
} Asks;

static const struct {
    HcStatus status;
    const char *words;
} expected[CASES] = {
    [NO_PARAM] = {HC_ERR_NAME, "frame_param: the own module has no 'wieght'"},
    [NULL_PARAM] = {HC_ERR_NAME, "frame_param: the own module has no '(NULL)'"},
    [NO_BUFFER] = {HC_ERR_NAME, "frame_buffer: the own module has no 'mean'"},
    [NO_CHILD] = {HC_ERR_NAME, "frame_call: the own module has no child 'none'"},
    [NULL_CHILD] = {HC_ERR_NAME, "frame_call: the own module has no child '(NULL)'"},
    [BUFFER_SHAPE] = {HC_ERR_SHAPE, "frame_set_buffer: 'count' is (3), the value (2)"},
    [NULL_BUFFER] = {HC_ERR_ARG, "frame_set_buffer: the value is NULL"},
    [OLD_BUFFER] = {HC_ERR_EXPIRED, "frame_set_buffer: "},
    [LEAVES_NULL] = {HC_ERR_STATE, "own: its forward left output 0 NULL"},
    [FAILS] = {HC_ERR_STATE, "own: its forward failed"},
    [FAILS_ON_THE_TAPE] = {HC_ERR_SHAPE, "tensor_add: "},
    [IGNORES_AN_ERROR] = {HC_ERR_SHAPE, "tensor_add: "}};

static Tensor *bad_sum(Frame *frame) {
    return tensor_add(tensor_ones(frame_tape(frame), shape1(2)),
                      tensor_ones(frame_tape(frame), shape1(5)));
}

static bool own_forward(Frame *frame, Tensor *const *in, size_t nin, Tensor **out, size_t nout) {
    Tensor *w = frame_param(frame, "weight"), *count = frame_buffer(frame, "count");
    CHECK(nin == 1 && w && count && frame_training(frame));
    for (size_t i = 0; i < nout; i++)
        out[i] = tensor_add_scalar(frame_call(frame, "child", tensor_mul(in[0], w)), (double)i);
    CHECK(frame_set_buffer(frame, "count", tensor_add_scalar(count, 1)));
    switch (*(const Asks *)frame_state(frame)) {
    case NO_PARAM:
        return !frame_param(frame, "wieght");
    case NULL_PARAM:
        return !frame_param(frame, NULL);
    case NO_BUFFER:
        return !frame_buffer(frame, "mean");
    case NO_CHILD:
        return !frame_call(frame, "none", in[0]);
    case NULL_CHILD:
        return !frame_call(frame, NULL, in[0]);
    case BUFFER_SHAPE:
        return !frame_set_buffer(frame, "count", tensor_ones(frame_tape(frame), shape1(2)));
    case NULL_BUFFER:
        return !frame_set_buffer(frame, "count", NULL);
    case OLD_BUFFER: {
        TapeMark mark = tape_mark(frame_tape(frame));
        Tensor *old = tensor_ones(frame_tape(frame), shape1(SIZE));
        return tape_release(frame_tape(frame), mark) && !frame_set_buffer(frame, "count", old);
    }
    case LEAVES_NULL:
        out[0] = NULL;
        return true;
    case FAILS:
        return false;
    case FAILS_ON_THE_TAPE:
        return bad_sum(frame) != NULL;
    case IGNORES_AN_ERROR:
        return bad_sum(frame) == NULL;
    default:
        return true;
    }
}

int main(void) {
    Asks asks;
    Module *net = module_create(&(ModuleClass){.name = "own", .forward = own_forward}, &asks);
    Rng rng = rng_seed(1);
    CHECK(module_add_param(net, "weight", shape1(SIZE)) &&
          module_add_buffer(net, "count", shape1(SIZE), 0));
    CHECK(module_add_child(net, "child", module_tanh()) && module_init(net, &rng));
    for (int fast = 0; fast < 2; fast++)
        for (asks = NOTHING_WRONG; asks < CASES; asks++) {
            Tape *tape = tape_create(HC_F32);
            FModule *f = fast ? fmodule_create(tape, net, false) : NULL;
            Tensor *x = tensor_ones(tape, shape1(SIZE)), *out[MOST_OUTPUTS + 1] = {x, x};
            bool done =
                f ? fmodule_forward_n(f, &x, 1, out, 2) : module_forward_n(net, &x, 1, out, 2);
            CHECK(done == (asks == NOTHING_WRONG) && (out[0] != x) == done &&
                  (out[1] != x) == done);
            CHECK(tape_status(tape) == expected[asks].status);
            if (done) {
                out[0] = x; /* none is asked for */
                CHECK((f ? fmodule_forward_n(f, &x, 1, out, 0) : module_forward_n(net, &x, 1, out, 0)) && out[0] == x);
                for (size_t i = 0; i < MOST_OUTPUTS + 1; i++)
                    out[i] = x;
                CHECK(f ? fmodule_forward_n(f, &x, 1, out, MOST_OUTPUTS)
                        : module_forward_n(net, &x, 1, out, MOST_OUTPUTS));
                CHECK(out[MOST_OUTPUTS - 1] != x && out[MOST_OUTPUTS] == x);
                WRONG(HC_ERR_ARG, f ? fmodule_forward_n(f, &x, 1, out, MOST_OUTPUTS + 1)
                                    : module_forward_n(net, &x, 1, out, MOST_OUTPUTS + 1));
            } else {
                CHECK(strstr(tape_error(tape), expected[asks].words) != NULL);
                higherc_clear_error();
            }
            tape_destroy(tape);
        }
    module_destroy(net);
    return check_done();
}
