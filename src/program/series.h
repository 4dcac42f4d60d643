/* A series: programs captured one after the other, of which one runs at a time, on the tape of the program that holds
 * them. They share memory, and equal constants; and those whose calls are the same but for their operands (the steps of
 * a loop, each on its own data) share one table of calls, in which the differences are written before a run. */
#ifndef HC_PROGRAM_SERIES_H
#define HC_PROGRAM_SERIES_H

#include "program/program.h"

/* NULL after hc_fail on `tape`, that of a program. */
HcSeries *hc_series_create(Tape *tape);
void hc_series_destroy(HcSeries *series);
Tape *hc_series_tape(const HcSeries *series);

/* Memory for a use (a workspace, results, small constants): programs that ask for as much get the same, and others
 * share where it is enough. NULL when out of memory. */
enum { HC_SERIES_MEMORY = HC_MOST_WORKSPACES, HC_SERIES_SMALL };
void *hc_series_room(HcSeries *series, size_t use, size_t bytes);
/* A copy of these numbers, which equal ones share. NULL when out of memory. */
void *hc_series_constant(HcSeries *series, const void *numbers, size_t bytes);

/* Takes a program captured for the series, as the next of it; frees it where that fails. False when out of memory. */
bool hc_series_add(HcSeries *series, Program *program);
size_t hc_series_count(const HcSeries *series);
/* Runs program i. False after hc_fail on the tape. */
bool hc_series_run(HcSeries *series, size_t i);
/* Its output, row-major, until the next run. */
const void *hc_series_output(const HcSeries *series, size_t i, size_t output);
/* Of all it holds, and what of that are no numbers. */
size_t hc_series_bytes(const HcSeries *series, size_t *table_bytes);

#endif
