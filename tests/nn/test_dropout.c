/* Dropout: which entries fall, the same ones at every order of gradient, whose stream is drawn from, and
 * what a replay does; embedding, the other layer without a loop of its own. */
#include <math.h>
#include <string.h>

#include "support/refuse.h"

enum { MANY = 4000 };

/* The mask scaled by 1 / (1 - p), from dropping ones. */
static void mask_of(Tape *tape, double p, Rng *rng, double *mask, size_t count) {
    CHECK(
        tensor_copy_to_f64(tensor_dropout(tensor_ones(tape, shape1(count)), p, rng), mask, count));
}

static void shares(void) {
    static double mask[MANY];
    Tape *tape = tape_create(HC_F64);
    for (int tenth = 0; tenth <= 10; tenth++) {
        double p = tenth / 10.0, dropped = 0;
        Rng rng = rng_seed(6);
        mask_of(tape, p, &rng, mask, MANY);
        for (size_t i = 0; i < MANY; i++) {
            dropped += mask[i] == 0;
            if (mask[i] != 0) CHECK_NEAR(mask[i], 1 / (1 - p), 1e-15, 0);
        }
        CHECK(fabs(dropped - MANY * p) <= 4 * sqrt(MANY * p * (1 - p)));
        CHECK(rng.counter == MANY / 4);
    }
    /* Neighbours are independent: of all pairs a quarter falls together. */
    double both = 0;
    Rng rng = rng_seed(8);
    mask_of(tape, 0.5, &rng, mask, MANY);
    for (size_t i = 0; i + 1 < MANY; i++)
        both += mask[i] == 0 && mask[i + 1] == 0;
    CHECK(fabs(both / MANY - 0.25) < 0.03);
    /* Infinite entries that fall are 0, not NaN. */
    double infinite[8], kept[8];
    for (int i = 0; i < 8; i++)
        infinite[i] = INFINITY;
    Tensor *y = tensor_dropout(tensor_from_f64(tape, shape1(8), infinite), 1, &rng);
    CHECK(tensor_copy_to_f64(y, kept, 8) && kept[0] == 0 && kept[7] == 0);
    tape_destroy(tape);
}

static void streams(void) {
    double a[50], b[50], c[50];
    Tape *tape = tape_create(HC_F64), *other = tape_create(HC_F32);
    tape_seed(tape, 3);
    tape_seed(other, 3);
    mask_of(tape, 0.5, NULL, a, 50);
    mask_of(other, 0.5, NULL, b, 50); /* whole-number randomness: the same in either type */
    CHECK(memcmp(a, b, sizeof a) == 0);
    mask_of(tape, 0.5, NULL, c, 50); /* the stream has moved on */
    CHECK(memcmp(a, c, sizeof a) != 0);
    tape_reset(tape);
    tape_seed(tape, 3);
    mask_of(tape, 0.5, NULL, b, 50);
    CHECK(memcmp(a, b, sizeof a) == 0);
    Rng rng = rng_seed(3), copy = rng;
    mask_of(tape, 0.5, &rng, a, 50);
    mask_of(tape, 0.5, NULL, b, 50); /* the tape's did not move meanwhile */
    CHECK(memcmp(b, c, sizeof b) == 0);
    mask_of(tape, 0.5, &copy, b, 50);
    CHECK(memcmp(a, b, sizeof a) == 0 && rng.counter == copy.counter);
    /* The place in row-major order counts, not that in memory. */
    double turned[12], straight[12];
    Rng one = rng_seed(4), two = one;
    Tensor *x = tensor_transpose(tensor_ones(tape, shape2(4, 3)), 0, 1);
    CHECK(tensor_copy_to_f64(tensor_dropout(x, 0.5, &one), turned, 12));
    CHECK(tensor_copy_to_f64(tensor_dropout(tensor_ones(tape, shape2(3, 4)), 0.5, &two), straight,
                             12));
    CHECK(memcmp(turned, straight, sizeof turned) == 0);
    tape_destroy(other);
    tape_destroy(tape);
}

/* y = x^3 through one mask m: y' = 3 m^3 x^2, y'' = 6 m^3 x, y''' = 6 m^3, all with m's zeros. */
static void orders(void) {
    enum { K = 40 };
    double m[K], at[3][K];
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(12), again = rng;
    mask_of(tape, 0.4, &again, m, K);
    Tensor *x = tensor_leaf(tensor_full(tape, shape1(K), 0.7)), *g = x;
    Tensor *y = tensor_sum(tensor_pow_scalar(tensor_dropout(x, 0.4, &rng), 3));
    for (int order = 0; order < 3; order++) {
        CHECK(tensor_grad(y, &x, 1, &g, HC_CREATE_GRAPH));
        CHECK(tensor_copy_to_f64(g, at[order], K));
        y = tensor_sum(g);
    }
    size_t fallen = 0;
    for (size_t i = 0; i < K; i++) {
        double c = pow(m[i], 3);
        fallen += m[i] == 0;
        CHECK_NEAR(at[0][i], 3 * c * 0.49, 1e-12, 0);
        CHECK_NEAR(at[1][i], 6 * c * 0.7, 1e-12, 0);
        CHECK_NEAR(at[2][i], 6 * c, 1e-12, 0);
    }
    CHECK(fallen > 5 && fallen < 30);
    tape_destroy(tape);
}

/* The same bits with the weights of an inner step in each mode; another mask at each forward. */
static void in_a_module(void) {
    Tape *tape = tape_create(HC_F64);
    Module *layers[] = {module_linear(6, 6), module_dropout(0.5)};
    Module *net = module_sequential(layers, 2);
    Rng rng = rng_seed(2);
    CHECK(module_to(net, HC_F64) && module_init(net, &rng));
    Tensor *x = tensor_ones(tape, shape2(5, 6));
    double a[30], b[30];
    tape_seed(tape, 1);
    CHECK(tensor_copy_to_f64(module_forward(net, x), a, 30));
    CHECK(tensor_copy_to_f64(module_forward(net, x), b, 30) && memcmp(a, b, sizeof a) != 0);
    FModule *f = fmodule_create(tape, net, false);
    tape_seed(tape, 1);
    CHECK(tensor_copy_to_f64(fmodule_forward(f, x), b, 30) && memcmp(a, b, sizeof a) == 0);
    CHECK(fmodule_train(f, false));
    CHECK(tensor_copy_to_f64(fmodule_forward(f, x), a, 30));
    CHECK(tensor_copy_to_f64(module_forward(module_find(net, "0"), x), b, 30));
    CHECK(memcmp(a, b, sizeof a) == 0);
    Module *copy = module_clone(net);
    module_train(copy, false);
    CHECK(tensor_copy_to_f64(module_forward(copy, x), b, 30) && memcmp(a, b, sizeof a) == 0);
    module_destroy(copy);
    module_destroy(net);
    tape_destroy(tape);
}

static void replay(void) {
    Tape *tape = tape_create(HC_F64);
    Rng rng = rng_seed(2);
    Tensor *x = tensor_ones(tape, shape1(20));
    Tensor *own = tensor_sum(tensor_dropout(x, 0.5, &rng)), *shared = tensor_dropout(x, 0.5, NULL);
    double before = tensor_item(own);
    Program *p = program_capture(tape, &x, 1, &own, 1, NULL);
    CHECK(p && program_run(p) && program_item(p, 0) == before);
    program_destroy(p);
    CHECK(!program_capture(tape, &x, 1, &shared, 1, NULL));
    CHECK_ERROR("program_capture: tensor_dropout (3 on the tape) drew from the tape's stream: each run would draw the "
                "same again (hand it a stream of its own if that is meant)");
    tape_destroy(tape);
}

static void embeddings(void) {
    Tape *tape = tape_create(HC_F64);
    Module *table = module_embedding(5, 3);
    Rng rng = rng_seed(1);
    CHECK(module_to(table, HC_F64) && module_init(table, &rng));
    Param *weight = module_param(table, "weight");
    CHECK(shape_equal(param_shape(weight), shape2(5, 3)));
    static const int64_t which[] = {4, 0, 4, 2};
    Tensor *y = module_forward(table, tensor_from_i64(tape, shape2(2, 2), which));
    CHECK(shape_equal(tensor_shape(y), shape3(2, 2, 3)));
    double got[12];
    CHECK(tensor_copy_to_f64(y, got, 12));
    for (size_t i = 0; i < 12; i++)
        CHECK(got[i] == param_get(weight, (size_t)which[i / 3] * 3 + i % 3));
    CHECK(tensor_backward(tensor_sum(tensor_mul_scalar(y, 2))));
    for (size_t i = 0; i < 15; i++) {
        double picks = 0;
        for (size_t k = 0; k < 4; k++)
            picks += (size_t)which[k] == i / 3;
        CHECK(param_grad_get(weight, i) == 2 * picks);
    }
    WRONG(HC_ERR_RANGE, module_forward(table, tensor_scalar(tape, 5)));
    WRONG(HC_ERR_RANGE, module_forward(table, tensor_scalar(tape, -1)));
    WRONG(HC_ERR_RANGE, module_forward(table, tensor_scalar(tape, 1.5)));
    WRONG(HC_ERR_RANGE, module_forward(table, tensor_scalar(tape, NAN)));
    Tensor *row = tensor_ones(tape, shape1(3)), *m = tensor_ones(tape, shape2(2, 3));
    WRONG(HC_ERR_SHAPE, tensor_embedding(row, row));
    WRONG(HC_ERR_SHAPE, tensor_index_select(m, 2, row));
    WRONG(HC_ERR_SHAPE, tensor_index_select(m, 0, m));
    CHECK(!tensor_index_select(m, 0, tensor_full(tape, shape1(2), 7)));
    CHECK_ERROR("tensor_index_select: index 7 at position 0 is not in 0..1");
    tape_clear_error(tape);
    CHECK(tensor_dim(tensor_index_select(m, 0, tensor_zeros(tape, shape1(0))), 0) == 0);
    module_destroy(table);
    tape_destroy(tape);
}

/* By loops, one head. */
static void attention(void) {
    enum { L = 2, K = 3, E = 2, V = 2 };
    static const double q[L * E] = {0.3, -1, 0.8, 0.5}, k[K * E] = {1, 0.2, -0.4, 0.9, 0.1, -0.7},
                              v[K * V] = {1, 2, 3, 4, 5, 6};
    double mask[L * K] = {0, -INFINITY, 0, 0.5, 0, -1};
    for (int masked = 0; masked < 2; masked++) {
        Tape *tape = tape_create(HC_F64);
        Tensor *y = tensor_scaled_dot_product_attention(
            tensor_from_f64(tape, shape2(L, E), q), tensor_from_f64(tape, shape2(K, E), k),
            tensor_from_f64(tape, shape2(K, V), v),
            masked ? tensor_from_f64(tape, shape2(L, K), mask) : NULL);
        double got[L * V];
        CHECK(tensor_copy_to_f64(y, got, L * V));
        for (int i = 0; i < L; i++) {
            double sum = 0, want[V] = {0};
            for (int j = 0; j < K; j++) {
                double score = (q[i * E] * k[j * E] + q[i * E + 1] * k[j * E + 1]) / sqrt(E);
                double e = exp(score + (masked ? mask[i * K + j] : 0));
                sum += e;
                want[0] += e * v[j * V];
                want[1] += e * v[j * V + 1];
            }
            CHECK_NEAR(got[i * V], want[0] / sum, 1e-13, 0);
            CHECK_NEAR(got[i * V + 1], want[1] / sum, 1e-13, 0);
        }
        Tensor *a = tensor_ones(tape, shape2(2, 3)), *b = tensor_ones(tape, shape2(4, 2));
        WRONG(HC_ERR_SHAPE, tensor_scaled_dot_product_attention(a, b, b, NULL));
        WRONG(HC_ERR_SHAPE, tensor_scaled_dot_product_attention(a, a, b, NULL));
        tape_destroy(tape);
    }
}

static void errors(void) {
    Tape *tape = tape_create(HC_F64);
    Tensor *x = tensor_ones(tape, shape1(3));
    static const double wrong[] = {-0.1, 1.1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        WRONG(HC_ERR_ARG, tensor_dropout(x, wrong[i], NULL));
        REFUSED(module_dropout(wrong[i]));
    }
    REFUSED(tensor_dropout(NULL, 0.5, NULL));
    REFUSED(tensor_index_select(NULL, 0, NULL));
    REFUSED(tensor_embedding(NULL, NULL));
    REFUSED(tensor_scaled_dot_product_attention(NULL, NULL, NULL, NULL));
    CHECK(!frame_keeps_statistics(NULL) && frame_step(NULL) == 0);
    tape_destroy(tape);
}

int main(void) {
    shares();
    streams();
    orders();
    in_a_module();
    replay();
    embeddings();
    attention();
    errors();
    return check_done();
}
