/* The arena and the scratch store. */
#include "base/arena.h"

#include <string.h>

#define LARGEST_DOUBLED ((size_t)8 << 20)

void hc_arena_init(HcArena *arena, HcBudget *budget, size_t block_bytes) {
    *arena = (HcArena){.budget = budget, .block_bytes = block_bytes};
}

void hc_arena_destroy(HcArena *arena) {
    for (size_t i = 0; i < arena->count; i++)
        hc_budget_free(arena->budget, arena->blocks[i].data, arena->blocks[i].size);
    hc_budget_free(arena->budget, arena->blocks, arena->capacity * sizeof *arena->blocks);
    hc_arena_init(arena, arena->budget, arena->block_bytes);
}

/* Appends a block that holds at least `bytes`. Near the budget's end a block that is just large
 * enough is tried before giving up. */
static bool add_block(HcArena *arena, size_t bytes) {
    size_t last = arena->count ? arena->blocks[arena->count - 1].size : 0;
    size_t doubled = last * 2 < LARGEST_DOUBLED ? last * 2 : LARGEST_DOUBLED;
    size_t size = doubled > arena->block_bytes ? doubled : arena->block_bytes;
    if (size < bytes) size = bytes;
    if (!hc_budget_grow(arena->budget, (void **)&arena->blocks, &arena->capacity, arena->count,
                        arena->count + 1, sizeof *arena->blocks))
        return false;
    char *data = hc_budget_alloc(arena->budget, size);
    if (!data && size > bytes) data = hc_budget_alloc(arena->budget, size = bytes);
    if (!data) return false;
    arena->blocks[arena->count++] = (HcBlock){.data = data, .size = size};
    return true;
}

static size_t live_through(const HcBlock *block) {
    return block->before + block->left;
}

void *hc_arena_alloc_further(HcArena *arena, size_t bytes) {
    if (bytes > SIZE_MAX - HC_ALIGN) return NULL;
    bytes = (bytes + HC_ALIGN - 1) / HC_ALIGN * HC_ALIGN;
    HcPosition top = hc_arena_top(arena);
    while (top.block < arena->count && bytes > arena->blocks[top.block].size - top.offset) {
        HcBlock *block = &arena->blocks[top.block];
        block->left = top.offset;
        if (++top.block < arena->count) arena->blocks[top.block].before = live_through(block);
        top.offset = 0;
    }
    if (top.block == arena->count) {
        if (!add_block(arena, bytes > 0 ? bytes : HC_ALIGN)) return NULL;
        if (top.block > 0)
            arena->blocks[top.block].before = live_through(&arena->blocks[top.block - 1]);
    }
    hc_arena_rewind(arena, (HcPosition){top.block, top.offset + bytes});
    return arena->next - bytes;
}

void hc_arena_rewind(HcArena *arena, HcPosition position) {
    bool there = position.block < arena->count;
    const HcBlock *block = there ? &arena->blocks[position.block] : NULL;
    HC_ASSERT(there ? position.offset <= block->size
                    : position.block == arena->count && position.offset == 0);
    arena->block = position.block;
    arena->next = there ? block->data + position.offset : NULL;
    arena->end = there ? block->data + block->size : NULL;
}

void hc_arena_trim(HcArena *arena) {
    HcPosition top = hc_arena_top(arena);
    size_t keep = top.offset > 0 ? top.block + 1 : top.block;
    while (arena->count > keep) {
        HcBlock *last = &arena->blocks[--arena->count];
        hc_budget_free(arena->budget, last->data, last->size);
    }
    hc_arena_rewind(arena, top);
}

size_t hc_arena_live(const HcArena *arena) {
    HcPosition top = hc_arena_top(arena);
    if (top.block < arena->count) return arena->blocks[top.block].before + top.offset;
    return arena->count ? live_through(&arena->blocks[arena->count - 1]) : 0;
}

bool hc_arena_holds(const HcArena *arena, const void *memory) {
    uintptr_t at = (uintptr_t)memory;
    for (size_t i = 0; i < arena->count; i++) {
        uintptr_t start = (uintptr_t)arena->blocks[i].data;
        if (at >= start && at - start < arena->blocks[i].size) return true;
    }
    return false;
}

bool hc_position_before(HcPosition a, HcPosition b) {
    return a.block < b.block || (a.block == b.block && a.offset < b.offset);
}

void hc_scratch_init(HcScratch *scratch, HcBudget *budget, size_t block_bytes) {
    *scratch = (HcScratch){.live = 0};
    hc_arena_init(&scratch->arena, budget, block_bytes);
}

void hc_scratch_destroy(HcScratch *scratch) {
    HC_ASSERT(scratch->live == 0);
    hc_arena_destroy(&scratch->arena);
}

void hc_scratch_trim(HcScratch *scratch) {
    if (scratch->live > 0) return;
    hc_arena_rewind(&scratch->arena, (HcPosition){0, 0});
    hc_arena_trim(&scratch->arena);
    memset(scratch->free, 0, sizeof scratch->free);
}
