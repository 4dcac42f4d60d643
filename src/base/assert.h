/* Invariants: what holds whatever a caller does, or the library is at fault. Builds with HC_ASSERTS check them, the
 * tests' among them (CMakeLists.txt); others evaluate nothing. What a caller can get wrong is an error, never this. */
#ifndef HC_BASE_ASSERT_H
#define HC_BASE_ASSERT_H

#ifdef HC_ASSERTS
#undef NDEBUG
#include <assert.h>
#define HC_ASSERT(condition) assert(condition)
#else
#define HC_ASSERT(condition) ((void)(0 && (condition)))
#endif

#endif
