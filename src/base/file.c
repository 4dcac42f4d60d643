/* Files: a writer with a running checksum, a reader with bounds. */
#include "base/file.h"

#include <string.h>

#include "base/alloc.h"

static const char magic[8] = "higherc\n";
enum { KIND = 8, AT_ONCE = 512 };

uint32_t hc_crc32(uint32_t crc, const void *bytes, size_t size) {
    /* The reversed polynomial 0xEDB88320, four bits at a time. */
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                       0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= ((const unsigned char *)bytes)[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void put(unsigned char *to, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

uint64_t hc_little_endian(const unsigned char *from, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

void hc_write_bytes(HcWriter *w, const void *bytes, size_t size) {
    w->size = size > UINT64_MAX - w->size ? UINT64_MAX : w->size + size;
    if (w->counts) return;
    w->good = w->good && (size == 0 || fwrite(bytes, 1, size, w->to.file) == size);
    if (!w->plain) w->crc = hc_crc32(w->crc, bytes, size);
}

void hc_write_count(HcWriter *w) {
    *w = (HcWriter){.counts = true, .good = true, .size = HC_FILE_HEAD + HC_FILE_TAIL};
}

void hc_write_open(HcWriter *w, const char *path) {
    *w = (HcWriter){.plain = true};
    w->status = hc_replace_open(&w->to, path);
    w->good = w->status == HC_OK;
}

void hc_write_begin(HcWriter *w, const char *path, const char *kind, uint32_t version) {
    char padded[KIND] = {0};
    memcpy(padded, kind, strlen(kind));
    hc_write_open(w, path);
    w->plain = false;
    hc_write_bytes(w, magic, sizeof magic);
    hc_write_bytes(w, padded, sizeof padded);
    hc_write_u32(w, version);
}

void hc_write_u32(HcWriter *w, uint32_t value) {
    unsigned char bytes[4];
    put(bytes, value, sizeof bytes);
    hc_write_bytes(w, bytes, sizeof bytes);
}

void hc_write_u64(HcWriter *w, uint64_t value) {
    unsigned char bytes[8];
    put(bytes, value, sizeof bytes);
    hc_write_bytes(w, bytes, sizeof bytes);
}

void hc_write_f64(HcWriter *w, double value) {
    hc_write_reals(w, &value, 1, sizeof value);
}

void hc_write_text(HcWriter *w, const char *text) {
    hc_write_u32(w, (uint32_t)strlen(text));
    hc_write_bytes(w, text, strlen(text));
}

/* The bits of a real of 4 or 8 bytes. */
static uint64_t bits_of(const char *real, size_t item) {
    uint32_t narrow;
    uint64_t wide;
    if (item == sizeof narrow) {
        memcpy(&narrow, real, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, real, sizeof wide);
    return wide;
}

static void set_bits(char *real, uint64_t bits, size_t item) {
    uint32_t narrow = (uint32_t)bits;
    if (item == sizeof narrow)
        memcpy(real, &narrow, sizeof narrow);
    else
        memcpy(real, &bits, sizeof bits);
}

void hc_write_reals(HcWriter *w, const void *reals, size_t count, size_t item) {
    unsigned char numbers[AT_ONCE * 8];
    if (w->counts) {
        uint64_t bytes = count > UINT64_MAX / item ? UINT64_MAX : (uint64_t)count * item;
        w->size = bytes > UINT64_MAX - w->size ? UINT64_MAX : w->size + bytes;
        return;
    }
    for (size_t i = 0; i < count && w->good; i += AT_ONCE) {
        size_t n = count - i < AT_ONCE ? count - i : AT_ONCE;
        for (size_t j = 0; j < n; j++)
            put(numbers + j * item, bits_of((const char *)reals + (i + j) * item, item), item);
        hc_write_bytes(w, numbers, n * item);
    }
}

bool hc_write_close(HcWriter *w, const char *who, const char *path) {
    w->good = hc_replace_close(&w->to, w->good);
    if (w->status == HC_ERR_NOMEM) return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    return w->good || hc_fail_thread(HC_ERR_IO, "%s: '%s' could not be %s", who, path,
                                     w->status == HC_OK ? "written in full" : "opened for writing");
}

bool hc_write_end(HcWriter *w, const char *who, const char *path) {
    uint32_t crc = w->crc;
    hc_write_u32(w, crc);
    return hc_write_close(w, who, path);
}

/* ---- reading ----------------------------------------------------------------------------------------- */

/* NULL with the thread's error. */
static FILE *open_file(const char *who, const char *path) {
    FILE *file;
    HcStatus opened = hc_open(path, &file);
    if (opened != HC_OK)
        hc_fail_thread(opened, "%s: '%s'%s", who, path,
                       opened == HC_ERR_IO ? " could not be opened" : ": out of memory");
    return file;
}

void *hc_read_file(const char *who, const char *path, uint64_t most, size_t *size) {
    FILE *file = open_file(who, path);
    if (!file) return NULL;
    void *bytes = NULL;
    size_t capacity = 0, used = 0, more = 1;
    bool room = true;
    while (more > 0 && used <= most) {
        room = hc_grow(&bytes, &capacity, used, used ? 2 * used : 4096, 1);
        if (!room) break;
        more = fread((char *)bytes + used, 1, capacity - used, file);
        used += more;
        if (used > most) used = (size_t)most + 1;
        if (used >= sizeof magic && memcmp(bytes, magic, sizeof magic) != 0) break;
    }
    bool good = room && !ferror(file);
    fclose(file);
    if (good) {
        *size = used;
        return bytes;
    }
    hc_free(bytes);
    hc_fail_thread(room ? HC_ERR_IO : HC_ERR_NOMEM, "%s: '%s': %s", who, path,
                   room ? "could not be read" : "out of memory");
    return NULL;
}

bool hc_read_begin(HcReader *r, const char *who, const char *name, const void *bytes, size_t size,
                   uint64_t most, const char *kind, uint32_t version) {
    char padded[KIND] = {0};
    memcpy(padded, kind, strlen(kind));
    *r = (HcReader){.who = who, .name = name, .bytes = bytes, .size = size, .whole = size <= most, .good = true};
    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' is no file of this library", who, name);
    if (size < HC_FILE_HEAD + HC_FILE_TAIL)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' is cut off", who, name);
    if (memcmp(r->bytes + sizeof magic, padded, KIND) != 0)
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' holds something else than '%s'", who, name,
                              kind);
    r->at = sizeof magic + KIND;
    if (!hc_read_version(r, version)) return false;
    if (!r->whole) return true;
    r->size = size - HC_FILE_TAIL;
    if (hc_little_endian(r->bytes + r->size, HC_FILE_TAIL) != hc_crc32(0, bytes, r->size))
        return hc_fail_thread(HC_ERR_IO, "%s: '%s' is cut off or damaged (its checksum is wrong)",
                              who, name);
    return true;
}

/* The next bytes, or NULL. */
static const unsigned char *take(HcReader *r, uint64_t size) {
    if (!r->good || size > r->size - r->at) {
        r->good = false;
        return NULL;
    }
    const unsigned char *bytes = r->bytes + r->at;
    r->at += (size_t)size;
    return bytes;
}

uint32_t hc_read_u32(HcReader *r) {
    const unsigned char *bytes = take(r, 4);
    return bytes ? (uint32_t)hc_little_endian(bytes, 4) : 0;
}

uint64_t hc_read_u64(HcReader *r) {
    const unsigned char *bytes = take(r, 8);
    return bytes ? hc_little_endian(bytes, 8) : 0;
}

bool hc_read_version(HcReader *r, uint32_t version) {
    uint32_t found = r->version = hc_read_u32(r);
    return (found > 0 && found <= version) ||
           hc_fail_thread(HC_ERR_IO, "%s: '%s' has version %lu of its format, not %lu", r->who, r->name,
                          (unsigned long)found, (unsigned long)version);
}

double hc_read_f64(HcReader *r) {
    double value = 0;
    hc_read_reals(r, &value, 1, sizeof value);
    return value;
}

bool hc_read_text(HcReader *r, const char *text, const char **found, int *length) {
    uint32_t size = hc_read_u32(r);
    const unsigned char *bytes = take(r, size);
    if (found) *found = bytes ? (const char *)bytes : "";
    if (length) *length = bytes ? (int)(size < 64 ? size : 64) : 0;
    return bytes && size == strlen(text) && memcmp(bytes, text, size) == 0;
}

void hc_read_reals(HcReader *r, void *to, uint64_t count, size_t item) {
    const unsigned char *bytes = take(r, count > UINT64_MAX / item ? UINT64_MAX : count * item);
    for (uint64_t i = 0; bytes && to && i < count; i++)
        set_bits((char *)to + i * item, hc_little_endian(bytes + i * item, item), item);
}

bool hc_read_so_far(const HcReader *r) {
    return r->good || hc_fail_thread(HC_ERR_IO, "%s: '%s' is damaged: less than it should hold", r->who, r->name);
}

bool hc_read_end(const HcReader *r) {
    return hc_read_so_far(r) &&
           ((r->whole && r->at == r->size) ||
            hc_fail_thread(HC_ERR_IO, "%s: '%s' is damaged: more than it should hold", r->who, r->name));
}

/* ---- other formats ------------------------------------------------------------------------------------- */

bool hc_input_open(HcInput *in, const char *who, const char *path) {
    if (!path) return hc_null(who, "the path");
    *in = (HcInput){.who = who, .name = path, .file = open_file(who, path)};
    if (!in->file) return false;
    long end = fseek(in->file, 0, SEEK_END) == 0 ? ftell(in->file) : 0;
    if (end > 0) in->hint = (size_t)end + 1; /* to see its end as well */
    rewind(in->file);
    return true;
}

bool hc_input_memory(HcInput *in, const char *who, const void *bytes, size_t size) {
    if (!bytes) return hc_null(who, "bytes");
    *in = (HcInput){.who = who, .name = "memory", .bytes = (unsigned char *)(uintptr_t)bytes, .size = size};
    return true;
}

bool hc_input_want(HcInput *in, uint64_t size) {
    const size_t least = 512;
    size_t more = 1;
    while (in->file && in->size < size && more > 0) {
        size_t room = in->capacity < least / 2 ? least : 2 * in->capacity;
        if (room < in->hint) room = in->hint;
        if (room > size) room = (size_t)size;
        if (room > in->capacity && !hc_grow((void **)&in->bytes, &in->capacity, in->size, room, 1))
            return hc_fail_thread(HC_ERR_NOMEM, "%s: '%s': out of memory", in->who, in->name);
        size_t wanted = in->capacity < size ? in->capacity : (size_t)size;
        more = fread(in->bytes + in->size, 1, wanted - in->size, in->file);
        in->size += more;
    }
    return !in->file || !ferror(in->file) ||
           hc_fail_thread(HC_ERR_IO, "%s: '%s': could not be read", in->who, in->name);
}

void hc_input_close(HcInput *in) {
    if (in->file) fclose(in->file);
    in->file = NULL;
}
