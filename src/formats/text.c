/* Text read piece by piece. Source of the grammar: RFC 8259. */
#include "formats/text.h"

#include <string.h>

bool hc_text_fault(HcText *text, const char *right) {
    if (!text->fault) text->fault = right;
    return false;
}

static void skip_blanks(HcText *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r'))
        text->at++;
}

bool hc_text_next(HcText *text, char c) {
    if (text->fault) return false;
    skip_blanks(text);
    if (text->at == text->end || *text->at != (unsigned char)c) return false;
    text->at++;
    return true;
}

bool hc_text_expect(HcText *text, char c, const char *right) {
    return hc_text_next(text, c) || hc_text_fault(text, right);
}

bool hc_text_end(HcText *text) {
    skip_blanks(text);
    return text->at == text->end;
}

static bool digit(const HcText *text) {
    return text->at < text->end && *text->at >= '0' && *text->at <= '9';
}

bool hc_text_number(HcText *text, uint64_t *value) {
    const char *right = "a whole number of 0 to 2^64 - 1";
    skip_blanks(text);
    const unsigned char *first = text->at;
    if (!digit(text)) return hc_text_fault(text, right);
    for (*value = 0; digit(text); text->at++) {
        unsigned next = *text->at - (unsigned)'0';
        if (*value > (UINT64_MAX - next) / 10) return hc_text_fault(text, right);
        *value = 10 * *value + next;
    }
    return *first != '0' || text->at == first + 1 || hc_text_fault(text, "a number without zeros before it");
}

/* ---- strings ------------------------------------------------------------------------------------------- */

/* The four digits of an escape. */
static bool hexadecimal(HcText *text, uint32_t *value) {
    *value = 0;
    for (int i = 0; i < 4; i++, text->at++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *found = text->at < text->end ? memchr(digits, *text->at, sizeof digits - 1) : NULL;
        if (!found) return hc_text_fault(text, "four hexadecimal digits after \\u");
        uint32_t place = (uint32_t)(found - digits);
        *value = *value << 4 | (place < 16 ? place : place - 6);
    }
    return true;
}

static bool escape_of_two(HcText *text, uint32_t *point) {
    if (*point < 0xD800 || *point > 0xDFFF) return true;
    uint32_t low = 0;
    bool pair = *point < 0xDC00 && text->end - text->at > 2 && text->at[0] == '\\' && text->at[1] == 'u';
    if (!pair) return hc_text_fault(text, "surrogates in pairs");
    text->at += 2;
    if (!hexadecimal(text, &low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return hc_text_fault(text, "surrogates in pairs");
    *point = 0x10000 + ((*point - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static char *put_utf8(char *to, uint32_t point) {
    if (point < 0x80) {
        *to++ = (char)point;
        return to;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned first[] = {0, 0xC0, 0xE0, 0xF0};
    *to++ = (char)(unsigned char)(first[more] | point >> 6 * more);
    while (more-- > 0)
        *to++ = (char)(unsigned char)(0x80 | (point >> 6 * more & 0x3F));
    return to;
}

/* What stands behind a backslash. */
static char *unescape(HcText *text, char *to) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    uint32_t point = 0;
    unsigned char c = text->at < text->end ? *text->at++ : 0;
    const char *found = c ? strchr(letters, c) : NULL;
    if (found)
        *to++ = meant[found - letters];
    else if (c != 'u')
        hc_text_fault(text, "an escape that JSON has");
    else if (hexadecimal(text, &point) && escape_of_two(text, &point)) {
        if (point == 0) hc_text_fault(text, "a text without a zero in it");
        to = put_utf8(to, point);
    }
    return to;
}

bool hc_text_string(HcText *text, char *to) {
    if (!hc_text_expect(text, '"', "a text in double quotes")) return false;
    while (text->at < text->end && *text->at != '"' && !text->fault) {
        if (*text->at < ' ')
            hc_text_fault(text, "control characters as escapes");
        else if (*text->at != '\\')
            *to++ = (char)*text->at++;
        else {
            text->at++;
            to = unescape(text, to);
        }
    }
    *to = 0;
    return hc_text_expect(text, '"', "a double quote at a text's end");
}

/* How many bytes of UTF-8 begin there; 0 for none. */
static size_t utf8_length(const unsigned char *at, size_t left) {
    if (at[0] < 0x80) return 1;
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || left < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    /* no longer than need be, no surrogates, none past U+10FFFF */
    bool wrong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ||
                 (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F);
    return wrong ? 0 : length;
}

bool hc_utf8(const unsigned char *bytes, size_t size) {
    size_t at = 0;
    while (at < size) {
        size_t length = utf8_length(bytes + at, size - at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}
