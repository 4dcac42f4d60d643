/* Pictures as SVG: each of some shades of grey is one path, which runs along the pixels that have it. */
#include "distill.h"

#include <math.h>

#include "../outfile.h"

enum { SHADES = 16, SIDE = 72, GAP = 8, MARGIN = 16, HEAD = 34 };

/* The greys of a row: 2.5 deviations from the mean are black and white. */
typedef struct Scale {
    double low, high;
} Scale;

static Scale scale_of(const float *pixels, size_t count) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < count; i++) {
        mean += (double)pixels[i] / (double)count;
        square += (double)pixels[i] * (double)pixels[i] / (double)count;
    }
    double reach = 2.5 * sqrt(fmax(square - mean * mean, 1e-12));
    return (Scale){mean - reach, mean + reach};
}

static int shade_of(Scale scale, double value) {
    double along = (value - scale.low) / (scale.high - scale.low);
    return (int)(fmin(fmax(along, 0), 1) * (SHADES - 1) + 0.5);
}

static void draw_picture(FILE *svg, Scale scale, const float *pixels, size_t height, size_t width,
                         double left, double top) {
    fprintf(svg, "<g transform='translate(%g %g) scale(%g %g)'>\n", left, top, SIDE / (double)width,
            SIDE / (double)height);
    for (int shade = 0; shade < SHADES; shade++) {
        int grey = 255 * shade / (SHADES - 1);
        fprintf(svg, "<path stroke='#%02x%02x%02x' d='", (unsigned)grey, (unsigned)grey,
                (unsigned)grey);
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0, end; x < width; x = end) {
                const float *row = pixels + y * width;
                for (end = x + 1;
                     end < width && shade_of(scale, row[end]) == shade_of(scale, row[x]);)
                    end++;
                if (shade_of(scale, row[x]) == shade) fprintf(svg, "M%zu %zu.5h%zu", x, y, end - x);
            }
        fprintf(svg, "'/>\n");
    }
    fprintf(svg, "</g>\n");
}

static void draw_row(FILE *svg, const float *pixels, size_t height, size_t width, double top) {
    Scale scale = scale_of(pixels, DISTILL_CLASSES * height * width);
    for (size_t c = 0; c < DISTILL_CLASSES; c++)
        draw_picture(svg, scale, pixels + c * height * width, height, width,
                     MARGIN + (double)(c * (SIDE + GAP)), top);
}

bool distill_draw(const char *path, const float *was, const float *learned, size_t height,
                  size_t width) {
    int wide = 2 * MARGIN + DISTILL_CLASSES * (SIDE + GAP) - GAP, high = 2 * (HEAD + SIDE) + MARGIN;
    FILE *svg = outfile_open(path);
    if (!svg) return false;
    fprintf(svg,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
            "font-size='14'>\n<rect width='100%%' height='100%%' fill='white'/>\n"
            "<text x='%d' y='24'>The digits that learning began with</text>\n"
            "<text x='%d' y='%d'>What they became</text>\n<g shape-rendering='crispEdges'>\n",
            wide, high, MARGIN, MARGIN, HEAD + SIDE + 24);
    draw_row(svg, was, height, width, HEAD);
    draw_row(svg, learned, height, width, 2 * HEAD + SIDE);
    fprintf(svg, "</g>\n</svg>\n");
    return outfile_close(svg, path);
}
