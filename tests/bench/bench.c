/* bench NAME [--repeat R] [--threads N] [--no-replay] [--keep all|sqrt|N] [--memory MIB]: times one workload and
 * prints one line,
 *
 *     bench NAME IMPL MEDIAN_SECONDS MIN_SECONDS PEAK_RSS_KB
 *
 * of R samples (timing.h).
 * bench NAME --record FOLDER writes what the peers need to compute the same instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"
#include "workload.h"

static const Workload *const families[] = {&workload_maml_sine, &workload_sine_forward, &workload_omniglot,
                                           &workload_unroll, &workload_mlp_step, &workload_sine_steps};
enum { FAMILIES = sizeof families / sizeof families[0], WORKLOADS = FAMILIES + WORKLOADS_JVP };

static const Workload *workload_at(size_t i) {
    return i < FAMILIES ? families[i] : &workloads_jvp[i - FAMILIES];
}

typedef struct Arguments {
    const char *name, *record;
    const Workload *workload;
    Settings settings;
    size_t repeat;
    bool stats;
} Arguments;

static bool read_number(const char *text, size_t low, size_t high, size_t *number) {
    if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 9) return false;
    *number = strtoul(text, NULL, 10);
    return *number >= low && *number <= high;
}

static bool find_workload(Arguments *args) {
    for (size_t i = 0; i < WORKLOADS; i++) {
        const Workload *w = workload_at(i);
        const char *rest = args->name + strlen(w->stem);
        if (strncmp(args->name, w->stem, strlen(w->stem)) != 0) continue;
        size_t least = w->least ? w->least : 1, most = w->most ? w->most : 100000;
        if (w->numbered ? !read_number(rest, least, most, &args->settings.number) : *rest != '\0') continue;
        args->workload = w;
        args->settings.name = args->name;
        return true;
    }
    return false;
}

static int usage(void) {
    fprintf(stderr,
            "usage: bench NAME [--repeat R] [--threads N] [--no-replay] [--stats] [--record FOLDER]\n"
            "             [--keep all|sqrt|N | --memory MIB]   (of an inner loop of steps)\n"
            "NAME:");
    for (size_t i = 0; i < WORKLOADS; i++)
        if (workload_at(i)->least == 0) /* else a stem that was there */
            fprintf(stderr, " %s%s", workload_at(i)->stem, workload_at(i)->numbered ? "N" : "");
    fprintf(stderr, "\n");
    return 2;
}

static bool read_keep(const char *text, Settings *settings) {
    settings->unrolls = true;
    settings->keep = strcmp(text, "all") == 0    ? HC_KEEP_ALL
                     : strcmp(text, "sqrt") == 0 ? HC_KEEP_SQRT
                                                 : HC_KEEP_EVERY;
    return settings->keep != HC_KEEP_EVERY || read_number(text, 1, 100000000, &settings->every);
}

UnrollOptions settings_unroll(const Settings *settings, size_t steps) {
    UnrollOptions options = unroll_options(steps);
    options.keep = settings->keep;
    options.every = settings->every;
    options.max_bytes = settings->megabytes << 20;
    return options;
}

static bool read_arguments(Arguments *args, int argc, char **argv) {
    *args = (Arguments){.repeat = 9, .settings = {.threads = 1, .replay = true}};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--repeat") == 0) {
            if (!read_number(value, 1, TIMING_MAX_REPEAT, &args->repeat)) return false;
            i++;
        } else if (strcmp(argv[i], "--threads") == 0) {
            if (!read_number(value, 1, 1024, &args->settings.threads)) return false;
            i++;
        } else if (strcmp(argv[i], "--record") == 0) {
            if (!*value) return false;
            args->record = value;
            i++;
        } else if (strcmp(argv[i], "--keep") == 0) {
            if (!read_keep(value, &args->settings)) return false;
            i++;
        } else if (strcmp(argv[i], "--memory") == 0) {
            if (!read_number(value, 1, 1 << 20, &args->settings.megabytes)) return false;
            args->settings.keep = HC_KEEP_FIT;
            args->settings.unrolls = true;
            i++;
        } else if (strcmp(argv[i], "--no-replay") == 0) {
            args->settings.replay = false;
        } else if (strcmp(argv[i], "--stats") == 0) {
            args->stats = true;
        } else if (argv[i][0] != '-' && !args->name) {
            args->name = argv[i];
        } else {
            return false;
        }
    }
    if (!args->name || !find_workload(args)) return false;
    if (args->workload->afresh) args->settings.replay = false;
    return true;
}

static bool measure(const Arguments *args, void *state) {
    const Settings *s = &args->settings;
    char impl[64] = "higherc";
    size_t used = strlen(impl);
    if (s->unrolls && s->keep == HC_KEEP_FIT)
        snprintf(impl + used, sizeof impl - used, "-memory-%zu", s->megabytes);
    else if (s->unrolls && s->keep == HC_KEEP_EVERY)
        snprintf(impl + used, sizeof impl - used, "-keep-%zu", s->every);
    else if (s->unrolls)
        snprintf(impl + used, sizeof impl - used, s->keep == HC_KEEP_ALL ? "-keep-all" : "-keep-sqrt");
    if (s->replay) snprintf(impl + strlen(impl), sizeof impl - strlen(impl), "-replay");
    return time_and_print(args->name, impl, args->workload->tasks, args->repeat,
                          args->workload->iterate, state);
}

int main(int argc, char **argv) {
    Arguments args;
    if (!read_arguments(&args, argc, argv)) return usage();
    if (args.settings.threads > 1 && !args.workload->threaded) {
        fprintf(stderr, "bench: %s runs on one thread\n", args.name);
        return 2;
    }
    if (args.record && !args.workload->record) {
        fprintf(stderr, "bench: %s has no peers to record for\n", args.name);
        return 2;
    }
    if (args.settings.unrolls && !args.workload->unrolls) {
        fprintf(stderr, "bench: %s has no loop of steps to keep\n", args.name);
        return 2;
    }
    void *state = args.workload->create(args.settings);
    if (state && args.stats && args.workload->program) {
        ProgramStats stats = program_stats(args.workload->program(state));
        printf("%s: a Program of %zu bytes, of which tables %zu\n", args.name, stats.bytes, stats.table_bytes);
    }
    bool done =
        state && (args.record ? args.workload->record(state, args.record) : measure(&args, state));
    if (state) args.workload->destroy(state);
    if (!done || higherc_error())
        fprintf(stderr, "bench %s: %s\n", args.name,
                higherc_error() ? higherc_error() : "out of memory, or a file cannot be written");
    return done && !higherc_error() && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
