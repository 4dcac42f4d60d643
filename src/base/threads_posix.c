/* Threads of POSIX. */
#if !defined _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include "base/threads.h"

#if defined HC_HAVE_THREADS && !defined _WIN32

#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void *thread_main(void *user) {
    HcThread *thread = user;
    thread->run(thread->user);
    return NULL;
}

/* The stack is the same everywhere: musl's own default is 128 KiB. A thread inherits which signals are blocked. */
bool hc_thread_start(HcThread *thread, size_t stack, HcThreadFn *run, void *user) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    thread->run = run;
    thread->user = user;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_attr_setstacksize(&attributes, stack) == 0 &&
                   pthread_create(&thread->thread, &attributes, thread_main, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

void hc_thread_join(HcThread *thread) {
    pthread_join(thread->thread, NULL);
}

void hc_lock_create(HcLock *lock) {
    pthread_mutex_init(&lock->mutex, NULL);
}

void hc_lock_destroy(HcLock *lock) {
    pthread_mutex_destroy(&lock->mutex);
}

void hc_lock(HcLock *lock) {
    pthread_mutex_lock(&lock->mutex);
}

void hc_unlock(HcLock *lock) {
    pthread_mutex_unlock(&lock->mutex);
}

void hc_condition_create(HcCondition *condition) {
    pthread_cond_init(&condition->condition, NULL);
}

void hc_condition_destroy(HcCondition *condition) {
    pthread_cond_destroy(&condition->condition);
}

void hc_wait(HcCondition *condition, HcLock *lock) {
    pthread_cond_wait(&condition->condition, &lock->mutex);
}

void hc_wake_one(HcCondition *condition) {
    pthread_cond_signal(&condition->condition);
}

void hc_wake_all(HcCondition *condition) {
    pthread_cond_broadcast(&condition->condition);
}

int64_t hc_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

size_t hc_cores(void) {
#ifdef _SC_NPROCESSORS_ONLN
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (size_t)cores : 1;
#else
    return 0;
#endif
}

void hc_pause_core(void) {
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    __builtin_ia32_pause();
#elif defined(__GNUC__) && defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
