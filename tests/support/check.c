#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "higherc/base.h"

static unsigned passed, failed;

void check_at(bool good, const char *what, const char *file, int line) {
    if (good)
        passed++;
    else if (failed++ < 50)
        printf("%s:%d: %s\n", file, line, what);
}

void check_near_at(double a, double b, double relative, double absolute, const char *what,
                   const char *file, int line) {
    bool good = fabs(a - b) <= relative * fmax(fabs(a), fabs(b)) + absolute;
    check_at(good, what, file, line);
    if (!good && failed < 50) printf("    %.17g and %.17g\n", a, b);
}

void check_error_at(const char *text, const char *file, int line) {
    const char *error = higherc_error();
    bool good = error && strstr(error, text);
    check_at(good, text, file, line);
    if (!good) printf("    the error is: %s\n", error ? error : "none");
    higherc_clear_error();
}

int check_done(void) {
    check_at(higherc_live_allocations() == 0, "no memory is left behind", __FILE__, __LINE__);
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
