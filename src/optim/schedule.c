/* Schedules: factors by step number, and the list of them an optimizer keeps. */
#include <math.h>

#include "base/alloc.h"
#include "higherc/schedule.h"
#include "kernels/scalar.h"
#include "optim/optim.h"

static const double pi = 3.14159265358979323846;

/* How much of the steps is over, 0 to 1. */
static double over(const Schedule *s, size_t step) {
    return step < s->steps ? (double)step / (double)s->steps : 1;
}

/* from at 0, to at 1 */
static Hyper between(Hyper from, Hyper to, double share) {
    return hyper_add(from, hyper_mul(hyper_sub(to, from), hyper_const(share)));
}

static Hyper step_factor(const Schedule *s, size_t step) {
    return hyper_pow(s->coefficient, hyper_const((double)(step / s->steps)));
}

Schedule schedule_step(size_t period, Hyper gamma) {
    return (Schedule){.factor = step_factor, .coefficient = gamma, .steps = period ? period : 1};
}

Schedule schedule_exponential(Hyper gamma) {
    return schedule_step(1, gamma);
}

static Hyper multistep_factor(const Schedule *s, size_t step) {
    size_t passed = 0;
    for (size_t i = 0; i < s->milestone_count; i++)
        passed += s->milestones[i] <= step;
    return hyper_pow(s->coefficient, hyper_const((double)passed));
}

Schedule schedule_multistep(const size_t *milestones, size_t count, Hyper gamma) {
    Schedule s = {.coefficient = gamma};
    if (count > HC_MOST_MILESTONES || (count > 0 && !milestones)) return s;
    s.factor = multistep_factor;
    s.milestone_count = count;
    for (size_t i = 0; i < count; i++)
        s.milestones[i] = milestones[i];
    return s;
}

/* From 1 to 0 along half a cosine. By the kernel, which has the same bits on every platform. */
static double fall(double share) {
    return (1 + hc_cos(pi * share)) / 2;
}

static Hyper cosine_factor(const Schedule *s, size_t step) {
    return between(s->coefficient, hyper_const(1), fall(over(s, step)));
}

Schedule schedule_cosine(size_t steps, Hyper last) {
    return (Schedule){.factor = cosine_factor, .coefficient = last, .steps = steps};
}

static Hyper restarts_factor(const Schedule *s, size_t step) {
    size_t period = s->steps;
    if (s->growth == 1) step %= period;
    while (step >= period) {
        step -= period;
        period = period > SIZE_MAX / s->growth ? SIZE_MAX : period * s->growth;
    }
    return between(s->coefficient, hyper_const(1), fall((double)step / (double)period));
}

Schedule schedule_cosine_restarts(size_t first, size_t growth, Hyper last) {
    return (Schedule){.factor = restarts_factor,
                      .coefficient = last,
                      .steps = first ? first : 1,
                      .growth = growth ? growth : 1};
}

static Hyper one_cycle_factor(const Schedule *s, size_t step) {
    double end = s->steps > 0 ? (double)(s->steps - 1) : 0, turn = s->rise * (double)s->steps - 1;
    double t = (double)step < end ? (double)step : end;
    if (!(s->rise >= 0 && s->rise <= 1)) return hyper_const(NAN);
    if (s->steps > 0 && t <= turn)
        return between(s->coefficient, hyper_const(1), turn > 0 ? 1 - fall(t / turn) : 1);
    double share = end > turn && s->steps > 0 ? (t - turn) / (end - turn) : 1;
    return hyper_const(s->last + (1 - s->last) * fall(share));
}

Schedule schedule_one_cycle(size_t steps, double rise, Hyper start, double last) {
    return (Schedule){.factor = one_cycle_factor,
                      .coefficient = start,
                      .steps = steps,
                      .rise = rise,
                      .last = last};
}

static Hyper polynomial_factor(const Schedule *s, size_t step) {
    return hyper_pow(hyper_const(1 - over(s, step)), s->coefficient);
}

Schedule schedule_polynomial(size_t steps, Hyper power) {
    return (Schedule){.factor = polynomial_factor, .coefficient = power, .steps = steps};
}

static Hyper warmup_factor(const Schedule *s, size_t step) {
    return between(s->coefficient, hyper_const(1), over(s, step));
}

Schedule schedule_warmup(size_t steps, Hyper start) {
    return (Schedule){.factor = warmup_factor, .coefficient = start, .steps = steps};
}

static Hyper lambda_factor(const Schedule *s, size_t step) {
    return s->function ? s->function(step, s->user) : hyper_const(NAN);
}

Schedule schedule_lambda(ScheduleFn *function, void *user) {
    return (Schedule){.factor = lambda_factor, .function = function, .user = user};
}

static Hyper then_factor(const Schedule *s, size_t step) {
    return schedule_at(s, step);
}

Schedule schedule_then(const Schedule *first, size_t steps, const Schedule *next) {
    return (Schedule){.factor = then_factor, .steps = steps, .first = first, .next = next};
}

static Hyper factor_at(const char *who, const Schedule *schedule, size_t step) {
    size_t deep = 0;
    if (!schedule) {
        hc_null(who, "the schedule");
        return hyper_const(NAN);
    }
    for (; schedule && schedule->factor == then_factor && deep < HC_MOST_SCHEDULES; deep++) {
        bool first = step < schedule->steps;
        if (!first) step -= schedule->steps;
        schedule = first ? schedule->first : schedule->next;
    }
    if (schedule && schedule->factor && deep < HC_MOST_SCHEDULES)
        return schedule->factor(schedule, step);
    hc_fail_thread(HC_ERR_ARG, "%s: %s", who,
                   !schedule           ? "a schedule_then without its schedules"
                   : !schedule->factor ? "a schedule that no schedule_ function made"
                                       : "a schedule_then that holds itself, or too many");
    return hyper_const(NAN);
}

Hyper schedule_at(const Schedule *schedule, size_t step) {
    return factor_at("schedule_at", schedule, step);
}

/* Counts down the links it looks at, for a schedule_then may hold itself. */
static bool follows(const Schedule *s, size_t nodes, size_t *left) {
    if (!s) return false;
    if (s->function || (s->coefficient.tensor && s->coefficient.tensor->index >= nodes)) return true;
    if (s->factor != then_factor) return false;
    if (*left == 0) return true;
    --*left;
    return follows(s->first, nodes, left) || follows(s->next, nodes, left);
}

bool hc_schedule_follows(const Schedule *schedule, size_t nodes) {
    return follows(schedule, nodes, &(size_t){HC_MOST_SCHEDULES});
}

Hyper hc_schedule_call(Tape *tape, const char *who, const Schedule *schedule, size_t step) {
    HcCalling outer = hc_call_begin(tape);
    Hyper factor = factor_at(who, schedule, step);
    hc_call_end(tape, outer);
    return factor;
}

Hyper hc_schedule_factor(Tape *tape, const char *who, const Schedule *schedule, size_t step, const char *name) {
    Hyper factor = hc_schedule_call(tape, who, schedule, step);
    if (!factor.tensor && isnan(factor.value))
        hc_fail(tape, HC_ERR_ARG, "%s: the factor of '%s' is NaN at step %zu", who, name, step);
    return factor;
}

/* ---- kinds, for files ---------------------------------------------------------------------------------- */

static Hyper (*const factors[HC_SCHEDULE_KINDS])(const Schedule *, size_t) = {
    [HC_SCHEDULE_STEP] = step_factor,
    [HC_SCHEDULE_COSINE] = cosine_factor,
    [HC_SCHEDULE_POLYNOMIAL] = polynomial_factor,
    [HC_SCHEDULE_WARMUP] = warmup_factor,
    [HC_SCHEDULE_LAMBDA] = lambda_factor,
    [HC_SCHEDULE_THEN] = then_factor,
    [HC_SCHEDULE_MULTISTEP] = multistep_factor,
    [HC_SCHEDULE_RESTARTS] = restarts_factor,
    [HC_SCHEDULE_ONE_CYCLE] = one_cycle_factor,
};

HcScheduleKind hc_schedule_kind(const Schedule *schedule) {
    unsigned kind = schedule && schedule->factor ? HC_SCHEDULE_KINDS : 0;
    while (kind > 0 && (kind == HC_SCHEDULE_KINDS || factors[kind] != schedule->factor))
        kind--;
    return (HcScheduleKind)kind;
}

Schedule hc_schedule_of(HcScheduleKind kind) {
    return (Schedule){.factor = factors[kind]};
}

static const Schedule *moved(const Schedule *at, const Schedule *from, const Schedule *to) {
    return at ? to + (at - from) : NULL;
}

void hc_schedule_move(Schedule *schedule, const Schedule *from, Schedule *to, size_t count) {
    for (size_t i = 0; i <= count; i++) {
        Schedule *s = i < count ? &to[i] : schedule;
        s->first = moved(s->first, from, to);
        s->next = moved(s->next, from, to);
    }
}

/* ---- copies -------------------------------------------------------------------------------------------- */

/* The schedules that one leads to, each once, also where they lead back. */
typedef struct Led {
    const Schedule **items;
    size_t count, capacity;
} Led;

static size_t place_of(const Led *led, const Schedule *s) {
    size_t i = 0;
    while (i < led->count && led->items[i] != s)
        i++;
    return i;
}

static bool lead(Led *led, const Schedule *s) {
    if (!s || place_of(led, s) < led->count) return true;
    if (!hc_grow((void **)&led->items, &led->capacity, led->count, led->count + 1, sizeof *led->items))
        return false;
    led->items[led->count++] = s;
    return true;
}

/* With its pointers to the copies. */
static Schedule led_to(const Schedule *s, const Led *led, const Schedule *own) {
    Schedule copy = *s;
    if (s->first) copy.first = own + place_of(led, s->first);
    if (s->next) copy.next = own + place_of(led, s->next);
    return copy;
}

bool hc_schedule_own(Schedule *schedule, Schedule **nodes, size_t *count) {
    Led led = {.items = NULL};
    Schedule *own = NULL;
    bool done = lead(&led, schedule->first) && lead(&led, schedule->next);
    for (size_t i = 0; done && i < led.count; i++)
        done = lead(&led, led.items[i]->first) && lead(&led, led.items[i]->next);
    if (done && led.count > 0) done = (own = hc_alloc(led.count, sizeof *own)) != NULL;
    for (size_t i = 0; own && i < led.count; i++)
        own[i] = led_to(led.items[i], &led, own);
    if (own) *schedule = led_to(schedule, &led, own);
    hc_free((void *)led.items);
    *nodes = own;
    *count = own ? led.count : 0;
    return done;
}

/* ---- on an optimizer ----------------------------------------------------------------------------------- */

const Schedule *hc_scheduled(const Optim *optim, size_t group, size_t hyper) {
    for (size_t i = optim->schedule_count; i-- > 0;) {
        const HcScheduled *s = &optim->schedules[i];
        if (s->hyper == hyper && (s->group == group || s->group == HC_ALL_GROUPS))
            return s->removed ? NULL : &s->schedule;
    }
    return NULL;
}

/* Drops what a new entry for the hyperparameter and group makes useless. */
static void forget(Optim *optim, size_t hyper, size_t group) {
    size_t kept = 0;
    for (size_t i = 0; i < optim->schedule_count; i++) {
        const HcScheduled *s = &optim->schedules[i];
        bool hidden = s->hyper == hyper && (s->group == group || group == HC_ALL_GROUPS);
        if (hidden)
            hc_free(s->nodes);
        else
            optim->schedules[kept++] = *s;
    }
    optim->schedule_count = kept;
}

bool optim_schedule(Optim *optim, const char *name, size_t group, const Schedule *schedule) {
    const char *who = "optim_schedule";
    size_t hyper = 0;
    if (!hc_optim_setting(optim, who, name, group, &hyper)) return false;
    if (schedule) {
        size_t told = hc_errors_told();
        Hyper factor = hc_schedule_call(optim->tape, who, schedule, optim->steps);
        if (hc_errors_left(told))
            return hc_optim_fail(optim, higherc_status(), "%s: the schedule of '%s' failed", who, name);
        if (factor.tensor)
            return hc_optim_fail(optim, HC_ERR_ARG,
                                 "%s: a factor of '%s' that is a tensor needs diffopt_schedule",
                                 who, name);
        if (isnan(factor.value))
            return hc_optim_fail(optim, HC_ERR_ARG, "%s: the factor of '%s' is NaN at step %zu", who, name,
                                 optim->steps);
    }
    HcScheduled last = {.hyper = hyper, .group = group, .removed = !schedule};
    if (schedule) last.schedule = *schedule;
    if (!hc_schedule_own(&last.schedule, &last.nodes, &last.node_count) ||
        !hc_grow((void **)&optim->schedules, &optim->schedule_capacity, optim->schedule_count,
                 optim->schedule_count + 1, sizeof *optim->schedules)) {
        hc_free(last.nodes);
        return hc_optim_fail(optim, HC_ERR_NOMEM, "%s: out of memory", who);
    }
    forget(optim, hyper, group);
    hc_optim_changed(optim);
    optim->schedules[optim->schedule_count++] = last;
    return true;
}
