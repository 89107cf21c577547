/* What a replay says where it parts from the recording, and the records one after another. */
#include <stdarg.h>
#include <stdio.h>

#include "hv/vm/vm.h"
#include "tests/replay/playing.h"

static const struct bus_range *range_with(const struct bus *bus, uint32_t stat_at)
{
    for (unsigned i = 0; i < bus->count; i++)
        if (bus->ranges[i].stat_at == stat_at)
            return &bus->ranges[i];
    return NULL;
}

static void print_device(const struct vcpu *vcpu)
{
    const struct bus_range *ports = range_with(&vcpu->vm->ports, vcpu->stat_at),
                           *memory = range_with(&vcpu->vm->mmio, vcpu->stat_at),
                           *range = ports ? ports : memory;

    if (range)
        printf("  device   %s, %s 0x%lx to 0x%lx\n", range->device->name, ports ? "ports" : "memory",
               range->first, range->last);
    else if (vcpu->local.device && vcpu->stat_at == vcpu->local.stat_at)
        printf("  device   the local APIC\n");
}

void print_exit(void)
{
    const struct exit_details *exit = &playing.exit;

    printf("%s (%u) at rip 0x%lx, qualification 0x%lx", virt->show.exit_name(exit->reason), exit->reason,
           exit->rip, exit->qualification);
    if (exit->about == ABOUT_PORT)
        printf(", port 0x%lx, %u byte%s %s", exit->operand, exit->size, exit->size == 1 ? "" : "s",
               exit->reads ? "in" : "out");
    else if (exit->about != ABOUT_NOTHING)
        printf(", operand 0x%lx", exit->operand);
    printf("\n");
}

void print_place(void)
{
    printf("The replay differs at exit %lu of %lu", playing.stream.exits, playing.total_exits);
    if (played_header.clock_hz)
        printf(", %.6f s after the VM was made",
               (double)(playing.stream.time - playing.begun) / (double)played_header.clock_hz);
    printf(".\n");
    if (!playing.in_exit)
        return;
    printf("  exit     ");
    print_exit();
    print_device(played_life.vm.vcpus[0]);
}

_Noreturn void end_with(enum outcome outcome)
{
    playing.outcome = outcome;
    longjmp(playing.over, 1);
}

_Noreturn void differs(const char *format, ...)
{
    va_list arguments;

    print_place();
    printf("  what     ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    end_with(DIFFERENT);
}

/* The stream has nothing more to give. */
static _Noreturn void stop(void)
{
    if (*playing.stream.error && !playing.stream.cut) {
        printf("The recording is damaged: %s. Up to there, %lu exits replayed, no difference.\n",
               playing.stream.error, playing.stream.exits);
        end_with(NOT_A_RECORDING);
    } else {
        printf("The recording ends at byte %zu without its end mark: the machine was stopped, or bytes were "
               "lost. Up to "
               "there, %lu exits replayed, no difference.\n",
               playing.stream.size, playing.stream.exits);
        end_with(CUT_SHORT);
    }
}

struct record next_record(void)
{
    struct record record;

    if (!stream_next(&playing.stream, &record))
        stop();
    return record;
}

/* RECORD_LAST where there is no other. */
struct record peek_record(void)
{
    struct stream copy = playing.stream;
    struct record record;

    if (!stream_next(&copy, &record))
        record.tag = RECORD_LAST;
    return record;
}

struct record take_record(enum record_tag tag)
{
    struct record record = next_record();

    if (record.tag != tag)
        differs("here comes %s; recorded was %s", stream_tag_name(tag), stream_tag_name(record.tag));
    return record;
}
