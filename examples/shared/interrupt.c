/* A flag set by SIGINT. */
#ifndef _WIN32
#define _POSIX_C_SOURCE 200809L
#endif
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t interrupted;

static void note(int number) {
    (void)number;
    interrupted = 1;
}

/* The second Ctrl-C finds the default again: SA_RESETHAND, and on Windows always. */
#ifdef _WIN32
void interrupt_catch(void) {
    signal(SIGINT, note);
}
#else
void interrupt_catch(void) {
#ifdef SA_RESETHAND
    struct sigaction action = {0};
    action.sa_handler = note;
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART; /* and no write is cut short */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
#else
    signal(SIGINT, note);
#endif
}
#endif

bool interrupt_take(void) {
    bool was = interrupted != 0;
    if (was) interrupted = 0;
    return was;
}

void interrupt_release(void) {
    signal(SIGINT, SIG_DFL);
}
