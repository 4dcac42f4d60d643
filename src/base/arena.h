/* A bump allocator in growing blocks, rewound to a position, and over one of those a store of buffers
 * that are freed one by one. */
#ifndef HC_BASE_ARENA_H
#define HC_BASE_ARENA_H

#include "base/alloc.h"

typedef struct HcBlock {
    char *data;
    size_t size;
    size_t before; /* bytes in the blocks before this one */
} HcBlock;

typedef struct HcPosition {
    size_t block, offset;
} HcPosition;

typedef struct HcArena {
    HcBudget *budget;
    size_t block_bytes; /* of the first block; later ones double, up to a bound */
    HcBlock *blocks;
    size_t count, capacity;
    HcPosition top;
} HcArena;

void hc_arena_init(HcArena *arena, HcBudget *budget, size_t block_bytes);
void hc_arena_destroy(HcArena *arena);
/* `bytes` (may be 0) aligned to HC_ALIGN, or NULL. */
void *hc_arena_alloc(HcArena *arena, size_t bytes);
/* Frees all from `position` on and keeps the blocks. */
void hc_arena_rewind(HcArena *arena, HcPosition position);
/* Gives blocks above the top back. */
void hc_arena_trim(HcArena *arena);
size_t hc_arena_live(const HcArena *arena);
bool hc_position_before(HcPosition a, HcPosition b); /* a < b */

/* Buffers by size class: freed one by one, kept for the next of their class. */
#define HC_SCRATCH_CLASSES 256
typedef struct HcScratch {
    HcArena arena;
    void *free[HC_SCRATCH_CLASSES];
    size_t live;
} HcScratch;

void hc_scratch_init(HcScratch *scratch, HcBudget *budget, size_t block_bytes);
void hc_scratch_destroy(HcScratch *scratch);
void *hc_scratch_alloc(HcScratch *scratch, size_t bytes);
void hc_scratch_free(HcScratch *scratch, void *buffer, size_t bytes); /* the bytes asked for */
void hc_scratch_trim(HcScratch *scratch);                             /* when nothing is live */

#endif
