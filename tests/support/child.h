/* Parts of a test in processes of their own, which may be killed. CHILDREN is defined where there are any. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#if defined _WIN32 || defined __unix__ || defined __APPLE__ || defined __HAIKU__
#define CHILDREN
#endif

/* Its exit status. What it knows is the argument and what is in files. */
typedef int ChildFn(unsigned long argument);

typedef struct ChildPart {
    const char *name;
    ChildFn *run;
} ChildPart;

typedef struct Child {
    void *handle; /* of Windows */
    long number;
} Child;

/* At the beginning of main: where processes do not fork, a child is the program started again, with the part's name.
 * True in such a child, with what main is to return. */
bool child_main(int argc, char **argv, const ChildPart *const *parts, size_t count, int *status);

/* Returns when it is about to run. */
bool child_start(Child *child, const ChildPart *part, unsigned long argument);
/* At once, as a power cut would. False if it had ended. */
bool child_kill(Child *child);
/* The exit status of one that was not killed, or -1. */
int child_wait(Child *child);
/* Both: runs it to its end. */
int child_run(const ChildPart *part, unsigned long argument);

/* Waits, to the microsecond. */
void child_pause(double seconds);

#endif
