/* An example (EXAMPLE, its file) with each allocation failing in turn: it says so, and ends as a program should. */
#ifdef EXAMPLE_TAKES_ARGUMENTS
int example_main(int argc, char **argv);
#define RUN(argc, argv) example_main(argc, argv)
#else
int example_main(void);
#define RUN(argc, argv) example_main()
#endif

#define main example_main
#include EXAMPLE
#undef main

#include "support/check.h"
#include "support/failing.h"

static int words;
static char **arguments;

/* A failed example leaves its error where the harness looks for it; one that fails without is wrong. */
static bool scenario(void) {
    int status = RUN(words, arguments);
    CHECK((status == 0) == (higherc_error() == NULL));
    return status == 0;
}

int main(int argc, char **argv) {
    words = argc;
    arguments = argv;
    fail_each_allocation(argv[0], scenario);
    return check_done();
}
