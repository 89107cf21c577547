/* The end of the machine: off, or started again. */
#include "hv/host/acpi.h"
#include "hv/host/clock.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/serial.h"
#include "hv/host/x86.h"

#define PM1_SLP_TYP(type) ((uint16_t)((type) << 10))
#define PM1_SLP_EN        0x2000
#define PM1_SCI_EN        0x0001
#define SLEEP_TYPE(type)  ((uint8_t)((type) << 2)) /* ACPI, "Sleep Control and Status Registers" */
#define SLEEP_ENABLE      0x20

static void let_the_console_finish(void)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(serial_ports); i++)
        serial_drain(&serial_ports[i]);
}

static _Noreturn void stop_here(void)
{
    for (;;)
        __asm__ volatile("cli\n hlt");
}

static void write_byte(const struct acpi_register *reg, uint8_t value)
{
    volatile uint8_t *byte;

    if (reg->space == 1)
        outb((uint16_t)reg->address, value);
    if (reg->space != 0)
        return;
    byte = host_map(reg->address, 1, HOST_DEVICE);
    if (byte)
        *byte = value;
}

_Noreturn void machine_power_off(void)
{
    uint16_t a = machine.pm1a_control, b = machine.pm1b_control;

    if (!machine.s5_known || (!a && machine.sleep.space == 0xff))
        log_line("power off: the firmware's ACPI tables have no \\_S5: switch the machine off by hand");
    let_the_console_finish();
    if (machine.s5_known) {
        write_byte(&machine.sleep, SLEEP_TYPE(machine.s5_type_a) | SLEEP_ENABLE);
        if (a)
            outw(a, (inw(a) & PM1_SCI_EN) | PM1_SLP_TYP(machine.s5_type_a) | PM1_SLP_EN);
        if (b)
            outw(b, PM1_SLP_TYP(machine.s5_type_b) | PM1_SLP_EN);
    }
    stop_here();
}

static void wait_a_little(void)
{
    clock_wait(clock_hz() / 20);
}

_Noreturn void machine_reboot(void)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } no_idt = {0, 0};

    let_the_console_finish();
    write_byte(&machine.reset, machine.reset_value);
    wait_a_little();
    outb(0xcf9, 2);
    outb(0xcf9, 6);
    wait_a_little();
    outb(0x64, 0xfe);
    wait_a_little();
    __asm__ volatile("lidt %0\n int3" : : "m"(no_idt));
    stop_here();
}
