/* Progress on stderr. A bar is redrawn ten times a second; in a pipe each tenth of the way, or half
 * a minute, is worth a line. */
#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

enum { BAR = 16, LINE = 80 };

#ifdef _WIN32
double clock_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC; /* of the clock on the wall there */
}

static bool on_terminal(void) {
    return _isatty(_fileno(stderr)) != 0;
}
#else
double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool on_terminal(void) {
    return isatty(STDERR_FILENO) != 0;
}
#endif

Progress progress_begin(const char *label, size_t total, bool quiet) {
    const char *term = getenv("TERM");
    double now = clock_seconds();
    return (Progress){
        .label = label,
        .total = total,
        .quiet = quiet,
        .terminal = on_terminal() && term && strcmp(term, "dumb") != 0,
        .start = now,
        .shown = now,
        .tenth = 1,
    };
}

static size_t tenth_after(const Progress *progress, size_t done) {
    return (size_t)(10.0 * (double)done / (double)progress->total) + 1;
}

void progress_go_on(Progress *progress, size_t done) {
    progress->first = done;
    progress->tenth = tenth_after(progress, done);
}

double progress_smooth_loss(const Progress *progress) {
    /* Dividing by the weights' sum makes the first averages right, as Adam's correction does. */
    return progress->weight > 0 ? progress->sum / progress->weight : (double)NAN;
}

static void add_loss(Progress *progress, double loss) {
    const double keep = 0.99;
    if (!isfinite(loss)) return;
    progress->sum = keep * progress->sum + (1 - keep) * loss;
    progress->weight = keep * progress->weight + (1 - keep);
}

static void write_time(char *text, size_t size, double seconds) {
    long all = lround(fmin(seconds, 3600.0 * 9999));
    if (all >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", all / 3600, all / 60 % 60, all % 60);
    else
        snprintf(text, size, "%ld:%02ld", all / 60, all % 60);
}

/* "30100/70000  2510 it/s  0:16 left  loss 0.452" */
static void write_state(const Progress *progress, size_t done, double elapsed, char *text,
                        size_t size) {
    double rate = elapsed > 0 ? (double)(done - progress->first) / elapsed : 0;
    char left[32] = "?";
    if (rate > 0) write_time(left, sizeof left, (double)(progress->total - done) / rate);
    char loss[32] = "";
    if (progress->weight > 0)
        snprintf(loss, sizeof loss, "  loss %.4g", progress_smooth_loss(progress));
    snprintf(text, size, "%zu/%zu  %.*f it/s  %s left%s", done, progress->total, rate < 10 ? 2 : 0,
             rate, left, loss);
}

static void draw_bar(const Progress *progress, size_t done, double now) {
    char bar[BAR + 1];
    size_t full = (size_t)((double)BAR * (double)done / (double)progress->total);
    for (size_t i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';

    char state[LINE], line[LINE + 40];
    write_state(progress, done, now - progress->start, state, sizeof state);
    snprintf(line, sizeof line, "%-11s [%s] %s", progress->label, bar, state);
    line[LINE - 1] = '\0'; /* a line that wraps could not be overwritten */
    fprintf(stderr, "\r%s\033[K", line);
}

void progress_update(Progress *progress, size_t done, double loss) {
    add_loss(progress, loss);
    if (progress->quiet) return;
    double now = clock_seconds();
    double since = now - progress->shown;

    if (progress->terminal) {
        if (since < 0.1) return;
        draw_bar(progress, done, now);
    } else {
        bool tenth = (double)done >= (double)progress->total * 0.1 * (double)progress->tenth;
        if (done >= progress->total || !((tenth && since >= 1) || since >= 30)) return;
        char state[LINE];
        write_state(progress, done, now - progress->start, state, sizeof state);
        fprintf(stderr, "%s: %s\n", progress->label, state);
    }
    progress->tenth = tenth_after(progress, done);
    progress->shown = now;
}

void progress_end(Progress *progress, size_t done) {
    if (progress->quiet) return;
    double elapsed = clock_seconds() - progress->start;
    if (progress->terminal) fprintf(stderr, "\r\033[K");
    size_t made = done - progress->first;
    fprintf(stderr, "%s: %zu in %.1f s", progress->label, made, elapsed);
    if (elapsed > 0) fprintf(stderr, " (%.0f it/s)", (double)made / elapsed);
    if (progress->weight > 0) fprintf(stderr, ", loss %.4g", progress_smooth_loss(progress));
    fprintf(stderr, "\n");
}
