/* The only caller of malloc. Everything else takes its memory here, in blocks aligned to HC_ALIGN. */
#ifndef HC_BASE_ALLOC_H
#define HC_BASE_ALLOC_H

#include "base/arithmetic.h"
#include "higherc/base.h"

#define HC_ALIGN 64

/* count * size bytes, not cleared; NULL when there are none or the product overflows. */
void *hc_alloc(size_t count, size_t size);
/* The same, all zero. */
void *hc_alloc_zero(size_t count, size_t size);
void hc_free(void *pointer); /* NULL is fine */
char *hc_copy_text(const char *text);
void *hc_copy_bytes(const void *from, size_t bytes); /* NULL when out of memory */

/* Makes room for `need` items of `size` bytes at *items, keeping the first `used`; may move them.
 * False when out of memory, with everything as it was. */
bool hc_grow(void **items, size_t *capacity, size_t used, size_t need, size_t size);

/* What a tape may take, and how often it asked. */
typedef struct HcBudget {
    size_t used, limit;
    size_t calls;
} HcBudget;

void *hc_budget_alloc(HcBudget *budget, size_t bytes);
void hc_budget_free(HcBudget *budget, void *pointer, size_t bytes);
bool hc_budget_grow_further(HcBudget *budget, void **items, size_t *capacity, size_t used,
                            size_t need, size_t size);
/* As hc_grow, of a budget. */
static inline bool hc_budget_grow(HcBudget *budget, void **items, size_t *capacity, size_t used,
                                  size_t need, size_t size) {
    return need <= *capacity || hc_budget_grow_further(budget, items, capacity, used, need, size);
}

#endif
