#include "hv/lib/inflate.h"

#include "hv/lib/string.h"

#define LITERALS   288 /* literals and lengths: the symbols of one code */
#define DISTANCES  32
#define CODE_MOST  15 /* bits */
#define END        256
#define LENGTH_MIN 3
#define HEADER     10 /* bytes of gzip before and behind the blocks */
#define TRAILER    8

struct stream {
    const uint8_t *from;
    size_t left;
    uint32_t held; /* bits taken from there and not used yet, the next one lowest */
    unsigned held_count;
    bool short_of; /* more bits were wanted than there are */
    uint8_t *to;
    size_t written, size;
};

/* A Huffman code: how many symbols have a code of each length, and the symbols by length and value. */
struct code {
    uint16_t count[CODE_MOST + 1];
    uint16_t symbols[LITERALS];
};

static unsigned take_bits(struct stream *s, unsigned count)
{
    unsigned bits;

    while (s->held_count < count) {
        if (s->left == 0) {
            s->short_of = true;
            return 0;
        }
        s->held |= (uint32_t)*s->from++ << s->held_count;
        s->held_count += 8;
        s->left--;
    }
    bits = s->held & ((1u << count) - 1);
    s->held >>= count;
    s->held_count -= count;
    return bits;
}

/* RFC 1951, 3.2.2: codes of one length are consecutive, in the order of their symbols. */
static void make_code(struct code *code, const uint8_t *lengths, unsigned count)
{
    uint16_t next[CODE_MOST + 1];
    unsigned before = 0;

    memset(code, 0, sizeof(*code));
    for (unsigned i = 0; i < count; i++)
        code->count[lengths[i]]++;
    code->count[0] = 0;
    for (unsigned length = 0; length <= CODE_MOST; length++) {
        next[length] = (uint16_t)before;
        before += code->count[length];
    }
    for (unsigned i = 0; i < count; i++)
        if (lengths[i])
            code->symbols[next[lengths[i]]++] = (uint16_t)i;
}

/* The next symbol, or a number beyond all of them. */
static unsigned take_symbol(struct stream *s, const struct code *code)
{
    unsigned beyond = 0; /* how far the bits read are beyond the first code of their length */
    unsigned shorter = 0;

    for (unsigned length = 1; length <= CODE_MOST && !s->short_of; length++) {
        beyond = beyond * 2 + take_bits(s, 1);
        if (beyond < code->count[length])
            return code->symbols[shorter + beyond];
        beyond -= code->count[length];
        shorter += code->count[length];
    }
    return UINT16_MAX;
}

/* 3.2.5: lengths and distances above the smallest one double every `steps` symbols, and bits follow that say
 * which. */
static unsigned take_scaled(struct stream *s, unsigned symbol, unsigned steps)
{
    unsigned extra;

    if (symbol < steps)
        return symbol;
    extra = symbol / steps - 1;
    return ((steps + symbol % steps) << extra) + take_bits(s, extra);
}

static bool copy_back(struct stream *s, unsigned length, unsigned distance)
{
    if (distance > s->written || length > s->size - s->written)
        return false;
    for (; length; length--, s->written++)
        s->to[s->written] = s->to[s->written - distance];
    return true;
}

static bool expand_codes(struct stream *s, const struct code *literals, const struct code *distances)
{
    for (;;) {
        unsigned symbol = take_symbol(s, literals), length, distance;

        if (symbol == END)
            return true;
        if (symbol < END) {
            if (s->written == s->size)
                return false;
            s->to[s->written++] = (uint8_t)symbol;
            continue;
        }
        symbol -= END + 1;
        if (symbol > 28)
            return false;
        length = LENGTH_MIN + (symbol == 28 ? 255 : take_scaled(s, symbol, 4));
        distance = take_symbol(s, distances);
        if (distance > 29 || !copy_back(s, length, 1 + take_scaled(s, distance, 2)))
            return false;
    }
}

static bool expand_stored(struct stream *s)
{
    unsigned length;

    take_bits(s, s->held_count % 8);
    length = take_bits(s, 16);
    if ((take_bits(s, 16) ^ length) != 0xffff || length > s->left || length > s->size - s->written)
        return false;
    memcpy(s->to + s->written, s->from, length);
    s->written += length;
    s->from += length;
    s->left -= length;
    return true;
}

/* 3.2.6 */
static bool expand_fixed(struct stream *s, struct code *literals, struct code *distances)
{
    uint8_t lengths[LITERALS];

    memset(lengths, 8, LITERALS);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    make_code(literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCES);
    make_code(distances, lengths, DISTANCES);
    return expand_codes(s, literals, distances);
}

/* 3.2.7: the lengths of both codes come themselves in a code, with runs. */
static bool expand_dynamic(struct stream *s, struct code *literals, struct code *distances)
{
    static const uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES] = {0};
    unsigned literal_count = take_bits(s, 5) + 257, distance_count = take_bits(s, 5) + 1;
    unsigned count = take_bits(s, 4) + 4, total = literal_count + distance_count;

    for (unsigned i = 0; i < count; i++)
        lengths[order[i]] = (uint8_t)take_bits(s, 3);
    make_code(literals, lengths, sizeof(order));
    for (unsigned i = 0; i < total;) {
        unsigned symbol = take_symbol(s, literals), run = 1;
        uint8_t length = (uint8_t)symbol;

        if (symbol > 18 || (symbol == 16 && i == 0))
            return false;
        if (symbol >= 16)
            length = symbol == 16 ? lengths[i - 1] : 0;
        if (symbol == 18)
            run = 11 + take_bits(s, 7);
        else if (symbol >= 16)
            run = 3 + take_bits(s, symbol == 16 ? 2 : 3);
        if (run > total - i)
            return false;
        memset(lengths + i, length, run);
        i += run;
    }
    make_code(literals, lengths, literal_count);
    make_code(distances, lengths + literal_count, distance_count);
    return expand_codes(s, literals, distances);
}

/* RFC 1952, 8: CRC-32 as gzip computes it. */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size * 8; i++) {
        if (i % 8 == 0)
            crc ^= bytes[i / 8];
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

bool inflate(const uint8_t *from, size_t from_size, uint8_t *to, size_t to_size)
{
    static const uint8_t magic[] = {0x1f, 0x8b, 8, 0}; /* RFC 1952, 2.3: ID1, ID2, CM, FLG */
    struct stream s = {.to = to, .size = to_size};
    struct code literals, distances;
    uint32_t crc;
    bool last, good;

    if (from_size < HEADER + TRAILER || memcmp(from, magic, sizeof(magic)) != 0)
        return false;
    s.from = from + HEADER;
    s.left = from_size - HEADER - TRAILER;
    do {
        unsigned kind;

        last = take_bits(&s, 1);
        kind = take_bits(&s, 2);
        good = kind == 0   ? expand_stored(&s)
               : kind == 1 ? expand_fixed(&s, &literals, &distances)
                           : kind == 2 && expand_dynamic(&s, &literals, &distances);
    } while (good && !s.short_of && !last);
    if (!good || s.short_of || s.written != to_size)
        return false;
    memcpy(&crc, from + from_size - TRAILER, sizeof(crc));
    return crc == checksum(to, to_size);
}
