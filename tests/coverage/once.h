/* Included before every source that .ci/coverage compiles, so that a branch counts once and only where it can be. */

/* One copy of an HC_INLINE function (src/base/inline.h), not one in each caller for that caller's constants. */
#define always_inline unused

/* What never returns true is no branch in `good || hc_fail(...)`. */
#define hc_false(call) ((void)(call), 0)
