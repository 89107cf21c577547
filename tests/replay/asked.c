/* The recorder as a replay has it: what Keel is given comes from the recording. */
#include "hv/life/create.h"
#include "hv/life/life.h"

#include <stdio.h>
#include <string.h>

#include "devices/board.h"
#include "hv/emulate/emulate.h"
#include "hv/host/witness.h"
#include "hv/load/load.h"
#include "hv/vm/observe.h"
#include "hv/vm/vm.h"
#include "tests/replay/playing.h"

/* As in hv/observe/record.c: what was looked at must be remembered alike. */
#define PIECES    32
#define TOLD      128
#define TOLD_MOST 16

static struct piece {
    gpa_t gpa;
    uint8_t *at;
    uint64_t length;
    uint8_t before[PAGE_SIZE];
} pieces[PIECES];
static unsigned piece_count;
static struct {
    gpa_t gpa;
    uint64_t length;
    uint8_t bytes[TOLD_MOST];
} told[TOLD];

static void remember(gpa_t gpa, const uint8_t *bytes, uint64_t length)
{
    unsigned place = (gpa ^ gpa >> 7) % TOLD;

    if (length > TOLD_MOST)
        return;
    told[place].gpa = gpa;
    told[place].length = length;
    memcpy(told[place].bytes, bytes, length);
}

static void print_bytes(const char *who, const uint8_t *bytes, uint64_t length)
{
    printf("  %-8s ", who);
    for (uint64_t i = 0; i < MIN(length, 32); i++)
        printf("%02x ", bytes[i]);
    printf("%s\n", length > 32 ? "..." : "");
}

void close_pieces(void)
{
    for (unsigned i = 0; i < piece_count; i++) {
        const struct piece *piece = &pieces[i];
        struct record record;

        if (memcmp(piece->at, piece->before, piece->length) == 0)
            continue;
        record = take_record(RECORD_WROTE);
        if (record.value == piece->gpa && record.length == piece->length &&
            memcmp(record.bytes, piece->at, piece->length) == 0) {
            remember(piece->gpa, piece->at, piece->length);
            continue;
        }
        print_place();
        printf("  what     guest memory is written at 0x%lx; recorded was 0x%lx\n", piece->gpa, record.value);
        print_bytes("recorded", record.bytes, record.length);
        print_bytes("here", piece->at, piece->length);
        end_with(DIFFERENT);
    }
    piece_count = 0;
}

static void give_memory(gpa_t gpa, void *where, uint64_t length)
{
    struct record record;
    struct piece *piece;

    if (!playing.stream.depth)
        return;
    length = MIN(length, PAGE_SIZE);
    if (piece_count == PIECES)
        close_pieces();
    record = next_record();
    if (record.tag == RECORD_SAME) {
        unsigned place = (gpa ^ gpa >> 7) % TOLD;

        if (told[place].gpa != gpa || told[place].length != length)
            differs("here %lu bytes of guest memory at 0x%lx are looked at; recorded was another place",
                    length, gpa);
        memcpy(where, told[place].bytes, length);
    } else if (record.tag != RECORD_MEMORY) {
        differs("here %lu bytes of guest memory at 0x%lx are looked at; recorded was %s", length, gpa,
                stream_tag_name(record.tag));
    } else if (record.value != gpa || record.length != length) {
        differs("here %lu bytes of guest memory at 0x%lx are looked at; recorded were %lu at 0x%lx", length,
                gpa, record.length, record.value);
    } else {
        memcpy(where, record.bytes, length);
        remember(gpa, record.bytes, length);
    }
    piece = &pieces[piece_count++];
    piece->gpa = gpa;
    piece->at = where;
    piece->length = length;
    memcpy(piece->before, where, length);
}

/* What Keel asks the recorder for. */

static uint64_t give_value(uint64_t value)
{
    return playing.stream.depth ? take_record(RECORD_VALUE).value : value;
}

static void give_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    uint64_t asked = take_record(RECORD_VALUE).value, low, high;

    if (asked != ((uint64_t)leaf << 32 | subleaf))
        differs("here CPUID leaf 0x%x, 0x%x is asked for; recorded was 0x%lx, 0x%lx", leaf, subleaf,
                asked >> 32, asked & UINT32_MAX);
    low = take_record(RECORD_VALUE).value;
    high = take_record(RECORD_VALUE).value;
    *out = (struct cpuid_regs){(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)};
}

static bool take_output(void *owner, uint8_t byte)
{
    struct record record = take_record(RECORD_PUT);

    (void)owner;
    if (record.value != byte)
        differs("the guest's output: recorded 0x%02lx, here 0x%02x", record.value, byte);
    return record.value2;
}

static uint64_t give_requests(struct vcpu *vcpu, uint64_t requests)
{
    struct record record = take_record(RECORD_REQUESTS);

    (void)vcpu;
    if ((record.value ^ requests) & ~FROM_OUTSIDE)
        differs("requests: recorded 0x%lx, here 0x%lx", record.value, requests);
    return record.value;
}

static const char *open_recording(struct life *life)
{
    static const struct witness given = {.value = give_value, .memory = give_memory};

    life->recorded = true;
    life->cpuid = give_cpuid;
    life->put = take_output;
    witness = &given;
    return NULL;
}

static void begin_exit(struct vcpu *vcpu)
{
    exit_take_apart(vcpu, &playing.exit);
    playing.in_exit = true;
    if (playing.wish->list) {
        printf("%lu: ", playing.stream.exits);
        print_exit();
    }
    decode_cache_visit(vcpu);
}

static void created(struct vm *vm)
{
    static const struct observer observer = {.begins = begin_exit, .serves = give_requests};

    observers[OBSERVER_RECORD] = &observer;
    vm->memory.recorded = true;
    observe_begin(vm->vcpus[0], OBSERVE_RECORD);
}

static void starts(struct vm *vm, const struct entry_state *entry)
{
    (void)vm, (void)entry;
}

static void started(struct vm *vm)
{
    (void)vm;
}

static void close_recording(struct life *life)
{
    (void)life;
}

const struct life_recorder replay_recorder = {.open = open_recording,
                                              .created = created,
                                              .starts = starts,
                                              .started = started,
                                              .close = close_recording};

void play_entry(struct entry_state *entry)
{
    uint64_t parts[sizeof(*entry) / sizeof(uint64_t)];

    for (unsigned i = 0; i < ARRAY_LENGTH(parts); i++)
        parts[i] = take_record(RECORD_VALUE).value;
    memcpy(entry, parts, sizeof(*entry));
}
