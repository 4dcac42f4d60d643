/* Packing: when it pays, and how: of b blocks of columns, of a tiles of rows, as next_block cuts them. */

/* Whether rows of b so far apart fall on so few lines of the first cache that they push each other out, or that a few
 * are pushed out by rows of c, which lie as far apart. */
static bool rows_collide(size_t row, size_t k) {
    const size_t bytes = row * sizeof(HC_REAL);
    return bytes % 4096 == 0 || (bytes % 2048 == 0 && k <= 16);
}

static bool packs_b(size_t m, size_t n, size_t k, const HcMatrix *b) {
    return (b->col != 1 && n > 1) || (n > 64 && m > FEW_ROWS && (n * k > IN_PLACE || rows_collide(b->row, k)));
}

static bool packs_a(size_t m, size_t n, size_t k) {
    return m > FEW_ROWS && n > 16 * V && k >= 64 && m * k > 4096;
}

/* Rows of a, a tile's after the other, of each its columns PACK_STEP numbers apart: what the last lacks of
 * these is left as it is; no tile reads it. */
static void pack_rows(HC_REAL *restrict to, const HC_REAL *restrict a, size_t step, size_t m, size_t k) {
    for (size_t i = 0, rows; i < m; i += rows, to += PACK_STEP * k) {
        rows = share(m - i, MOST_ROWS);
        turn(to, PACK_STEP, a + i * step, step, least(m - i, PACK_STEP), k);
    }
}

/* The same of a read by columns, PACK_STEP of them at a time from end to end. */
static void pack_columns(HC_REAL *restrict to, const HC_REAL *restrict a, size_t step, size_t m, size_t k) {
    for (size_t p = 0, columns; p < k; p += columns) {
        columns = least(k - p, PACK_STEP);
        const HC_REAL *from = a + p * step;
        HC_REAL *tile = to + p * PACK_STEP;
        for (size_t i = 0, rows; i < m; i += rows, tile += PACK_STEP * k) {
            rows = share(m - i, MOST_ROWS);
            if (m - i >= PACK_STEP)
                for (size_t q = 0; q < columns; q++)
                    memcpy(tile + q * PACK_STEP, from + q * step + i, PACK_STEP * sizeof *to);
            else
                for (size_t q = 0; q < columns; q++)
                    for (size_t r = 0; r < rows; r++)
                        tile[q * PACK_STEP + r] = from[q * step + i + r];
        }
    }
}

/* Rows of a block that is whole, `width` numbers each. */
HC_INLINE void copy_rows(HC_REAL *restrict to, const size_t width, const HC_REAL *restrict b, size_t row, size_t k) {
    for (size_t p = 0; p < k; p++)
        memcpy(to + p * width, b + p * row, width * sizeof *to);
}

/* Columns of b as blocks of whole vectors, each with its rows one after the other. What the last lacks
 * of whole vectors is left as it is; no tile reads it. */
static void pack_b(HC_REAL *restrict to, const HC_REAL *restrict b, size_t row, size_t col, size_t k,
                   size_t n, Layout layout) {
    for (size_t j = 0; j < n;) {
        const Block block = next_block(n - j, layout);
        const size_t width = block.vectors * V;
        if (col == 1 && block.width == 2 * V)
            copy_rows(to, 2 * V, b, row, k);
        else if (col == 1 && block.width == 3 * V)
            copy_rows(to, 3 * V, b, row, k);
        else if (col == 1)
            for (size_t p = 0; p < k; p++)
                for (size_t l = 0; l < block.width; l++)
                    to[p * width + l] = b[p * row + l];
        else if (row == 1 && block.vectors == 1)
            turn(to, V, b, col, block.width, k);
        else if (row == 1 && block.vectors == 2)
            turn(to, 2 * V, b, col, block.width, k);
        else if (row == 1)
            turn(to, 3 * V, b, col, block.width, k);
        else
            for (size_t p = 0; p < k; p++)
                for (size_t l = 0; l < block.width; l++)
                    to[p * width + l] = b[p * row + l * col];
        to += width * k;
        b += block.width * col;
        j += block.width;
    }
}

/* Room for the packed columns, whole vectors. */
static size_t room_for_b(size_t n, size_t k) {
    return least(k, PACK_K) * ((least(n, PACK_N) + V - 1) / V * V);
}
