/* The end of the machine: off, or started again. */
#include "hv/host/acpi.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/serial.h"
#include "hv/host/x86.h"

#define PM1_SLP_TYP(type) ((uint16_t)((type) << 10))
#define PM1_SLP_EN        0x2000
#define PM1_SCI_EN        0x0001

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

_Noreturn void machine_power_off(void)
{
    if (!machine.s5_known || !machine.pm1a_control) {
        log_line("power off: the firmware's ACPI tables have no \\_S5: switch the machine off by hand");
        let_the_console_finish();
        stop_here();
    }
    let_the_console_finish();
    outw(machine.pm1a_control,
         (inw(machine.pm1a_control) & PM1_SCI_EN) | PM1_SLP_TYP(machine.s5_type_a) | PM1_SLP_EN);
    if (machine.pm1b_control)
        outw(machine.pm1b_control, PM1_SLP_TYP(machine.s5_type_b) | PM1_SLP_EN);
    stop_here();
}

static void wait_a_little(void)
{
    for (unsigned i = 0; i < 100000; i++)
        inb(0x80);
}

_Noreturn void machine_reboot(void)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } no_idt = {0, 0};

    let_the_console_finish();
    if (machine.reset.space == 1)
        outb((uint16_t)machine.reset.address, machine.reset.value);
    wait_a_little();
    outb(0xcf9, 2);
    outb(0xcf9, 6);
    wait_a_little();
    outb(0x64, 0xfe);
    wait_a_little();
    __asm__ volatile("lidt %0\n int3" : : "m"(no_idt));
    stop_here();
}
