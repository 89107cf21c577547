/* What is recorded, and that it comes out of the stream as it went in; damage is told, not believed. */
#include <stdlib.h>
#include <string.h>

#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/host/cpu.h"
#include "hv/host/paging.h"
#include "hv/host/serial.h"
#include "hv/host/timer.h"
#include "hv/host/witness.h"
#include "hv/life/create.h"
#include "hv/life/life.h"
#include "hv/load/load.h"
#include "hv/observe/record.h"
#include "hv/run/work.h"
#include "hv/vm/observe.h"
#include "tests/replay/stream.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/privileged.h"

static struct life life;
static struct config_vm config;
static struct cpu cpu;
static struct record_buffer *buffer;
static struct virt_ops ops;
static uint32_t apic_page[1024];
static uint8_t constant[5] = "CPU!";
static uint64_t vendor_word[4];
static uint8_t devices[64];
static unsigned fired, typed;

/* What the recorder stands on. */

void native_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){leaf, subleaf, 3, 4};
}

void decode_cache_visit(struct vcpu *vcpu)
{
    (void)vcpu;
}

bool console_vm_put(void *owner, uint8_t byte)
{
    (void)owner;
    return byte != 'z';
}

unsigned serial_room(const struct serial *serial)
{
    (void)serial;
    return 16;
}

void serial_send(const struct serial *serial, uint8_t byte)
{
    (void)serial, (void)byte;
}

static unsigned words(uint16_t *numbers)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(vendor_word); i++)
        numbers[i] = (uint16_t)(0x6800 + i);
    return ARRAY_LENGTH(vendor_word);
}

static uint64_t word(struct vcpu *vcpu, uint16_t number)
{
    (void)vcpu;
    return vendor_word[number - 0x6800];
}

static bool serial_input(struct vm *vm, uint8_t byte)
{
    (void)vm;
    typed = byte;
    return true;
}

static void serial_ready(struct vm *vm)
{
    (void)vm;
}

static bool signal_board(struct vm *vm, enum board_signal what, unsigned code)
{
    (void)vm, (void)what, (void)code;
    return true;
}

static const struct board_ops board = {
    .serial_input = serial_input, .serial_ready = serial_ready, .signal = signal_board};

static void expired(struct timer *timer)
{
    (void)timer;
    fired++;
    vcpu_note(core.vcpu, REQUEST_EVENT);
}

static int setup(void **state)
{
    core_setup(state);
    cpu = (struct cpu){.self = &cpu};
    privileged_set_core(&cpu);
    ops = *virt;
    ops.name = "VMX";
    ops.show.words = words;
    ops.show.word = word;
    ops.show.constants[0].at = constant;
    ops.show.constants[0].size = sizeof(constant);
    virt = &ops;
    config = (struct config_vm){
        .name = "a", .memory = MIB(8), .vcpus = 1, .record = {.port = RECORD_TO_MEMORY, .size = KIB(128)}};
    memset(&life, 0, sizeof(life));
    life.config = &config;
    life.board = &board;
    life.devices = devices;
    life.devices_size = sizeof(devices);
    life.vm.life = &life;
    life.vm.vcpus[0] = core.vcpu;
    life.vm.vcpu_count = 1;
    core.vcpu->vm = &life.vm;
    core.vcpu->arch.apic.registers = apic_page;
    core.vcpu->requests = 0;
    memset(vendor_word, 0, sizeof(vendor_word));
    fired = typed = 0;
    record_recorder.reserve(KIB(128)); /* the first alone counts */
    if (!buffer)
        buffer = fake_memory.latest;
    return 0;
}

static int teardown(void **state)
{
    cpu.index = 0;
    record_recorder.close(&life);
    core.vcpu->observed = 0;
    return core_teardown(state);
}

static void begin_recording(void)
{
    fake_now = 1000;
    assert_null(record_recorder.open(&life));
    record_recorder.created(&life.vm);
}

static void exit_at(uint64_t now, uint64_t rip)
{
    fake_now = now;
    vendor_word[2] = rip;
    observe_exit(core.vcpu);
}

/* The recording is found as a person finds it: by its signature. */
static struct stream opened(struct header *header)
{
    struct stream stream;

    assert_memory_equal(buffer->signature, RECORD_SIGNATURE, sizeof(buffer->signature));
    assert_true(stream_open(&stream, buffer->bytes, buffer->used, header));
    return stream;
}

static struct record next_of(struct stream *stream, enum record_tag tag)
{
    struct record record;

    assert_true(stream_next(stream, &record));
    assert_string_equal(stream_tag_name(record.tag), stream_tag_name(tag));
    return record;
}

/* Passes over the making of the VM. */
static struct stream behind_creation(void)
{
    struct header header;
    struct stream stream = opened(&header);

    next_of(&stream, RECORD_CREATE);
    next_of(&stream, RECORD_VALUE);
    next_of(&stream, RECORD_END);
    return stream;
}

static void header_and_inputs_come_out_as_they_went_in(void **state)
{
    struct entry_state entry = {.mode = ENTRY_LONG, .rip = 0x100000, .gdt_limit = 31};
    struct header header;
    struct stream stream;
    struct cpuid_regs regs;
    struct record record;

    (void)state;
    life.limits = (struct cpuid_limits){.xcr0 = 7, .tsc_hz = 5, .physical_bits = 40, .x2apic = true};
    assert_null(record_recorder.open(&life));
    life.cpuid(0xd, 1, &regs);
    record_recorder.created(&life.vm);
    record_recorder.starts(&life.vm, &entry);
    record_recorder.started(&life.vm);
    record_recorder.close(&life);

    stream = opened(&header);
    assert_string_equal(header.vendor, "VMX");
    assert_string_equal(header.name, "a");
    assert_int_equal(header.memory, MIB(8));
    assert_int_equal(header.limits.xcr0, 7);
    assert_int_equal(header.limits.physical_bits, 40);
    assert_true(header.limits.x2apic && !header.limits.rdtscp && header.serial && !header.testdev);
    assert_int_equal(header.constant_sizes[0], sizeof(constant));
    assert_memory_equal(header.constants[0], constant, sizeof(constant));
    assert_int_equal(header.count, ARRAY_LENGTH(vendor_word));
    assert_int_equal(header.numbers[3], 0x6803);

    next_of(&stream, RECORD_CREATE);
    assert_int_equal(next_of(&stream, RECORD_VALUE).value, fake_wall);
    assert_int_equal(next_of(&stream, RECORD_VALUE).value, UINT64_C(0xd) << 32 | 1);
    assert_int_equal(next_of(&stream, RECORD_VALUE).value, UINT64_C(1) << 32 | 0xd);
    assert_int_equal(next_of(&stream, RECORD_VALUE).value, UINT64_C(4) << 32 | 3);
    next_of(&stream, RECORD_END);
    next_of(&stream, RECORD_START);
    for (unsigned i = 0; i < sizeof(entry) / 8; i++) {
        uint64_t part = next_of(&stream, RECORD_VALUE).value;

        assert_memory_equal(&part, (const uint64_t *)&entry + i, 8);
    }
    next_of(&stream, RECORD_END);
    record = next_of(&stream, RECORD_LAST);
    assert_int_equal(record.value, RECORD_VM_OFF);
    assert_int_equal(record.value2, 0);
    assert_false(stream_next(&stream, &record));
    assert_true(stream.ended && !*stream.error);
}

static void an_exit_tells_what_has_changed_since_the_one_before(void **state)
{
    struct stream stream;
    struct record record;
    unsigned word = 0;
    uint64_t difference;
    size_t at = 0;

    (void)state;
    privileged_begin();
    begin_recording();
    exit_at(2000, 0x8000);
    core.vcpu->arch.gpr[REG_RAX] = 5;
    observe_exit_end(core.vcpu, true);
    exit_at(2500, 0x7fff);
    observe_exit_end(core.vcpu, false);
    record_recorder.close(&life);
    privileged_end();

    stream = behind_creation();
    next_of(&stream, RECORD_EXIT);
    record = next_of(&stream, RECORD_END);
    assert_int_equal(record.value, true);
    assert_true(stream_word(&record, &at, &word, &difference));
    assert_int_equal(word - 1, WORD_GPR + REG_RAX);
    assert_int_equal(difference, 5);
    assert_false(stream_word(&record, &at, &word, &difference));
    record = next_of(&stream, RECORD_EXIT);
    assert_int_equal(record.time, 2500);
    at = word = 0;
    assert_true(stream_word(&record, &at, &word, &difference));
    assert_int_equal(word - 1, RECORD_VENDOR + 2);
    assert_int_equal(difference, UINT64_MAX);
    assert_false(stream_word(&record, &at, &word, &difference));
    assert_int_equal(next_of(&stream, RECORD_END).value, false);
    assert_int_equal(next_of(&stream, RECORD_LAST).value2, 2);
}

static void guest_memory_is_told_once_and_again_when_somebody_changed_it(void **state)
{
    uint8_t ram[32] = "page tables and the like";
    struct stream stream;
    struct record record;

    (void)state;
    privileged_begin();
    begin_recording();
    witness->memory(0x1000, ram, 8); /* outside of every region: nothing */
    exit_at(2000, 1);
    witness->memory(0x1000, ram, 8);
    witness->memory(0x1000, ram, 8);
    ram[3] = '!';
    observe_exit_end(core.vcpu, true);
    exit_at(3000, 2);
    witness->memory(0x1000, ram, 8);
    ram[0] = 'P'; /* by the guest, between */
    observe_exit_end(core.vcpu, true);
    exit_at(4000, 2);
    ram[1] = 'A';
    witness->memory(0x1000, ram, 8);
    observe_exit_end(core.vcpu, true);
    privileged_end();

    stream = behind_creation();
    next_of(&stream, RECORD_EXIT);
    record = next_of(&stream, RECORD_MEMORY);
    assert_int_equal(record.value, 0x1000);
    assert_int_equal(record.length, 8);
    assert_memory_equal(record.bytes, "page tab", 8);
    next_of(&stream, RECORD_SAME);
    assert_memory_equal(next_of(&stream, RECORD_WROTE).bytes, "pag! tab", 8);
    next_of(&stream, RECORD_WROTE); /* both looks saw it as it was */
    next_of(&stream, RECORD_END);
    next_of(&stream, RECORD_EXIT);
    next_of(&stream, RECORD_SAME);
    next_of(&stream, RECORD_WROTE);
    next_of(&stream, RECORD_END);
    next_of(&stream, RECORD_EXIT);
    assert_memory_equal(next_of(&stream, RECORD_MEMORY).bytes, "PAg! tab", 8);
}

static void time_stands_still_within_a_region_and_goes_on_in_an_interrupt(void **state)
{
    (void)state;
    privileged_begin();
    begin_recording();
    assert_int_equal(fake_held, 0);
    exit_at(2000, 1);
    assert_int_equal(fake_held, 2000);
    witness->interrupt(true);
    assert_int_equal(fake_held, 0);
    witness->interrupt(false);
    assert_int_equal(fake_held, 2000);
    cpu.index = 1; /* another core's timers are no concern of it */
    witness->interrupt(true);
    assert_int_equal(fake_held, 2000);
    cpu.index = 0;
    observe_exit_end(core.vcpu, true);
    assert_int_equal(fake_held, 0);
    privileged_end();
}

static void a_device_s_timer_is_told_with_what_it_asks_for_and_no_other(void **state)
{
    struct timer *ours = (struct timer *)devices, others = {.expired = expired};
    struct stream stream;
    struct record record;

    (void)state;
    begin_recording();
    *ours = (struct timer){.deadline = 1234, .expired = expired};
    witness->timer(&others);
    core.vcpu->requests = 0;
    fake_now = 1300;
    witness->timer(ours);
    assert_int_equal(fired, 2);

    stream = behind_creation();
    record = next_of(&stream, RECORD_TIMER);
    assert_int_equal(record.time, 1300);
    assert_int_equal(record.value, 1234);
    assert_int_equal(next_of(&stream, RECORD_END).value, REQUEST_EVENT);
    assert_false(stream_next(&stream, &record));
    assert_true(stream.cut && !*stream.error);
}

static void what_comes_from_outside_is_told_on_the_boot_core_alone(void **state)
{
    struct stream stream;
    struct record record;

    (void)state;
    begin_recording();
    cpu.index = 1;
    assert_false(life.board->serial_input(&life.vm, 'x'));
    life.board->serial_ready(&life.vm);
    assert_int_equal(fake_asked.works, 1);
    assert_int_equal(typed, 0);
    cpu.index = 0;
    assert_true(life.board->serial_input(&life.vm, 'x'));
    assert_int_equal(typed, 'x');
    life.board->serial_ready(&life.vm);
    life.board->signal(&life.vm, BOARD_KEY_DOWN, 0xe05a);

    stream = behind_creation();
    assert_int_equal(next_of(&stream, RECORD_INPUT).value, 'x');
    next_of(&stream, RECORD_END);
    next_of(&stream, RECORD_READY);
    next_of(&stream, RECORD_END);
    record = next_of(&stream, RECORD_SIGNAL);
    assert_int_equal(record.value, BOARD_KEY_DOWN);
    assert_int_equal(record.value2, 0xe05a);
    next_of(&stream, RECORD_END);
}

static void requests_are_served_in_a_region_of_their_own_or_in_the_exit_s(void **state)
{
    struct stream stream;

    (void)state;
    privileged_begin();
    begin_recording();
    assert_int_equal(observe_requests(core.vcpu, REQUEST_EVENT), REQUEST_EVENT);
    observe_served(core.vcpu, true);
    exit_at(2000, 1);
    observe_requests(core.vcpu, REQUEST_NMI);
    observe_served(core.vcpu, true);
    assert_true(life.put(NULL, 'a'));
    assert_false(life.put(NULL, 'z'));
    assert_int_equal(witness->value(99), 99);
    observe_exit_end(core.vcpu, true);
    privileged_end();

    stream = behind_creation();
    next_of(&stream, RECORD_RUN);
    assert_int_equal(next_of(&stream, RECORD_REQUESTS).value, REQUEST_EVENT);
    next_of(&stream, RECORD_END);
    next_of(&stream, RECORD_EXIT);
    assert_int_equal(next_of(&stream, RECORD_REQUESTS).value, REQUEST_NMI);
    assert_int_equal(next_of(&stream, RECORD_PUT).value2, true);
    assert_int_equal(next_of(&stream, RECORD_PUT).value2, false);
    assert_int_equal(next_of(&stream, RECORD_VALUE).value, 99);
    next_of(&stream, RECORD_END);
}

static void when_the_room_ends_the_recording_ends_and_the_vm_goes_on(void **state)
{
    struct header header;
    struct stream stream;
    struct record record;
    unsigned exits = 0;

    (void)state;
    privileged_begin();
    begin_recording();
    while (core.vcpu->observed) {
        exit_at(2000 + exits, exits * UINT64_C(0x123456789));
        observe_exit_end(core.vcpu, true);
        exits++;
        assert_true(exits < 100000);
    }
    privileged_end();
    assert_false(life.vm.memory.recorded);
    assert_true(life.board->serial_input(&life.vm, 'y'));
    assert_int_equal(fake_held, 0);
    assert_non_null(strstr(fake_log, "vm : "));
    assert_non_null(strstr(fake_log, "no room for more"));

    stream = opened(&header);
    while (stream_next(&stream, &record))
        if (record.tag == RECORD_LAST) {
            assert_int_equal(record.value, RECORD_FULL);
            assert_int_equal(record.value2, exits - 1);
        }
    assert_true(stream.ended && !*stream.error);
    assert_int_equal(stream.exits, exits - 1);
    assert_true(buffer->used <= buffer->size);
}

static void a_debugger_ends_it(void **state)
{
    (void)state;
    begin_recording();
    life.vm.debug = (struct vm_debug *)devices;
    assert_true(life.board->serial_input(&life.vm, 'y'));
    assert_false(life.vm.memory.recorded);
    assert_non_null(strstr(fake_log, "until a debugger came"));
}

static void what_cannot_be_recorded_is_refused_in_words(void **state)
{
    (void)state;
    config.vcpus = 2;
    assert_non_null(strstr(record_recorder.open(&life), "of one vCPU"));
    config.vcpus = 1;
    config.cpus[0] = 2;
    assert_non_null(strstr(record_recorder.open(&life), "core 0"));
    config.cpus[0] = 3;
    cpu.index = 1;
    assert_non_null(strstr(record_recorder.open(&life), "core 0"));
    cpu.index = 0;
    config.record.port = 1;
    serial_claim(&serial_ports[0], "Keel's console");
    assert_non_null(strstr(record_recorder.open(&life), "COM1 is Keel's console"));
    config.record.port = 2;
    assert_non_null(strstr(record_recorder.open(&life), "no UART"));
    config.record.port = 0;
    assert_null(record_recorder.open(&life));
    assert_false(life.vm.memory.recorded);
    config.record.port = RECORD_TO_MEMORY;
    assert_null(record_recorder.open(&life));
    assert_non_null(strstr(record_recorder.open(&life), "only one VM"));
}

static size_t a_recording(uint8_t **copy, size_t *header_end)
{
    struct header header;
    uint8_t ram[8] = "guest";

    privileged_begin();
    begin_recording();
    for (unsigned i = 0; i < 5; i++) {
        exit_at(2000 + 1000 * i, 0x8000 + 300 * i);
        witness->memory(0x1000 * i, ram, sizeof(ram));
        witness->value(i);
        observe_exit_end(core.vcpu, true);
    }
    record_recorder.close(&life);
    privileged_end();
    *header_end = opened(&header).at;
    *copy = malloc(buffer->used);
    memcpy(*copy, buffer->bytes, buffer->used);
    return buffer->used;
}

static void read_all(struct stream *stream)
{
    struct record record;

    while (stream_next(stream, &record)) {
        size_t at = 0;
        unsigned number = 0;
        uint64_t difference;

        if (record.tag == RECORD_EXIT || record.tag == RECORD_END)
            while (record.bytes && stream_word(&record, &at, &number, &difference))
                assert_true(number <= stream->word_count);
    }
}

static void a_recording_that_is_cut_anywhere_says_so(void **state)
{
    size_t header_end, size;
    struct header header;
    struct stream stream;
    uint8_t *copy;

    (void)state;
    size = a_recording(&copy, &header_end);
    for (size_t length = 0; length < size; length++) {
        uint8_t *part = malloc(MAX(length, 1u)); /* so that a byte too many is seen */

        memcpy(part, copy, length);
        if (stream_open(&stream, part, length, &header))
            read_all(&stream);
        assert_false(stream.ended);
        assert_true(stream.cut || *stream.error);
        free(part);
    }
    free(copy);
}

static void a_changed_byte_is_noticed_wherever_it_is(void **state)
{
    size_t header_end, size;
    struct header header;
    struct stream stream;
    uint8_t *copy;

    (void)state;
    size = a_recording(&copy, &header_end);
    for (size_t at = 0; at < size; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bool opened;

            copy[at] ^= 1 << bit;
            opened = stream_open(&stream, copy, size, &header);
            if (opened)
                read_all(&stream);
            assert_true(!opened || !stream.ended || *stream.error);
            copy[at] ^= 1 << bit;
        }
    free(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(header_and_inputs_come_out_as_they_went_in),
        TEST(an_exit_tells_what_has_changed_since_the_one_before),
        TEST(guest_memory_is_told_once_and_again_when_somebody_changed_it),
        TEST(time_stands_still_within_a_region_and_goes_on_in_an_interrupt),
        TEST(a_device_s_timer_is_told_with_what_it_asks_for_and_no_other),
        TEST(what_comes_from_outside_is_told_on_the_boot_core_alone),
        TEST(requests_are_served_in_a_region_of_their_own_or_in_the_exit_s),
        TEST(when_the_room_ends_the_recording_ends_and_the_vm_goes_on),
        TEST(a_debugger_ends_it),
        TEST(what_cannot_be_recorded_is_refused_in_words),
        TEST(a_recording_that_is_cut_anywhere_says_so),
        TEST(a_changed_byte_is_noticed_wherever_it_is),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
