#include "tests/replay/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

PRINTF_LIKE(2, 3)
static bool wrong(struct stream *stream, const char *format, ...)
{
    va_list arguments;

    if (*stream->error)
        return false;
    va_start(arguments, format);
    vsnprintf(stream->error, sizeof(stream->error), format, arguments);
    va_end(arguments);
    return false;
}

static bool cut(struct stream *stream)
{
    stream->cut = true;
    return wrong(stream, "it ends within a record, at byte %zu", stream->size);
}

static bool take_byte(struct stream *stream, uint8_t *byte)
{
    if (stream->at == stream->size)
        return cut(stream);
    *byte = stream->bytes[stream->at++];
    stream->sum = record_sum(stream->sum, *byte);
    return true;
}

static bool take_number(struct stream *stream, uint64_t *number)
{
    uint8_t byte;

    *number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!take_byte(stream, &byte))
            return false;
        if (shift == 63 && byte > 1)
            break;
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return wrong(stream, "the number before byte %zu has more than 64 bits", stream->at);
}

static bool take_bytes(struct stream *stream, const uint8_t **bytes, uint64_t *length)
{
    uint8_t unused;

    if (!take_number(stream, length))
        return false;
    if (*length > stream->size - stream->at)
        return cut(stream);
    *bytes = stream->bytes + stream->at;
    for (uint64_t i = 0; i < *length; i++)
        take_byte(stream, &unused);
    return true;
}

static bool take_text(struct stream *stream, char *text, size_t size)
{
    const uint8_t *bytes;
    uint64_t length;

    if (!take_bytes(stream, &bytes, &length))
        return false;
    if (length >= size)
        return wrong(stream, "a name of %lu bytes at byte %zu", (unsigned long)length, stream->at);
    memcpy(text, bytes, length);
    text[length] = 0;
    return true;
}

static bool take_words(struct stream *stream, struct header *header)
{
    const uint8_t *bytes;
    uint64_t length;

    if (!take_bytes(stream, &bytes, &length))
        return false;
    if (length > sizeof(header->numbers))
        return wrong(stream, "%lu words of the vendor's, %zu are the most",
                     (unsigned long)length / sizeof(header->numbers[0]), ARRAY_LENGTH(header->numbers));
    header->count = (unsigned)(length / sizeof(header->numbers[0]));
    stream->word_count = RECORD_VENDOR + header->count;
    memcpy(header->numbers, bytes, length);
    return true;
}

static bool take_limits(struct stream *stream, struct cpuid_limits *limits)
{
    const uint8_t *bytes;
    uint64_t length;

    if (!take_bytes(stream, &bytes, &length))
        return false;
    memset(limits, 0,
           sizeof(*limits)); /* one of a time when no feature could be hidden ends before `choice` */
    if (length != sizeof(*limits) && length != offsetof(struct cpuid_limits, choice))
        return wrong(stream, "%lu bytes of limits, %zu are wanted: it is of another version",
                     (unsigned long)length, sizeof(*limits));
    for (unsigned i = 0; i < offsetof(struct cpuid_limits, xcr0); i++)
        if (bytes[i] > 1)
            return wrong(stream, "a limit is neither yes nor no");
    memcpy(limits, bytes, length);
    return true;
}

static bool take_header(struct stream *stream, struct header *header)
{
    uint64_t options;

    if (!take_text(stream, header->vendor, sizeof(header->vendor)) ||
        !take_text(stream, header->name, sizeof(header->name)) || !take_limits(stream, &header->limits))
        return false;
    for (unsigned i = 0; i < ARRAY_LENGTH(header->constants); i++)
        if (!take_bytes(stream, &header->constants[i], &header->constant_sizes[i]))
            return false;
    if (!take_words(stream, header) || !take_number(stream, &header->clock_hz) ||
        !take_number(stream, &header->memory) || !take_number(stream, &options))
        return false;
    header->testdev = options & 1;
    header->serial = options >> 1 & 1;
    return true;
}

bool stream_open(struct stream *stream, const uint8_t *bytes, size_t size, struct header *header)
{
    static const char magic[] = RECORD_MAGIC;
    uint8_t byte = 0;

    *stream = (struct stream){.bytes = bytes, .size = size};
    *header = (struct header){0};
    for (unsigned i = 0; i < sizeof(magic) - 1; i++)
        if (!take_byte(stream, &byte) || byte != (uint8_t)magic[i]) {
            stream->error[0] = stream->cut = 0;
            return wrong(stream, "it is no recording of this version: it does not begin with %s", magic);
        }
    return take_header(stream, header);
}

static bool begins_region(enum record_tag tag)
{
    return tag >= RECORD_CREATE && tag <= RECORD_SIGNAL;
}

static bool has_words(enum record_tag region)
{
    return region == RECORD_EXIT || region == RECORD_RUN;
}

/* Passes over words, which must be in order and none beyond the last. */
static bool pass_words(struct stream *stream, struct record *record)
{
    uint64_t gap, difference, word = 0;

    record->bytes = stream->bytes + stream->at;
    for (;;) {
        if (!take_number(stream, &gap))
            return false;
        if (!gap)
            break;
        if (gap > stream->word_count - word)
            return wrong(stream, "there is no word %lu, at byte %zu", (unsigned long)(word + gap),
                         stream->at);
        word += gap;
        if (!take_number(stream, &difference))
            return false;
    }
    record->length = (uint64_t)(stream->bytes + stream->at - record->bytes);
    return true;
}

static bool take_sum(struct stream *stream)
{
    uint8_t want = stream->sum, found;

    if (!take_byte(stream, &found))
        return false;
    return found == want ||
           wrong(stream, "bytes were lost or changed: their sum at byte %zu is 0x%02x, 0x%02x was written",
                 stream->at - 1, want, found);
}

static bool begin_region(struct stream *stream, struct record *record)
{
    uint64_t passed;

    if (stream->depth == STREAM_DEPTH)
        return wrong(stream, "more than %u regions within each other, at byte %zu", STREAM_DEPTH, stream->at);
    if (!take_number(stream, &passed))
        return false;
    record->time = stream->time += passed;
    stream->tags[stream->depth++] = (uint8_t)record->tag;
    stream->exits += record->tag == RECORD_EXIT;
    if (record->tag == RECORD_TIMER)
        return take_number(stream, &record->value);
    if (record->tag == RECORD_INPUT || record->tag == RECORD_SIGNAL)
        return take_number(stream, &record->value) && take_number(stream, &record->value2);
    return !has_words(record->tag) || pass_words(stream, record);
}

static bool end_region(struct stream *stream, struct record *record)
{
    if (!stream->depth)
        return wrong(stream, "a region ends that has not begun, at byte %zu", stream->at);
    record->region = stream->tags[--stream->depth];
    return take_number(stream, &record->value) &&
           (!has_words(record->region) || pass_words(stream, record)) && take_sum(stream);
}

static bool take_put(struct stream *stream, struct record *record)
{
    uint8_t byte, more;

    if (!take_byte(stream, &byte) || !take_byte(stream, &more))
        return false;
    record->value = byte;
    record->value2 = more;
    return true;
}

static bool take_last(struct stream *stream, struct record *record)
{
    if (!take_number(stream, &record->value) || !take_number(stream, &record->value2) || !take_sum(stream))
        return false;
    stream->ended = true;
    return true;
}

static bool take_record(struct stream *stream, struct record *record)
{
    switch (record->tag) {
    case RECORD_END:
        return end_region(stream, record);
    case RECORD_VALUE:
    case RECORD_REQUESTS:
        return take_number(stream, &record->value);
    case RECORD_MEMORY:
    case RECORD_WROTE:
        return take_number(stream, &record->value) && take_bytes(stream, &record->bytes, &record->length);
    case RECORD_SAME:
        return true;
    case RECORD_PUT:
        return take_put(stream, record);
    case RECORD_LAST:
        return take_last(stream, record);
    default:
        return begin_region(stream, record);
    }
}

bool stream_next(struct stream *stream, struct record *record)
{
    uint8_t tag;

    *record = (struct record){0};
    if (stream->ended || *stream->error || stream->cut)
        return false;
    if (stream->at == stream->size) {
        stream->cut = true;
        return false;
    }
    take_byte(stream, &tag);
    record->tag = tag;
    if (!tag || tag >= RECORD_TAGS)
        return wrong(stream, "0x%02x at byte %zu is no record", tag, stream->at - 1);
    if (!stream->depth && !begins_region(tag) && tag != RECORD_LAST)
        return wrong(stream, "%s outside of every region, at byte %zu", stream_tag_name(tag), stream->at - 1);
    return take_record(stream, record);
}

static uint64_t number_at(const struct record *record, size_t *at)
{
    uint64_t number = 0;

    for (unsigned shift = 0; *at < record->length; shift += 7) {
        uint8_t byte = record->bytes[(*at)++];

        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return number;
}

bool stream_word(const struct record *record, size_t *at, unsigned *word, uint64_t *difference)
{
    uint64_t gap = number_at(record, at);

    if (!gap)
        return false;
    *word += (unsigned)gap; /* counted from 1 */
    *difference = record_difference(number_at(record, at));
    return true;
}

const char *stream_tag_name(enum record_tag tag)
{
    static const char *const names[RECORD_TAGS] = {
        [RECORD_CREATE] = "the making of the VM",
        [RECORD_START] = "a start of the VM",
        [RECORD_EXIT] = "an exit",
        [RECORD_RUN] = "requests without an exit",
        [RECORD_TIMER] = "a timer",
        [RECORD_INPUT] = "a typed byte",
        [RECORD_READY] = "room for output",
        [RECORD_SIGNAL] = "a signal from the monitor",
        [RECORD_END] = "nothing more",
        [RECORD_VALUE] = "a number of the machine's",
        [RECORD_MEMORY] = "a look at guest memory",
        [RECORD_SAME] = "a look at guest memory",
        [RECORD_WROTE] = "a change of guest memory",
        [RECORD_PUT] = "a byte of output",
        [RECORD_REQUESTS] = "requests",
        [RECORD_LAST] = "the end of the recording",
    };

    return tag < RECORD_TAGS && names[tag] ? names[tag] : "no record";
}
