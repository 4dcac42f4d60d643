/* Modules, rules, operations and callbacks of one's own, which make calls from within. */
#ifndef FUZZ_OWN_H
#define FUZZ_OWN_H

#include <higherc/higherc.h>

Module *own_module(void);

extern const ModuleClass *const own_module_classes[4];
extern const OptimClass *const own_optim_classes[4];
extern const CustomClass *const own_custom_classes[4];

GradCallback own_grad_callback;
ScheduleFn own_schedule;
GradcheckFn own_gradcheck;
ModuleFn own_module_fn;
LbfgsFn own_descent;
PoolFn own_share;
TaskFn own_task;
TaskExchange own_exchange;
UnrollFn own_step, own_judge;
ImplicitLoss own_loss;
bool own_progress(size_t done, void *user);
void *own_worker(size_t worker, Tape *tape, void *user);

#endif
