/* Sums of a weight's gradient: over pairs of a source pixel and the cotangent of a result. Included by conv.c. */

/* A source pixel and the cotangent of the result it went to. */
typedef struct Pair {
    const HC_REAL *x, *gy;
} Pair;

typedef struct Sum {
    const Pair *pair;
    size_t count;
    size_t channel, result; /* the first of the tile */
    HC_REAL *const *to;     /* of each channel */
    bool fresh;             /* starts from zeros, else from what is there */
    Lanes lanes;
} Sum;

typedef void SumFn(const Sum *s);

/* R channels, `step` numbers from each other, by C vectors. */
HC_INLINE void sum_tile(const size_t R, const size_t C, const size_t step, const bool whole,
                        const Sum *s) {
    const Lanes lanes = s->lanes;
    const size_t channel = s->channel, result = s->result;
    Vec sum[SUM_MOST][SUM_WIDE] = {0};
    if (!s->fresh) {
        UNROLL for (size_t i = 0; i < R; i++) UNROLL for (size_t j = 0; j < C; j++) sum[i][j] =
            end_load(s->to[channel + i] + result + j * V, whole || j + 1 < C, lanes);
    }
    const Pair *end = s->pair + s->count;
    for (const Pair *p = s->pair; p < end; p++) {
        const HC_REAL *x = p->x + channel * step, *gy = p->gy + result;
        Vec g[SUM_WIDE];
        UNROLL for (size_t j = 0; j < C; j++) g[j] =
            end_load(gy + j * V, whole || j + 1 < C, lanes);
        UNROLL for (size_t i = 0; i < R; i++) {
            const Vec value = vec_splat(x + i * step);
            UNROLL for (size_t j = 0; j < C; j++) sum[i][j] =
                vec_add_product(sum[i][j], value, g[j]);
        }
    }
    UNROLL for (size_t i = 0; i < R; i++) UNROLL for (size_t j = 0; j < C; j++) {
        HC_REAL *to = s->to[channel + i] + result + j * V;
        if (whole || j + 1 < C)
            vec_store(to, sum[i][j]);
        else
            vec_store_some(to, sum[i][j], lanes);
    }
}

#define SUM_TILE(name, R, C, step, whole)                                                          \
    static void name(const Sum *s) {                                                               \
        sum_tile(R, C, step, whole, s);                                                            \
    }
#define SUM_TILES(name, R, step)                                                                   \
    SUM_TILE(name##_1_some, R, 1, step, false)                                                     \
    SUM_TILE(name##_1, R, 1, step, true)                                                           \
    SUM_TILE(name##_2_some, R, 2, step, false)                                                     \
    SUM_TILE(name##_2, R, 2, step, true)                                                           \
    SUM_TILES_3(name, R, step)
#if HC_VECTOR_BYTES == 32
#define SUM_TILES_3(name, R, step)                                                                 \
    SUM_TILE(name##_3_some, R, 3, step, false)                                                     \
    SUM_TILE(name##_3, R, 3, step, true)
#define ALL_TILES(name, R)                                                                         \
    {                                                                                              \
        R, {                                                                                       \
            {name##_1_some, name##_1}, {name##_2_some, name##_2}, {                                \
                name##_3_some, name##_3                                                            \
            }                                                                                      \
        }                                                                                          \
    }
#else
#define SUM_TILES_3(name, R, step)
#define ALL_TILES(name, R)                                                                         \
    {                                                                                              \
        R, {                                                                                       \
            {name##_1_some, name##_1}, {                                                           \
                name##_2_some, name##_2                                                            \
            }                                                                                      \
        }                                                                                          \
    }
#endif
SUM_TILES(sum_rows, SUM_ROWS, 1)
SUM_TILES(sum_row, 1, 1)
SUM_TILES(flat_rows, FLAT_ROWS, PIXELS)
SUM_TILES(flat_few, 3, PIXELS)
SUM_TILES(flat_row, 1, PIXELS)

typedef struct Height {
    size_t rows;
    SumFn *fn[SUM_WIDE][2];
} Height;

/* The last is 1. */
static const Height of_pixels[] = {ALL_TILES(sum_rows, SUM_ROWS), ALL_TILES(sum_row, 1)};
static const Height of_unfolded[] = {ALL_TILES(flat_rows, FLAT_ROWS), ALL_TILES(flat_few, 3),
                                     ALL_TILES(flat_row, 1)};

/* All channels and some results from one list of pairs. */
static void sum_pairs(Sum s, size_t channels, HcSpan results, const Height *heights) {
    for (s.result = results.first; s.result < results.last;) {
        size_t width = least(results.last - s.result, SUM_WIDE * V), vectors = (width + V - 1) / V;
        bool whole = width % V == 0;
        const Height *h = heights;
        s.lanes = vec_lanes(whole ? V - 1 : width % V);
        for (s.channel = 0; s.channel < channels; s.channel += h->rows) {
            while (h->rows > channels - s.channel)
                h++;
            h->fn[vectors - 1][whole](&s);
        }
        s.result += width;
    }
}
