/* The clock, the peak of memory, and the line that is printed. */
#define _POSIX_C_SOURCE 200809L

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SAMPLE_SECONDS 0.05

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Of this process alone: what getrusage tells includes what ran before exec. */
static long peak_rss_kb(void) {
    char line[256];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (kb < 0 && status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0) kb = strtol(line + 6, NULL, 10);
    if (status) fclose(status);
    struct rusage usage;
    if (kb < 0 && getrusage(RUSAGE_SELF, &usage) == 0) kb = usage.ru_maxrss;
    return kb;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds per iteration over `count` of them; negative when one failed. */
static double sample(bool (*iterate)(void *state), void *state, size_t count) {
    double start = seconds();
    for (size_t i = 0; i < count; i++)
        if (!iterate(state)) return -1;
    return (seconds() - start) / (double)count;
}

bool time_and_print(const char *name, const char *impl, size_t tasks, size_t repeat,
                    bool (*iterate)(void *state), void *state) {
    static double times[TIMING_MAX_REPEAT];
    if (repeat < 1 || repeat > TIMING_MAX_REPEAT) return false;
    double one = sample(iterate, state, 1);
    if (one >= 0) one = sample(iterate, state, 1);
    size_t count = one > 0 && one < SAMPLE_SECONDS ? (size_t)(SAMPLE_SECONDS / one) + 1 : 1;
    for (size_t r = 0; r < repeat; r++)
        if ((times[r] = sample(iterate, state, count)) < 0) return false;
    qsort(times, repeat, sizeof times[0], compare);

    size_t half = repeat / 2;
    double each = tasks ? (double)tasks : 1;
    double median = repeat % 2 ? times[half] : 0.5 * (times[half - 1] + times[half]);
    printf("bench %s %s %.9f %.9f %ld\n", name, impl, median / each, times[0] / each,
           peak_rss_kb());
    return true;
}
