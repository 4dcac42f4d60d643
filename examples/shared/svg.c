/* Writes SVG. Nobody checks the single writes: a stream remembers a failed one (output.c). */
#include "svg.h"

#include <math.h>

static const char common_style[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "font-size:13px;fill:#3d444d}\n"
    ".title{font-size:18px;font-weight:600;fill:#1f2328}\n"
    ".head{font-size:15px;font-weight:600;fill:#1f2328}\n"
    ".tick{font-size:12px;fill:#59636e}\n"
    ".middle{text-anchor:middle}.end{text-anchor:end}\n"
    ".card{fill:#ffffff;stroke:#d1d9e0}\n"
    ".frame{fill:none;stroke:#818b98}\n"
    ".grid{stroke:#e4e8ec;fill:none}\n";

static const char common_dark[] = "text{fill:#c9d1d9}\n"
                                  ".title,.head{fill:#f0f6fc}\n"
                                  ".tick{fill:#9aa4af}\n"
                                  ".card{fill:#161b22;stroke:#3d444d}\n"
                                  ".frame{stroke:#768390}\n"
                                  ".grid{stroke:#2a313a}\n";

void svg_begin(FILE *file, int width, int height, const char *title, const char *about,
               const char *style, const char *dark) {
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\" aria-labelledby=\"title about\">\n"
            "<title id=\"title\">%s</title>\n<desc id=\"about\">%s</desc>\n",
            width, height, width, height, title, about);
    fprintf(file, "<style>\n%s%s@media (prefers-color-scheme: dark) {\n%s%s}\n</style>\n",
            common_style, style, common_dark, dark);
    fprintf(file,
            "<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"10\"/>\n",
            width - 1, height - 1);
}

void svg_end(FILE *file) {
    fprintf(file, "</svg>\n");
}

void svg_text(FILE *file, double x, double y, const char *cls, const char *text) {
    fprintf(file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", cls, x, y, text);
}

void svg_text_up(FILE *file, double x, double y, const char *cls, const char *text) {
    fprintf(file, "<text class=\"%s\" transform=\"translate(%.1f %.1f) rotate(-90)\">%s</text>\n",
            cls, x, y, text);
}

void svg_line(FILE *file, double x1, double y1, double x2, double y2, const char *cls) {
    fprintf(file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", cls, x1,
            y1, x2, y2);
}

void svg_marker(FILE *file, Marker marker, double x, double y, const char *cls) {
    switch (marker) {
    case MARKER_CIRCLE:
        fprintf(file, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", cls, x, y);
        return;
    case MARKER_SQUARE:
        fprintf(file, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\"/>\n", cls,
                x - 3.5, y - 3.5);
        return;
    case MARKER_TRIANGLE:
        fprintf(file, "<path class=\"%s\" d=\"M%.1f %.1fl4.6 8h-9.2z\"/>\n", cls, x, y - 5);
        return;
    case MARKER_DIAMOND:
        fprintf(file, "<path class=\"%s\" d=\"M%.1f %.1fl5.5 5.5l-5.5 5.5l-5.5 -5.5z\"/>\n", cls, x,
                y - 5.5);
        return;
    }
}

/* 0 at the low end of the axis, 1 at the high one. */
static double along(Axis axis, double value) {
    if (axis.log) return log(value / axis.low) / log(axis.high / axis.low);
    return (value - axis.low) / (axis.high - axis.low);
}

double panel_x(const Panel *panel, double x) {
    return panel->left + panel->width * along(panel->x, x);
}

double panel_y(const Panel *panel, double y) {
    return panel->top + panel->height * (1 - along(panel->y, y));
}

/* With a minus sign, where printf has a hyphen. */
static void write_number(char *text, size_t size, double value) {
    snprintf(text, size, "%s%g", value < 0 ? "−" : "", fabs(value));
}

void panel_grid(FILE *file, const Panel *panel, const double *x_ticks, size_t x_count,
                const double *y_ticks, size_t y_count, bool y_numbers) {
    double right = panel->left + panel->width, bottom = panel->top + panel->height;
    char number[32];
    for (size_t i = 0; i < x_count; i++) {
        double x = panel_x(panel, x_ticks[i]);
        svg_line(file, x, panel->top, x, bottom, "grid");
        svg_line(file, x, bottom, x, bottom + 4, "frame");
        write_number(number, sizeof number, x_ticks[i]);
        svg_text(file, x, bottom + 18, "tick middle", number);
    }
    for (size_t i = 0; i < y_count; i++) {
        double y = panel_y(panel, y_ticks[i]);
        svg_line(file, panel->left, y, right, y, "grid");
        if (!y_numbers) continue;
        svg_line(file, panel->left - 4, y, panel->left, y, "frame");
        write_number(number, sizeof number, y_ticks[i]);
        svg_text(file, panel->left - 8, y + 4, "tick end", number);
    }
    fprintf(file,
            "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n"
            "<clipPath id=\"%s\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>"
            "</clipPath>\n",
            panel->left, panel->top, panel->width, panel->height, panel->id, panel->left,
            panel->top, panel->width, panel->height);
}

/* Where y stands in the panel; far outside stays far outside, but a number a renderer can take. */
static double bounded_y(const Panel *panel, double y) {
    if (panel->y.log && !(y > panel->y.low / 10)) y = panel->y.low / 10;
    double at = panel_y(panel, y);
    return fmin(fmax(at, panel->top - panel->height), panel->top + 2 * panel->height);
}

void panel_curve(FILE *file, const Panel *panel, const double *x, const double *y, size_t count,
                 const char *cls) {
    bool drawing = false;
    fprintf(file, "<path class=\"%s\" clip-path=\"url(#%s)\" d=\"", cls, panel->id);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(y[i])) {
            drawing = false;
            continue;
        }
        fprintf(file, "%c%.1f %.1f", drawing ? 'L' : 'M', panel_x(panel, x[i]),
                bounded_y(panel, y[i]));
        drawing = true;
    }
    fprintf(file, "\"/>\n");
}

void panel_band(FILE *file, const Panel *panel, const double *x, const double *low,
                const double *high, size_t count, const char *cls) {
    const char *between = "";
    fprintf(file, "<polygon class=\"%s\" clip-path=\"url(#%s)\" points=\"", cls, panel->id);
    for (size_t i = 0; i < 2 * count; i++) { /* there along the upper edge, back along the lower */
        size_t at = i < count ? i : 2 * count - 1 - i;
        if (!isfinite(low[at]) || !isfinite(high[at])) continue;
        fprintf(file, "%s%.1f,%.1f", between, panel_x(panel, x[at]),
                bounded_y(panel, i < count ? high[at] : low[at]));
        between = " ";
    }
    fprintf(file, "\"/>\n");
}

void panel_marker(FILE *file, const Panel *panel, Marker marker, double x, double y,
                  const char *cls) {
    if (!isfinite(y) || y < panel->y.low || y > panel->y.high) return;
    svg_marker(file, marker, panel_x(panel, x), panel_y(panel, y), cls);
}
