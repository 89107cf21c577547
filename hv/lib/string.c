/*
 * The memory functions that gcc calls by itself, and the few others that Keel uses. The copies go by words of
 * 8 bytes through `rep movsq`, which processors with fast string operations move by cache lines.
 */
#include "hv/lib/string.h"

#include "hv/lib/base.h"

/* Words at any address, over any type. */
struct word8 {
    uint64_t value;
} PACKED __attribute__((may_alias));
struct word4 {
    uint32_t value;
} PACKED __attribute__((may_alias));
struct word2 {
    uint16_t value;
} PACKED __attribute__((may_alias));

/* Without it, gcc recognises a loop as the very function that the loop implements and calls that instead. */
#define NOT_A_LIBRARY_CALL() __asm__ volatile("" ::: "memory")

/* Copies up to 16 bytes as two words that may overlap each other; all are read before the first is written.
 */
static inline void copy_short(char *to, const char *from, size_t length)
{
    if (length >= 8) {
        struct word8 first = *(const struct word8 *)from;
        struct word8 last = *(const struct word8 *)(from + length - 8);
        *(struct word8 *)to = first;
        *(struct word8 *)(to + length - 8) = last;
    } else if (length >= 4) {
        struct word4 first = *(const struct word4 *)from;
        struct word4 last = *(const struct word4 *)(from + length - 4);
        *(struct word4 *)to = first;
        *(struct word4 *)(to + length - 4) = last;
    } else if (length >= 2) {
        struct word2 first = *(const struct word2 *)from;
        struct word2 last = *(const struct word2 *)(from + length - 2);
        *(struct word2 *)to = first;
        *(struct word2 *)(to + length - 2) = last;
    } else if (length) {
        *to = *from;
    }
}

/* Right for areas that overlap too, if `to` lies below `from`. */
static inline void copy_up(char *to, const char *from, size_t length)
{
    struct word8 last = *(const struct word8 *)(from + length - 8);
    char *end = to + length - 8;
    size_t words = length / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    *(struct word8 *)end = last;
}

/* Not with the direction flag: an exception taken meanwhile would find it set. */
static inline void copy_down(char *to, const char *from, size_t length)
{
    struct word8 first = *(const struct word8 *)from;

    for (size_t left = length; left > 8; left -= 8) {
        *(struct word8 *)(to + left - 8) = *(const struct word8 *)(from + left - 8);
        NOT_A_LIBRARY_CALL();
    }
    *(struct word8 *)to = first;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    if (length <= 16)
        copy_short(to, from, length);
    else
        copy_up(to, from, length);
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    if (length <= 16)
        copy_short(to, from, length);
    else if ((uintptr_t)to - (uintptr_t)from >= length)
        copy_up(to, from, length);
    else
        copy_down(to, from, length);
    return to;
}

void *memset(void *to, int byte, size_t length)
{
    struct word8 pattern = {(uint8_t)byte * UINT64_C(0x0101010101010101)};
    char *at = to;

    if (length >= 8) {
        size_t words = length / 8;

        *(struct word8 *)(at + length - 8) = pattern;
        __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern.value) : "memory");
    } else if (length >= 4) {
        *(struct word4 *)at = *(struct word4 *)(at + length - 4) = (struct word4){(uint32_t)pattern.value};
    } else if (length >= 2) {
        *(struct word2 *)at = *(struct word2 *)(at + length - 2) = (struct word2){(uint16_t)pattern.value};
    } else if (length) {
        *at = (char)byte;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const uint8_t *one = a, *other = b;

    while (length >= 8 && ((const struct word8 *)one)->value == ((const struct word8 *)other)->value)
        one += 8, other += 8, length -= 8;
    for (; length; one++, other++, length--)
        if (*one != *other)
            return *one - *other;
    return 0;
}

size_t strnlen(const char *text, size_t most)
{
    size_t length = 0;

    while (length < most && text[length]) {
        length++;
        NOT_A_LIBRARY_CALL();
    }
    return length;
}

size_t strlen(const char *text)
{
    return strnlen(text, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t most)
{
    for (; most; a++, b++, most--)
        if (*a != *b || !*a)
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int character)
{
    for (;; text++) {
        if (*text == (char)character)
            return (char *)text;
        if (!*text)
            return NULL;
    }
}
