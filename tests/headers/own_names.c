/* A program with a Tensor, a Pool, a Task, a Shape, a struct Program and a tensor_add of its own. */
#undef HIGHERC_SHORT_NAMES
#ifndef HIGHERC_PREFIX
#define HIGHERC_PREFIX hc_
#endif
#include <higherc/higherc.h>

typedef struct Tensor {
    double stress[3][3];
} Tensor;
typedef enum Shape { ROUND, SQUARE } Shape;
typedef int Pool, Task;
struct Program {
    Pool pool;
    Task task;
    Shape shape;
};

Tensor tensor_add(Tensor a, Tensor b);
Tensor tensor_add(Tensor a, Tensor b) {
    for (int i = 0; i < 9; i++)
        a.stress[i / 3][i % 3] += b.stress[i / 3][i % 3];
    return a;
}

int main(void) {
    struct Program program = {.pool = 1, .task = 2, .shape = SQUARE};
    Tensor steel = tensor_add((Tensor){{{1, 2, 3}}}, (Tensor){{{3, 2, 1}}});
    hc_Tape *tape = hc_tape_create(HC_F64);
    hc_Tensor *x = hc_tensor_from_f64(tape, hc_shape2(1, 3), steel.stress[0]);
    double sum = hc_tensor_item(hc_tensor_sum(hc_tensor_add(x, x)));
    hc_tape_destroy(tape);
    return hc_higherc_error() || sum < 24 || sum > 24 || program.shape == ROUND;
}
