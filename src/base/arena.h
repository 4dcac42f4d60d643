/* A bump allocator in growing blocks, rewound to a position, and over one of those a store of buffers
 * that are freed one by one. */
#ifndef HC_BASE_ARENA_H
#define HC_BASE_ARENA_H

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bits.h"

typedef struct HcBlock {
    char *data;
    size_t size;
    size_t before; /* bytes in use in the blocks before this one */
    size_t left;   /* ... and in this one, when the top went on to the next */
} HcBlock;

typedef struct HcPosition {
    size_t block, offset;
} HcPosition;

typedef struct HcArena {
    HcBudget *budget;
    size_t block_bytes; /* of the first block; later ones double, up to a bound */
    HcBlock *blocks;
    size_t count, capacity;
    size_t block;     /* the one the top is in */
    char *next, *end; /* the top and the end of its block; NULL where there is none */
} HcArena;

void hc_arena_init(HcArena *arena, HcBudget *budget, size_t block_bytes);
void hc_arena_destroy(HcArena *arena);
/* `bytes` (may be 0) aligned to HC_ALIGN, or NULL. */
static inline void *hc_arena_alloc(HcArena *arena, size_t bytes);
static inline HcPosition hc_arena_top(const HcArena *arena);
/* Frees all from `position` on and keeps the blocks. */
void hc_arena_rewind(HcArena *arena, HcPosition position);
/* Gives blocks above the top back. */
void hc_arena_trim(HcArena *arena);
size_t hc_arena_live(const HcArena *arena);
bool hc_arena_holds(const HcArena *arena, const void *memory);
bool hc_position_before(HcPosition a, HcPosition b); /* a < b */

/* When the block at the top has no room. */
void *hc_arena_alloc_further(HcArena *arena, size_t bytes);

static inline void *hc_arena_alloc(HcArena *arena, size_t bytes) {
    size_t rounded = (bytes + HC_ALIGN - 1) & ~(size_t)(HC_ALIGN - 1);
    char *result = arena->next;
    if (!result || rounded > (size_t)(arena->end - result) || rounded < bytes)
        return hc_arena_alloc_further(arena, bytes);
    arena->next = result + rounded;
    return result;
}

/* Of what was `next` when the top was in that block. */
static inline HcPosition hc_arena_position(const HcArena *arena, size_t block, const char *next) {
    return (HcPosition){block, next ? (size_t)(next - arena->blocks[block].data) : 0};
}

static inline HcPosition hc_arena_top(const HcArena *arena) {
    return hc_arena_position(arena, arena->block, arena->next);
}

/* Buffers by size class: freed one by one, kept for the next of their class. */
#define HC_SCRATCH_CLASSES 256
typedef struct HcScratch {
    HcArena arena;
    void *free[HC_SCRATCH_CLASSES];
    size_t live;
} HcScratch;

void hc_scratch_init(HcScratch *scratch, HcBudget *budget, size_t block_bytes);
void hc_scratch_destroy(HcScratch *scratch);
static inline void *hc_scratch_alloc(HcScratch *scratch, size_t bytes);
static inline void hc_scratch_free(HcScratch *scratch, void *buffer,
                                   size_t bytes); /* the bytes asked for */
void hc_scratch_trim(HcScratch *scratch);         /* when nothing is live */

/* Classes are 64 bytes apart up to 512, then four to each doubling, so at most a fifth of a buffer is
 * unused. */
static inline size_t hc_scratch_class(size_t bytes, size_t *rounded) {
    size_t last = bytes > HC_ALIGN ? (bytes - 1) / HC_ALIGN : 0; /* units of HC_ALIGN, less one */
    size_t shift = last < 8 ? 0 : hc_highest_bit(last) - 2;
    *rounded = ((last >> shift) + 1) << shift;
    *rounded *= HC_ALIGN;
    return (last >> shift) + shift * 4;
}

static inline void *hc_scratch_alloc(HcScratch *scratch, size_t bytes) {
    if (bytes > SIZE_MAX / 2) return NULL;
    size_t rounded;
    void **free = &scratch->free[hc_scratch_class(bytes, &rounded)];
    void *buffer = *free;
    if (buffer)
        *free = *(void **)buffer;
    else
        buffer = hc_arena_alloc(&scratch->arena, rounded);
    if (buffer) scratch->live++;
    return buffer;
}

static inline void hc_scratch_free(HcScratch *scratch, void *buffer, size_t bytes) {
    if (!buffer) return;
    HC_ASSERT(scratch->live > 0 && hc_arena_holds(&scratch->arena, buffer));
    size_t rounded;
    void **free = &scratch->free[hc_scratch_class(bytes, &rounded)];
    *(void **)buffer = *free;
    *free = buffer;
    scratch->live--;
}

#endif
