/* Einsum against loops over all subscripts: equations drawn at random, and those of NumPy's manual; what is none is
 * refused in words. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "support/refuse.h"

enum { MOST_OPERANDS = 3, ROOM = 4096, LETTERS = 128 };

static Rng rng;

/* ---- by loops ---------------------------------------------------------------------------------- */

/* Operands and their result as letters alone. */
typedef struct Plain {
    const char *operand[MOST_OPERANDS], *result;
    size_t size[LETTERS];
} Plain;

/* The number of x (row-major) that its letters say at these positions; an axis of 1 repeats. */
static double number_at(const double *x, Shape shape, const char *letters, const size_t *at) {
    size_t index = 0;
    for (int i = 0; i < shape.ndim; i++)
        index = index * shape.dim[i] + (shape.dim[i] == 1 ? 0 : at[(int)letters[i]]);
    return x[index];
}

static size_t result_index(const Plain *p, const size_t *at) {
    size_t index = 0;
    for (const char *c = p->result; *c; c++)
        index = index * p->size[(int)*c] + at[(int)*c];
    return index;
}

/* Adds the products at all positions of the letters from `letter` on. */
static void add_products(const Plain *p, size_t count, double x[][ROOM], const Shape *shapes,
                         int letter, size_t *at, double *y) {
    while (letter < LETTERS && p->size[letter] == SIZE_MAX)
        letter++;
    if (letter == LETTERS) {
        double product = 1;
        for (size_t k = 0; k < count; k++)
            product *= number_at(x[k], shapes[k], p->operand[k], at);
        y[result_index(p, at)] += product;
        return;
    }
    for (at[letter] = 0; at[letter] < p->size[letter]; at[letter]++)
        add_products(p, count, x, shapes, letter + 1, at, y);
}

static void compare(Tape *tape, const char *equation, Plain p, const Shape *shapes, size_t count) {
    static double x[MOST_OPERANDS][ROOM], want[ROOM], got[ROOM];
    Tensor *in[MOST_OPERANDS];
    size_t at[LETTERS] = {0}, total = 1;
    for (size_t l = 0; l < LETTERS; l++)
        p.size[l] = SIZE_MAX;
    for (size_t k = 0; k < count; k++) {
        in[k] = tensor_uniform(tape, shapes[k], -1, 1, &rng);
        CHECK(tensor_copy_to_f64(in[k], x[k], tensor_count(in[k])));
        for (int i = 0; i < shapes[k].ndim; i++) {
            size_t *size = &p.size[(int)p.operand[k][i]];
            if (*size == SIZE_MAX || *size == 1) *size = shapes[k].dim[i];
        }
    }
    Shape shape = shape_scalar();
    for (const char *c = p.result; *c; c++) {
        shape.dim[shape.ndim++] = p.size[(int)*c];
        total *= p.size[(int)*c];
    }
    memset(want, 0, sizeof want);
    add_products(&p, count, x, shapes, 0, at, want);
    Tensor *y = tensor_einsum(equation, in, count);
    bool right = y && shape_equal(tensor_shape(y), shape) && tensor_copy_to_f64(y, got, total);
    for (size_t i = 0; right && i < total; i++)
        right = fabs(got[i] - want[i]) <= 1e-12;
    CHECK(right);
    if (!right) printf("  %s: %s\n", equation, higherc_error() ? higherc_error() : "other numbers");
}

/* ---- drawn ------------------------------------------------------------------------------------- */

/* Operands of up to 3 letters of five, which may repeat; a result of those there are, once each. */
static void drawn(Tape *tape) {
    char operand[MOST_OPERANDS][4] = {{0}}, result[6] = {0}, equation[40] = {0};
    size_t sizes[5], count = 1 + (size_t)rng_below(&rng, MOST_OPERANDS), there = 0;
    Shape shapes[MOST_OPERANDS];
    bool used[5] = {false};
    for (size_t l = 0; l < 5; l++)
        sizes[l] = (size_t)rng_below(&rng, 20) == 0 ? 0 : 1 + (size_t)rng_below(&rng, 3);
    for (size_t k = 0; k < count; k++) {
        shapes[k] = shape_scalar();
        for (size_t n = (size_t)rng_below(&rng, 4); n > 0; n--) {
            size_t l = (size_t)rng_below(&rng, 5);
            bool again = strchr(operand[k], (char)('a' + l)) != NULL;
            operand[k][shapes[k].ndim] = (char)('a' + l);
            shapes[k].dim[shapes[k].ndim++] = sizes[l];
            used[l] = used[l] || !again;
        }
        strcat(strcat(equation, k > 0 ? ", " : ""), operand[k]);
    }
    for (size_t l = 0; l < 5; l++) {
        size_t at = (size_t)rng_below(&rng, there + 1);
        if (!used[l] || rng_below(&rng, 2)) continue;
        memmove(result + at + 1, result + at, there - at);
        result[at] = (char)('a' + l);
        there++;
    }
    strcat(strcat(equation, "->"), result);
    Plain p = {.operand = {operand[0], operand[1], operand[2]}, .result = result};
    compare(tape, equation, p, shapes, count);
}

/* ---- told -------------------------------------------------------------------------------------- */

static void told(Tape *tape) {
    const Shape m34 = shape2(3, 4), m45 = shape2(4, 5), cube = shape3(3, 3, 3),
                wide = shape4(2, 3, 4, 5);
    const struct {
        const char *equation;
        Plain plain;
        Shape shapes[MOST_OPERANDS];
        size_t count;
    } cases[] = {
        {"ij,jk", {{"ij", "jk"}, "ik", {0}}, {m34, m45}, 2},
        {"ba", {{"ba"}, "ab", {0}}, {m34}, 1},
        {" i j -> j i ", {{"ij"}, "ji", {0}}, {m34}, 1},
        {"ii", {{"ii"}, "", {0}}, {shape2(3, 3)}, 1},
        {"ii->i", {{"ii"}, "i", {0}}, {shape2(3, 3)}, 1},
        {"iii->i", {{"iii"}, "i", {0}}, {cube}, 1},
        {"iji", {{"iji"}, "j", {0}}, {cube}, 1},
        {"bA,Ab", {{"bA", "Ab"}, "", {0}}, {m34, shape2(4, 3)}, 2},
        {"zA,bz", {{"zA", "bz"}, "Ab", {0}}, {m34, shape2(2, 3)}, 2},
        {"...", {{"wxyz"}, "wxyz", {0}}, {wide}, 1},
        {"...->...", {{""}, "", {0}}, {shape_scalar()}, 1},
        {"i...->...", {{"ixyz"}, "xyz", {0}}, {wide}, 1},
        {"...i,...i", {{"xyi", "xyi"}, "xy", {0}}, {shape3(2, 3, 4), shape3(2, 1, 4)}, 2},
        {"i...j,j...->...i", {{"ixyj", "jy"}, "xyi", {0}}, {wide, shape2(5, 4)}, 2},
        {"b...,...c->c...b", {{"bx", "yxc"}, "cyxb", {0}}, {shape2(2, 3), shape3(4, 1, 5)}, 2},
        {",ij", {{"", "ij"}, "ij", {0}}, {shape_scalar(), m34}, 2},
        {"ij,ij->", {{"ij", "ij"}, "", {0}}, {m34, shape2(1, 4)}, 2},
        {"ii,i->i", {{"ii", "i"}, "i", {0}}, {shape2(1, 1), shape1(3)}, 2},
        {"ij,jk->k", {{"ij", "jk"}, "k", {0}}, {shape2(0, 4), m45}, 2},
        {"ij,jk", {{"ij", "jk"}, "ik", {0}}, {shape2(3, 0), shape2(0, 5)}, 2},
        {"ab,bc,cd->ad", {{"ab", "bc", "cd"}, "ad", {0}}, {m34, m45, shape2(5, 2)}, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(tape, cases[i].equation, cases[i].plain, cases[i].shapes, cases[i].count);
}

static void refused(Tape *tape) {
    Tensor *m = tensor_ones(tape, shape2(3, 4)), *n = tensor_ones(tape, shape2(3, 5)),
           *v = tensor_ones(tape, shape1(3));
    Tensor *two[2] = {m, n}, *nine[9];
    Tensor *large = tensor_ones(tape, shape_of((const size_t[]){1, 2, 1, 1, 1}, 5)),
           *both[2] = {large, large};
    for (int i = 0; i < 9; i++)
        nine[i] = v;
    static const char *const none[] = {"i->",    "ij,jk",  "ij->k", "ij->ii",   "ij-",
                                       "ij->j>", "i1",     "i.j",   "......",   "...->",
                                       "...->i", "ij->j,", "ij=ji", "abcdefghi"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ANY(tensor_einsum(none[i], &m, 1));
    WRONG(HC_ERR_ARG, tensor_einsum("ij", two, 2));
    WRONG(HC_ERR_ARG, tensor_einsum("ij", two, 0));
    WRONG_SAYING(HC_ERR_ARG, tensor_einsum("a,b,c,d,e,f,g,h,i", nine, 9),
                 "tensor_einsum: \"a,b,c,d,e,f,g,h,i\": a result of more than 8 axes");
    WRONG(HC_ERR_ARG, tensor_einsum("a,b,c,d,e,f,g,h,i->a", nine, 0));
    WRONG(HC_ERR_ARG, tensor_einsum("abcde,fghij->abcdefghij", both, 2));
    Tensor *three[3] = {large, large, tensor_ones(tape, shape2(2, 2))};
    WRONG_SAYING(HC_ERR_ARG, tensor_einsum("abcde,fghij,bg->acdefhi", three, 3),
                 "tensor_einsum: \"abcde,fghij,bg->acdefhi\": more than 8 axes between two operands");
    CHECK(tensor_einsum("abcde,fghij,bg->a", three, 3) != NULL); /* what no one wants is summed first */
    CHECK(!tensor_einsum("ij,jk->ik", two, 2));
    CHECK_ERROR("tensor_einsum: \"ij,jk->ik\": subscript j has sizes 4 and 3");
    tape_clear_error(tape);
    CHECK(!tensor_einsum("ii->i", &m, 1));
    CHECK_ERROR("tensor_einsum: \"ii->i\": subscript i has sizes 3 and 4");
    tape_clear_error(tape);
    CHECK(!tensor_einsum("ij,k->ik", two, 2));
    CHECK_ERROR("tensor_einsum: \"ij,k->ik\": operand 1 has 2 axes and 1 subscripts");
    tape_clear_error(tape);
    CHECK(!tensor_einsum("ij->ik", &m, 1));
    CHECK_ERROR("tensor_einsum: \"ij->ik\": a subscript of the result that no operand has");
    tape_clear_error(tape);
}

int main(void) {
    Tape *tape = tape_create(HC_F64);
    rng = rng_seed(8);
    told(tape);
    for (int i = 0; i < (QUICK ? 300 : 3000); i++) {
        drawn(tape);
        if (i % 50 == 0) tape_reset(tape);
    }
    refused(tape);
    CHECK(tape_status(tape) == HC_OK);
    tape_destroy(tape);
    return check_done();
}
