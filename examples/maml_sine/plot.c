/* The two pictures. Colours are from the set of Okabe and Ito (2008), which people with any kind of
 * colour vision can tell apart; dashes and the shapes of markers say the same a second time. */
#include "plot.h"

#include <math.h>
#include <stdio.h>

#include "output.h"
#include "reference.h"
#include "svg.h"

enum { WIDTH = 920 };

/* ---- adaptation.svg ------------------------------------------------------------------------ */

static const char adaptation_style[] =
    ".truth{fill:none;stroke:#c9d1d9;stroke-width:8;stroke-linecap:round;stroke-linejoin:round}\n"
    ".s0,.s1,.s2{fill:none;stroke-width:2.2;stroke-linejoin:round}\n"
    ".s0{stroke:#767f89;stroke-dasharray:2 4}\n"
    ".s1{stroke:#d55e00;stroke-dasharray:8 4}\n"
    ".s2{stroke:#0072b2;stroke-width:2.6}\n"
    ".point{fill:#1f2328;stroke:#ffffff;stroke-width:1.5}\n";
static const char adaptation_dark[] = ".truth{stroke:#444c56}\n"
                                      ".s0{stroke:#a3adb8}.s1{stroke:#e69f00}.s2{stroke:#56b4e9}\n"
                                      ".point{fill:#f0f6fc;stroke:#161b22}\n";

static const char *const stage_class[CURVE_STAGES] = {"s0", "s1", "s2"};

static void draw_adaptation(FILE *file, const Panel *panel, const char *name, const SineTask *task,
                            const Points *support, size_t shots, const Curve *curve) {
    const double x_ticks[] = {-5, -2.5, 0, 2.5, 5}, y_ticks[] = {-6, -4, -2, 0, 2, 4, 6};
    char text[120];
    svg_text(file, panel->left, panel->top - 30, "head", name);
    snprintf(text, sizeof text, "MSE %.3g at first, %.3g after 1 step, %.3g after 10",
             curve->mse[0], curve->mse[1], curve->mse[2]);
    svg_text(file, panel->left, panel->top - 11, "label", text);
    panel_grid(file, panel, x_ticks, 5, y_ticks, 7, true);
    svg_text(file, panel->left + panel->width / 2, panel->top + panel->height + 38, "label middle",
             "x");

    double x[CURVE_POINTS], y[CURVE_POINTS];
    for (size_t i = 0; i < CURVE_POINTS; i++) {
        x[i] = (double)curve->x[i];
        y[i] = task_value(task, x[i]);
    }
    panel_curve(file, panel, x, y, CURVE_POINTS, "truth");
    for (int stage = 0; stage < CURVE_STAGES; stage++) {
        for (size_t i = 0; i < CURVE_POINTS; i++)
            y[i] = (double)curve->y[stage][i];
        panel_curve(file, panel, x, y, CURVE_POINTS, stage_class[stage]);
    }
    for (size_t i = 0; i < shots; i++)
        panel_marker(file, panel, MARKER_CIRCLE, (double)support->x[i], (double)support->y[i],
                     "point");
}

bool plot_adaptation(const Options *options, const SineTask *task, const Points *support,
                     const Curve *maml, const Curve *pretrained) {
    Output output;
    if (!output_open(&output, options->out, "adaptation.svg")) return false;
    FILE *file = output.file;
    char text[160];

    svg_begin(file, WIDTH, 452, "Adapting to one sine task: MAML beside pretraining",
              "Two panels, each with the true curve, the points seen, and the prediction before, "
              "after one and after ten gradient steps.",
              adaptation_style, adaptation_dark);
    snprintf(text, sizeof text, "Learning y = %.1f sin(x − %.1f) from %zu point%s", task->amplitude,
             task->phase, options->shots, options->shots == 1 ? "" : "s");
    svg_text(file, 24, 36, "title", text);

    Axis axis_x = {-5.2, 5.2, false}, axis_y = {-6.4, 6.4, false};
    Panel left = {"left", 60, 106, 392, 248, axis_x, axis_y};
    Panel right = {"right", 504, 106, 392, 248, axis_x, axis_y};
    svg_text_up(file, 26, left.top + left.height / 2, "label middle", "y");
    draw_adaptation(file, &left, "MAML", task, support, options->shots, maml);
    draw_adaptation(file, &right, "Pretrained on all tasks", task, support, options->shots,
                    pretrained);

    const char *classes[] = {"truth", "point", "s0", "s1", "s2"};
    const char *words[] = {"true curve", "points seen", "before", "after 1 step", "after 10 steps"};
    const double at[] = {96, 264, 424, 560, 730};
    for (int i = 0; i < 5; i++) {
        if (i == 1)
            svg_marker(file, MARKER_CIRCLE, at[i] + 16, 422, classes[i]);
        else
            svg_line(file, at[i], 422, at[i] + 32, 422, classes[i]);
        svg_text(file, at[i] + (i == 1 ? 28 : 42), 427, "label", words[i]);
    }
    svg_end(file);
    return output_close(&output);
}

/* ---- steps.svg ----------------------------------------------------------------------------- */

static const char steps_style[] =
    ".n0,.n1,.n2{fill:none;stroke-width:2.2;stroke-linejoin:round}\n"
    ".n0{stroke:#0072b2}.n1{stroke:#d55e00;stroke-dasharray:8 4}\n"
    ".n2{stroke:#767f89;stroke-dasharray:2 4}\n"
    ".b0,.b1,.b2{stroke:none;fill-opacity:.2}\n"
    ".b0,.m0{fill:#0072b2}.b1,.m1{fill:#d55e00}.b2,.m2{fill:#767f89}\n"
    ".m0,.m1,.m2{stroke:#ffffff;stroke-width:1}\n"
    ".paper{fill:#ffffff;stroke:#1f2328;stroke-width:1.6}\n";
static const char steps_dark[] = ".n0{stroke:#56b4e9}.n1{stroke:#e69f00}.n2{stroke:#a3adb8}\n"
                                 ".b0,.m0{fill:#56b4e9}.b1,.m1{fill:#e69f00}.b2,.m2{fill:#a3adb8}\n"
                                 ".m0,.m1,.m2{stroke:#161b22}\n"
                                 ".paper{fill:#161b22;stroke:#f0f6fc}\n";

enum { NETS = 3 };
static const char *const net_line[NETS] = {"n0", "n1", "n2"};
static const char *const net_band[NETS] = {"b0", "b1", "b2"};
static const char *const net_dot[NETS] = {"m0", "m1", "m2"};
static const Marker net_marker[NETS] = {MARKER_CIRCLE, MARKER_SQUARE, MARKER_TRIANGLE};

/* 1, 2, 5, 10, ... times 1/1000. */
static double log_tick(int i) {
    const double digits[] = {1, 2, 5};
    return digits[i % 3] * pow(10, i / 3 - 3);
}

/* The ticks just outside of all that is drawn become the ends of the axis. */
static Axis fit_axis(const Evaluation *evaluations, size_t count) {
    double low = 1, high = 1;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k <= evaluations[i].steps; k++) {
            const StepStats *s = &evaluations[i].step[k];
            double spread = isfinite(s->interval) ? s->interval : 0;
            if (!isfinite(s->mean)) continue;
            low = fmin(low, fmax(s->mean - spread, 0.7 * s->mean));
            high = fmax(high, s->mean + spread);
        }
    }
    int first = 0, last = 15;
    while (first < 14 && log_tick(first + 1) <= low)
        first++;
    while (last > first + 1 && log_tick(last - 1) >= high)
        last--;
    return (Axis){log_tick(first), log_tick(last), true};
}

/* A round number that cuts the way from 0 to `last` into at most `parts`. */
static double tick_distance(size_t last, double parts) {
    int i = 9;
    while ((double)last / log_tick(i) > parts)
        i++;
    return log_tick(i);
}

/* Draws one learner's line; markers are kept apart when there are many steps. */
static void draw_net(FILE *file, const Panel *panel, const Evaluation *e, size_t net) {
    double x[EVAL_MAX_STEPS + 1], mean[EVAL_MAX_STEPS + 1];
    double low[EVAL_MAX_STEPS + 1], high[EVAL_MAX_STEPS + 1];
    size_t count = e->steps + 1, stride = (e->steps + 19) / 20;
    for (size_t k = 0; k < count; k++) {
        x[k] = (double)k;
        mean[k] = e->step[k].mean;
        low[k] = mean[k] - e->step[k].interval;
        high[k] = mean[k] + e->step[k].interval;
    }
    panel_band(file, panel, x, low, high, count, net_band[net]);
    panel_curve(file, panel, x, mean, count, net_line[net]);
    for (size_t k = 0; k < count; k += stride)
        panel_marker(file, panel, net_marker[net], x[k], mean[k], net_dot[net]);
}

static void draw_steps(FILE *file, const Panel *panel, bool numbers, const Options *options,
                       const Evaluation *evaluations) {
    double x_ticks[32], y_ticks[32];
    size_t x_count = 0, y_count = 0;
    double distance = tick_distance(options->eval_steps, panel->width / 45);
    for (double at = 0; at <= panel->x.high && x_count < 32; at += distance)
        x_ticks[x_count++] = at;
    for (int i = 0; log_tick(i) <= panel->y.high * 1.001; i++)
        if (log_tick(i) >= panel->y.low * 0.999) y_ticks[y_count++] = log_tick(i);
    panel_grid(file, panel, x_ticks, x_count, y_ticks, y_count, numbers);

    char text[64];
    size_t shots = evaluations[0].shots;
    snprintf(text, sizeof text, "K = %zu point%s", shots, shots == 1 ? "" : "s");
    svg_text(file, panel->left, panel->top - 11, "head", text);
    svg_text(file, panel->left + panel->width / 2, panel->top + panel->height + 38, "label middle",
             "gradient steps");
    for (size_t net = NETS; net-- > 0;) /* MAML last, so that it lies on top */
        draw_net(file, panel, &evaluations[net], net);
    const Reference *paper = reference_paper(shots, options->first_order);
    for (size_t i = 0; paper && i < 4; i++)
        if (reference_steps[i] <= options->eval_steps)
            panel_marker(file, panel, MARKER_DIAMOND, (double)reference_steps[i], paper->low[i],
                         "paper");
}

bool plot_steps(const Options *options, const Evaluation *evaluations, size_t count) {
    Output output;
    if (!output_open(&output, options->out, "steps.svg")) return false;
    FILE *file = output.file;
    char text[160];

    svg_begin(
        file, WIDTH, 452, "Error on new sine tasks after each gradient step",
        "A panel for each number of points, with lines for MAML, a pretrained net and a random "
        "net.",
        steps_style, steps_dark);
    svg_text(file, 24, 36, "title", "Error on new tasks after each gradient step");
    snprintf(text, sizeof text,
             "mean query MSE over %zu tasks, with 95 %% intervals; the axis is logarithmic",
             options->eval_tasks);
    svg_text(file, 24, 58, "label", text);

    size_t panels = count / NETS;
    double left = 76, gap = 24, right = WIDTH - 24;
    double width = (right - left - gap * (double)(panels - 1)) / (double)panels;
    Axis x = {-0.04 * (double)options->eval_steps, 1.04 * (double)options->eval_steps, false};
    Axis y = fit_axis(evaluations, count);
    const char *const ids[] = {"p0", "p1", "p2", "p3"};
    for (size_t i = 0; i < panels; i++) {
        Panel panel = {ids[i], left + (width + gap) * (double)i, 106, width, 248, x, y};
        draw_steps(file, &panel, i == 0, options, evaluations + i * NETS);
    }
    svg_text_up(file, 26, 106 + 248 / 2, "label middle", "query MSE");

    const char *words[] = {"MAML", "pretrained", "random"};
    const double at[] = {120, 270, 450};
    for (size_t net = 0; net < NETS; net++) {
        svg_line(file, at[net], 422, at[net] + 36, 422, net_line[net]);
        svg_marker(file, net_marker[net], at[net] + 18, 422, net_dot[net]);
        svg_text(file, at[net] + 46, 427, "label", words[net]);
    }
    if (reference_paper(5, options->first_order)) {
        svg_marker(file, MARKER_DIAMOND, 622, 422, "paper");
        svg_text(file, 636, 427, "label", "MAML in the paper (K = 5)");
    }
    svg_end(file);
    return output_close(&output);
}
