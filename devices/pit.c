/*
 * 8254 (Intel's data sheet of the 82C54). Nothing ticks: the CLK pulses since the machine started are
 * computed from its clock, and a counter is carried over any number of them from one event to the next, whole
 * periods at once. Times never depend on earlier roundings, so there is no drift.
 *
 * OUT 0 is IRQ 0. A timer delivers each of its rising edges, if anybody hears them; a fall is shown to the
 * line just before the next rise, or when the guest writes to the counter, because no PC's controller looks
 * at it in between.
 */
#include "devices/pit.h"

#include "devices/pit_counter.h"
#include "hv/host/clock.h"
#include "hv/lib/arith.h"
#include "hv/run/vm_timer.h"
#include "hv/vm/vm.h"

#define ACCESS_LOW       1
#define ACCESS_HIGH      2

#define READ_BACK        3 /* in the control word's counter field */
#define NOT_COUNT        BIT(5)
#define NOT_STATUS       BIT(4)

#define STATUS_OUT       BIT(7)
#define STATUS_NULL      BIT(6)

#define PORT_GATE_2      BIT(0)
#define PORT_REFRESH     BIT(4)
#define PORT_OUT_2       BIT(5)
#define PORT_WRITABLE    0x0f /* gate 2, speaker, and two enables of NMI sources that a VM does not have */
#define REFRESH_CLOCKS   18   /* 15.085 us */

/*
 * Edges that come late (the vCPU was not served) are delivered a quarter of a period apart, which leaves the
 * guest time to take each, until the line has caught up. No two edges of a periodic mode are ever closer than
 * 1/50000 s, and what is more than a second late is dropped: however fast a guest lets the counter run, it
 * gets to execute between its interrupts. Where no vCPU of the VM is served the line has had its edge: the
 * next ones are no news, and come this seldom.
 */
#define CATCH_UP_DIVISOR 4
#define EDGES_MOST_HZ    50000
#define LATE_MOST_CLOCKS PIT_HZ
#define EDGES_AWAY_HZ    100

static inline uint64_t pit_clock(void)
{
    return mul_div(clock_now(), PIT_HZ, clock_hz());
}

/* The first moment at which pit_clock() has reached `clock`. */
static inline uint64_t time_of(uint64_t clock)
{
    uint64_t time = mul_div(clock, clock_hz(), PIT_HZ);

    return mul_div(time, PIT_HZ, clock_hz()) < clock ? time + 1 : time;
}

/* The CLK pulse of the next rising edge of OUT if the guest does nothing, or PIT_NEVER. */
static uint64_t next_rise(struct pit_counter counter)
{
    for (unsigned events = 0; events < 4; events++) { /* load, fall, rise: no mode needs more */
        uint32_t next = pit_next_event(&counter);
        bool was = counter.out;

        if (next == 0)
            break;
        pit_advance(&counter, counter.at + next);
        if (!was && counter.out)
            return counter.at;
    }
    return PIT_NEVER;
}

static void schedule(struct pit *pit, uint64_t not_before)
{
    if (pit->edge == PIT_NEVER || !irq_line_heard(&pit->irq))
        timer_cancel(&pit->timer);
    else
        timer_arm(&pit->timer, MAX(time_of(pit->edge), not_before));
}

static void show_edge(struct pit *pit)
{
    irq_line_set(&pit->irq, false);
    irq_line_set(&pit->irq, true);
}

/* The edges until now were one to the line: nobody took any of them. */
static void pass_edges(struct pit *pit, uint64_t clock)
{
    const struct pit_counter *counter = &pit->counters[0];

    if (pit->edge > clock)
        return;
    if (!pit_is_periodic(counter) || counter->initial == 1)
        pit->edge = PIT_NEVER;
    else
        pit->edge += ((clock - pit->edge) / counter->initial + 1) * counter->initial;
}

void pit_update(struct pit *pit)
{
    uint64_t clock = pit_clock();

    if (timer_armed(&pit->timer))
        return;
    if (pit->edge <= clock)
        show_edge(pit);
    pass_edges(pit, clock);
    schedule(pit, 0);
}

void pit_resume(struct pit *pit)
{
    if (!pit->away)
        return;
    pit->away = false;
    pass_edges(pit, pit_clock());
    schedule(pit, 0);
}

static void edge_due(struct timer *timer)
{
    struct pit *pit = container_of(timer, struct pit, timer);
    struct pit_counter *counter = &pit->counters[0];
    uint64_t now = clock_now(), clock = pit_clock(), gap = clock_hz() / EDGES_MOST_HZ;

    if (pit->edge > clock) { /* another core has changed the counter while this one waited for the lock */
        schedule(pit, 0);
        return;
    }
    show_edge(pit);
    if (!pit_is_periodic(counter) || counter->initial == 1) {
        pit->edge = PIT_NEVER;
    } else {
        pit->edge += counter->initial;
        if (pit->edge + LATE_MOST_CLOCKS < clock) {
            uint64_t too_late = clock - LATE_MOST_CLOCKS - pit->edge;
            pit->edge += too_late - too_late % counter->initial;
        }
        gap = MAX(gap, time_of(counter->initial / CATCH_UP_DIVISOR));
    }
    if (!vm_timer_at_home(pit->vm, NULL)) {
        pit->away = true;
        gap = clock_hz() / EDGES_AWAY_HZ;
    }
    schedule(pit, now + gap);
}

/* Before and after each change that the guest makes to a counter: brings it up to date, and its line. */
static void begin_change(struct pit *pit, struct pit_counter *counter)
{
    pit_advance(counter, pit_clock());
    counter->quiet_until = 0;
    if (counter != &pit->counters[0])
        return;
    if (pit->edge <= counter->at)
        show_edge(pit); /* due, but the timer has not come round yet */
    irq_line_set(&pit->irq, counter->out);
}

static void end_change(struct pit *pit, struct pit_counter *counter)
{
    if (counter != &pit->counters[0])
        return;
    irq_line_set(&pit->irq, counter->out);
    pit->edge = next_rise(*counter);
    schedule(pit, 0);
}

/* The counting element as the guest reads it. */
static inline uint16_t visible_count(const struct pit_counter *counter)
{
    uint32_t count = counter->count;

    if (!(counter->control & 1))
        return (uint16_t)count;
    return (count / 1000 % 10) << 12 | (count / 100 % 10) << 8 | (count / 10 % 10) << 4 | count % 10;
}

/* A latch that is still to be read is not overwritten. */
static void latch_count(struct pit_counter *counter)
{
    if (counter->latched)
        return;
    counter->latch = visible_count(counter);
    counter->latched = true;
}

static void latch_status(struct pit_counter *counter)
{
    if (counter->status_latched)
        return;
    counter->status =
        counter->control | (counter->out ? STATUS_OUT : 0) | (counter->null_count ? STATUS_NULL : 0);
    counter->status_latched = true;
}

static uint8_t read_counter(struct pit_counter *counter)
{
    unsigned access = counter->control >> 4;
    uint16_t value;
    bool high;

    if (counter->status_latched) { /* comes first, whichever was latched first */
        counter->status_latched = false;
        return counter->status;
    }
    pit_advance(counter, pit_clock());
    value = counter->latched ? counter->latch : visible_count(counter);
    if (access == ACCESS_LOW || access == ACCESS_HIGH) {
        high = access == ACCESS_HIGH;
        counter->latched = false;
    } else {
        high = counter->half_read;
        counter->half_read = !high;
        if (high)
            counter->latched = false;
    }
    return high ? value >> 8 : value & 0xff;
}

static void write_counter(struct pit *pit, struct pit_counter *counter, uint8_t value)
{
    unsigned access = counter->control >> 4;

    begin_change(pit, counter);
    if (access == ACCESS_LOW) {
        pit_set_initial(counter, value);
    } else if (access == ACCESS_HIGH) {
        pit_set_initial(counter, value << 8);
    } else if (counter->half_written) {
        counter->half_written = false;
        pit_set_initial(counter, value << 8 | counter->low_byte);
    } else {
        counter->half_written = true;
        counter->low_byte = value;
        if (pit_mode(counter) == 0)
            counter->out = false; /* the first byte also stops the counting */
    }
    end_change(pit, counter);
}

static void write_control(struct pit *pit, uint8_t value)
{
    unsigned select = value >> 6;

    if (select == READ_BACK) {
        for (unsigned i = 0; i < ARRAY_LENGTH(pit->counters); i++) {
            if (!(value & BIT(i + 1)))
                continue;
            pit_advance(&pit->counters[i], pit_clock());
            if (!(value & NOT_COUNT))
                latch_count(&pit->counters[i]);
            if (!(value & NOT_STATUS))
                latch_status(&pit->counters[i]);
        }
    } else if (!(value & 0x30)) {
        pit_advance(&pit->counters[select], pit_clock());
        latch_count(&pit->counters[select]);
    } else {
        begin_change(pit, &pit->counters[select]);
        pit_set_control(&pit->counters[select], value);
        end_change(pit, &pit->counters[select]);
    }
}

/* The control register cannot be read: the chip leaves the bus alone. */
static bool counters_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct pit *pit = device->state;
    struct pit_counter *counter;

    (void)size;
    if (offset >= ARRAY_LENGTH(pit->counters))
        return false;
    counter = &pit->counters[offset];
    HIDE_ORIGIN(counter); /* one register instead of three */
    *value = read_counter(counter);
    return true;
}

static bool counters_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *pit = device->state;

    (void)size;
    if (offset < ARRAY_LENGTH(pit->counters))
        write_counter(pit, &pit->counters[offset], (uint8_t)value);
    else
        write_control(pit, (uint8_t)value);
    return true;
}

static bool control_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct pit *pit = device->state;
    uint64_t clock = pit_clock();

    (void)offset, (void)size;
    pit_advance(&pit->counters[2], clock);
    *value = pit->port_control | (clock / REFRESH_CLOCKS & 1 ? PORT_REFRESH : 0) |
             (pit->counters[2].out ? PORT_OUT_2 : 0);
    return true;
}

static bool control_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *pit = device->state;

    (void)offset, (void)size;
    pit->port_control = value & PORT_WRITABLE;
    begin_change(pit, &pit->counters[2]);
    pit_set_gate(&pit->counters[2], value & PORT_GATE_2);
    return true;
}

/*
 * The chip has no reset and starts undefined. A VM runs no firmware that would set it up, so it starts as
 * firmware leaves it: 18.2 ticks a second from counter 0, the refresh rate in counter 1, the speaker silent.
 */
static void pit_reset(struct device *device)
{
    static const uint8_t controls[] = {0x36, 0x54, 0xb6};
    static const uint16_t counts[] = {0, REFRESH_CLOCKS, 0};
    struct pit *pit = device->state;

    for (unsigned i = 0; i < ARRAY_LENGTH(pit->counters); i++) {
        pit->counters[i] = (struct pit_counter){.at = pit_clock(), .gate = i != 2};
        pit_set_control(&pit->counters[i], controls[i]);
        pit_set_initial(&pit->counters[i], counts[i]);
    }
    pit->port_control = 0;
    end_change(pit, &pit->counters[0]);
}

bool pit_may_raise(const void *state)
{
    const struct pit *pit = state;

    return next_rise(pit->counters[0]) != PIT_NEVER;
}

static void counters_describe(struct device *device, struct writer *out)
{
    struct pit *pit = device->state;

    for (unsigned i = 0; i < ARRAY_LENGTH(pit->counters); i++) {
        struct pit_counter now = pit->counters[i];

        pit_advance(&now, pit_clock());
        print_to(out, "counter %u: mode %u%s access %u initial %u count %u out %u gate %u%s%s\n", i,
                 pit_mode(&now), now.control & 1 ? " bcd" : "", now.control >> 4, now.initial, now.count,
                 now.out, now.gate, now.null_count ? " null" : "", pit_is_counting(&now) ? "" : " stopped");
    }
}

static void control_describe(struct device *device, struct writer *out)
{
    const struct pit *pit = device->state;

    print_to(out, "gate 2 %u speaker %u\n", pit->port_control & 1, pit->port_control >> 1 & 1);
}

static const struct device_ops counters_ops = {
    .read = counters_read,
    .write = counters_write,
    .reset = pit_reset,
    .describe = counters_describe,
    .width = 1,
};

static const struct device_ops control_ops = {
    .read = control_read,
    .write = control_write,
    .describe = control_describe,
    .width = 1,
};

void pit_init(struct pit *pit, struct vm *vm)
{
    *pit = (struct pit){
        .counter_ports = {.name = "pit", .ops = &counters_ops, .state = pit, .lock = &vm->lock},
        .control_port = {.name = "pit gate", .ops = &control_ops, .state = pit, .lock = &vm->lock},
        .vm = vm,
        .timer = {.expired = edge_due, .lock = &vm->lock},
        .edge = PIT_NEVER,
    };
}
