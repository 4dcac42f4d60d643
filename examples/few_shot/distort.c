/* Affine maps, and pictures seen through them. */
#include "distort.h"

#include <math.h>

static double within(Rng *rng, double bound) {
    return bound * (2 * rng_uniform(rng) - 1);
}

Affine affine_turn(size_t quarters) {
    static const int cosines[] = {1, 0, -1, 0}, sines[] = {0, 1, 0, -1};
    double c = cosines[quarters % 4], s = sines[quarters % 4];
    return (Affine){.xx = c, .xy = s, .yx = -s, .yy = c};
}

Affine affine_small(Rng *rng) {
    double turn = within(rng, 0.2), slant = within(rng, 0.25);
    double wide = exp(within(rng, 0.2)), high = exp(within(rng, 0.2));
    Affine a = {.xx = wide * cos(turn),
                .xy = slant - wide * sin(turn),
                .yx = high * sin(turn),
                .yy = high * cos(turn)};
    a.dx = within(rng, 2.5);
    a.dy = within(rng, 2.5);
    return a;
}

Affine affine_then(Affine a, Affine b) {
    return (Affine){.xx = a.xx * b.xx + a.xy * b.yx,
                    .xy = a.xx * b.xy + a.xy * b.yy,
                    .yx = a.yx * b.xx + a.yy * b.yx,
                    .yy = a.yx * b.xy + a.yy * b.yy,
                    .dx = a.xx * b.dx + a.xy * b.dy + a.dx,
                    .dy = a.yx * b.dx + a.yy * b.dy + a.dy};
}

static float pixel(const float picture[PIXELS], int row, int column) {
    bool inside = row >= 0 && column >= 0 && row < SIDE && column < SIDE;
    return inside ? picture[row * SIDE + column] : 0;
}

void distort(const float from[PIXELS], Affine a, float to[PIXELS]) {
    const double middle = (SIDE - 1) / 2.0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double x = j - middle, y = i - middle;
            double u = a.xx * x + a.xy * y + a.dx + middle, v = a.yx * x + a.yy * y + a.dy + middle;
            int column = (int)floor(u), row = (int)floor(v);
            float right = (float)(u - column), down = (float)(v - row);
            float upper =
                (1 - right) * pixel(from, row, column) + right * pixel(from, row, column + 1);
            float lower = (1 - right) * pixel(from, row + 1, column) +
                          right * pixel(from, row + 1, column + 1);
            to[i * SIDE + j] = (1 - down) * upper + down * lower;
        }
}
