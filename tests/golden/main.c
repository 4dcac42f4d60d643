/* golden DIR... [--f32] [--replay] [--unroll N] [--verbose]: runs every case (*.golden) of the directories and
 * compares all it records. Exit status 0 when none failed, 1 when one did, could not be read, or a directory has
 * no case; 2 for bad arguments. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* folders past 32 bits, on 32-bit machines */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static const char usage[] =
    "usage: golden DIR... [--f32] [--replay] [--unroll N] [--verbose]\n"
    "Runs every case (*.golden) of the directories (or single case files) and compares what it\n"
    "records with what the library computes, in f64 at the tolerance the case states.\n"
    "  --f32      compute in f32, to 2e-3 of the largest number of an entry (compare.c says why)\n"
    "  --replay   also capture each case as a Program, which has to give the same bits\n"
    "  --unroll N also run the inner loop of each case as an unroll that keeps every N-th step, which has to\n"
    "             give the same bits; cases without an inner step are left out\n"
    "  --verbose  a line for every case, with its largest deviation as a part of what is allowed\n";

typedef struct Tally {
    Manner manner;
    bool verbose;
    size_t passed, failed, skipped;
} Tally;

/* What the messages call a case: its file's name, without folders and ending. */
static const char *stem(Store *store, const char *path) {
    const char *slash = strrchr(path, '/');
    char *name = store_format(store, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = '\0';
    return name;
}

/* The results are those of the unrolled loop where there is one. */
static bool run_case(const Case *c, Manner manner, Dict *results, Store *store, char *message) {
    Dict stored = {NULL, 0, NULL, 0}, replayed = {NULL, 0, NULL, 0};
    Manner plain = {.dtype = manner.dtype};
    if (manner.every > 0 && manner.replay) { /* holds itself to what it recorded, but reads nothing within steps */
        if (!case_run(c, manner, &replayed, store, message)) return false;
        manner.replay = false;
    }
    if (!case_run(c, manner, results, store, message) || manner.every == 0) return *message == '\0';
    return case_run(c, plain, &stored, store, message) && case_same(&stored, results, message);
}

static bool compare_case(Tally *tally, Case *c) {
    Store store = {NULL};
    Dict results = {NULL, 0, NULL, 0};
    char message[MESSAGE_SIZE];
    double worst = 0;
    bool good = run_case(c, tally->manner, &results, &store, message);
    if (!good) {
        /* What was not computed is no news; what was computed before may show why. */
        printf("FAIL %s: %s\n", c->name, message);
    } else {
        good = case_compare(c, &results, case_tolerance(c, tally->manner.dtype), stdout, &worst) == 0;
        if (tally->verbose)
            printf("%s %s (%zu entries, %.2g of what is allowed)\n", good ? "pass" : "fail",
                   c->name, c->data.count, worst);
    }
    if (higherc_live_allocations() > 0) {
        printf("FAIL %s: %zu allocations are left\n", c->name, higherc_live_allocations());
        good = false;
    }
    store_free(&store);
    return good;
}

static void run_file(Tally *tally, const char *path) {
    Case c;
    char message[MESSAGE_SIZE];
    if (!case_read(&c, path, message)) {
        printf("FAIL %s: %s\n", path, message);
        tally->failed++;
    } else {
        c.name = stem(&c.store, path);
        const char *missing = case_missing(&c);
        if (tally->manner.every > 0 && c.steps == 0) missing = "it has no inner step";
        if (missing) {
            printf("skip %s: %s\n", c.name, missing);
            tally->skipped++;
        } else if (compare_case(tally, &c)) {
            tally->passed++;
        } else {
            tally->failed++;
        }
    }
    store_free(&c.store);
    fflush(stdout);
}

static bool ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void run_directory(Tally *tally, const char *path) {
    Store store = {NULL};
    const char **files = NULL;
    size_t count = 0;
    DIR *directory = opendir(path);
    for (struct dirent *item; directory && (item = readdir(directory)) != NULL;) {
        if (!ends_with(item->d_name, ".golden")) continue;
        files = store_grow(&store, files, count, sizeof *files);
        files[count++] = store_format(&store, "%s/%s", path, item->d_name);
    }
    if (directory) closedir(directory);
    if (count == 0) {
        printf("FAIL %s: %s\n", path, directory ? "no case (*.golden)" : "no such directory");
        tally->failed++;
    } else {
        qsort(files, count, sizeof *files, by_name);
    }
    for (size_t i = 0; i < count; i++)
        run_file(tally, files[i]);
    store_free(&store);
}

/* The directories go to the front of argv, behind the program; returns how many, 0 where something is wrong. */
static int read_arguments(Tally *tally, int argc, char **argv) {
    int places = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--f32") == 0) {
            tally->manner.dtype = HC_F32;
        } else if (strcmp(argv[i], "--replay") == 0) {
            tally->manner.replay = true;
        } else if (strcmp(argv[i], "--unroll") == 0) {
            long every = i + 1 < argc ? strtol(argv[++i], NULL, 10) : 0;
            if (every < 1) return 0;
            tally->manner.every = (size_t)every;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            tally->verbose = true;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "golden: unknown option %s\n", argv[i]);
            return 0;
        } else {
            argv[++places] = argv[i];
        }
    }
    return places;
}

int main(int argc, char **argv) {
    Tally tally = {.manner = {.dtype = HC_F64}};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
    int places = read_arguments(&tally, argc, argv);
    if (places == 0) {
        fputs(usage, stderr);
        return 2;
    }
    for (int i = 1; i <= places; i++) {
        if (ends_with(argv[i], ".golden"))
            run_file(&tally, argv[i]);
        else
            run_directory(&tally, argv[i]);
    }
    printf("golden: %zu passed, %zu failed, %zu skipped\n", tally.passed, tally.failed,
           tally.skipped);
    printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    return tally.failed > 0;
}
