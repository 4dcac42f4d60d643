/* The command line. One table says for each flag what it is called, what it may hold and what
 * --help says about it. */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

static Options defaults(void) {
    return (Options){
        .iterations = 70000,
        .shots = 10,
        .inner_steps = 1,
        .inner_lr = 0.01,
        .outer_lr = 0.001,
        .tasks = 25,
        .hidden = 40,
        .seed = 1,
        .threads = 1,
        .eval_tasks = 600,
        .eval_steps = 10,
        .out = "maml_sine_out",
        .every = 1000,
    };
}

typedef enum FlagKind {
    FLAG_COUNT,
    FLAG_SEED,
    FLAG_REAL,
    FLAG_FOLDER,
    FLAG_FILE,
    FLAG_SWITCH,
    FLAG_HELP
} FlagKind;

typedef struct Flag {
    const char *name;
    FlagKind kind;
    void *target;
    double low, high; /* both included; for counts and reals */
    const char *help;
} Flag;

enum { FLAG_TOTAL = 19 };

/* The upper ends keep a slip of the finger from asking for more memory than there is. */
static void list_flags(Flag flags[FLAG_TOTAL], Options *o) {
    // clang-format off
    const Flag table[FLAG_TOTAL] = {
        {"--iterations",  FLAG_COUNT,  &o->iterations,  1, 1e9,   "meta-iterations"},
        {"--shots",       FLAG_COUNT,  &o->shots,       1, MAX_POINTS, "points K to adapt on, and as many to judge by"},
        {"--inner-steps", FLAG_COUNT,  &o->inner_steps, 1, 100,   "gradient steps on a task while training"},
        {"--inner-lr",    FLAG_REAL,   &o->inner_lr,    0, 100,   "their step size"},
        {"--outer-lr",    FLAG_REAL,   &o->outer_lr,    0, 100,   "step size of Adam on the initial weights"},
        {"--tasks",       FLAG_COUNT,  &o->tasks,       1, 10000, "tasks per meta-iteration"},
        {"--hidden",      FLAG_COUNT,  &o->hidden,      1, 1024,  "width of the two hidden layers"},
        {"--first-order", FLAG_SWITCH, &o->first_order, 0, 0,     "leave out the second derivatives"},
        {"--learn-lr",    FLAG_SWITCH, &o->learn_lr,    0, 0,     "Meta-SGD: learn a step size for every weight"},
        {"--seed",        FLAG_SEED,   &o->seed,        0, 0,     "of all random numbers"},
        {"--threads",     FLAG_COUNT,  &o->threads,     1, HC_MAX_THREADS,
         "threads to train on; the results are the same"},
        {"--no-replay",   FLAG_SWITCH, &o->no_replay,   0, 0,     "record every task afresh; the results are the same"},
        {"--eval-tasks",  FLAG_COUNT,  &o->eval_tasks,  1, 1e6,   "new tasks to evaluate on"},
        {"--eval-steps",  FLAG_COUNT,  &o->eval_steps,  1, EVAL_MAX_STEPS,  "gradient steps on each of them"},
        {"--out",         FLAG_FOLDER, &o->out,         0, 0,     "folder for results.csv and the pictures"},
        {"--checkpoint",  FLAG_FILE,   &o->checkpoint,  0, 0,     "saves training there, and goes on from it"},
        {"--every",       FLAG_COUNT,  &o->every,       1, 1e9,   "meta-iterations between two saves"},
        {"--quiet",       FLAG_SWITCH, &o->quiet,       0, 0,     "no progress on stderr"},
        {"--help",        FLAG_HELP,   NULL,            0, 0,     "this text"},
    };
    // clang-format on
    memcpy(flags, table, sizeof table);
}

static bool complain(const char *what, const char *about) {
    fprintf(stderr, "maml_sine: %s '%s' (see --help)\n", what, about);
    return false;
}

static bool complain_value(const Flag *flag, const char *value, const char *kind) {
    fprintf(stderr, "maml_sine: %s: '%s' is not %s from %.10g to %.10g\n", flag->name, value, kind,
            flag->low, flag->high);
    return false;
}

/* strtoull and strtod take more than a person would call a number: leading blanks, a minus sign
 * that wraps around, "inf", hexadecimal. `alphabet` says which characters are welcome. */
static bool spelled_with(const char *value, const char *alphabet) {
    return *value && value[strspn(value, alphabet)] == '\0';
}

static bool read_whole(const char *value, uint64_t *number) {
    if (!spelled_with(value, "0123456789")) return false;
    errno = 0;
    unsigned long long read = strtoull(value, NULL, 10);
    *number = read;
    return errno == 0 && read <= UINT64_MAX;
}

static bool set_value(const Flag *flag, const char *value) {
    uint64_t whole = 0;
    switch (flag->kind) {
    case FLAG_COUNT:
        if (!read_whole(value, &whole) || (double)whole < flag->low || (double)whole > flag->high)
            return complain_value(flag, value, "a whole number");
        *(size_t *)flag->target = (size_t)whole;
        return true;
    case FLAG_SEED:
        if (!read_whole(value, &whole)) {
            fprintf(stderr, "maml_sine: %s: '%s' is not a whole number from 0 to %" PRIu64 "\n",
                    flag->name, value, UINT64_MAX);
            return false;
        }
        *(uint64_t *)flag->target = whole;
        return true;
    case FLAG_REAL: {
        char *end = NULL;
        double real = spelled_with(value, "0123456789.eE+-") ? strtod(value, &end) : NAN;
        if (!end || *end || !(real >= flag->low && real <= flag->high))
            return complain_value(flag, value, "a number");
        *(double *)flag->target = real;
        return true;
    }
    case FLAG_FOLDER:
    case FLAG_FILE:
        if (!*value) {
            fprintf(stderr, "maml_sine: %s: the name is empty\n", flag->name);
            return false;
        }
        *(const char **)flag->target = value;
        return true;
    case FLAG_SWITCH:
    case FLAG_HELP:
        break;
    }
    return false;
}

OptionsResult options_parse(Options *options, int argc, char **argv) {
    *options = defaults();
    Flag flags[FLAG_TOTAL];
    list_flags(flags, options);
    bool help = false;

    for (int i = 1; i < argc; i++) {
        const char *word = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i];
        if (word[0] != '-') {
            complain("unexpected argument", word);
            return OPTIONS_BAD;
        }
        size_t length = strcspn(word, "=");
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        const Flag *flag = NULL;
        for (size_t f = 0; f < FLAG_TOTAL; f++)
            if (strlen(flags[f].name) == length && strncmp(flags[f].name, word, length) == 0)
                flag = &flags[f];
        if (!flag) {
            complain("unknown flag", word);
            return OPTIONS_BAD;
        }

        if (flag->kind == FLAG_SWITCH || flag->kind == FLAG_HELP) {
            if (value) {
                complain("no value is taken by", flag->name);
                return OPTIONS_BAD;
            }
            if (flag->kind == FLAG_HELP)
                help = true;
            else
                *(bool *)flag->target = true;
            continue;
        }
        /* `--out --quiet` is a forgotten name; whoever means it writes --out=--quiet. */
        if (!value && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0) value = argv[++i];
        if (!value) {
            complain("a value is missing after", flag->name);
            return OPTIONS_BAD;
        }
        if (!set_value(flag, value)) return OPTIONS_BAD;
    }
    return help ? OPTIONS_HELP : OPTIONS_RUN;
}

void options_help(void) {
    Options options = defaults();
    Flag flags[FLAG_TOTAL];
    list_flags(flags, &options);

    printf(
        "maml_sine: learn to learn sine curves (Finn, Abbeel, Levine 2017)\n\n"
        "Trains initial weights from which a few gradient steps on K points of a new sine curve\n"
        "fit that curve; compares them with pretrained and with random weights.\n\n"
        "usage: maml_sine [flags]\n\n");
    for (size_t f = 0; f < FLAG_TOTAL; f++) {
        const Flag *flag = &flags[f];
        char head[64];
        const char *argument = flag->kind == FLAG_FOLDER                             ? " DIR"
                               : flag->kind == FLAG_FILE                             ? " FILE"
                               : flag->kind == FLAG_REAL                             ? " X"
                               : flag->kind == FLAG_COUNT || flag->kind == FLAG_SEED ? " N"
                                                                                     : "";
        snprintf(head, sizeof head, "%s%s", flag->name, argument);
        printf("  %-17s %s", head, flag->help);
        if (flag->kind == FLAG_COUNT) printf(" (%zu)", *(const size_t *)flag->target);
        if (flag->kind == FLAG_SEED) printf(" (%" PRIu64 ")", *(const uint64_t *)flag->target);
        if (flag->kind == FLAG_REAL) printf(" (%g)", *(const double *)flag->target);
        if (flag->kind == FLAG_FOLDER) printf(" (%s)", *(const char *const *)flag->target);
        printf("\n");
    }
    printf(
        "\nCtrl-C ends training and evaluates what has been learned; a second one ends at once. With\n"
        "--checkpoint the same command, or one with more iterations, goes on where it was stopped, and\n"
        "ends with the numbers that it would have had.\n");
}
