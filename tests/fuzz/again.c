#include "fuzz/again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/loops.h"
#include "support/failing.h"

enum { TASKS = 3 };

bool bits_append(Bits *bits, Tensor *x) {
    size_t count = tensor_count(x);
    bits->count += count;
    return x && tensor_copy_to_f64(x, bits->v + bits->count - count, count);
}

bool bits_same(const char *way, const Bits *want, const Bits *got) {
    if (want->count == got->count && memcmp(want->v, got->v, want->count * sizeof *want->v) == 0)
        return true;
    for (size_t i = 0; i < want->count && i < got->count; i++)
        if (memcmp(&want->v[i], &got->v[i], sizeof *want->v) != 0) {
            printf("  %s: number %zu of %zu is %.17g, should be %.17g\n", way, i, want->count,
                   got->v[i], want->v[i]);
            return false;
        }
    printf("  %s: %zu numbers, should be %zu\n", way, got->count, want->count);
    return false;
}

/* ---- the graph again ------------------------------------------------------------------------- */

bool again_build(Fuzz *z, const Again *again, Tape *tape, Tensor *const *inputs) {
    z->data = again->data;
    z->left = again->left;
    z->tape = tape;
    z->count = INPUTS;
    z->at = 0;
    z->again = true;
    for (size_t i = 0; i < INPUTS; i++)
        z->node[i].tensor = inputs[i];
    fuzz_build(z);
    return tape_status(tape) == HC_OK;
}

Tensor *again_sum(const Fuzz *z) {
    Tensor *loss = NULL;
    for (size_t n = 0; n < z->count; n++) {
        Tensor *part = tensor_mul_scalar(tensor_sum(z->node[n].tensor), 1 / (1.5 + (double)n));
        loss = loss ? tensor_add(loss, part) : part;
    }
    return loss;
}

static void make_inputs(const Fuzz *z, Tape *tape, double values[INPUTS][NAIVE_MOST],
                        Tensor **constants, Tensor **leaves) {
    for (size_t i = 0; i < INPUTS; i++) {
        const Naive *x = &z->node[i].value;
        constants[i] = tensor_from_f64(tape, shape_of(x->dim, x->ndim), values[i]);
        leaves[i] = tensor_leaf(constants[i]);
    }
}

/* Every node's numbers, and the gradients of their sum. */
static bool record(Fuzz *z, const Again *again, Tape *tape, double values[INPUTS][NAIVE_MOST],
                   Bits *bits) {
    Tensor *constants[INPUTS], *leaves[INPUTS], *grads[INPUTS];
    bits->count = 0;
    make_inputs(z, tape, values, constants, leaves);
    bool done = again_build(z, again, tape, leaves) &&
                tensor_grad(again_sum(z), leaves, INPUTS, grads, HC_CREATE_GRAPH | HC_ZEROS);
    for (size_t n = 0; n < z->count && done; n++)
        done = bits_append(bits, z->node[n].tensor);
    for (size_t i = 0; i < INPUTS && done; i++)
        done = bits_append(bits, grads[i]);
    return done;
}

/* ---- as a Program, captured on other numbers ------------------------------------------------- */

static bool replay(Fuzz *z, const Again *again, DType dtype, double values[INPUTS][NAIVE_MOST],
                   Bits *bits) {
    Tensor *constants[INPUTS], *leaves[INPUTS], *outputs[MOST_NODES + INPUTS];
    static double others[INPUTS][NAIVE_MOST];
    Tape *tape = tape_create(dtype);
    for (size_t i = 0; i < INPUTS; i++)
        for (size_t k = 0; k < NAIVE_MOST; k++)
            others[i][k] = 0.75 - 0.5 * values[i][k];
    make_inputs(z, tape, others, constants, leaves);
    bool done = again_build(z, again, tape, leaves);
    for (size_t n = 0; n < z->count; n++)
        outputs[n] = z->node[n].tensor;
    size_t count = z->count + INPUTS;
    done = done &&
           tensor_grad(again_sum(z), leaves, INPUTS, outputs + z->count, HC_CREATE_GRAPH | HC_ZEROS);
    Program *p = done ? program_capture(tape, constants, INPUTS, outputs, count, NULL) : NULL;
    tape_destroy(tape);
    for (size_t i = 0; i < INPUTS && p; i++)
        program_set_f64(p, i, shape_of(z->node[i].value.dim, z->node[i].value.ndim), values[i]);
    done = p && program_run(p);
    bits->count = 0;
    for (size_t n = 0; n < count && done; n++) {
        size_t numbers = shape_count(program_output_shape(p, n));
        const void *from = program_output(p, n);
        for (size_t i = 0; i < numbers; i++)
            bits->v[bits->count++] =
                dtype == HC_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
    }
    program_destroy(p);
    return done;
}

/* ---- as tasks -------------------------------------------------------------------------------- */

typedef struct Batch {
    const Again *again;
    double (*values)[NAIVE_MOST];
    Fuzz z[TASKS];
    Bits bits[TASKS];
} Batch;

static bool task(Task *task, void *user) {
    Batch *b = user;
    return record(&b->z[task->index], b->again, task->tape, b->values, &b->bits[task->index]);
}

static bool as_tasks(const Fuzz *z, const Again *again, Pool *pool, DType dtype,
                     double values[INPUTS][NAIVE_MOST], const Bits *want) {
    static Batch b;
    Rng rng = rng_seed(1);
    b.again = again;
    b.values = values;
    for (size_t i = 0; i < TASKS; i++)
        b.z[i] = *z;
    Tasks *tasks = tasks_create(pool, (ParamList){NULL, 0}, dtype);
    bool done = tasks_run(tasks, TASKS, &rng, task, &b);
    tasks_destroy(tasks);
    for (size_t i = 0; i < TASKS && done; i++)
        done = bits_same("tasks", want, &b.bits[i]);
    return done;
}

/* ---- without memory -------------------------------------------------------------------------- */

/* Memory ends somewhere; the tape goes on as if it had not. */
static bool without_memory(Fuzz *z, const Again *again, DType dtype,
                           double values[INPUTS][NAIVE_MOST], Bits *bits) {
    TapeOptions options = tape_options(dtype);
    options.block_bytes = 256;
    Tape *tape = tape_create_with(options);
    failing_after(again->left % 61);
    bool done = record(z, again, tape, values, bits);
    failing_never();
    if (done != (tape_status(tape) == HC_OK) || (!done && higherc_status() != HC_ERR_NOMEM)) {
        printf("  without memory: %s\n", done ? "no failure, but an error" : "another error");
        tape_destroy(tape);
        return false;
    }
    tape_clear_error(tape);
    higherc_clear_error();
    tape_reset(tape);
    done = record(z, again, tape, values, bits);
    tape_destroy(tape);
    return done;
}

/* ---- all ------------------------------------------------------------------------------------- */

static Pool *pool;
static size_t blocks;

void again_begin(void) {
    if (pool) return;
    failing_begin();
    pool = pool_create(2);
    blocks = higherc_live_allocations();
}

size_t again_blocks(void) {
    return blocks;
}

void again_end(void) {
    pool_destroy(pool);
    failing_end();
}

bool again_ways(const Again *again, const Fuzz *first, double values[INPUTS][NAIVE_MOST],
                unsigned ways) {
    static Fuzz z;
    static Bits want, got;
    DType dtype = ways & WAY_F32 ? HC_F32 : HC_F64;
    Tape *tape = tape_create(dtype);
    z = *first;
    bool done = record(&z, again, tape, values, &want);
    tape_destroy(tape);
    if (z.count != first->count) {
        printf("  made again it has %zu nodes, not %zu\n", z.count, first->count);
        return false;
    }
    if (done && ways & WAY_PROGRAM)
        done = replay(&z, again, dtype, values, &got) && bits_same("program", &want, &got);
    if (done && ways & WAY_TASKS) done = as_tasks(&z, again, pool, dtype, values, &want);
    if (done && ways & WAY_NO_MEMORY)
        done =
            without_memory(&z, again, dtype, values, &got) && bits_same("after no memory", &want, &got);
    if (done && ways & WAY_LOOP) done = loops_modes(&z, again, dtype, values);
    return done && (!(ways & WAY_UNROLL) || loops_unrolled(&z, again, dtype, values));
}
