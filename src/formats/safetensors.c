/* Named tensors: their life, looking at them, taking them out, adding to them. */
#include "formats/safetensors.h"

#include <string.h>

#include "base/alloc.h"
#include "formats/text.h"
#include "tape/tape.h"

/* ---- life ---------------------------------------------------------------------------------------------- */

Safetensors *safetensors_create(void) {
    Safetensors *file = hc_alloc_zero(1, sizeof *file);
    if (!file) hc_fail_thread(HC_ERR_NOMEM, "safetensors_create: out of memory");
    return file;
}

static void free_numbers(HcNumbers *numbers) {
    hc_free(numbers->name);
    hc_free(numbers->owned);
    hc_free(numbers);
}

void safetensors_destroy(Safetensors *file) {
    if (!file) return;
    for (size_t i = 0; i < file->count; i++)
        free_numbers(file->items[i]);
    for (size_t i = 0; i < file->metadata_count; i++) {
        hc_free(file->metadata[i].key);
        hc_free(file->metadata[i].value);
    }
    hc_free(file->items);
    hc_free(file->sorted);
    hc_free(file->metadata);
    hc_free(file->bytes);
    hc_free(file);
}

/* What the input holds, whose bytes it then keeps if they came out of a file. */
static Safetensors *read_input(HcInput *in) {
    bool from_file = in->file != NULL;
    Safetensors *file = hc_alloc_zero(1, sizeof *file);
    bool read = file ? hc_safetensors_parse(file, in) : hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", in->who);
    hc_input_close(in);
    if (file && from_file) file->bytes = in->bytes;
    if (read) return file;
    safetensors_destroy(file);
    return NULL;
}

Safetensors *hc_safetensors_for(const char *who, const char *path) {
    HcInput in;
    return hc_input_open(&in, who, path) ? read_input(&in) : NULL;
}

Safetensors *safetensors_open(const char *path) {
    return hc_safetensors_for("safetensors_open", path);
}

Safetensors *safetensors_open_memory(const void *bytes, size_t size) {
    HcInput in;
    return hc_input_memory(&in, "safetensors_open_memory", bytes, size) ? read_input(&in) : NULL;
}

/* ---- looking ------------------------------------------------------------------------------------------- */

/* Where a name stands in `sorted`, or would stand. */
static bool find(const Safetensors *file, const char *name, size_t *place) {
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(file->sorted[middle]->name, name);
        if (order == 0) {
            *place = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return false;
}

const HcNumbers *hc_safetensors_get(const Safetensors *file, const char *who, const char *name) {
    size_t place;
    if (!file || !name) {
        hc_null(who, file ? "the name" : "the file");
        return NULL;
    }
    if (find(file, name, &place)) return file->sorted[place];
    hc_fail_thread(HC_ERR_NAME, "%s: there is no tensor '%.200s'", who, name);
    return NULL;
}

size_t safetensors_count(const Safetensors *file) {
    return file ? file->count : 0;
}

size_t safetensors_find(const Safetensors *file, const char *name) {
    size_t place, index = 0;
    if (!file || !name || !find(file, name, &place)) return SIZE_MAX;
    while (file->items[index] != file->sorted[place])
        index++;
    return index;
}

static const HcNumbers *at(const Safetensors *file, const char *who, size_t index) {
    if (file && index < file->count) return file->items[index];
    if (!file)
        hc_null(who, "the file");
    else
        hc_fail_thread(HC_ERR_RANGE, "%s: there is no tensor %zu of %zu", who, index, file->count);
    return NULL;
}

const char *safetensors_name(const Safetensors *file, size_t index) {
    const HcNumbers *numbers = at(file, "safetensors_name", index);
    return numbers ? numbers->name : NULL;
}

StoredType safetensors_type(const Safetensors *file, size_t index) {
    const HcNumbers *numbers = at(file, "safetensors_type", index);
    return numbers ? numbers->stored.type : HC_STORED_BOOL;
}

Shape safetensors_shape(const Safetensors *file, size_t index) {
    const HcNumbers *numbers = at(file, "safetensors_shape", index);
    return numbers ? numbers->stored.shape : shape_of(NULL, -1);
}

size_t safetensors_metadata_count(const Safetensors *file) {
    return file ? file->metadata_count : 0;
}

const char *safetensors_metadata_key(const Safetensors *file, size_t index) {
    const char *who = "safetensors_metadata_key";
    if (file && index < file->metadata_count) return file->metadata[index].key;
    if (file)
        hc_fail_thread(HC_ERR_RANGE, "%s: there is no text %zu of %zu", who, index, file->metadata_count);
    else
        hc_null(who, "the file");
    return NULL;
}

static HcMetadata *metadata_of(const Safetensors *file, const char *key) {
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return &file->metadata[i];
    return NULL;
}

const char *safetensors_metadata(const Safetensors *file, const char *key) {
    const HcMetadata *found = file && key ? metadata_of(file, key) : NULL;
    return found ? found->value : NULL;
}

/* ---- taking out ------------------------------------------------------------------------------------------ */

bool safetensors_to_f32(const Safetensors *file, const char *name, float *values, size_t count) {
    const char *who = "safetensors_to_f32";
    const HcNumbers *numbers = hc_safetensors_get(file, who, name);
    return numbers && hc_stored_to(&numbers->stored, who, name, values, count, HC_F32);
}

bool safetensors_to_f64(const Safetensors *file, const char *name, double *values, size_t count) {
    const char *who = "safetensors_to_f64";
    const HcNumbers *numbers = hc_safetensors_get(file, who, name);
    return numbers && hc_stored_to(&numbers->stored, who, name, values, count, HC_F64);
}

bool safetensors_to_param(const Safetensors *file, const char *name, Param *param) {
    const char *who = "safetensors_to_param";
    const HcNumbers *numbers = hc_safetensors_get(file, who, name);
    return numbers && hc_stored_to_param(&numbers->stored, who, name, param);
}

Tensor *safetensors_tensor(const Safetensors *file, const char *name, Tape *tape) {
    const char *who = "safetensors_tensor";
    if (!tape) hc_null(who, "the tape");
    const HcNumbers *numbers = tape ? hc_safetensors_get(file, who, name) : NULL;
    return numbers ? hc_stored_tensor(&numbers->stored, who, tape) : NULL;
}

/* ---- adding ---------------------------------------------------------------------------------------------- */

static bool is_utf8(const char *text) {
    return hc_utf8((const unsigned char *)text, strlen(text));
}

/* A copy of the numbers in memory of their own, which is freed if they cannot be added. */
static HcNumbers *make(const HcAdded *a, size_t count) {
    size_t item = hc_stored_item(a->type);
    const char *prefix = a->prefix ? a->prefix : "";
    size_t before = strlen(prefix), length = strlen(a->name);
    HcNumbers *numbers = hc_alloc_zero(1, sizeof *numbers);
    if (!numbers) return NULL;
    const uint16_t one = 1;
    numbers->stored = (HcStored){.type = a->type, .shape = a->shape, .count = count, .bytes = a->values};
    numbers->stored.big = *(const unsigned char *)&one == 0;
    numbers->name = hc_alloc(before + length + 1, 1);
    if (!a->borrowed) numbers->owned = hc_alloc(count, item);
    if (!numbers->name || (!a->borrowed && !numbers->owned)) {
        free_numbers(numbers);
        return NULL;
    }
    memcpy(numbers->name, prefix, before);
    memcpy(numbers->name + before, a->name, length + 1);
    if (a->borrowed) return numbers;
    if (count) memcpy(numbers->owned, a->values, count * item);
    numbers->stored.bytes = numbers->owned;
    return numbers;
}

/* Whether the name can be one of the file's; *place gets where it goes. */
static bool name_fits(const Safetensors *file, const char *who, const char *name, size_t *place) {
    if (find(file, name, place)) return hc_fail_thread(HC_ERR_NAME, "%s: '%.200s' is there already", who, name);
    return is_utf8(name) ? strcmp(name, "__metadata__") != 0 ||
                               hc_fail_thread(HC_ERR_NAME, "%s: no tensor can be called '__metadata__'", who)
                         : hc_fail_thread(HC_ERR_NAME, "%s: a name is not UTF-8", who);
}

static bool make_room(Safetensors *file) {
    return hc_grow((void **)&file->items, &file->items_capacity, file->count, file->count + 1, sizeof *file->items) &&
           hc_grow((void **)&file->sorted, &file->sorted_capacity, file->count, file->count + 1,
                   sizeof *file->sorted);
}

bool hc_safetensors_add(Safetensors *file, const char *who, const HcAdded *added) {
    size_t count, place = 0;
    char text[HC_SHAPE_TEXT];
    if (!file || !added->name) return hc_null(who, file ? "the name" : "the file");
    if (!hc_shape_valid(added->shape, hc_stored_item(added->type), &count))
        return hc_fail_thread(HC_ERR_SHAPE, "%s: '%.200s' cannot have the shape %s", who, added->name,
                              hc_shape_text(added->shape, text));
    if (!added->values && count > 0) return hc_null(who, "values");
    HcNumbers *numbers = make(added, count);
    if (!numbers || !make_room(file)) {
        if (numbers) free_numbers(numbers);
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    }
    if (!name_fits(file, who, numbers->name, &place)) {
        free_numbers(numbers);
        return false;
    }
    memmove(file->sorted + place + 1, file->sorted + place, (file->count - place) * sizeof *file->sorted);
    file->sorted[place] = file->items[file->count++] = numbers;
    return true;
}

void hc_safetensors_back_to(Safetensors *file, size_t count) {
    while (file->count > count) {
        HcNumbers *last = file->items[file->count - 1];
        size_t place;
        find(file, last->name, &place);
        file->count--;
        memmove(file->sorted + place, file->sorted + place + 1, (file->count - place) * sizeof *file->sorted);
        free_numbers(last);
    }
}

bool safetensors_add_f32(Safetensors *file, const char *name, Shape shape, const float *values) {
    const HcAdded added = {NULL, name, HC_STORED_F32, shape, values, false};
    return hc_safetensors_add(file, "safetensors_add_f32", &added);
}

bool safetensors_add_f64(Safetensors *file, const char *name, Shape shape, const double *values) {
    const HcAdded added = {NULL, name, HC_STORED_F64, shape, values, false};
    return hc_safetensors_add(file, "safetensors_add_f64", &added);
}

bool safetensors_add_tensor(Safetensors *file, const char *name, Tensor *x) {
    const char *who = "safetensors_add_tensor";
    if (!x) return hc_null(who, "the tensor");
    const void *values = tensor_data(x);
    const HcAdded added = {NULL, name, hc_stored_type(tensor_dtype(x)), tensor_shape(x), values, false};
    return (values || tensor_count(x) == 0) && hc_safetensors_add(file, who, &added);
}

bool safetensors_set_metadata(Safetensors *file, const char *key, const char *value) {
    const char *who = "safetensors_set_metadata";
    if (!file || !key || !value) return hc_null(who, !file ? "the file" : key ? "the value" : "the key");
    if (!is_utf8(key) || !is_utf8(value)) return hc_fail_thread(HC_ERR_NAME, "%s: a text is not UTF-8", who);
    HcMetadata *there = metadata_of(file, key);
    HcMetadata made = {there ? NULL : hc_copy_text(key), hc_copy_text(value)};
    bool room =
        made.value &&
        (there || (made.key && hc_grow((void **)&file->metadata, &file->metadata_capacity, file->metadata_count,
                                       file->metadata_count + 1, sizeof *file->metadata)));
    if (!room) {
        hc_free(made.key);
        hc_free(made.value);
        return hc_fail_thread(HC_ERR_NOMEM, "%s: out of memory", who);
    }
    if (there) {
        hc_free(there->value);
        there->value = made.value;
    } else
        file->metadata[file->metadata_count++] = made;
    return true;
}
