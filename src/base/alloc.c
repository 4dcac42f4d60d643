/* Allocation: overflow checks, the allocator hook, the count of live blocks.
 *
 * A block is [padding][header][bytes handed out], the last aligned to HC_ALIGN; the header, just
 * before it, remembers what the allocator gave. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

typedef struct Header {
    void *raw;
    size_t bytes;
} Header;

static void *default_alloc(size_t size, void *user) {
    (void)user;
    return malloc(size);
}

static void default_release(void *pointer, size_t size, void *user) {
    (void)size;
    (void)user;
    free(pointer);
}

static Allocator hook = {default_alloc, default_release, NULL};
static atomic_size_t live;

bool higherc_set_allocator(const Allocator *allocator) {
    if (atomic_load(&live) > 0)
        return hc_fail_thread(HC_ERR_STATE,
                              "higherc_set_allocator: blocks of the present allocator are in use");
    if (allocator && (!allocator->alloc || !allocator->release))
        return hc_fail_thread(HC_ERR_ARG, "higherc_set_allocator: a function is missing");
    hook = allocator ? *allocator : (Allocator){default_alloc, default_release, NULL};
    return true;
}

size_t higherc_live_allocations(void) {
    return atomic_load(&live);
}

void *hc_alloc(size_t count, size_t size) {
    const size_t extra = sizeof(Header) + HC_ALIGN;
    if (size > 0 && count > (SIZE_MAX - extra) / size) return NULL;
    size_t bytes = count * size + extra;
    char *raw = hook.alloc(bytes, hook.user);
    if (!raw) return NULL;
    uintptr_t first = (uintptr_t)raw + sizeof(Header);
    char *block = raw + sizeof(Header) + (HC_ALIGN - first % HC_ALIGN) % HC_ALIGN;
    Header header = {raw, bytes};
    memcpy(block - sizeof header, &header, sizeof header);
    atomic_fetch_add(&live, 1);
    return block;
}

void *hc_alloc_zero(size_t count, size_t size) {
    void *block = hc_alloc(count, size);
    if (block && count && size) memset(block, 0, count * size);
    return block;
}

void hc_free(void *pointer) {
    if (!pointer) return;
    Header header;
    memcpy(&header, (char *)pointer - sizeof header, sizeof header);
    hook.release(header.raw, header.bytes, hook.user);
    atomic_fetch_sub(&live, 1);
}

void *hc_copy_bytes(const void *from, size_t bytes) {
    void *copy = hc_alloc(bytes, 1);
    if (copy) memcpy(copy, from, bytes);
    return copy;
}

char *hc_copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = hc_alloc(size, 1);
    if (copy) memcpy(copy, text, size);
    return copy;
}

/* The capacity that growing from `capacity` to at least `need` takes, or 0 when it overflows. */
static size_t grown(size_t capacity, size_t need, size_t size) {
    if (need > SIZE_MAX / 2 / size) return 0;
    size_t wanted = capacity * 2 > 16 ? capacity * 2 : 16;
    return wanted > need ? wanted : need;
}

bool hc_grow(void **items, size_t *capacity, size_t used, size_t need, size_t size) {
    if (need <= *capacity) return true;
    size_t wanted = grown(*capacity, need, size);
    void *moved = wanted ? hc_alloc_zero(wanted, size) : NULL;
    if (!moved) return false;
    if (used) memcpy(moved, *items, used * size);
    hc_free(*items);
    *items = moved;
    *capacity = wanted;
    return true;
}

void *hc_budget_alloc(HcBudget *budget, size_t bytes) {
    if (bytes > budget->limit - budget->used) return NULL;
    void *block = hc_alloc(bytes, 1);
    budget->calls++;
    if (block) budget->used += bytes;
    return block;
}

void hc_budget_free(HcBudget *budget, void *pointer, size_t bytes) {
    if (!pointer) return;
    hc_free(pointer);
    budget->used -= bytes;
}

bool hc_budget_grow_further(HcBudget *budget, void **items, size_t *capacity, size_t used,
                            size_t need, size_t size) {
    size_t wanted = grown(*capacity, need, size);
    void *moved = wanted ? hc_budget_alloc(budget, wanted * size) : NULL;
    if (!moved) return false;
    memset(moved, 0, wanted * size);
    if (used) memcpy(moved, *items, used * size);
    hc_budget_free(budget, *items, *capacity * size);
    *items = moved;
    *capacity = wanted;
    return true;
}
