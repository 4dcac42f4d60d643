/* optim_load from memory, for tests; `name` is for messages. */
#ifndef HC_OPTIM_SAVE_H
#define HC_OPTIM_SAVE_H

#include "optim/optim.h"

bool hc_optim_load(Optim *optim, const char *name, const void *bytes, size_t size);

#endif
