/* Gradients of a loop that goes on as it did, and of one where anything changes from turn to turn: a tape that
 * learns habits (grad/habit.h) gives the bits and the errors of one that learns none. */
#include <higherc/higherc.h>

#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/failing.h"
#include "tape/tape.h"

enum { WEIGHTS = 3, MOST = 5, NUMBERS = WEIGHTS * MOST * MOST, TURNS = QUICK ? 60 : 400, STEPS = 8 };

static Tensor *own_forward(const CustomCall *call) {
    return tensor_mul(call->inputs[0], tensor_sin(call->inputs[0]));
}

/* Not the same each time. */
static bool own_backward(const CustomCall *call, Tensor **grads) {
    int *count = call->state;
    grads[0] = tensor_mul_scalar(call->gradient, ++*count);
    return grads[0] != NULL;
}

static const CustomClass own = {"own", own_forward, own_backward};

typedef struct World {
    Tape *tape;
    Param *w[WEIGHTS];
    int count; /* of calls of own_backward */
} World;

/* One operation on n x n matrices, by its number. */
static Tensor *operation(World *world, unsigned which, bool other, Tensor *a, Tensor *b, double c) {
    const size_t n = tensor_shape(a).dim[0];
    switch (which) {
    case 0:
        return tensor_matmul(a, b);
    case 1:
        return tensor_add(a, tensor_mul_scalar(b, c));
    case 2:
        return tensor_mul(a, other ? tensor_sigmoid(b) : tensor_tanh(b));
    case 3:
        return tensor_relu(tensor_sub(a, b));
    case 4:
        return tensor_softmax(tensor_transpose(a, 0, 1), 1);
    case 5:
        return tensor_mul(a, tensor_sum_axes(b, (int[]){0}, 1, true));
    case 6:
        return tensor_slice(tensor_concat((Tensor *[]){a, b}, 2, 0), 0, 1, (int64_t)n + 1, 1);
    case 7:
        return tensor_where(tensor_gt(a, b), a, tensor_square(b));
    case 8:
        return tensor_linear(a, b, tensor_reshape(tensor_slice(b, 0, 0, 1, 1), shape1(n)));
    case 9:
        return tensor_dropout(a, 0.5, tape_rng(world->tape));
    case 10:
        return tensor_index_select(a, 0, tensor_argmax_axis(b, 1, false));
    case 11:
        return tensor_custom(&own, &a, 1, &world->count);
    default: { /* a gradient within */
        Tensor *g = NULL, *y = tensor_sum(tensor_mul(tensor_sin(a), b));
        if (!tensor_requires_grad(a)) return y ? tensor_add(a, y) : NULL;
        return tensor_grad(y, &a, 1, &g, HC_CREATE_GRAPH) ? g : NULL;
    }
    }
}

/* What a turn is made of. */
typedef struct Turn {
    uint64_t seed; /* of the graph */
    size_t n;
    double c;          /* an attribute */
    unsigned kinds;    /* of operations */
    bool written;      /* a weight is, after it was recorded */
    bool released;     /* to a mark, rather than reset */
    bool other;        /* an operation is */
    bool swapped;      /* two operands are */
    bool elsewhere;    /* the data are in other memory */
    bool trimmed, nan; /* the tape is trimmed before; looks for NaN */
    int frozen;        /* a weight, or -1 */
} Turn;

/* The data, in memory of this tape's type. */
static Tensor *data_of(World *world, const Turn *t, const double *numbers) {
    static double memory[2][2][MOST * MOST];
    void *at = memory[world->tape->forgetful][t->elsewhere];
    for (size_t i = 0; i < t->n * t->n; i++)
        if (tape_dtype(world->tape) == HC_F32)
            ((float *)at)[i] = (float)numbers[i];
        else
            ((double *)at)[i] = numbers[i];
    return tensor_borrow(world->tape, shape2(t->n, t->n), at);
}

static Tensor *graph(World *world, const Turn *t, const double *numbers) {
    Rng rng = rng_seed(t->seed);
    Tensor *x[WEIGHTS + 1 + STEPS];
    size_t count = 0;
    for (; count < WEIGHTS; count++)
        x[count] = param_tensor(world->tape, world->w[count]);
    x[count++] = data_of(world, t, numbers);
    for (int i = 0; i < STEPS; i++, count++) {
        unsigned which = (unsigned)(rng_uniform(&rng) * t->kinds);
        Tensor *a = x[(size_t)(rng_uniform(&rng) * (double)count)], *b = x[(size_t)(rng_uniform(&rng) * (double)count)];
        bool swap = t->swapped && i >= STEPS / 2;
        x[count] = operation(world, which, t->other, swap ? b : a, swap ? a : b, t->c);
    }
    Tensor *last = tensor_add(x[count - 1], tensor_add(x[count - 2], tensor_matmul(x[0], tensor_mul(x[1], x[2]))));
    return tensor_mean(tensor_square(last));
}

/* Its gradients, and the error, in words. Returns whether the sweep was a habit. */
static bool run(World *world, const Turn *t, const double *weights, const double *numbers, double *out, char *text) {
    Tape *tape = world->tape;
    if (t->trimmed) tape_trim(tape);
    tape_check_nan(tape, t->nan);
    for (size_t i = 0; i < WEIGHTS; i++) {
        CHECK(param_set_f64(world->w[i], weights + i * t->n * t->n, t->n * t->n));
        param_freeze(world->w[i], t->frozen == (int)i);
        param_zero_grad(world->w[i]);
    }
    TapeMark mark = tape_mark(tape);
    Tensor *loss = graph(world, t, numbers);
    if (t->written) CHECK(param_fill(world->w[0], 0.5));
    uint64_t serial = tape->serial;
    bool done = tensor_backward(loss), habit = done && tape->serial == serial;
    CHECK(done == (tape_status(tape) == HC_OK) && tape->scratch.live == 0 && tape->born_count == 0);
    strcpy(text, done ? "" : tape_error(tape));
    memset(out, 0, NUMBERS * sizeof *out);
    for (size_t i = 0; i < WEIGHTS; i++)
        for (size_t j = 0; j < t->n * t->n; j++)
            out[i * t->n * t->n + j] = param_grad(world->w[i]) ? param_grad_get(world->w[i], j) : 0;
    tape_clear_error(tape);
    higherc_clear_error();
    if (t->released)
        CHECK(tape_release(tape, mark));
    else
        tape_reset(tape);
    return habit;
}

static void open_worlds(World *worlds, size_t n, DType dtype) {
    for (int k = 0; k < 2; k++) {
        worlds[k] = (World){.tape = tape_create(dtype)};
        for (size_t i = 0; i < WEIGHTS; i++)
            worlds[k].w[i] = param_create("w", shape2(n, n), dtype);
        worlds[k].tape->forgetful = k == 1;
    }
}

static void close_worlds(World *worlds) {
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < WEIGHTS; i++)
            param_unref(worlds[k].w[i]);
        tape_destroy(worlds[k].tape);
    }
}

/* Both do the turn, on the same new numbers. Returns whether the first followed a habit. */
static bool both(World *worlds, const Turn *t, Rng *rng) {
    static double weights[NUMBERS], numbers[MOST * MOST], out[2][NUMBERS];
    static char text[2][HC_MESSAGE_SIZE];
    for (size_t i = 0; i < NUMBERS; i++)
        weights[i] = 2 * rng_uniform(rng) - 1;
    for (size_t i = 0; i < MOST * MOST; i++)
        numbers[i] = 2 * rng_uniform(rng) - 1;
    bool habit = run(&worlds[0], t, weights, numbers, out[0], text[0]);
    CHECK(!run(&worlds[1], t, weights, numbers, out[1], text[1]));
    bool same = memcmp(out[0], out[1], sizeof out[0]) == 0 && strcmp(text[0], text[1]) == 0;
    CHECK(same);
    if (!same) printf("  seed %d, '%s' '%s'\n", (int)t->seed, text[0], text[1]);
    return habit;
}

/* A few steady turns, then something else. */
static size_t random_turns(DType dtype, size_t n, unsigned kinds, uint64_t seed) {
    World worlds[2];
    Rng rng = rng_seed(seed);
    size_t habits = 0;
    open_worlds(worlds, n, dtype);
    Turn t = {.seed = seed, .n = n, .c = 0.5, .kinds = kinds, .frozen = -1};
    for (int i = 0; i < TURNS; i++) {
        Turn now = t;
        double what = rng_uniform(&rng) * 40;
        if (what < 1) now.seed = seed + 1;
        if (what >= 1 && what < 2) now.c = 0.25;
        if (what >= 2 && what < 4) now.written = true;
        if (what >= 4 && what < 5) now.trimmed = true;
        if (what >= 5 && what < 6) now.nan = true;
        if (what >= 6 && what < 7) now.frozen = (int)(what * 64) % WEIGHTS;
        if (what >= 7 && what < 8) now.released = true;
        if (what >= 9 && what < 10) now.swapped = true;
        if (what >= 12 && what < 13) now.other = true;
        if (what >= 10 && what < 12) now.elsewhere = true;
        if (what >= 8 && what < 8.4) t.seed++; /* from here on */
        habits += both(worlds, &now, &rng);
    }
    close_worlds(worlds);
    return habits;
}

/* A habit is formed, and holds while numbers alone change. */
static void steady(void) {
    World worlds[2];
    Rng rng = rng_seed(9);
    open_worlds(worlds, 4, HC_F64);
    Turn t = {.seed = 4, .n = 4, .c = 0.5, .kinds = 9, .frozen = -1}, other = t;
    for (int i = 0; i < 20; i++) {
        bool habit = both(worlds, &t, &rng);
        CHECK(i < 8 || habit == !worlds[0].tape->never_reuse);
    }
    other.c = 0.75;
    CHECK(!both(worlds, &other, &rng) && !both(worlds, &t, &rng));
    close_worlds(worlds);
}

/* What a caller's rule gives is asked for each time; so is what is drawn. */
static void never(unsigned kinds, unsigned first) {
    World worlds[2];
    Rng rng = rng_seed(10);
    open_worlds(worlds, 3, HC_F64);
    for (int i = 0; i < 40; i++) {
        Turn t = {.seed = first, .n = 3, .c = 0.5, .kinds = kinds, .frozen = -1};
        both(worlds, &t, &rng);
        CHECK(worlds[0].count == worlds[1].count);
    }
    close_worlds(worlds);
}

/* A weight that was written is told as it is without a habit, and nothing is added to a gradient. */
static void written(void) {
    World worlds[2];
    Rng rng = rng_seed(11);
    open_worlds(worlds, 4, HC_F32);
    for (int i = 0; i < 60; i++) {
        Turn t = {.seed = 4, .n = 4, .c = 0.5, .kinds = 9, .written = i % 10 == 9, .frozen = -1};
        bool habit = both(worlds, &t, &rng);
        CHECK(!t.written || !habit);
    }
    close_worlds(worlds);
}

/* A rule reads data through a view of it, and they lie elsewhere from turn to turn. */
static void viewed(void) {
    enum { N = 2, COUNT = N * N * N };
    World worlds[2];
    double memory[2][COUNT], grads[2][N * N];
    open_worlds(worlds, N, HC_F64);
    for (int i = 0; i < 40; i++) {
        for (size_t j = 0; j < 2 * COUNT; j++)
            memory[j / COUNT][j % COUNT] = (double)(i + 1) * (double)(j + 1);
        for (int k = 0; k < 2; k++) {
            Param *w = worlds[k].w[0];
            Tensor *x = tensor_borrow(worlds[k].tape, shape3(N, N, N), memory[i % 5 == 4]);
            param_zero_grad(w);
            CHECK(param_fill(w, 0.5));
            CHECK(tensor_backward(tensor_sum(tensor_square(tensor_linear(x, param_tensor(worlds[k].tape, w), NULL)))));
            for (size_t j = 0; j < (size_t)N * N; j++)
                grads[k][j] = param_grad_get(w, j);
            tape_reset(worlds[k].tape);
        }
        CHECK(memcmp(grads[0], grads[1], sizeof grads[0]) == 0);
    }
    close_worlds(worlds);
}

static bool short_of_memory(void) {
    enum { N = 3 };
    const double numbers[N * N] = {1, -2, 3, -4, 5, -6, 7, -8, 9};
    TapeOptions options = tape_options(HC_F64);
    options.block_bytes = 1024;
    Tape *tape = tape_create_with(options);
    Param *w = param_create("w", shape2(N, N), HC_F64);
    bool done = tape && w && param_fill(w, 0.5);
    for (int i = 0; i < 8 && done; i++) {
        Tensor *x = tensor_from_f64(tape, shape2(N, N), numbers), *y = tensor_matmul(x, param_tensor(tape, w));
        done = tensor_backward(tensor_mean(tensor_square(tensor_add(y, tensor_tanh(y)))));
        CHECK(tape->scratch.live == 0 && tape->born_count == 0);
        tape_reset(tape);
    }
    CHECK(done == (higherc_error() == NULL));
    tape_destroy(tape);
    param_unref(w);
    return done;
}

/* Memory may end while a habit is learned: there is none then, and no error that there would not be without. */
static void memory(void) {
    enum { MOST_CALLS = 300 };
    bool enough = false;
    fail_each_allocation("habits", short_of_memory);
    failing_begin();
    for (size_t calls = 0; calls < MOST_CALLS; calls++) {
        failing_after(calls);
        bool done = short_of_memory();
        CHECK(done || !enough);
        enough = enough || done;
        higherc_clear_error();
    }
    CHECK(enough);
    failing_end();
}

int main(void) {
    size_t habits = 0;
    for (uint64_t seed = 0; seed < 24; seed++)
        habits += random_turns(seed % 2 ? HC_F32 : HC_F64, 2 + seed % (MOST - 1), seed < 12 ? 9 : 13, 100 * seed);
    printf("%zu habits\n", habits);
    Tape *tape = tape_create(HC_F64);
    CHECK((habits > 24) == !tape->never_reuse);
    tape_destroy(tape);
    steady();
    for (unsigned seed = 0; seed < 20; seed++)
        never(13, seed);
    written();
    viewed();
    memory();
    return check_done();
}
