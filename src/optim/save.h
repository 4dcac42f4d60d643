/* An optimizer's file. */
#ifndef HC_OPTIM_SAVE_H
#define HC_OPTIM_SAVE_H

#include "base/file.h"
#include "optim/optim.h"

/* Whether the optimizer's schedules can stand in a file; false with the thread's error. */
bool hc_check_schedules(const Optim *optim, const char *who);
void hc_write_schedules(HcWriter *w, const Optim *optim);
/* Reads a list for the optimizer, which will have made that many steps. To be freed with hc_scheduled_free, also when
 * it could not be read. */
bool hc_read_schedules(HcReader *r, const Optim *optim, const char *who, const char *name,
                       size_t steps, HcScheduled **list, size_t *list_count);

/* optim_load from memory, for tests; `name` is for messages. */
bool hc_optim_load(Optim *optim, const char *name, const void *bytes, size_t size);

#endif
