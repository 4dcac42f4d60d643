/* Functions that are to be inlined, whatever the compiler thinks of their size. */
#ifndef HC_BASE_INLINE_H
#define HC_BASE_INLINE_H

#ifdef __GNUC__
#define HC_INLINE static inline __attribute__((always_inline))
#else
#define HC_INLINE static inline
#endif

#endif
