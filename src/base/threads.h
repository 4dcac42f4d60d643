/* Threads, locks and conditions of the system: POSIX's or Windows's own. Without HC_HAVE_THREADS there are none,
 * and nothing here may be used. */
#ifndef HC_BASE_THREADS_H
#define HC_BASE_THREADS_H

#include "base/arithmetic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void HcThreadFn(void *user);

#ifdef HC_HAVE_THREADS

#ifdef _WIN32
/* What <windows.h> calls SRWLOCK and CONDITION_VARIABLE, without its macros. */
typedef struct HcLock {
    void *word;
} HcLock;
typedef struct HcCondition {
    void *word;
} HcCondition;
typedef struct HcThread {
    void *handle;
    HcThreadFn *run;
    void *user;
} HcThread;
#else
#include <pthread.h>
typedef struct HcLock {
    pthread_mutex_t mutex;
} HcLock;
typedef struct HcCondition {
    pthread_cond_t condition;
} HcCondition;
typedef struct HcThread {
    pthread_t thread;
    HcThreadFn *run;
    void *user;
} HcThread;
#endif

/* Starts run(user) on a stack of so many bytes, with every signal blocked. The HcThread stays where it is until it is
 * joined. False when the system starts no more. */
bool hc_thread_start(HcThread *thread, size_t stack, HcThreadFn *run, void *user);
void hc_thread_join(HcThread *thread);

void hc_lock_create(HcLock *lock);
void hc_lock_destroy(HcLock *lock);
void hc_lock(HcLock *lock);
void hc_unlock(HcLock *lock);

void hc_condition_create(HcCondition *condition);
void hc_condition_destroy(HcCondition *condition);
/* Lets go of the lock while it waits; may return for no reason. */
void hc_wait(HcCondition *condition, HcLock *lock);
void hc_wake_one(HcCondition *condition);
void hc_wake_all(HcCondition *condition);

/* A clock that only goes forward. */
int64_t hc_nanoseconds(void);
/* How many cores are at work, 0 where that is not known. */
size_t hc_cores(void);
/* A moment's rest for a core that waits for another one. */
void hc_pause_core(void);

#endif
#endif
