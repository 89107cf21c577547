/* Two VMs at the console, and the serial ports of a machine made of arrays. */
#pragma once

#include "tests/unit/fake.h"
#include "tests/unit/host/host_uart.h"

#include <stdio.h>

#include "hv/console/console.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/life/life.h"

/* The machine's interrupts: what Keel asked for. */
struct cpu *cpus[CPUS_MOST];
static void (*serial_handler)(void);
static bool routable;
static unsigned routed_irq;

void interrupts_handle(uint8_t vector, void (*handler)(void))
{
    assert_int_equal(vector, VECTOR_SERIAL);
    serial_handler = handler;
}

bool ioapic_route(unsigned irq, uint8_t vector, uint32_t apic_id)
{
    assert_int_equal(vector, VECTOR_SERIAL);
    assert_int_equal(apic_id, 7);
    routed_irq = irq;
    return routable;
}

/* Two VMs at the console: what each was typed. */
static struct vm vms[2];
static char heard[2][8192];
static unsigned heard_count[2], room[2];

static inline bool input(struct vm *vm, uint8_t byte)
{
    unsigned i = vm == &vms[1];

    if (heard_count[i] == room[i])
        return false;
    heard[i][heard_count[i]++] = (char)byte;
    return true;
}

static struct console_client one, two;
#define port        serial_ports[0]
#define second_port serial_ports[1]

/* The table of VMs. */
static unsigned vm_count;
static bool silent; /* they have `serial = none` */

static inline bool vms_by_number(unsigned number, struct console_vm *info)
{
    static const char *const names[] = {"one", "two"}, *const states[] = {"running", "paused"};

    if (number < 1 || number > vm_count)
        return false;
    *info =
        (struct console_vm){.name = number <= 2 ? names[number - 1] : "more",
                            .state = number > 2 || (number == 2 && !two.place) ? "off" : states[number - 1],
                            .shares = !silent && (number == one.number || number == two.number)};
    return true;
}

static bool is_ready[2];

static inline void ready(struct vm *vm)
{
    is_ready[vm == &vms[1]] = true;
}

static inline void begin(void)
{
    fake_reset();
    console_detach(&one); /* of a test that failed */
    console_detach(&two);
    host_uarts_begin(0x3f8, 0x2f8);
    serial_init(&port, 115200);
    serial_init(&second_port, 115200);
    console_finish(); /* a test may have ended with the queue on */
    console_init(&port);
    console_set_escape(']' & 0x1f);
    console_write("-\n", 2); /* whatever another test left open */
    host_uarts[0].sent_count = 0;
    memset(host_uarts[0].sent, 0, sizeof(host_uarts[0].sent));
    one = (struct console_client){
        .vm = &vms[0], .name = "one", .number = 1, .held = -1, .input = input, .ready = ready};
    two = (struct console_client){
        .vm = &vms[1], .name = "two", .number = 2, .held = -1, .input = input, .ready = ready};
    vm_count = 2;
    console_vms = vms_by_number;
    silent = false;
    room[0] = room[1] = sizeof(heard[0]);
    is_ready[0] = is_ready[1] = false;
    console_attach(&one);
    console_attach(&two);
    console_poll(); /* what was typed for nobody */
    heard_count[0] = heard_count[1] = 0;
}

static inline void end(void)
{
    console_detach(&one);
    console_detach(&two);
    host_uarts[0].wired = host_uarts[1].wired = false;
    fake_run_until(fake_now + fake_hz); /* a retry finds nothing */
    privileged_end();
}

static inline void say(struct console_client *client, const char *text)
{
    for (; *text; text++)
        console_vm_put(client, (uint8_t)*text);
}

/* What has been sent since the last time. */
static inline void expect(const char *text)
{
    struct host_uart *uart = &host_uarts[0];

    uart->sent[uart->sent_count] = 0;
    assert_string_equal(uart->sent, text);
    uart->sent_count = 0;
}
