#include "program/series.h"

#include <string.h>

#include "program/call.h"

typedef uintptr_t Word;

/* Programs that are equal but for some words of their tables, the blanks, for which each has a set of values. Blanks
 * found later than a set was made hold the first program's values in it. */
typedef struct Kind {
    Program *program; /* whose table it is; the first */
    char *small;      /* where its small constants are read */
    unsigned char *known; /* a bit for each word of the table: whether it is a blank */
    size_t *blanks, blank_count, blank_capacity;
    Word *first; /* [blank_capacity] */
    size_t first_capacity;
    size_t written; /* the set that stands in the table */
} Kind;

/* Values of a kind's first `count` blanks. */
typedef struct Set {
    Word *values;
    size_t count;
} Set;

typedef struct Member {
    size_t kind, set;  /* of all sets; 0: none differ */
    const char *small; /* its small constants, to be put in the kind's room for them */
} Member;

typedef struct Block {
    void *memory;
    size_t bytes;
} Block;

typedef struct Room {
    size_t use, bytes;
    void *memory;
} Room;

typedef struct Constant {
    uint64_t hash;
    size_t bytes;
    void *numbers;
} Constant;

struct HcSeries {
    Tape *tape;
    Block *blocks; /* all memory but the tables' */
    size_t block_count, block_capacity;
    Room *rooms;
    size_t room_count, room_capacity;
    Constant *constants; /* open addressing by hash */
    size_t constant_count, constant_capacity;
    Kind *kinds;
    size_t kind_count, kind_capacity;
    Set *sets;
    size_t set_count, set_capacity;
    Member *members;
    size_t member_count, member_capacity;
};

/* ---- memory --------------------------------------------------------------------------------- */

HcSeries *hc_series_create(Tape *tape) {
    HcSeries *s = hc_alloc_zero(1, sizeof *s);
    if (!s || !hc_grow((void **)&s->sets, &s->set_capacity, 0, 1, sizeof *s->sets)) {
        hc_free(s);
        hc_fail_nomem(tape, "program_capture");
        return NULL;
    }
    s->tape = tape;
    s->sets[s->set_count++] = (Set){.values = NULL};
    return s;
}

void hc_series_destroy(HcSeries *s) {
    if (!s) return;
    for (size_t k = 0; k < s->kind_count; k++) {
        hc_program_free(s->kinds[k].program);
        hc_free(s->kinds[k].known);
        hc_free(s->kinds[k].blanks);
        hc_free(s->kinds[k].first);
    }
    for (size_t i = 0; i < s->set_count; i++)
        hc_free(s->sets[i].values);
    for (size_t i = 0; i < s->block_count; i++)
        hc_free(s->blocks[i].memory);
    hc_free(s->blocks);
    hc_free(s->rooms);
    hc_free(s->constants);
    hc_free(s->kinds);
    hc_free(s->sets);
    hc_free(s->members);
    hc_free(s);
}

Tape *hc_series_tape(const HcSeries *s) {
    return s->tape;
}

static void *add_block(HcSeries *s, size_t bytes) {
    if (!hc_grow((void **)&s->blocks, &s->block_capacity, s->block_count, s->block_count + 1, sizeof *s->blocks))
        return NULL;
    void *memory = hc_alloc(bytes ? bytes : 1, 1);
    if (memory) s->blocks[s->block_count++] = (Block){memory, bytes};
    return memory;
}

void *hc_series_room(HcSeries *s, size_t use, size_t bytes) {
    const Room *enough = NULL;
    for (size_t i = 0; i < s->room_count; i++) {
        const Room *room = &s->rooms[i];
        if (room->use == use && room->bytes == bytes) return room->memory;
        if (room->use == use && room->bytes > bytes) enough = room;
    }
    void *memory = enough ? enough->memory : NULL;
    size_t slack = memory ? 0 : bytes / 16; /* for another that takes a little more */
    if (!hc_grow((void **)&s->rooms, &s->room_capacity, s->room_count, s->room_count + 2, sizeof *s->rooms) ||
        (!memory && !(memory = add_block(s, bytes + slack))))
        return NULL;
    s->rooms[s->room_count++] = (Room){use, bytes, memory};
    if (slack > 0) s->rooms[s->room_count++] = (Room){use, bytes + slack, memory};
    return memory;
}

static uint64_t hash_of(const void *numbers, size_t bytes) {
    const unsigned char *at = numbers;
    uint64_t h = 0xcbf29ce484222325u ^ bytes, word;
    for (; bytes >= sizeof word; bytes -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    for (; bytes > 0; bytes--)
        h = (h ^ *at++) * 0x100000001b3u;
    return h;
}

/* Where equal numbers stand, or would. */
static Constant *find_constant(const HcSeries *s, uint64_t hash, const void *numbers, size_t bytes) {
    size_t mask = s->constant_capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        Constant *c = &s->constants[i];
        bool equal = c->numbers && c->hash == hash && c->bytes == bytes &&
                     (bytes == 0 || memcmp(c->numbers, numbers, bytes) == 0);
        if (!c->numbers || equal) return c;
    }
}

static bool grow_constants(HcSeries *s) {
    HcSeries grown = *s;
    grown.constant_capacity = s->constant_capacity ? 2 * s->constant_capacity : 16;
    grown.constants = hc_alloc_zero(grown.constant_capacity, sizeof *grown.constants);
    if (!grown.constants) return false;
    for (size_t i = 0; i < s->constant_capacity; i++) {
        const Constant *c = &s->constants[i];
        if (c->numbers) *find_constant(&grown, c->hash, c->numbers, c->bytes) = *c;
    }
    hc_free(s->constants);
    s->constants = grown.constants;
    s->constant_capacity = grown.constant_capacity;
    return true;
}

void *hc_series_constant(HcSeries *s, const void *numbers, size_t bytes) {
    if (2 * s->constant_count >= s->constant_capacity && !grow_constants(s)) return NULL;
    uint64_t hash = hash_of(numbers, bytes);
    Constant *c = find_constant(s, hash, numbers, bytes);
    if (c->numbers) return c->numbers;
    void *copy = add_block(s, bytes);
    if (!copy) return NULL;
    if (bytes) memcpy(copy, numbers, bytes);
    *c = (Constant){hash, bytes, copy};
    s->constant_count++;
    return copy;
}

/* ---- what differs ---------------------------------------------------------------------------- */

/* A program's table as words: u of each call, then of each node its address and attributes. */
enum {
    CALL_WORDS = (sizeof((HcCall *)NULL)->u + sizeof(Word) - 1) / sizeof(Word),
    ATTR_WORDS = sizeof(HcAttr) / sizeof(Word),
    NODE_WORDS = ATTR_WORDS + 1
};
_Static_assert(sizeof(HcAttr) % sizeof(Word) == 0 && sizeof(void *) == sizeof(Word), "tables are made of words");

static size_t words_of(const Program *p) {
    return p->call_count * CALL_WORDS + p->kept * NODE_WORDS;
}

static char *word_at(const Program *p, size_t number) {
    size_t calls = p->call_count * CALL_WORDS;
    if (number < calls)
        return (char *)&p->calls[number / CALL_WORDS].u + number % CALL_WORDS * sizeof(Word);
    Tensor *x = &p->nodes[(number - calls) / NODE_WORDS];
    size_t word = (number - calls) % NODE_WORDS;
    return word == 0 ? (char *)&x->data : (char *)&x->attr + (word - 1) * sizeof(Word);
}

static Word read_word(const Program *p, size_t number) {
    Word word;
    memcpy(&word, word_at(p, number), sizeof word);
    return word;
}

static void write_word(const Program *p, size_t number, Word word) {
    memcpy(word_at(p, number), &word, sizeof word);
}

/* Which node it is, for pointers into the two lists are never equal. */
static bool same_node(const Program *a, const Tensor *x, const Program *b, const Tensor *y) {
    return x - a->nodes == y - b->nodes;
}

static bool same_call(const Program *a, const HcCall *x, const Program *b, const HcCall *y) {
    bool same = x->run == y->run && x->count == y->count && x->bytes == y->bytes && x->elementwise == y->elementwise;
    return same && (x->run != hc_call_forward || same_node(a, x->u.node, b, y->u.node));
}

static bool alike_nodes(const Program *a, const Tensor *x, const Program *b, const Tensor *y) {
    if (x->op != y->op || x->form != y->form || x->nin != y->nin) return false;
    for (uint32_t j = 0; j < x->nin; j++)
        if (!same_node(a, hc_inputs(x)[j], b, hc_inputs(y)[j])) return false;
    return true;
}

/* Whether b's table is a's but for words. */
static bool alike(const Program *a, const Program *b) {
    bool same = a->call_count == b->call_count && a->kept == b->kept && a->output_count == b->output_count;
    same = same && a->constant_bytes == b->constant_bytes && a->owned_count == 0 && b->owned_count == 0;
    for (size_t i = 0; i < a->output_count && same; i++)
        same = same_node(a, a->outputs[i], b, b->outputs[i]);
    for (size_t i = 0; i < a->call_count && same; i++)
        same = same_call(a, &a->calls[i], b, &b->calls[i]);
    for (size_t i = 0; i < a->kept && same; i++)
        same = alike_nodes(a, &a->nodes[i], b, &b->nodes[i]);
    return same;
}

/* ---- programs of a kind ------------------------------------------------------------------------ */

static void write_set(Kind *k, const Set *set) {
    for (size_t i = 0; i < k->blank_count; i++)
        write_word(k->program, k->blanks[i], i < set->count ? set->values[i] : k->first[i]);
}

static bool add_blank(Kind *k, size_t word) {
    if (!hc_grow((void **)&k->blanks, &k->blank_capacity, k->blank_count, k->blank_count + 1, sizeof *k->blanks) ||
        !hc_grow((void **)&k->first, &k->first_capacity, k->blank_count, k->blank_count + 1, sizeof *k->first))
        return false;
    k->known[word / 8] |= (unsigned char)(1u << word % 8);
    k->blanks[k->blank_count] = word;
    k->first[k->blank_count++] = read_word(k->program, word);
    return true;
}

/* Adds words [from, from + count) where they differ. What is no blank yet is the first program's still. */
static bool add_blanks(Kind *k, const Program *p, size_t from, size_t count) {
    for (size_t word = from; word < from + count; word++) {
        bool known = k->known[word / 8] >> word % 8 & 1;
        if (known || read_word(k->program, word) == read_word(p, word)) continue;
        if (!add_blank(k, word)) return false;
    }
    return true;
}

static bool find_blanks(Kind *k, const Program *p) {
    size_t word = 0;
    for (size_t i = 0; i < p->call_count; i++, word += CALL_WORDS)
        if (p->calls[i].run != hc_call_forward && !add_blanks(k, p, word, p->calls[i].bytes / sizeof(Word)))
            return false;
    for (size_t i = 0; i < p->kept; i++, word += NODE_WORDS)
        if (!add_blanks(k, p, word, p->nodes[i].nin > 0 ? NODE_WORDS : 1)) return false;
    return true;
}

/* Params that p reads are held, and looked at, with the kind's. */
static bool share_uses(Program *to, Program *p) {
    for (size_t i = 0; i < p->use_count; i++) {
        size_t j = 0, room = to->use_count;
        while (j < to->use_count && to->uses[j].param != p->uses[i].param)
            j++;
        if (j < to->use_count) continue;
        if (!hc_grow((void **)&to->uses, &room, to->use_count, to->use_count + 1, sizeof *to->uses)) return false;
        to->uses[to->use_count++] = (HcParamUse){param_ref(p->uses[i].param), p->uses[i].data};
    }
    return true;
}

/* The set with p's words, which may be one that is there, of any kind. False when out of memory. */
static bool set_of(HcSeries *s, const Kind *k, const Program *p, size_t *number) {
    Set set = {hc_alloc(k->blank_count, sizeof *set.values), k->blank_count};
    if (k->blank_count > 0 && !set.values) return false;
    bool first = true;
    for (size_t i = 0; i < k->blank_count; i++) {
        set.values[i] = read_word(p, k->blanks[i]);
        first = first && set.values[i] == k->first[i];
    }
    *number = 0;
    for (size_t i = s->set_count; i-- > 1 && !first && *number == 0;)
        if (s->sets[i].count == set.count &&
            memcmp(s->sets[i].values, set.values, set.count * sizeof *set.values) == 0)
            *number = i;
    if (!first && *number == 0 &&
        hc_grow((void **)&s->sets, &s->set_capacity, s->set_count, s->set_count + 1, sizeof *s->sets)) {
        *number = s->set_count;
        s->sets[s->set_count++] = set;
        return true;
    }
    hc_free(set.values);
    return first || *number > 0;
}

static bool join(HcSeries *s, size_t kind, Program *p, Member *member) {
    Kind *k = &s->kinds[kind];
    *member = (Member){.kind = kind, .small = hc_series_constant(s, p->constants, p->constant_bytes)};
    return member->small && find_blanks(k, p) && share_uses(k->program, p) && set_of(s, k, p, &member->set);
}

static bool begin_kind(HcSeries *s, Program *p, Member *member) {
    unsigned char *known = hc_alloc_zero(words_of(p) / 8 + 1, 1);
    const char *small = hc_series_constant(s, p->constants, p->constant_bytes);
    char *room = hc_series_room(s, HC_SERIES_SMALL, p->constant_bytes);
    if (!known || !small || !room ||
        !hc_grow((void **)&s->kinds, &s->kind_capacity, s->kind_count, s->kind_count + 1, sizeof *s->kinds)) {
        hc_free(known);
        return false;
    }
    *member = (Member){.kind = s->kind_count, .small = small};
    hc_free(p->constants);
    p->constants = NULL;
    s->kinds[s->kind_count++] = (Kind){.program = p, .small = room, .known = known};
    return true;
}

bool hc_series_add(HcSeries *s, Program *p) {
    Member member;
    bool begins = false, done = hc_grow((void **)&s->members, &s->member_capacity, s->member_count,
                                        s->member_count + 1, sizeof *s->members);
    size_t kind = 0;
    while (kind < s->kind_count && !alike(s->kinds[kind].program, p))
        kind++;
    if (done && kind < s->kind_count)
        done = join(s, kind, p, &member);
    else if (done)
        done = begins = begin_kind(s, p, &member);
    if (!begins) hc_program_free(p);
    if (done) s->members[s->member_count++] = member;
    return done;
}

size_t hc_series_count(const HcSeries *s) {
    return s->member_count;
}

/* ---- running -------------------------------------------------------------------------------- */

bool hc_series_run(HcSeries *s, size_t i) {
    Kind *k = &s->kinds[s->members[i].kind];
    if (k->written != s->members[i].set) write_set(k, &s->sets[s->members[i].set]);
    k->written = s->members[i].set;
    if (k->program->constant_bytes) memcpy(k->small, s->members[i].small, k->program->constant_bytes);
    return hc_program_check_uses(k->program, "program_run") && hc_program_run_calls(k->program);
}

const void *hc_series_output(const HcSeries *s, size_t i, size_t output) {
    const Kind *k = &s->kinds[s->members[i].kind];
    HC_ASSERT(k->written == s->members[i].set && output < k->program->output_count);
    return k->program->outputs[output]->data;
}

size_t hc_series_bytes(const HcSeries *s, size_t *table_bytes) {
    size_t tables = sizeof *s + s->member_capacity * sizeof *s->members + s->set_capacity * sizeof *s->sets +
                    s->constant_capacity * sizeof *s->constants + s->block_capacity * sizeof *s->blocks +
                    s->room_capacity * sizeof *s->rooms,
           numbers = 0;
    for (size_t k = 0; k < s->kind_count; k++) {
        ProgramStats stats = hc_program_own_stats(s->kinds[k].program);
        tables += stats.table_bytes + words_of(s->kinds[k].program) / 8 +
                  s->kinds[k].blank_capacity * sizeof *s->kinds[k].blanks +
                  s->kinds[k].first_capacity * sizeof *s->kinds[k].first;
        numbers += stats.bytes - stats.table_bytes;
    }
    for (size_t i = 0; i < s->set_count; i++)
        tables += s->sets[i].count * sizeof *s->sets[i].values;
    for (size_t i = 0; i < s->block_count; i++)
        numbers += s->blocks[i].bytes;
    *table_bytes = tables;
    return tables + numbers;
}
