/** @file flags.h
 *  The command line of the short examples: a table of flags that take a whole number, or a text. What is wrong with
 *  it is told in one line on stderr, and so is, at exit, a standard output that could not be written. */
#ifndef EXAMPLES_FLAGS_H
#define EXAMPLES_FLAGS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Flag {
    const char *name; /**< "--steps" */
    size_t *number;   /**< holds the default at first; NULL for a text */
    size_t low, high; /**< both included */
    const char *help;
    const char **text; /**< of a flag without a number */
} Flag;

enum { FLAGS_RUN = -1 };

/* At exit: what was printed and did not arrive, on a full disk say, makes the program fail. */
static inline void flags_check_printed(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return;
    fprintf(stderr, "standard output: cannot be written\n");
    _Exit(1);
}

static inline void flags_help(const char *program, const Flag *flags, size_t count,
                              const char *about) {
    printf("%s\n\nusage: %s [flags]\n\n", about, program);
    for (size_t i = 0; i < count; i++) {
        printf("  %-13s %s  %s", flags[i].name, flags[i].number ? "N   " : "TEXT", flags[i].help);
        if (flags[i].number) printf(" (%zu)", *flags[i].number);
        printf("\n");
    }
}

static inline int flags_complain(const char *program, const char *what, const char *about) {
    fprintf(stderr, "%s: %s '%s' (see --help)\n", program, what, about);
    return 2;
}

static inline int flags_set(const char *program, const Flag *flag, const char *value) {
    if (!flag->number) {
        *flag->text = value;
        return *value ? FLAGS_RUN : flags_complain(program, "a name is missing after", flag->name);
    }
    errno = 0;
    unsigned long long read = strtoull(value, NULL, 10);
    if (!*value || value[strspn(value, "0123456789")] || errno || read < flag->low ||
        read > flag->high) {
        fprintf(stderr, "%s: %s: '%s' is not a whole number from %zu to %zu\n", program, flag->name,
                value, flag->low, flag->high);
        return 2;
    }
    *flag->number = (size_t)read;
    return FLAGS_RUN;
}

/** Reads `--name value` and `--name=value`, in any order. FLAGS_RUN, or the status to exit with: 0 after
 *  --help, 2 after a line on stderr about a flag that is wrong. */
static inline int flags_read(int argc, char **argv, const Flag *flags, size_t count,
                             const char *about) {
    const char *program = argc > 0 ? argv[0] : "example";
    for (const char *slash; (slash = strchr(program, '/'));)
        program = slash + 1;
    static bool checked = false;
    if (!checked) checked = atexit(flags_check_printed) == 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            flags_help(program, flags, count, about);
            return 0;
        }
        const Flag *flag = NULL;
        size_t length = strcspn(argv[i], "=");
        for (size_t f = 0; f < count; f++)
            if (strlen(flags[f].name) == length && strncmp(flags[f].name, argv[i], length) == 0)
                flag = &flags[f];
        if (!flag) return flags_complain(program, "unknown flag", argv[i]);
        const char *value = argv[i][length] ? argv[i] + length + 1 : NULL;
        if (!value && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0) value = argv[++i];
        if (!value) return flags_complain(program, "a value is missing after", flag->name);
        int status = flags_set(program, flag, value);
        if (status != FLAGS_RUN) return status;
    }
    return FLAGS_RUN;
}

#endif
