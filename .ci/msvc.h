/* Before all else of a source: MinGW's headers in the place of Microsoft's, which Debian has not, for a compiler
 * without GNU extensions. */
#include <_mingw.h>
#undef __attribute__
#undef __MINGW_ATTRIB_NORETURN
#define __MINGW_ATTRIB_NORETURN
#undef __MINGW_ATTRIB_DEPRECATED
#define __MINGW_ATTRIB_DEPRECATED
#include <math.h>
#undef INFINITY
#define INFINITY ((float)(1e300 * 1e300))
#undef NAN
#define NAN (INFINITY * 0.0f)
