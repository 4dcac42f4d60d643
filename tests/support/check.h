/* The tests' only harness: checks that count and say where they failed. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdbool.h>

void check_at(bool good, const char *what, const char *file, int line);
/* |a - b| <= relative max(|a|, |b|) + absolute; NaN fails. */
void check_near_at(double a, double b, double relative, double absolute, const char *what,
                   const char *file, int line);
/* The thread's error holds this text; clears it. */
void check_error_at(const char *text, const char *file, int line);
/* Prints the count; the program's exit status. Also fails when the library still holds memory. */
int check_done(void);

/* 1 where long tests take their shorter form: under an emulator (HIGHERC_QUICK). */
#ifdef TESTS_QUICK
enum { QUICK = 1 };
#else
enum { QUICK = 0 };
#endif

#define CHECK(condition) check_at(condition, #condition, __FILE__, __LINE__)
#define CHECK_NEAR(a, b, relative, absolute)                                                       \
    check_near_at(a, b, relative, absolute, #a " ~ " #b, __FILE__, __LINE__)
#define CHECK_ERROR(text) check_error_at(text, __FILE__, __LINE__)

#endif
