#include "hv/lib/format.h"

#include "hv/lib/string.h"

/* One conversion: what stands between `%` and its letter. */
struct conversion {
    bool left, zero, alternate, plus, space, has_precision;
    unsigned width, precision;
    unsigned size; /* of an integer argument, in bytes */
};

/* The arguments, so that helpers can take from them whatever va_list is. */
struct arguments {
    va_list list;
};

static void emit(struct writer *out, const char *text, size_t length)
{
    if (length)
        out->write(out, text, length);
}

static void emit_repeated(struct writer *out, char character, size_t count)
{
    static const char spaces[] = "                ", zeros[] = "0000000000000000";

    for (; count; count -= MIN(count, sizeof(spaces) - 1))
        emit(out, character == '0' ? zeros : spaces, MIN(count, sizeof(spaces) - 1));
}

static void print_text(struct writer *out, const struct conversion *how, const char *text, size_t length)
{
    size_t padding = how->width > length ? how->width - length : 0;

    if (!how->left)
        emit_repeated(out, ' ', padding);
    emit(out, text, length);
    if (how->left)
        emit_repeated(out, ' ', padding);
}

/* `prefix` is a sign, "0x" or nothing: it stands before the zeros that fill up to precision or width. */
static void print_number(struct writer *out, const struct conversion *how, uint64_t value, unsigned base,
                         const char *letters, const char *prefix)
{
    char digits[20]; /* UINT64_MAX has 20 decimal ones */
    size_t first = sizeof(digits), length, zeros = 0, before = strlen(prefix), padding;

    for (; value; value /= base)
        digits[--first] = letters[value % base];
    length = sizeof(digits) - first;
    if (how->has_precision)
        zeros = how->precision > length ? how->precision - length : 0;
    else if (how->zero && !how->left && how->width > length + before)
        zeros = how->width - length - before;
    else if (!length)
        zeros = 1;
    padding = how->width > before + zeros + length ? how->width - before - zeros - length : 0;

    if (!how->left)
        emit_repeated(out, ' ', padding);
    emit(out, prefix, before);
    emit_repeated(out, '0', zeros);
    emit(out, digits + first, length);
    if (how->left)
        emit_repeated(out, ' ', padding);
}

static void print_hexadecimal(struct writer *out, const struct conversion *how, uint64_t value, bool capitals)
{
    const char *prefix = !how->alternate || !value ? "" : capitals ? "0X" : "0x";

    print_number(out, how, value, 16, capitals ? "0123456789ABCDEF" : "0123456789abcdef", prefix);
}

static void print_signed(struct writer *out, const struct conversion *how, int64_t value)
{
    const char *sign = value < 0 ? "-" : how->plus ? "+" : how->space ? " " : "";

    print_number(out, how, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, "0123456789", sign);
}

static uint64_t take_unsigned(struct arguments *arguments, unsigned size)
{
    uint64_t value =
        size == 8 ? va_arg(arguments->list, unsigned long) : va_arg(arguments->list, unsigned int);

    return value & UINT64_MAX >> (64 - 8 * size);
}

static int64_t take_signed(struct arguments *arguments, unsigned size)
{
    uint64_t value = take_unsigned(arguments, size), sign = UINT64_C(1) << (8 * size - 1);

    return (int64_t)((value ^ sign) - sign);
}

/* A width or precision: a number, or `*` for the next argument. */
static const char *parse_number(const char *at, struct arguments *arguments, int *value)
{
    *value = 0;
    if (*at == '*') {
        *value = va_arg(arguments->list, int);
        return at + 1;
    }
    for (; *at >= '0' && *at <= '9'; at++)
        *value = *value < INT32_MAX / 10 - 1 ? *value * 10 + *at - '0' : *value;
    return at;
}

static const char *parse_flags(const char *at, struct conversion *how)
{
    for (;; at++)
        switch (*at) {
        case '-':
            how->left = true;
            break;
        case '0':
            how->zero = true;
            break;
        case '#':
            how->alternate = true;
            break;
        case '+':
            how->plus = true;
            break;
        case ' ':
            how->space = true;
            break;
        default:
            return at;
        }
}

static const char *parse_size(const char *at, struct conversion *how)
{
    how->size = sizeof(int);
    if (*at == 'h') {
        how->size = at[1] == 'h' ? 1 : 2;
        return at + (at[1] == 'h' ? 2 : 1);
    }
    if (*at && strchr("lzjt", *at)) {
        how->size = 8;
        return at + (at[0] == 'l' && at[1] == 'l' ? 2 : 1);
    }
    return at;
}

static const char *parse(const char *at, struct arguments *arguments, struct conversion *how)
{
    int number;

    at = parse_flags(at, how);
    at = parse_number(at, arguments, &number);
    how->left |= number < 0;
    how->width = number < 0 ? -(unsigned)number : (unsigned)number;
    if (*at == '.') {
        at = parse_number(at + 1, arguments, &number);
        how->has_precision = number >= 0;
        how->precision = number < 0 ? 0 : (unsigned)number;
    }
    return parse_size(at, how);
}

/* Prints one conversion; false if its letter is none. */
static bool print_conversion(struct writer *out, struct conversion *how, char letter,
                             struct arguments *arguments)
{
    const char *text;
    char character;

    switch (letter) {
    case 'd':
    case 'i':
        print_signed(out, how, take_signed(arguments, how->size));
        return true;
    case 'u':
        print_number(out, how, take_unsigned(arguments, how->size), 10, "0123456789", "");
        return true;
    case 'x':
    case 'X':
        print_hexadecimal(out, how, take_unsigned(arguments, how->size), letter == 'X');
        return true;
    case 'p':
        how->alternate = true;
        print_hexadecimal(out, how, (uintptr_t)va_arg(arguments->list, void *), false);
        return true;
    case 's':
        text = va_arg(arguments->list, const char *);
        if (!text)
            text = "(null)";
        print_text(out, how, text, how->has_precision ? strnlen(text, how->precision) : strlen(text));
        return true;
    case 'c':
        character = (char)va_arg(arguments->list, int);
        print_text(out, how, &character, 1);
        return true;
    case '%':
        emit(out, "%", 1);
        return true;
    default:
        return false;
    }
}

void vprint_to(struct writer *out, const char *format, va_list list)
{
    struct arguments arguments;

    va_copy(arguments.list, list);
    while (*format) {
        const char *from = format, *letter;
        struct conversion how = {0};

        while (*format && *format != '%')
            format++;
        emit(out, from, (size_t)(format - from));
        if (!*format)
            break;
        letter = parse(format + 1, &arguments, &how);
        if (!print_conversion(out, &how, *letter, &arguments)) {
            emit(out, format, strlen(format)); /* nothing after it can be trusted: show it as it stands */
            break;
        }
        format = letter + 1;
    }
    va_end(arguments.list);
}

void print_to(struct writer *out, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprint_to(out, format, arguments);
    va_end(arguments);
}

static void write_to_buffer(struct writer *self, const char *text, size_t length)
{
    struct text_buffer *buffer = container_of(self, struct text_buffer, writer);
    size_t room = buffer->size ? buffer->size - 1 - buffer->length : 0, fits = MIN(length, room);

    if (!fits)
        return;
    memcpy(buffer->text + buffer->length, text, fits);
    buffer->length += fits;
    buffer->text[buffer->length] = 0;
}

void text_buffer_init(struct text_buffer *buffer, char *text, size_t size)
{
    *buffer = (struct text_buffer){{write_to_buffer}, text, size, 0};
    if (size)
        text[0] = 0;
}

/* A text buffer that also counts what it dropped. */
struct counted_text {
    struct text_buffer buffer;
    size_t whole;
};

static void write_counted(struct writer *self, const char *text, size_t length)
{
    struct counted_text *counted = container_of(self, struct counted_text, buffer.writer);

    counted->whole += length;
    write_to_buffer(self, text, length);
}

size_t format_text(char *text, size_t size, const char *format, ...)
{
    struct counted_text counted = {.whole = 0};
    va_list arguments;

    text_buffer_init(&counted.buffer, text, size);
    counted.buffer.writer.write = write_counted;
    va_start(arguments, format);
    vprint_to(&counted.buffer.writer, format, arguments);
    va_end(arguments);
    return counted.whole;
}

#define LINE_LENGTH 100

void print_item(struct writer *out, size_t *column, const char *item)
{
    size_t length = strlen(item);

    if (*column && *column + length + 2 > LINE_LENGTH)
        print_to(out, "\n"), *column = 0;
    print_to(out, "%s%s", *column ? "; " : "", item);
    *column += length + 2;
}
