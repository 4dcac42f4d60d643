/* An optimizer's file. */
#ifndef HC_OPTIM_SAVE_H
#define HC_OPTIM_SAVE_H

#include "base/file.h"
#include "optim/optim.h"

/* Whether the optimizer's schedules can stand in a file; false with the thread's error. */
bool hc_check_schedules(const Optim *optim, const char *who);
void hc_write_schedules(HcWriter *w, const Optim *optim);
/* Reads a list for the optimizer, which will have made that many steps. To be freed with hc_scheduled_free, also when
 * it could not be read; without an error where the file ends too early. */
bool hc_read_schedules(HcReader *r, const Optim *optim, size_t steps, HcScheduled **list, size_t *list_count);

/* The body of an optimizer's file. */
#define HC_OPTIM_VERSION 2
void hc_write_optim(HcWriter *w, const Optim *optim);

/* What a file holds for an optimizer is put here first; the optimizer takes it when all of the file was right. */
typedef struct HcOptimLoading {
    Optim *optim;
    HcMoments **moments;            /* [group_count] */
    double (*hyper)[HC_MAX_HYPERS]; /* [group_count] */
    size_t steps, learned_at;
    bool scheduled; /* files of version 1 had no schedules, and leave those there are */
    HcScheduled *schedules;
    size_t schedule_count;
} HcOptimLoading;

/* Of the version that was read last. To be freed also when it is false, with the thread's error. */
bool hc_read_optim(HcReader *r, Optim *optim, HcOptimLoading *l);
/* Does not fail. */
void hc_take_optim(HcReader *r, HcOptimLoading *l);
void hc_optim_loading_free(HcOptimLoading *l);

/* After the thread's error was taken out: keeps what went wrong since, if something did, on the optimizer, and in the
 * thread unless that held an error. */
void hc_optim_fail_beside(Optim *optim, const HcError *before);

/* optim_load from memory, for tests; `name` is for messages. */
bool hc_optim_load_bytes(Optim *optim, const char *name, const void *bytes, size_t size);

#endif
