#include "hv/observe/record.h"

#include "hv/console/console.h"
#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/timer.h"
#include "hv/host/witness.h"
#include "hv/lib/string.h"
#include "hv/life/create.h"
#include "hv/load/load.h"
#include "hv/observe/record_format.h"
#include "hv/observe/record_sink.h"
#include "hv/run/work.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"

/* A recording ends when less than this is left: no region is longer. */
#define REGION_MOST KIB(32)

/* Pieces of guest memory that are looked at in one region, before those that were written are told. */
#define PIECES      32

/* What was told of guest memory lately, by address: small pieces alone. */
#define TOLD        128
#define TOLD_MOST   16

struct piece {
    gpa_t gpa;
    const uint8_t *at;
    uint32_t length, sum;
};

static struct recorder {
    struct life *life; /* NULL: nothing is recorded */
    bool ended;        /* there is no more room */
    bool runs;         /* the region is RECORD_RUN */
    uint64_t exits, time;
    unsigned depth;
    unsigned word_count, piece_count;
    struct piece pieces[PIECES];
    uint16_t numbers[RECORD_WORDS - RECORD_VENDOR];
    uint64_t words[RECORD_WORDS];
    struct told {
        gpa_t gpa;
        uint64_t length;
        uint8_t bytes[TOLD_MOST];
    } told[TOLD];
} recorder;

static void interrupt(bool begins);

static uint64_t word_of(struct vcpu *vcpu, unsigned word)
{
    return word < RECORD_VENDOR ? state_word(vcpu, word)
                                : virt->show.word(vcpu, recorder.numbers[word - RECORD_VENDOR]);
}

static void words_out(struct vcpu *vcpu)
{
    unsigned told = 0;

    for (unsigned i = 0; i < recorder.word_count; i++) {
        uint64_t word = word_of(vcpu, i), old = recorder.words[i];

        if (likely(word == old))
            continue;
        record_number(i + 1 - told);
        record_number(record_signed(word - old));
        recorder.words[i] = word;
        told = i + 1;
    }
    record_number(0);
}

static uint32_t sum_of(const uint8_t *bytes, uint32_t length)
{
    uint32_t sum = length;

    for (uint32_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * 0x01000193;
    return sum;
}

static void piece_out(enum record_tag tag, gpa_t gpa, const uint8_t *at, uint64_t length)
{
    struct told *told = &recorder.told[(gpa ^ gpa >> 7) % TOLD];

    if (tag == RECORD_MEMORY && told->gpa == gpa && told->length == length &&
        memcmp(told->bytes, at, length) == 0) {
        record_byte(RECORD_SAME);
        return;
    }
    if (length <= TOLD_MOST) {
        told->gpa = gpa;
        told->length = length;
        memcpy(told->bytes, at, length);
    }
    record_byte(tag);
    record_number(gpa);
    record_bytes(at, length);
}

/* Tells of those that Keel has changed. */
static void close_pieces(void)
{
    for (unsigned i = 0; i < recorder.piece_count; i++) {
        const struct piece *piece = &recorder.pieces[i];

        if (sum_of(piece->at, piece->length) != piece->sum)
            piece_out(RECORD_WROTE, piece->gpa, piece->at, piece->length);
    }
    recorder.piece_count = 0;
}

/* Regions. */

static bool records(const struct vm *vm)
{
    return recorder.life && !recorder.ended && &recorder.life->vm == vm;
}

static void finish(enum record_last why)
{
    struct vm *vm = &recorder.life->vm;

    record_byte(RECORD_LAST);
    record_number(why);
    record_number(recorder.exits);
    record_byte(record_sink.sum);
    recorder.ended = true;
    vm->memory.recorded = false;
    if (vm->vcpus[0])
        observe_end(vm->vcpus[0], OBSERVE_RECORD);
    log_line("vm %s: %lu exits recorded%s, %lu bytes, at 0x%lx", vm->name, recorder.exits,
             why == RECORD_FULL       ? ", no room for more"
             : why == RECORD_DEBUGGED ? ", until a debugger came"
                                      : "",
             record_sink.written,
             record_sink.buffer ? virt_to_phys(record_sink.buffer->bytes) : record_sink.port->port);
}

/* false: the recording has come to its end. */
static bool begin(enum record_tag tag)
{
    uint64_t now;

    if (!recorder.depth && (record_sink.left < REGION_MOST || recorder.life->vm.debug)) {
        finish(recorder.life->vm.debug ? RECORD_DEBUGGED : RECORD_FULL);
        return false;
    }
    recorder.depth++;
    clock_hold(0);
    now = clock_now();
    clock_hold(now);
    record_byte(tag);
    record_number(now - recorder.time);
    recorder.time = now;
    return true;
}

static void end(struct vcpu *vcpu, uint64_t result)
{
    close_pieces();
    record_byte(RECORD_END);
    record_number(result);
    if (vcpu)
        words_out(vcpu);
    record_byte(record_sink.sum);
    if (!--recorder.depth)
        clock_hold(0);
}

static void begin_exit(struct vcpu *vcpu)
{
    if (!begin(RECORD_EXIT))
        return;
    recorder.exits++;
    native_take_xcr0(vcpu);
    words_out(vcpu);
    decode_cache_visit(vcpu);
}

static void end_exit(struct vcpu *vcpu, bool goes_on)
{
    if (recorder.depth)
        end(vcpu, goes_on);
}

static uint64_t serves(struct vcpu *vcpu, uint64_t requests)
{
    if (!recorder.depth) {
        if (!begin(RECORD_RUN))
            return requests;
        recorder.runs = true;
        words_out(vcpu);
    }
    record_byte(RECORD_REQUESTS);
    record_number(requests);
    return requests;
}

static void served(struct vcpu *vcpu, bool goes_on)
{
    if (recorder.runs)
        end(vcpu, goes_on);
    recorder.runs = false;
}

static const struct observer observer = {
    .begins = begin_exit, .ends = end_exit, .serves = serves, .served = served};

/* Around what a device does of its own accord. */
static void end_device(const struct vm *vm)
{
    end(NULL, vm->vcpus[0]->requests);
}

static void fired(struct timer *timer)
{
    const struct life *life = recorder.life;
    bool ours = life && !recorder.ended && (uint8_t *)timer - (uint8_t *)life->devices >= 0 &&
                (size_t)((uint8_t *)timer - (uint8_t *)life->devices) < life->devices_size;

    ours = ours && begin(RECORD_TIMER);
    if (ours)
        record_number(timer->deadline);
    timer->expired(timer);
    if (!ours)
        return;
    end_device(&life->vm);
    interrupt(true);
}

static void interrupt(bool begins)
{
    if (recorder.depth && !this_cpu()->index)
        clock_hold(begins ? 0 : recorder.time);
}

static const struct board_ops *board; /* of the recorded VM; `between` is in its place */

/* What comes from outside; false: it is not recorded, and may be done as it is. */
static bool begin_outside(const struct vm *vm, enum record_tag tag, uint64_t value, uint64_t second)
{
    if (!records(vm) || this_cpu()->index || !begin(tag))
        return false;
    record_number(value);
    record_number(second);
    return true;
}

static bool end_outside(const struct vm *vm, bool ours, bool result)
{
    if (ours)
        end_device(vm);
    return result;
}

static bool put_in(struct vm *vm, uint8_t byte)
{
    bool ours = begin_outside(vm, RECORD_INPUT, byte, 0);

    if (!ours && records(vm))
        return false; /* it is offered again, on the boot core */
    return end_outside(vm, ours, board->serial_input(vm, byte));
}

static bool signal(struct vm *vm, enum board_signal what, unsigned code)
{
    bool ours = begin_outside(vm, RECORD_SIGNAL, what, code);

    return end_outside(vm, ours, board->signal(vm, what, code));
}

static void ready(struct vm *vm);

static void ready_here(struct work *work)
{
    (void)work;
    if (recorder.life)
        ready(&recorder.life->vm);
}

static void ready(struct vm *vm)
{
    static struct work later = {.run = ready_here};
    bool ours = records(vm);

    if (ours && this_cpu()->index) {
        work_post(0, &later);
        return;
    }
    ours = ours && begin(RECORD_READY);
    board->serial_ready(vm);
    if (ours)
        end_device(vm);
}

/* What Keel is given within a region. */

static bool within(void)
{
    return unlikely(recorder.depth) && !this_cpu()->index;
}

static uint64_t value_given(uint64_t value)
{
    if (within()) {
        record_byte(RECORD_VALUE);
        record_number(value);
    }
    return value;
}

static void read_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    native_cpuid(leaf, subleaf, out);
    value_given((uint64_t)leaf << 32 | subleaf);
    value_given((uint64_t)out->ebx << 32 | out->eax);
    value_given((uint64_t)out->edx << 32 | out->ecx);
}

static void memory_given(gpa_t gpa, void *at, uint64_t length)
{
    if (!within())
        return;
    length = MIN(length, PAGE_SIZE);
    if (recorder.piece_count == PIECES)
        close_pieces();
    recorder.pieces[recorder.piece_count++] =
        (struct piece){gpa, at, (uint32_t)length, sum_of(at, (uint32_t)length)};
    piece_out(RECORD_MEMORY, gpa, at, length);
}

static bool put_out(void *owner, uint8_t byte)
{
    bool more = console_vm_put(owner, byte);

    if (within()) {
        record_byte(RECORD_PUT);
        record_byte(byte);
        record_byte(more);
    }
    return more;
}

static const struct witness told = {value_given, memory_given, fired, interrupt};

/* The life of a recorded VM. */

static void header_out(const struct config_vm *config, const struct cpuid_limits *limits)
{
    for (unsigned i = 0; i < sizeof(RECORD_MAGIC) - 1; i++)
        record_byte((uint8_t)RECORD_MAGIC[i]);
    record_bytes(virt->name, strlen(virt->name));
    record_bytes(config->name, strlen(config->name));
    record_bytes(limits, sizeof(*limits));
    for (unsigned i = 0; i < ARRAY_LENGTH(virt->show.constants); i++)
        record_bytes(virt->show.constants[i].at, virt->show.constants[i].size);
    record_bytes(recorder.numbers, sizeof(recorder.numbers[0]) * (recorder.word_count - RECORD_VENDOR));
    record_number(clock_hz());
    record_number(config->memory);
    record_number(config->testdev | (config->serial != SERIAL_NONE) << 1);
}

static struct board_ops between;

static const char *open_recording(struct life *life)
{
    const struct config_vm *config = life->config;
    uint64_t named = 0;
    const char *refusal;

    if (!config->record.port)
        return NULL;
    for (unsigned i = 0; i < ARRAY_LENGTH(config->cpus); i++)
        named |= config->cpus[i];
    if (config->vcpus != 1 || recorder.life || this_cpu()->index || (named && !(config->cpus[0] & 1)))
        return "record: only one VM at a time, of one vCPU, which may run on core 0 and starts there";
    memset(&recorder, 0, sizeof(recorder));
    refusal = record_open_sink(&config->record);
    if (refusal)
        return refusal;
    recorder.life = life;
    life->recorded = true;
    life->cpuid = read_cpuid;
    life->put = put_out;
    board = life->board;
    between = *board;
    between.serial_input = put_in;
    between.serial_ready = ready;
    between.signal = signal;
    life->board = &between;
    recorder.word_count = RECORD_VENDOR + virt->show.words(recorder.numbers);
    witness = &told;
    observers[OBSERVER_RECORD] = &observer;
    header_out(config, &life->limits);
    begin(RECORD_CREATE);
    value_given(clock_wall_seconds());
    return NULL;
}

static void created(struct vm *vm)
{
    if (!records(vm))
        return;
    vm->memory.recorded = true;
    observe_begin(vm->vcpus[0], OBSERVE_RECORD);
    end_device(vm);
}

static void starts(struct vm *vm, const struct entry_state *entry)
{
    if (!records(vm) || !begin(RECORD_START))
        return;
    for (unsigned i = 0; i < sizeof(*entry) / sizeof(uint64_t); i++)
        value_given(((const uint64_t *)entry)[i]);
}

static void started(struct vm *vm)
{
    if (recorder.depth && records(vm))
        end_device(vm);
}

static void close_recording(struct life *life)
{
    struct vm *vm = &life->vm;

    if (records(vm)) {
        recorder.depth = 0;
        clock_hold(0);
        finish(RECORD_VM_OFF);
    }
    if (recorder.life == life) {
        if (record_sink.port)
            serial_release(record_sink.port);
        recorder.life = NULL;
        life->board = board;
        life->recorded = false;
        witness = NULL;
    }
}

const struct life_recorder record_recorder = {.reserve = record_reserve,
                                              .open = open_recording,
                                              .created = created,
                                              .starts = starts,
                                              .started = started,
                                              .close = close_recording};
