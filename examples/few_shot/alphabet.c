/* Characters out of quadratic Bezier curves. What is the same in all drawings of a character comes from a
 * stream seeded with its number; what differs, from the caller's. */
#include "alphabet.h"

#include <math.h>

enum { MAX_STROKES = 4, CURVE = 40 };

typedef struct Point {
    double x, y;
} Point;

/* Where a stroke begins, what it bends towards, where it ends; in the unit square. */
typedef struct Stroke {
    Point from, by, to;
} Stroke;

static double between(Rng *rng, double low, double high) {
    return low + (high - low) * rng_uniform(rng);
}

static Point point_in(Rng *rng, double margin) {
    double x = between(rng, margin, 1 - margin);
    return (Point){x, between(rng, margin, 1 - margin)};
}

/* Half of the strokes begin where the one before ended; the ends of each lie well apart. */
static size_t design(uint64_t character, Stroke strokes[MAX_STROKES]) {
    Rng rng = rng_seed(character);
    size_t count = 2 + (size_t)rng_below(&rng, MAX_STROKES - 1);
    for (size_t i = 0; i < count; i++) {
        Stroke *s = &strokes[i];
        bool goes_on = i > 0 && rng_uniform(&rng) < 0.5;
        s->from = goes_on ? strokes[i - 1].to : point_in(&rng, 0.18);
        do
            s->to = point_in(&rng, 0.18);
        while (hypot(s->to.x - s->from.x, s->to.y - s->from.y) < 0.35);
        s->by = point_in(&rng, 0.05);
    }
    return count;
}

/* A hand: turns, scales, slants and shifts the whole, and misses every point a little. */
typedef struct Hand {
    double xx, xy, yx, yy;
    Point shift;
    double width;
} Hand;

static Hand take_hand(Rng *rng) {
    double turn = 0.15 * rng_normal(rng), slant = 0.15 * rng_normal(rng);
    double wide = between(rng, 0.75, 1.15), high = between(rng, 0.75, 1.15);
    Hand hand = {.xx = wide * cos(turn),
                 .xy = slant - wide * sin(turn),
                 .yx = high * sin(turn),
                 .yy = high * cos(turn)};
    hand.shift.x = 0.05 * rng_normal(rng);
    hand.shift.y = 0.05 * rng_normal(rng);
    hand.width = between(rng, 0.8, 1.15);
    return hand;
}

static Point put(const Hand *hand, Point p, Rng *rng) {
    double x = p.x - 0.5 + 0.03 * rng_normal(rng), y = p.y - 0.5 + 0.03 * rng_normal(rng);
    return (Point){SIDE * (0.5 + hand->xx * x + hand->xy * y + hand->shift.x),
                   SIDE * (0.5 + hand->yx * x + hand->yy * y + hand->shift.y)};
}

static void dab(float *image, Point at, double width) {
    for (int row = (int)at.y - 2; row <= (int)at.y + 2; row++)
        for (int column = (int)at.x - 2; column <= (int)at.x + 2; column++) {
            if (row < 0 || column < 0 || row >= SIDE || column >= SIDE) continue;
            double away = hypot(column + 0.5 - at.x, row + 0.5 - at.y);
            float ink = (float)fmin(1, fmax(0, width + 0.5 - away));
            float *pixel = &image[row * SIDE + column];
            if (ink > *pixel) *pixel = ink;
        }
}

void alphabet_draw(uint64_t character, Rng *rng, float image[PIXELS]) {
    Stroke strokes[MAX_STROKES];
    size_t count = design(character, strokes);
    Hand hand = take_hand(rng);
    for (size_t i = 0; i < PIXELS; i++)
        image[i] = 0;
    for (size_t i = 0; i < count; i++) {
        Point a = put(&hand, strokes[i].from, rng), b = put(&hand, strokes[i].by, rng),
              c = put(&hand, strokes[i].to, rng);
        for (int k = 0; k <= CURVE; k++) {
            double t = (double)k / CURVE, u = 1 - t;
            Point at = {u * u * a.x + 2 * u * t * b.x + t * t * c.x,
                        u * u * a.y + 2 * u * t * b.y + t * t * c.y};
            dab(image, at, hand.width);
        }
    }
}
