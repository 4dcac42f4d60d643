/* A flag set by SIGINT. */
#define _POSIX_C_SOURCE 200809L
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t interrupted;

static void note(int number) {
    (void)number;
    interrupted = 1;
}

void interrupt_catch(void) {
    struct sigaction action = {0};
    action.sa_handler = note;
    /* SA_RESETHAND: the second Ctrl-C finds the default again. SA_RESTART: no write is cut short.
     */
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool interrupt_take(void) {
    bool was = interrupted != 0;
    if (was) interrupted = 0;
    return was;
}

void interrupt_release(void) {
    signal(SIGINT, SIG_DFL);
}
