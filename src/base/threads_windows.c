/* Threads of Windows. Its locks and conditions are words that hold nothing while no one waits. */
#include "base/threads.h"

#if defined HC_HAVE_THREADS && defined _WIN32

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0600
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <process.h>

_Static_assert(sizeof(HcLock) == sizeof(SRWLOCK) &&
                   sizeof(HcCondition) == sizeof(CONDITION_VARIABLE),
               "Windows's own are words");

static unsigned __stdcall thread_main(void *user) {
    HcThread *thread = user;
    thread->run(thread->user);
    return 0;
}

bool hc_thread_start(HcThread *thread, size_t stack, HcThreadFn *run, void *user) {
    thread->run = run;
    thread->user = user;
    thread->handle = (void *)_beginthreadex(NULL, (unsigned)stack, thread_main, thread,
                                            STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return thread->handle != NULL;
}

void hc_thread_join(HcThread *thread) {
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
}

void hc_lock_create(HcLock *lock) {
    InitializeSRWLock((SRWLOCK *)lock);
}

void hc_lock_destroy(HcLock *lock) {
    (void)lock;
}

void hc_lock(HcLock *lock) {
    AcquireSRWLockExclusive((SRWLOCK *)lock);
}

void hc_unlock(HcLock *lock) {
    ReleaseSRWLockExclusive((SRWLOCK *)lock);
}

void hc_condition_create(HcCondition *condition) {
    InitializeConditionVariable((CONDITION_VARIABLE *)condition);
}

void hc_condition_destroy(HcCondition *condition) {
    (void)condition;
}

void hc_wait(HcCondition *condition, HcLock *lock) {
    SleepConditionVariableSRW((CONDITION_VARIABLE *)condition, (SRWLOCK *)lock, INFINITE, 0);
}

void hc_wake_one(HcCondition *condition) {
    WakeConditionVariable((CONDITION_VARIABLE *)condition);
}

void hc_wake_all(HcCondition *condition) {
    WakeAllConditionVariable((CONDITION_VARIABLE *)condition);
}

int64_t hc_nanoseconds(void) {
    LARGE_INTEGER ticks, second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&second);
    const int64_t whole = ticks.QuadPart / second.QuadPart, rest = ticks.QuadPart % second.QuadPart;
    return whole * 1000000000 + rest * 1000000000 / second.QuadPart;
}

size_t hc_cores(void) {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwNumberOfProcessors;
}

void hc_pause_core(void) {
    YieldProcessor();
}

#endif
