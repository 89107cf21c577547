/* A recording played: each record of it done again, and compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/board.h"
#include "hv/cpu/native.h"
#include "hv/cpu/virt_state.h"
#include "hv/emulate/emulate.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/timer.h"
#include "hv/life/create.h"
#include "hv/life/life.h"
#include "hv/load/load.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"
#include "svm/exits.h"
#include "svm/ops.h"
#include "svm/vendor.h"
#include "tests/replay/playing.h"
#include "vmx/cr.h"
#include "vmx/exits.h"
#include "vmx/instructions.h"
#include "vmx/ops.h"
#include "vmx/vendor.h"

struct life played_life;
struct header played_header;
uint64_t played_wall;
bool played_entered;
const struct virt_ops *virt;
const struct virt_state *virt_state;

static struct virt_ops ops;
static struct config_vm config;
static bool loaded =
    true; /* the words, since the latest reset; before the first there is nothing to compare */
static bool within_exit;
struct playing playing;

/* Regions. */

static struct record end_region(void)
{
    close_pieces();
    return take_record(RECORD_END);
}

/* Of a device: what it asks of the vCPU must be the same. */
static void end_device(void)
{
    uint64_t here = played_life.vm.vcpus[0]->requests;
    struct record record = end_region();

    if ((here ^ record.value) & ~FROM_OUTSIDE)
        differs("requests behind %s: recorded 0x%lx, here 0x%lx", stream_tag_name(record.region),
                record.value, here);
}

static void fire(uint64_t deadline)
{
    struct timer *timer = machine_timer_due(deadline);
    char armed[160];

    if (!timer) {
        machine_describe_timers(armed, sizeof(armed));
        differs("a timer fired that was armed for %lu; here none is, but for %s", deadline, armed);
    }
    if (timer->lock)
        spin_lock(timer->lock);
    timer->expired(timer);
    if (timer->lock)
        spin_unlock(timer->lock);
}

/* One of those that may also come within an exit. */
static void play_device(const struct record *record)
{
    struct vm *vm = &played_life.vm;

    machine_now = record->time;
    if (record->tag == RECORD_TIMER)
        fire(record->value);
    else if (record->tag == RECORD_INPUT)
        board_serial_input(vm, (uint8_t)record->value);
    else if (record->tag == RECORD_SIGNAL && record->value <= BOARD_INTERRUPT)
        pc_board.signal(vm, (enum board_signal)record->value, (unsigned)record->value2);
    else
        board_serial_ready(vm);
    end_device();
}

static bool is_device(enum record_tag tag)
{
    return tag >= RECORD_TIMER && tag <= RECORD_SIGNAL;
}

void play_pending(void)
{
    struct record record;

    while (is_device((record = peek_record()).tag)) {
        record = next_record();
        play_device(&record);
    }
    if (record.tag == RECORD_REQUESTS)
        vcpu_note(played_life.vm.vcpus[0], record.value & FROM_OUTSIDE);
}

static void play_exit(const struct record *record)
{
    struct vcpu *vcpu = played_life.vm.vcpus[0];
    struct record end;
    bool goes_on;

    take_words(record);
    load_words(vcpu);
    loaded = within_exit = true;
    played_entered = true;
    if (is_vmx())
        vmx_handle_exit(vcpu);
    else
        svm_handle_exit(vcpu);
    goes_on = played_entered;
    within_exit = false;
    end = end_region();
    take_words(&end);
    compare_words(vcpu, NULL);
    if (end.value != goes_on)
        differs("recorded: the guest %s; here it %s", end.value ? "goes on" : "does not go on",
                goes_on ? "does" : "does not");
}

static void play_run(const struct record *record)
{
    struct vcpu *vcpu = played_life.vm.vcpus[0];
    struct record end;

    playing.in_exit = false;
    take_words(record);
    if (!loaded)
        compare_words(vcpu, is_machines_own);
    loaded = true;
    load_words(vcpu);
    vcpu_note(vcpu, peek_record().value & FROM_OUTSIDE);
    played_entered = false;
    virt->run.enter(vcpu);
    end = end_region();
    take_words(&end);
    compare_words(vcpu, NULL);
    if (end.value != played_entered)
        differs("recorded: the guest is %sentered; here it is %s", end.value ? "" : "not ",
                played_entered ? "" : "not");
}

static bool (*true_read)(struct device *device, uint64_t offset, unsigned size, uint64_t *value);

static bool flip_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    bool answered = true_read(device, offset, size, value);

    *value ^= BIT(playing.wish->bit);
    return answered;
}

static bool flip_on(const struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++) {
        struct bus_range *range = (struct bus_range *)&bus->ranges[i]; /* the board's own, which may change */

        if (strcmp(range->device->name, playing.wish->flipped) != 0 || !range->read)
            continue;
        true_read = range->read;
        range->read = flip_read;
        return true;
    }
    return false;
}

static void create(void)
{
    struct life *life = &played_life;

    playing.begun = playing.stream.time;
    played_wall = take_record(RECORD_VALUE).value;
    if (!life_create(life))
        differs("here the VM cannot be made");
    end_device();
    if (playing.wish->flipped && !flip_on(&life->vm.ports) && !flip_on(&life->vm.mmio)) {
        printf("there is no device %s to read from\n", playing.wish->flipped);
        end_with(NOT_A_RECORDING);
    }
}

static void start(void)
{
    loaded = playing.in_exit = false;
    board_stop(&played_life.vm); /* as life.c did at the end of its run before */
    if (!life_load(&played_life))
        differs("here the VM cannot be started");
    this_cpu()->current = played_life.vm.vcpus[0]; /* the only one that there is */
    end_device();
}

static void play_region(const struct record *record)
{
    machine_now = record->time;
    if (is_device(record->tag)) {
        playing.in_exit = false;
        play_device(record);
        return;
    }
    switch (record->tag) {
    case RECORD_CREATE:
        create();
        break;
    case RECORD_START:
        start();
        break;
    case RECORD_EXIT:
        play_exit(record);
        break;
    default:
        play_run(record);
        break;
    }
}

static void limits(struct cpuid_limits *out)
{
    *out = played_header.limits;
}

/* The vendor as the header has it. Returns false, and says so, if it is none of ours. */
static bool choose_vendor(void)
{
    static const struct virt_ops *const vendors[] = {&vmx_ops, &svm_ops};

    for (unsigned i = 0; i < ARRAY_LENGTH(vendors); i++)
        if (strcmp(vendors[i]->name, played_header.vendor) == 0)
            ops = *vendors[i];
    virt = &ops;
    virt_state = ops.state;
    life_recorder = &replay_recorder;
    if (!ops.name) {
        printf("It is a recording of %s, which this program does not know.\n", played_header.vendor);
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(ops.show.constants); i++) {
        if (ops.show.constants[i].size != played_header.constant_sizes[i]) {
            printf("It was recorded by another version of Keel: %lu bytes tell of the CPU, %zu are wanted. "
                   "Record anew.\n",
                   played_header.constant_sizes[i], ops.show.constants[i].size);
            return false;
        }
        if (ops.show.constants[i].size)
            memcpy(ops.show.constants[i].at, played_header.constants[i], ops.show.constants[i].size);
    }
    ops.lifecycle.limits = limits;
    return true;
}

static void prepare(void)
{
    struct cpuid_limits limits = {0};

    config = (struct config_vm){.memory = played_header.memory,
                                .vcpus = 1,
                                .testdev = played_header.testdev,
                                .serial = played_header.serial ? SERIAL_CONSOLE : SERIAL_NONE,
                                .record = {.port = RECORD_TO_MEMORY}};
    memcpy(config.name, played_header.name, sizeof(config.name) - 1);
    played_life.config = &config;
    played_life.board = &pc_board;
    played_life.number = 1;
    machine_start();
    if (is_vmx()) {
        virt->lifecycle.limits(&limits);
        vmx_cr_init(&limits);
        vmx_name_exits();
    } else {
        svm_name_exits();
    }
}

/* Reads all of it first: what is damaged is told before anything is believed. */
static bool check(const uint8_t *bytes, size_t size)
{
    struct record record;

    while (stream_next(&playing.stream, &record))
        ;
    playing.total_exits = playing.stream.exits;
    if (!*playing.stream.error || playing.stream.cut)
        return stream_open(&playing.stream, bytes, size, &played_header);
    printf("The recording is damaged: %s.\n", playing.stream.error);
    return false;
}

static void play_all(void)
{
    struct record record;

    record = take_record(RECORD_CREATE);
    play_region(&record);
    while ((record = next_record()).tag != RECORD_LAST)
        play_region(&record);
    printf("%lu exits replayed, no difference%s\n", playing.stream.exits,
           record.value == RECORD_VM_OFF ? "" : ": the recording ended before the VM");
}

enum outcome play(const uint8_t *bytes, size_t size, const struct wish *wish)
{
    playing.wish = wish;
    if (!stream_open(&playing.stream, bytes, size, &played_header)) {
        printf("%s\n", playing.stream.error);
        return NOT_A_RECORDING;
    }
    if (!check(bytes, size) || !choose_vendor())
        return NOT_A_RECORDING;
    playing.outcome = SAME;
    if (!setjmp(playing.over)) {
        prepare();
        play_all();
    }
    return playing.outcome;
}
