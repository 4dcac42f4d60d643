/* Characters. Nothing that stands in a file is believed before it was looked at. */
#include "../idx.h"

#include "characters.h"

static bool complain(const char *path, const char *what) {
    fprintf(stderr, "%s: %s\n", path, what);
    return false;
}

static bool add_alphabet(Characters *c, const char *name, size_t length) {
    Alphabet *grown = realloc(c->alphabets, (c->alphabet_count + 1) * sizeof *grown);
    if (!grown) return complain("characters", "out of memory");
    c->alphabets = grown;
    Alphabet *a = &grown[c->alphabet_count++];
    *a = (Alphabet){.first = c->count};
    memcpy(a->name, name, length < NAME ? length : NAME - 1);
    return true;
}

Characters *characters_drawn(size_t alphabets, size_t of_each, size_t drawings, uint64_t seed) {
    Characters *c = calloc(1, sizeof *c);
    bool done = c != NULL;
    for (size_t i = 0; done && i < alphabets; i++) {
        char name[NAME];
        int length = snprintf(name, sizeof name, "drawn %u.%zu", (unsigned)seed, i + 1);
        done = add_alphabet(c, name, (size_t)length);
        if (!done) break;
        c->alphabets[i].count = of_each;
        c->count += of_each;
    }
    if (done) {
        c->drawings = drawings;
        c->seed = seed;
        return c;
    }
    characters_destroy(c);
    return NULL;
}

void characters_destroy(Characters *characters) {
    if (!characters) return;
    free(characters->alphabets);
    free(characters->bytes);
    free(characters);
}

/* ---- reading ----------------------------------------------------------------------------------- */

bool characters_path(char *path, size_t size, const char *folder, const char *set,
                     const char *what) {
    int length = snprintf(path, size, "%s/omniglot-%s-%s", folder, set, what);
    return (length >= 0 && (size_t)length < size) || complain(folder, "too long a name");
}

/* A line is ALPHABET/CHARACTER; those of an alphabet stand together. */
static bool add_line(Characters *c, const char *path, const char *line, size_t length) {
    const char *slash = memchr(line, '/', length);
    size_t name = slash ? (size_t)(slash - line) : 0;
    if (!slash || name == 0 || name >= NAME) {
        fprintf(stderr, "%s: line %zu is not ALPHABET/CHARACTER\n", path, c->count + 1);
        return false;
    }
    const Alphabet *last = c->alphabet_count ? &c->alphabets[c->alphabet_count - 1] : NULL;
    bool same = last && strlen(last->name) == name && memcmp(last->name, line, name) == 0;
    if (!same && !add_alphabet(c, line, name)) return false;
    c->alphabets[c->alphabet_count - 1].count++;
    c->count++;
    return true;
}

static bool read_names(Characters *c, const char *path) {
    size_t length = 0;
    char *text = (char *)read_whole(path, &length);
    bool done = text != NULL;
    for (const char *line = text; done && line < text + length;) {
        const char *end = memchr(line, '\n', (size_t)(text + length - line));
        if (!end) end = text + length;
        size_t until = (size_t)(end - line);
        if (until > 0 && line[until - 1] == '\r') until--;
        done = add_line(c, path, line, until);
        line = end + 1;
    }
    free(text);
    if (done && c->count == 0) return complain(path, "names no character");
    return done;
}

/* Puts the pictures in the order of the characters; those of a character stay in theirs. */
static bool sort_pictures(Characters *c, const char *path, const Pictures *p) {
    size_t *seen = calloc(c->count, sizeof *seen);
    c->drawings = p->count / c->count;
    c->bytes = malloc(p->count * PIXELS + 1);
    bool done = seen && c->bytes;
    if (!done) complain(path, "out of memory");
    for (size_t i = 0; done && i < p->count; i++) {
        size_t label = p->labels.items[i];
        done = label < c->count && seen[label] < c->drawings;
        if (!done) {
            fprintf(
                stderr,
                "%s: label %zu of picture %zu: there are %zu characters with %zu drawings each\n",
                path, label, i + 1, c->count, c->drawings);
            break;
        }
        memcpy(c->bytes + (label * c->drawings + seen[label]++) * PIXELS,
               p->images.items + i * PIXELS, PIXELS);
    }
    free(seen);
    return done;
}

static bool read_pictures(Characters *c, const char *path) {
    Pictures p;
    if (!pictures_read(&p, path)) return false;
    bool done = true;
    if (p.height != SIDE || p.width != SIDE) {
        fprintf(stderr, "%s: has pictures of %zu x %zu, where %d x %d were looked for\n", path,
                p.height, p.width, SIDE, SIDE);
        done = false;
    } else if (p.count == 0 || p.count % c->count != 0) {
        fprintf(stderr,
                "%s: has %zu pictures, which are not as many of each of the %zu characters named\n",
                path, p.count, c->count);
        done = false;
    }
    done = done && sort_pictures(c, path, &p);
    pictures_free(&p);
    return done;
}

Characters *characters_read(const char *folder, const char *set) {
    char names[IDX_PATH], images[IDX_PATH];
    Characters *c = calloc(1, sizeof *c);
    if (!c) complain(folder, "out of memory");
    if (c && characters_path(images, sizeof images, folder, set, "images-idx3-ubyte") &&
        characters_path(names, sizeof names, folder, set, "characters.txt") &&
        read_names(c, names) && read_pictures(c, images))
        return c;
    characters_destroy(c);
    return NULL;
}

/* ---- the others -------------------------------------------------------------------------------- */

void characters_without(Characters *characters, const Characters *others) {
    size_t kept = 0;
    for (size_t i = 0; i < characters->alphabet_count; i++) {
        bool has = false;
        for (size_t j = 0; j < others->alphabet_count; j++)
            has = has || strcmp(characters->alphabets[i].name, others->alphabets[j].name) == 0;
        if (!has) characters->alphabets[kept++] = characters->alphabets[i];
    }
    characters->alphabet_count = kept;
}

void characters_picture(const Characters *characters, size_t character, size_t drawing, Rng *rng,
                        float picture[PIXELS]) {
    if (!characters->bytes) {
        alphabet_draw(characters->seed << 32 | character, rng, picture);
        return;
    }
    const unsigned char *from =
        characters->bytes + (character * characters->drawings + drawing) * PIXELS;
    for (size_t i = 0; i < PIXELS; i++)
        picture[i] = (float)from[i] / 255;
}
