/* Sums of products that subscripts describe, as NumPy's einsum: repeated subscripts become diagonals, then one operand
 * after the other is joined to what there is by a product of matrices, whose rows, columns and inner sides are axes
 * joined in turn. What no one asks for any more is summed away before. */
#include <string.h>

#include "ops/ops.h"

enum {
    LETTERS = 52,
    LABELS = LETTERS + HC_MAX_DIMS
}; /* after letters those of "...", from its last axis on */

/* Axes by name. */
typedef struct Term {
    Tensor *x; /* or NULL after an error */
    int count;
    unsigned char label[2 * HC_MAX_DIMS];
} Term;

typedef struct Einsum {
    Tape *tape;
    const char *equation;
    size_t size[LABELS];    /* of the axis, where seen */
    unsigned seen[LABELS];  /* how often */
    size_t to_come[LABELS]; /* operands that have it and were not yet taken */
    bool in_result[LABELS];
    int ellipsis; /* axes of the longest */
} Einsum;

static char letter_of(unsigned label) {
    static const char names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz........";
    return names[label];
}

static bool wrong(const Einsum *e, const char *what) {
    return hc_fail(e->tape, HC_ERR_ARG, "tensor_einsum: \"%.80s\": %s", e->equation, what);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static const char *skip(const char *at) {
    while (*at == ' ')
        at++;
    return at;
}

/* The subscripts up to a comma, an arrow or the end; *dots: before which "..." stands, or -1. */
static bool read_term(const Einsum *e, const char **from, Term *t, int *dots) {
    const char *at = skip(*from);
    *t = (Term){.count = 0};
    *dots = -1;
    for (; *at && *at != ',' && *at != '-'; at = skip(at)) {
        bool capital = *at >= 'A' && *at <= 'Z', small = *at >= 'a' && *at <= 'z';
        if (strncmp(at, "...", 3) == 0 && *dots < 0) {
            *dots = t->count;
            at += 3;
        } else if (capital || small) {
            if (t->count == HC_MAX_DIMS) return wrong(e, "an operand with more than 8 subscripts");
            t->label[t->count++] = (unsigned char)(capital ? *at - 'A' : *at - 'a' + 26);
            at++;
        } else {
            return wrong(e, "no letter, comma, arrow or one ellipsis");
        }
    }
    *from = at;
    return true;
}

/* Puts the labels of `count` axes where the dots stand. */
static void fill_in(Term *t, int dots, int count) {
    if (dots < 0) return;
    memmove(t->label + dots + count, t->label + dots, (size_t)(t->count - dots));
    for (int i = 0; i < count; i++)
        t->label[dots + i] = (unsigned char)(LETTERS + count - 1 - i);
    t->count += count;
}

/* The labels of operand `index`, which is x. */
static bool read_operand(Einsum *e, const char **at, size_t index, Tensor *x, Term *t) {
    int dots;
    if (!read_term(e, at, t, &dots)) return false;
    int rest = x->form->ndim - t->count;
    if (rest < 0 || (dots < 0 && rest > 0))
        return hc_fail(e->tape, HC_ERR_SHAPE,
                       "tensor_einsum: \"%.80s\": operand %zu has %d axes and %d subscripts",
                       e->equation, index, x->form->ndim, t->count);
    fill_in(t, dots, rest);
    if (dots >= 0 && rest > e->ellipsis) e->ellipsis = rest;
    t->x = x;
    return true;
}

static bool sizes_differ(const Einsum *e, unsigned label, size_t one, size_t other) {
    return hc_fail(e->tape, HC_ERR_SHAPE,
                   "tensor_einsum: \"%.80s\": subscript %c has sizes %zu and %zu", e->equation,
                   letter_of(label), one, other);
}

/* Axis i of an operand. */
static bool read_size(Einsum *e, const Term *t, int i) {
    unsigned label = t->label[i];
    size_t size = t->x->form->dim[i], *known = &e->size[label];
    int before = 0;
    while (t->label[before] != label)
        before++;
    bool first = e->seen[label]++ == 0;
    if (before < i)
        return t->x->form->dim[before] == size ||
               sizes_differ(e, label, t->x->form->dim[before], size);
    e->to_come[label]++;
    if (first || *known == 1) *known = size;
    return *known == size || size == 1 || sizes_differ(e, label, *known, size);
}

/* Those of all operands, and in *at what follows them. */
static bool read_sizes(Einsum *e, const char **at, Tensor *const *x, size_t count) {
    for (size_t k = 0; k < count; k++) {
        Term t;
        if (k > 0 && *(*at)++ != ',') return wrong(e, "fewer operands than tensors");
        if (!read_operand(e, at, k, x[k], &t)) return false;
        for (int i = 0; i < t.count; i++)
            if (!read_size(e, &t, i)) return false;
    }
    return true;
}

/* Without an arrow: the ellipsis, then what stands there once, in the order of letters. */
static void implied_result(const Einsum *e, Term *t) {
    *t = (Term){.count = 0};
    fill_in(t, 0, e->ellipsis);
    for (unsigned l = 0; l < LETTERS && t->count <= HC_MAX_DIMS; l++)
        if (e->seen[l] == 1) t->label[t->count++] = (unsigned char)l;
}

static bool read_result(Einsum *e, const char *at, Term *t) {
    int dots;
    if (*at == ',') return wrong(e, "more operands than tensors");
    if (!*at) {
        implied_result(e, t);
    } else {
        if (at[1] != '>') return wrong(e, "a - without >");
        at += 2;
        if (!read_term(e, &at, t, &dots)) return false;
        if (*at) return wrong(e, "a result that does not end");
        if (dots < 0 && e->ellipsis > 0) return wrong(e, "a result without the operands' ellipsis");
        fill_in(t, dots, e->ellipsis);
    }
    if (t->count > HC_MAX_DIMS) return wrong(e, "a result of more than 8 axes");
    for (int i = 0; i < t->count; i++) {
        bool *in = &e->in_result[t->label[i]];
        if (!e->seen[t->label[i]]) return wrong(e, "a subscript of the result that no operand has");
        if (*in) return wrong(e, "a subscript twice in the result");
        *in = true;
    }
    return true;
}

/* ---- computing --------------------------------------------------------------------------------- */

static int place_of(const Term *t, unsigned label) {
    int i = 0;
    while (i < t->count && t->label[i] != label)
        i++;
    return i;
}

static bool has(const Term *t, unsigned label) {
    return place_of(t, label) < t->count;
}

static bool is_wanted(const Einsum *e, unsigned label) {
    return e->in_result[label] || e->to_come[label] > 0;
}

static void remove_label(Term *t, int i) {
    t->count--;
    memmove(t->label + i, t->label + i + 1, (size_t)(t->count - i));
}

/* Of a subscript that stands twice the diagonal; an axis of 1 that others have longer is left to them. */
static void take(Einsum *e, Term *t) {
    for (int i = 0; i < t->count; i++) {
        unsigned char label = t->label[i];
        int again = i + 1;
        while (again < t->count && t->label[again] != label)
            again++;
        if (again == t->count) continue;
        t->x = tensor_diagonal(t->x, 0, i, again);
        remove_label(t, again);
        remove_label(t, i);
        t->label[t->count++] = label;
        i = -1;
    }
    for (int i = t->count - 1; i >= 0; i--) {
        e->to_come[t->label[i]]--;
        if (!t->x || t->x->form->dim[i] != 1 || e->size[t->label[i]] == 1) continue;
        t->x = tensor_squeeze(t->x, i);
        remove_label(t, i);
    }
}

/* Sums what neither `other` has nor anyone wants. */
static void sum_away(const Einsum *e, Term *t, const Term *other) {
    int axes[HC_MAX_DIMS];
    size_t count = 0;
    Term left = {.count = 0};
    for (int i = 0; i < t->count; i++) {
        if (is_wanted(e, t->label[i]) || (other && has(other, t->label[i])))
            left.label[left.count++] = t->label[i];
        else
            axes[count++] = i;
    }
    if (count == 0) return;
    left.x = tensor_sum_axes(t->x, axes, count, false);
    *t = left;
}

/* t's axes in that order, each group of them (count[i] of the labels) joined to one; a first group of none is left
 * out. */
static Tensor *grouped(const Einsum *e, const Term *t, const unsigned char *labels,
                       const int count[3]) {
    int axes[HC_MAX_DIMS], n = 0;
    Shape shape = shape_scalar();
    bool moved = false;
    for (int g = 0; g < 3; g++) {
        size_t size = 1;
        for (int i = 0; i < count[g]; i++, n++) {
            size *= e->size[labels[n]];
            axes[n] = place_of(t, labels[n]);
            moved = moved || axes[n] != n;
        }
        if (g > 0 || count[g] > 0) shape.dim[shape.ndim++] = size;
    }
    HC_ASSERT(n == t->count);
    return tensor_reshape(moved ? tensor_permute(t->x, axes, (size_t)n) : t->x, shape);
}

static bool join(const Einsum *e, Term *a, Term *b) {
    unsigned char of_a[HC_MAX_DIMS] = {0}, of_b[HC_MAX_DIMS] = {0};
    Term y = {.count = 0};
    int both = 0, own = 0, inner = 0, n = 0, rest = 0;
    sum_away(e, a, b);
    sum_away(e, b, a);
    for (int i = 0; i < a->count; i++)
        if (has(b, a->label[i]) && is_wanted(e, a->label[i])) y.label[both++] = a->label[i];
    for (int i = 0; i < a->count; i++)
        if (!has(b, a->label[i])) y.label[both + own++] = a->label[i];
    memcpy(of_a, y.label, sizeof of_a);
    memcpy(of_b, y.label, sizeof of_b);
    for (int i = 0; i < a->count; i++)
        if (has(b, a->label[i]) && !is_wanted(e, a->label[i])) {
            of_a[both + own + inner] = a->label[i];
            of_b[both + inner++] = a->label[i];
        }
    n = both + own;
    for (int i = 0; i < b->count; i++)
        if (!has(a, b->label[i])) of_b[both + inner + rest++] = y.label[n++] = b->label[i];
    if (n > HC_MAX_DIMS) return wrong(e, "more than 8 axes between two operands");
    Tensor *left = grouped(e, a, of_a, (const int[]){both, own, inner});
    Tensor *right = grouped(e, b, of_b, (const int[]){both, inner, rest});
    Shape shape = shape_scalar();
    for (y.count = 0; y.count < n; y.count++)
        shape.dim[shape.ndim++] = e->size[y.label[y.count]];
    y.x = tensor_reshape(inner > 0 ? tensor_matmul(left, right) : tensor_mul(left, right), shape);
    *a = y;
    return y.x != NULL;
}

static Tensor *ordered(const Term *t, const Term *result) {
    int axes[HC_MAX_DIMS];
    bool moved = false;
    for (int i = 0; i < result->count; i++) {
        axes[i] = place_of(t, result->label[i]);
        moved = moved || axes[i] != i;
    }
    return moved ? tensor_permute(t->x, axes, (size_t)result->count) : t->x;
}

Tensor *tensor_einsum(const char *equation, Tensor *const *x, size_t count) {
    const char *who = "tensor_einsum";
    if (!equation) {
        hc_null(who, "the equation");
        return NULL;
    }
    if (!hc_list_given(who, x, count) || !hc_check_all(who, x, count)) return NULL;
    Einsum e = {.tape = x[0]->tape, .equation = equation};
    const char *at = equation;
    Term result, all = {.count = 0};
    if (!read_sizes(&e, &at, x, count) || !read_result(&e, at, &result)) return NULL;
    at = equation;
    for (size_t k = 0; k < count; k++) {
        Term next;
        if (k > 0) at++;
        if (!read_operand(&e, &at, k, x[k], &next)) return NULL;
        take(&e, &next);
        if (k == 0)
            all = next;
        else if (!next.x || !join(&e, &all, &next))
            return NULL;
    }
    sum_away(&e, &all, NULL);
    return all.x ? ordered(&all, &result) : NULL;
}
