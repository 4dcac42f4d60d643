/* The header after <windows.h>, which makes macros of ordinary words. */
#define hyper __int64
#define small char
#define near
#define far
#define interface struct
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define ERROR 0
#define IN
#define OUT

#include <higherc/higherc.h>

int main(void) {
    OptimUpdate update = {.hypers = {{0.5, NULL}}};
    return update.hypers[0].value == 0.5 && !higherc_error() ? 0 : 1;
}
