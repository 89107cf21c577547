/* The end of the machine: off, or started again. */
#include "hv/host/acpi.h"
#include "hv/host/clock.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/serial.h"
#include "hv/host/wait.h"

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
    halt_for_ever();
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

/* Any exception resets the machine from here on. */
static void forget_exceptions(void)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } no_idt = {0, 0};

    __asm__ volatile("lidt %0" : : "m"(no_idt));
}

/* UEFI, "ResetSystem()". */
enum efi_reset { EFI_RESET_COLD = 0, EFI_RESET_SHUTDOWN = 2 };

/*
 * Calls ResetSystem in an address space that has EFI's run-time services where they were loaded, and Keel. No
 * page is writable and executable there: firmware that wants one is left out (efi_runtime_read). Comes back
 * if it does not work.
 */
static void end_by_efi(enum efi_reset how)
{
    static const struct {
        unsigned access, type;
    } kinds[] = {[EFI_CODE] = {TABLE_READ | TABLE_EXECUTE, PAT_WB},
                 [EFI_CONSTANTS] = {TABLE_READ, PAT_WB},
                 [EFI_DATA] = {TABLE_READ | TABLE_WRITE, PAT_WB},
                 [EFI_DEVICE] = {TABLE_READ | TABLE_WRITE, PAT_UC}};
    const struct efi_runtime *efi = machine.efi;
    struct table space;

    if (!efi || !efi->reset || !guest_space_create(&space))
        return;
    for (unsigned i = 0; i < efi->count; i++) {
        const struct efi_runtime_range *range = &efi->ranges[i];

        if (!table_map(&space, range->first, range->first, range->size, kinds[range->access].access,
                       kinds[range->access].type))
            return;
    }
    write_cr4(read_cr4() | CR4_OSFXSR); /* its compiler may use SSE */
    write_cr3(space.root);
    ((__attribute__((ms_abi)) void (*)(uint64_t, uint64_t, uint64_t, void *))efi->reset)(how, 0, 0, NULL);
}

_Noreturn void machine_power_off(void)
{
    uint16_t a = machine.pm1a_control, b = machine.pm1b_control;

    let_the_console_finish();
    if (machine.s5_known) {
        write_byte(&machine.sleep, SLEEP_TYPE(machine.s5_type_a) | SLEEP_ENABLE);
        if (a)
            outw(a, (inw(a) & PM1_SCI_EN) | PM1_SLP_TYP(machine.s5_type_a) | PM1_SLP_EN);
        if (b)
            outw(b, PM1_SLP_TYP(machine.s5_type_b) | PM1_SLP_EN);
        clock_wait(clock_hz());
    }
    end_by_efi(EFI_RESET_SHUTDOWN);
    log_line(
        "power off: neither \\_S5 of the firmware's ACPI tables nor EFI does it: switch the machine off by "
        "hand");
    let_the_console_finish();
    stop_here();
}

static void wait_a_little(void)
{
    clock_wait(clock_hz() / 20);
}

_Noreturn void machine_reboot(void)
{
    let_the_console_finish();
    write_byte(&machine.reset, machine.reset_value);
    wait_a_little();
    outb(0xcf9, 2);
    outb(0xcf9, 6);
    wait_a_little();
    outb(0x64, 0xfe);
    wait_a_little();
    forget_exceptions();
    end_by_efi(EFI_RESET_COLD);
    __asm__ volatile("int3");
    stop_here();
}
