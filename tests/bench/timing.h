/** @file timing.h
 *  How every program here measures: ours and the peers written in C. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TIMING_MAX_REPEAT = 10000 };

/** After two iterations to warm up, takes `repeat` samples, each of as many iterations as last a
 *  twentieth of a second, at least one, and prints
 *
 *      bench NAME IMPL MEDIAN_SECONDS MIN_SECONDS PEAK_RSS_KB
 *
 *  per iteration, or per task where `tasks` says how many an iteration has. False when an iteration
 *  failed. */
bool time_and_print(const char *name, const char *impl, size_t tasks, size_t repeat,
                    bool (*iterate)(void *state), void *state);

#ifdef __cplusplus
}
#endif

#endif
