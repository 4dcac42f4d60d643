/* The meta-gradient of MAML written out. With v<T> = grad L_query(W<T>), one goes back through the inner
 * steps by v<t> = v<t+1> - lr H(W<t>) v<t+1>, where H is the Hessian of the support loss; H v comes from
 * Pearlmutter's R-operator (1994, "Fast exact multiplication by the Hessian"), which is the forward and
 * the backward pass of the net, differentiated in the direction v.
 *
 * Names: a are activations, d are derivatives of the loss to what enters a ReLU (or to the output), and
 * r in front of a name is its R-derivative. ReLU's derivative is 1 where its value is above 0. */
#include "maml_fused.h"

#include <math.h>
#include <string.h>

typedef FUSED_REAL Real;

enum { H = FUSED_HIDDEN, LANES = 8, BLOCKS = H / LANES, ROWS = FUSED_MAX_ROWS };
enum { W1 = 0, B1 = H, W2 = 2 * H, B2 = W2 + H * H, W3 = B2 + H, B3 = W3 + H };

/* GNU C's vectors: eight lanes, which is one AVX register of floats. */
typedef Real Vec
    __attribute__((vector_size(LANES * sizeof(Real)), aligned(sizeof(Real)), may_alias));
#ifndef FUSED_MASK
#define FUSED_MASK int /* as wide as a Real */
#endif
typedef FUSED_MASK Mask __attribute__((vector_size(LANES * sizeof(FUSED_MASK))));

#ifdef __AVX512VL__
enum { TILE = 5 }; /* 25 sums, 5 columns of b, 1 of a: 31 of 32 registers */
#else
enum { TILE = 2 };
#endif

/* One pass over a batch: what the next formulas read. */
typedef struct Pass {
    Real a1[ROWS][H], a2[ROWS][H], d1[ROWS][H], d2[ROWS][H], d3[ROWS];
} Pass;

struct FusedWork {
    Pass inner[FUSED_MAX_STEPS + 1], r;
    Real w[FUSED_MAX_STEPS + 1][FUSED_PARAMS], w2t[FUSED_MAX_STEPS + 1][H * H];
    Real v[FUSED_PARAMS], v2t[H * H], scaled[ROWS][H];
};

size_t fused_work_bytes(void) {
    return sizeof(FusedWork);
}

static inline Vec load(const Real *p) {
    return *(const Vec *)p;
}

static inline void store(Real *p, Vec v) {
    *(Vec *)p = v;
}

/* g where the ReLU that gave a was open. */
static inline Vec gate(Vec a, Vec g) {
    const Vec zero = {0};
    return (Vec)((Mask)(a > zero) & (Mask)g);
}

static inline Vec relu(Vec z) {
    return gate(z, z);
}

static inline Real sum_lanes(Vec v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/* ---- products, 40 wide ------------------------------------------------------------------------ */

/* c[rows, H] += a b with b's and c's rows H apart; rows is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void
tile(const size_t rows, size_t k, const Real *a, size_t ar, size_t ac, const Real *b, Real *c) {
    Vec sum[TILE][BLOCKS];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < BLOCKS; j++)
            sum[i][j] = load(c + i * H + j * LANES);
    for (size_t p = 0; p < k; p++) {
        Vec column[BLOCKS];
        for (size_t j = 0; j < BLOCKS; j++)
            column[j] = load(b + p * H + j * LANES);
        for (size_t i = 0; i < rows; i++) {
            const Real s = a[i * ar + p * ac];
            for (size_t j = 0; j < BLOCKS; j++)
                sum[i][j] += s * column[j];
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < BLOCKS; j++)
            store(c + i * H + j * LANES, sum[i][j]);
}

/* c[m, H] += a[m, k] b[k, H]; a's element (i, p) stands at i ar + p ac. */
static void product(size_t m, size_t k, const Real *a, size_t ar, size_t ac, const Real *b,
                    Real *c) {
    const size_t whole = m - m % TILE;
    for (size_t i = 0; i < whole; i += TILE)
        tile(TILE, k, a + i * ar, ar, ac, b, c + i * H);
    for (size_t i = whole; i < m; i++)
        tile(1, k, a + i * ar, ar, ac, b, c + i * H);
}

#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (Mask){__VA_ARGS__})

/* An 8 by 8 block, in three rounds of exchanging single, pairs of and four lanes. */
static inline void turn_block(const Real *from, Real *to) {
    Vec r[8], s[8];
    for (size_t i = 0; i < 8; i++)
        r[i] = load(from + i * H);
    for (size_t i = 0; i < 8; i += 2) {
        s[i] = SHUFFLE(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        s[i + 1] = SHUFFLE(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (size_t i = 0; i < 8; i += 4)
        for (size_t j = i; j < i + 2; j++) {
            r[j] = SHUFFLE(s[j], s[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            r[j + 2] = SHUFFLE(s[j], s[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (size_t j = 0; j < 4; j++) {
        store(to + j * H, SHUFFLE(r[j], r[j + 4], 0, 1, 2, 3, 8, 9, 10, 11));
        store(to + (j + 4) * H, SHUFFLE(r[j], r[j + 4], 4, 5, 6, 7, 12, 13, 14, 15));
    }
}

static void turn(const Real *from, Real *to) {
    for (size_t i = 0; i < H; i += LANES)
        for (size_t j = 0; j < H; j += LANES)
            turn_block(from + i * H + j, to + j * H + i);
}

void fused_transpose(const Real *w, Real *to) {
    turn(w + W2, to);
}

/* ---- the net ----------------------------------------------------------------------------------- */

/* a1, a2 and d3 of a pass; the loss. */
static Real forward(const Real *w, const Real *w2t, FusedBatch batch, Pass *pass) {
    const Real scale = 2 / (Real)batch.rows;
    Real loss = 0;
    for (size_t i = 0; i < batch.rows; i++)
        for (size_t j = 0; j < H; j += LANES) {
            store(&pass->a1[i][j], relu(batch.x[i] * load(w + W1 + j) + load(w + B1 + j)));
            store(&pass->a2[i][j], load(w + B2 + j));
        }
    product(batch.rows, H, pass->a1[0], H, 1, w2t, pass->a2[0]);
    for (size_t i = 0; i < batch.rows; i++) {
        Vec sum = {0};
        for (size_t j = 0; j < H; j += LANES) {
            Vec a = relu(load(&pass->a2[i][j]));
            store(&pass->a2[i][j], a);
            sum += a * load(w + W3 + j);
        }
        Real error = sum_lanes(sum) + w[B3] - batch.y[i];
        loss += error * error;
        pass->d3[i] = scale * error;
    }
    return loss / (Real)batch.rows;
}

/* d2 and d1. */
static void backward(const Real *w, size_t rows, Pass *pass) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < H; j += LANES)
            store(&pass->d2[i][j], gate(load(&pass->a2[i][j]), pass->d3[i] * load(w + W3 + j)));
    memset(pass->d1, 0, rows * sizeof pass->d1[0]);
    product(rows, H, pass->d2[0], H, 1, w + W2, pass->d1[0]);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < H; j += LANES)
            store(&pass->d1[i][j], gate(load(&pass->a1[i][j]), load(&pass->d1[i][j])));
}

static const Real *times(Real scale, Real (*d)[H], size_t rows, Real (*to)[H]) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < H; j += LANES)
            store(&to[i][j], scale * load(&d[i][j]));
    return to[0];
}

/* to += scale times all that is linear in d1, d2: the gradients of w1, b1, w2, b2. */
static void add_inner_layers(Real scale, const Real *x, Real (*d1)[H], Real (*d2)[H], size_t rows,
                             Real *to) {
    Vec w1[BLOCKS] = {{0}}, b1[BLOCKS] = {{0}}, b2[BLOCKS] = {{0}};
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < BLOCKS; j++) {
            Vec d = load(&d1[i][j * LANES]);
            w1[j] += x[i] * d;
            b1[j] += d;
            b2[j] += load(&d2[i][j * LANES]);
        }
    for (size_t j = 0; j < BLOCKS; j++) {
        store(to + W1 + j * LANES, load(to + W1 + j * LANES) + scale * w1[j]);
        store(to + B1 + j * LANES, load(to + B1 + j * LANES) + scale * b1[j]);
        store(to + B2 + j * LANES, load(to + B2 + j * LANES) + scale * b2[j]);
    }
}

/* to += scale grad. */
static void add_gradient(Real scale, FusedBatch batch, Pass *pass, Real *to, FusedWork *work) {
    size_t rows = batch.rows;
    add_inner_layers(scale, batch.x, pass->d1, pass->d2, rows, to);
    product(H, rows, times(scale, pass->d2, rows, work->scaled), 1, H, pass->a1[0], to + W2);
    Vec w3[BLOCKS] = {{0}};
    Real b3 = 0;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < BLOCKS; j++)
            w3[j] += pass->d3[i] * load(&pass->a2[i][j * LANES]);
        b3 += pass->d3[i];
    }
    for (size_t j = 0; j < BLOCKS; j++)
        store(to + W3 + j * LANES, load(to + W3 + j * LANES) + scale * w3[j]);
    to[B3] += scale * b3;
}

/* to += scale H v, H at w on the batch of the pass. */
static void add_hessian_vector(Real scale, const Real *w, const Real *w2t, const Real *v,
                               const Real *v2t, FusedBatch batch, Pass *pass, Real *to,
                               FusedWork *work) {
    const size_t rows = batch.rows;
    Pass *r = &work->r;

    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < H; j += LANES) {
            Vec ra = batch.x[i] * load(v + W1 + j) + load(v + B1 + j);
            store(&r->a1[i][j], gate(load(&pass->a1[i][j]), ra));
            store(&r->a2[i][j], load(v + B2 + j));
        }
    product(rows, H, r->a1[0], H, 1, w2t, r->a2[0]);
    product(rows, H, pass->a1[0], H, 1, v2t, r->a2[0]);

    Vec w3[BLOCKS] = {{0}};
    Real b3 = 0;
    for (size_t i = 0; i < rows; i++) {
        Vec sum = {0};
        for (size_t j = 0; j < H; j += LANES) {
            Vec a = load(&pass->a2[i][j]), ra = gate(a, load(&r->a2[i][j]));
            store(&r->a2[i][j], ra);
            sum += ra * load(w + W3 + j) + a * load(v + W3 + j);
        }
        const Real d = pass->d3[i], rd = 2 / (Real)rows * (sum_lanes(sum) + v[B3]);
        for (size_t j = 0; j < BLOCKS; j++) {
            Vec a = load(&pass->a2[i][j * LANES]), ra = load(&r->a2[i][j * LANES]);
            w3[j] += rd * a + d * ra;
            store(&r->d2[i][j * LANES],
                  gate(a, rd * load(w + W3 + j * LANES) + d * load(v + W3 + j * LANES)));
        }
        b3 += rd;
    }
    memset(r->d1, 0, rows * sizeof r->d1[0]);
    product(rows, H, r->d2[0], H, 1, w + W2, r->d1[0]);
    product(rows, H, pass->d2[0], H, 1, v + W2, r->d1[0]);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < H; j += LANES)
            store(&r->d1[i][j], gate(load(&pass->a1[i][j]), load(&r->d1[i][j])));

    /* v may be what is added to: from here on it is not read. */
    add_inner_layers(scale, batch.x, r->d1, r->d2, rows, to);
    product(H, rows, times(scale, r->d2, rows, work->scaled), 1, H, pass->a1[0], to + W2);
    product(H, rows, times(scale, pass->d2, rows, work->scaled), 1, H, r->a1[0], to + W2);
    for (size_t j = 0; j < BLOCKS; j++)
        store(to + W3 + j * LANES, load(to + W3 + j * LANES) + scale * w3[j]);
    to[B3] += scale * b3;
}

/* ---- the inner loop ---------------------------------------------------------------------------- */

/* W<t> and its w2 transposed; W<0> is the caller's. */
static const Real *weights(const Real *w, const FusedWork *work, size_t t) {
    return t == 0 ? w : work->w[t];
}

static const Real *turned(const Real *w2t, const FusedWork *work, size_t t) {
    return t == 0 ? w2t : work->w2t[t];
}

/* W<t+1> from W<t>. */
static void step(const Real *w, const Real *w2t, FusedBatch support, size_t t, Real lr,
                 FusedWork *work) {
    const Real *now = weights(w, work, t);
    Pass *pass = &work->inner[t];
    forward(now, turned(w2t, work, t), support, pass);
    backward(now, support.rows, pass);
    memcpy(work->w[t + 1], now, sizeof work->w[0]);
    add_gradient(-lr, support, pass, work->w[t + 1], work);
    turn(work->w[t + 1] + W2, work->w2t[t + 1]);
}

Real fused_meta_gradient(const Real *w, const Real *w2t, FusedBatch support, FusedBatch query,
                         size_t steps, Real lr, Real *total, FusedWork *work) {
    for (size_t t = 0; t < steps; t++)
        step(w, w2t, support, t, lr, work);
    Pass *pass = &work->inner[steps];
    Real loss = forward(weights(w, work, steps), turned(w2t, work, steps), query, pass);
    backward(weights(w, work, steps), query.rows, pass);
    memset(work->v, 0, sizeof work->v);
    add_gradient(1, query, pass, work->v, work);
    for (size_t t = steps; t-- > 0;) {
        turn(work->v + W2, work->v2t);
        if (t == 0) /* v<0> itself is only wanted in the sum */
            for (size_t i = 0; i < FUSED_PARAMS; i++)
                total[i] += work->v[i];
        add_hessian_vector(-lr, weights(w, work, t), turned(w2t, work, t), work->v, work->v2t,
                           support, &work->inner[t], t == 0 ? total : work->v, work);
    }
    if (steps == 0)
        for (size_t i = 0; i < FUSED_PARAMS; i++)
            total[i] += work->v[i];
    return loss;
}

Real fused_first_order(const Real *w, const Real *w2t, FusedBatch support, FusedBatch query,
                       size_t steps, Real lr, Real *total, FusedWork *work) {
    for (size_t t = 0; t < steps; t++)
        step(w, w2t, support, t, lr, work);
    Pass *pass = &work->inner[steps];
    Real loss = forward(weights(w, work, steps), turned(w2t, work, steps), query, pass);
    backward(weights(w, work, steps), query.rows, pass);
    add_gradient(1, query, pass, total, work);
    return loss;
}

void fused_adapt(const Real *w, const Real *w2t, FusedBatch support, FusedBatch query, size_t steps,
                 Real lr, Real *loss, FusedWork *work) {
    for (size_t t = 0; t <= steps; t++) {
        if (t > 0) step(w, w2t, support, t - 1, lr, work);
        loss[t] = forward(weights(w, work, t), turned(w2t, work, t), query, &work->r);
    }
}

void fused_adam(Real *restrict w, const Real *restrict g, Real *restrict m, Real *restrict v,
                size_t t, double lr) {
    const double beta1 = 0.9, beta2 = 0.999;
    const Real b1 = (Real)beta1, b2 = (Real)beta2, c1 = (Real)(1 - beta1), c2 = (Real)(1 - beta2);
    const Real rate = (Real)(lr / (1 - pow(beta1, (double)t)));
    const Real root = (Real)(1 / sqrt(1 - pow(beta2, (double)t))), eps = (Real)1e-8;
    for (size_t i = 0; i < FUSED_PARAMS; i++) {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        w[i] -= rate * m[i] / ((Real)sqrt((double)v[i]) * root + eps);
    }
}
