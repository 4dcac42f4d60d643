/** @file svg.h
 *  What a diagram is made of: panels with axes, curves, bands, markers and words, as SVG. Colours
 * are CSS classes, so that a picture can follow the page it stands on, light or dark. */
#ifndef EXAMPLES_SHARED_SVG_H
#define EXAMPLES_SHARED_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct Axis {
    double low, high;
    bool log;
} Axis;

/** A rectangle of the picture, in its units, and what its edges stand for. */
typedef struct Panel {
    const char *id; /**< unique in the picture */
    double left, top, width, height;
    Axis x, y;
} Panel;

/** Told apart by shape as well as by colour. */
typedef enum Marker { MARKER_CIRCLE, MARKER_SQUARE, MARKER_TRIANGLE, MARKER_DIAMOND } Marker;

/** Begins a picture on a card of its own; `title` and `about` are read out by screen readers,
 * `style` holds the classes of this picture, for light pages and (as `dark`) for dark ones. */
void svg_begin(FILE *file, int width, int height, const char *title, const char *about,
               const char *style, const char *dark);
void svg_end(FILE *file);

/** `cls` is a list of classes: title, label, tick; start (the default), middle, end. */
void svg_text(FILE *file, double x, double y, const char *cls, const char *text);
/** The same, upwards. */
void svg_text_up(FILE *file, double x, double y, const char *cls, const char *text);
void svg_line(FILE *file, double x1, double y1, double x2, double y2, const char *cls);
void svg_marker(FILE *file, Marker marker, double x, double y, const char *cls);

double panel_x(const Panel *panel, double x);
double panel_y(const Panel *panel, double y);
/** The frame, and grid lines at the ticks; numbers at them where wanted. */
void panel_grid(FILE *file, const Panel *panel, const double *x_ticks, size_t x_count,
                const double *y_ticks, size_t y_count, bool y_numbers);
/** A line through the points; it breaks where there is no number and ends at the panel's edge. */
void panel_curve(FILE *file, const Panel *panel, const double *x, const double *y, size_t count,
                 const char *cls);
/** The area between two curves. */
void panel_band(FILE *file, const Panel *panel, const double *x, const double *low,
                const double *high, size_t count, const char *cls);
/** Nothing outside of the panel. */
void panel_marker(FILE *file, const Panel *panel, Marker marker, double x, double y,
                  const char *cls);

#endif
