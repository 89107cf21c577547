/* Text output: printf's formats to anything that takes characters. */
#pragma once

#include "hv/lib/base.h"

/* A place that takes text. `text` is not terminated; `length` may be 0. */
struct writer {
    void (*write)(struct writer *self, const char *text, size_t length);
};

/*
 * %d %i %u %x %X %p %s %c %% with flags `-`, `0`, `#`, `+` and space, width and precision (numbers or `*`),
 * and the lengths hh, h, l, ll, z, j and t. No floating point.
 */
void print_to(struct writer *out, const char *format, ...) PRINTF_LIKE(2, 3);
void vprint_to(struct writer *out, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/* Prints one of many items, several on a line; `column` begins at 0. The caller ends the last line. */
void print_item(struct writer *out, size_t *column, const char *item);

/* A writer into memory: what does not fit is dropped; the text is always terminated. */
struct text_buffer {
    struct writer writer;
    char *text;
    size_t size, length;
};

void text_buffer_init(struct text_buffer *buffer, char *text, size_t size);

/* Formats into `text` (always terminated when size > 0). Returns the length the whole text would have. */
size_t format_text(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
