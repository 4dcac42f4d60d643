/* The pictures are drawn as paths, three over one another for three depths of ink, so that the file needs nothing else
 * and takes the colours of the page it stands on. Each is written once, and used by its number. */
#include "picture.h"

#include <stdio.h>
#include <string.h>

#include "output.h"
#include "svg.h"

enum {
    ACROSS = 10, /* examples, and queries, in a row */
    WIDTH = 920,
    EDGE = 30,
    STEP = (WIDTH - 2 * EDGE) / ACROSS,
    LARGE = 62,
    SMALL = 38,
    ROW_OF_EXAMPLES = LARGE + 30,
    ROW_OF_QUERIES = LARGE + SMALL + 44,
    TOP = 108
};

static const char light[] = ".ink{fill:#1f2328;fill-opacity:0.36;shape-rendering:crispEdges}\n"
                            ".paper{fill:#f6f8fa;stroke:#d1d9e0}\n"
                            ".right{fill:#eef6ff;stroke:#0969da;stroke-width:1.5}\n"
                            ".wrong{fill:#fff1e5;stroke:#bc4c00;stroke-width:2.5}\n"
                            ".yes{fill:#0969da;font-weight:600}.no{fill:#bc4c00;font-weight:600}\n"
                            ".arrow{stroke:#818b98;fill:none}\n";
static const char dark[] = ".ink{fill:#f0f6fc}\n"
                           ".paper{fill:#0d1117;stroke:#3d444d}\n"
                           ".right{fill:#0c2d6b;stroke:#4493f8}\n"
                           ".wrong{fill:#3d1300;stroke:#f0883e}\n"
                           ".yes{fill:#4493f8}.no{fill:#f0883e}\n"
                           ".arrow{stroke:#768390}\n";

/* Runs of pixels with at least so much ink. */
static void write_layer(FILE *file, const unsigned char *picture, int least) {
    fprintf(file, "<path class=\"ink\" d=\"");
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE;) {
            int end = column;
            while (end < SIDE && picture[row * SIDE + end] >= least)
                end++;
            if (end > column)
                fprintf(file, "M%d %dh%dv1h-%dz", column, row, end - column, end - column);
            column = end + 1;
        }
    fprintf(file, "\"/>");
}

static void define_pictures(FILE *file, const Trials *trials, size_t trial) {
    fprintf(file, "<defs>\n");
    for (size_t i = 0; i < episode_pictures(trials->shape); i++) {
        const unsigned char *picture = trials_picture(trials, trial, i);
        fprintf(file, "<symbol id=\"p%zu\" viewBox=\"0 0 %d %d\">", i, SIDE, SIDE);
        write_layer(file, picture, 50);
        write_layer(file, picture, 110);
        write_layer(file, picture, 180);
        fprintf(file, "</symbol>\n");
    }
    fprintf(file, "</defs>\n");
}

static void put(FILE *file, size_t picture, double x, double y, double size, const char *cls) {
    fprintf(file,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\"/>"
            "<use href=\"#p%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            cls, x, y, size, size, picture, x + 2, y + 2, size - 4, size - 4);
}

static double left_of(size_t i) {
    return EDGE + (double)(i % ACROSS) * STEP + (STEP - LARGE) / 2.0;
}

static void put_example(FILE *file, size_t way, double y) {
    char number[32];
    snprintf(number, sizeof number, "%zu", way + 1);
    put(file, way, left_of(way), y, LARGE, "paper");
    svg_text(file, left_of(way) + LARGE / 2.0, y + LARGE + 15, "tick middle", number);
}

/* The query, and under it the example it was taken for; where that is wrong, the right number too. */
static void put_query(FILE *file, const Result *result, size_t trial, size_t query, double y) {
    size_t queries = trials_queries(result->trials), ways = result->trials->shape.ways;
    size_t answer = trials_answers(result->trials, trial)[query];
    size_t taken = result->taken[trial * queries + query];
    double x = left_of(query), middle = x + LARGE / 2.0;
    char words[64];
    put(file, episode_examples(result->trials->shape) + query, x, y, LARGE,
        taken == answer ? "right" : "wrong");
    fprintf(file, "<path class=\"arrow\" d=\"M%.1f %.1fv9m-3 -3l3 3l3 -3\"/>\n", middle,
            y + LARGE + 2);
    put(file, taken % ways, middle - SMALL / 2.0, y + LARGE + 14, SMALL, "paper");
    snprintf(words, sizeof words, taken == answer ? "%zu" : "%zu, not %zu", taken + 1, answer + 1);
    svg_text(file, middle, y + LARGE + SMALL + 29,
             taken == answer ? "tick middle yes" : "tick middle no", words);
}

static size_t rows_of(size_t count) {
    return (count + ACROSS - 1) / ACROSS;
}

static void write_picture(FILE *file, const Result *result, size_t trial) {
    const Trials *trials = result->trials;
    size_t ways = trials->shape.ways, queries = trials_queries(trials);
    double after = TOP + (double)(rows_of(ways) * ROW_OF_EXAMPLES);
    int height = (int)after + 50 + (int)(rows_of(queries) * ROW_OF_QUERIES);
    char title[256], about[256];
    snprintf(title, sizeof title, "%s, trial %zu of %zu of %s: %.0f of %zu right",
             result->learner->about, trial + 1, trials->count, trials->name,
             (1 - result_error(result, trial)) * (double)queries, queries);
    snprintf(
        about, sizeof about,
        "One example of each of %zu characters; below, each query over the example it was taken "
        "for. Its error is the middle one of the %zu.",
        ways, trials->count);
    svg_begin(file, WIDTH, height, title, about, light, dark);
    define_pictures(file, trials, trial);
    svg_text(file, EDGE, 40, "title", title);
    svg_text(file, EDGE, 62, "label", about);
    svg_text(file, EDGE, TOP - 14, "head", "Examples");
    for (size_t i = 0; i < ways; i++)
        put_example(file, i, TOP + (double)(i / ACROSS * ROW_OF_EXAMPLES));
    svg_text(file, EDGE, after + 22, "head", "Queries, and what each was taken for");
    for (size_t i = 0; i < queries; i++)
        put_query(file, result, trial, i, after + 36 + (double)(i / ACROSS * ROW_OF_QUERIES));
    svg_end(file);
}

/* The first whose error half of the others do not exceed. */
static size_t middle_trial(const Result *result) {
    size_t count = result->trials->count;
    for (size_t i = 0; i < count; i++) {
        size_t below = 0, above = 0;
        for (size_t j = 0; j < count; j++) {
            below += result_error(result, j) < result_error(result, i);
            above += result_error(result, j) > result_error(result, i);
        }
        if (2 * below <= count && 2 * above <= count) return i;
    }
    return 0;
}

bool picture_write(const char *folder, const char *name, const Result *result) {
    Output out;
    if (!output_open(&out, folder, name)) return false;
    write_picture(out.file, result, middle_trial(result));
    return output_close(&out);
}
