/* How the machine ends: which registers are written, in which order. */
#include "tests/unit/fake.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hv/host/acpi.h"
#include "hv/host/paging.h"
#include "tests/unit/privileged.h"

struct machine machine;
struct serial serial_ports[SERIAL_ACPI + 1];
static unsigned drained;

void serial_drain(const struct serial *serial)
{
    assert_ptr_equal(serial, &serial_ports[drained++ % (SERIAL_ACPI + 1)]);
}

static sigjmp_buf over;
static unsigned waits;

void clock_wait(uint64_t ticks)
{
    assert_true(ticks > 0);
    waits++;
}

static void halted(void)
{
    siglongjmp(over, 1);
}

/* INT3 without an IDT. */
static void triple_fault(int number)
{
    (void)number;
    assert_int_equal(privileged.idts, 1);
    siglongjmp(over, 2);
}

static uint8_t in_memory;

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    assert_int_equal(physical, 0xfed00000);
    assert_int_equal(size, 1);
    assert_int_equal(mapping, HOST_DEVICE);
    return &in_memory;
}

static char written[256];

/* EFI's address space: what is mapped in it, and ResetSystem. */
#define ROOT 0x5000

static char efi_mapped[512];
static uint64_t efi_calls, efi_how;

bool guest_space_create(struct table *space)
{
    space->root = ROOT;
    return true;
}

bool table_map(struct table *table, uint64_t from, uint64_t to, uint64_t length, unsigned access,
               unsigned memory_type)
{
    size_t used = strlen(efi_mapped);

    assert_int_equal(table->root, ROOT);
    assert_int_equal(from, to);
    snprintf(efi_mapped + used, sizeof(efi_mapped) - used, "%lx+%lx %c%c%c%u, ", from, length,
             access & TABLE_READ ? 'r' : '-', access & TABLE_WRITE ? 'w' : '-',
             access & TABLE_EXECUTE ? 'x' : '-', memory_type);
    return from < GIB(8);
}

static __attribute__((ms_abi)) void reset_system(uint64_t how, uint64_t status, uint64_t size, void *data)
{
    assert_int_equal(privileged.cr[3], ROOT);
    assert_true(privileged.cr[4] & BIT(9));
    assert_int_equal(status, 0);
    assert_int_equal(size, 0);
    assert_null(data);
    efi_how = how;
    efi_calls++;
}

static struct efi_runtime efi;

static uint32_t in(uint16_t port, unsigned size)
{
    assert_int_equal(port, 0x404);
    assert_int_equal(size, 2);
    return 0xffff;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    size_t used = strlen(written);

    snprintf(written + used, sizeof(written) - used, "%x=%0*x ", port, (int)size * 2, value);
}

static void begin(void)
{
    fake_reset();
    memset(&machine, 0, sizeof(machine));
    machine.sleep.space = machine.reset.space = 0xff;
    written[0] = 0;
    drained = waits = in_memory = 0;
    efi = (struct efi_runtime){.ranges = {{0x1000, 0x2000, EFI_CODE},
                                          {0x3000, 0x1000, EFI_CONSTANTS},
                                          {0x4000, 0x1000, EFI_DATA},
                                          {0xffc00000, 0x1000, EFI_DEVICE}},
                               .count = 4};
    efi_mapped[0] = 0;
    efi_calls = efi_how = 0;
    machine.efi = &efi;
    privileged_begin();
    privileged.in = in;
    privileged.out = out;
    privileged.halt = halted;
}

static const char *end_by(void (*ending)(void))
{
    signal(SIGTRAP, triple_fault);
    if (!sigsetjmp(over, 1))
        ending();
    privileged_end();
    signal(SIGTRAP, SIG_DFL);
    assert_true(drained >= SERIAL_ACPI + 1);
    return written;
}

static void power_goes_off_by_pm1_control(void **state)
{
    (void)state;
    begin();
    machine.s5_known = true;
    machine.s5_type_a = 5;
    machine.s5_type_b = 2;
    machine.pm1a_control = 0x404;
    assert_string_equal(end_by(machine_power_off), "404=3401 ");
    begin();
    machine.s5_known = true;
    machine.s5_type_a = 5;
    machine.s5_type_b = 2;
    machine.pm1a_control = 0x404;
    machine.pm1b_control = 0x504;
    assert_string_equal(end_by(machine_power_off), "404=3401 504=2800 ");
    assert_int_equal(waits, 1);
    assert_non_null(strstr(fake_log, "by hand")); /* nothing has happened */
}

static void a_hardware_reduced_machine_goes_off_by_its_sleep_register(void **state)
{
    (void)state;
    begin();
    machine.s5_known = true;
    machine.s5_type_a = 5;
    machine.sleep = (struct acpi_register){0, 0xfed00000};
    assert_string_equal(end_by(machine_power_off), "");
    assert_int_equal(in_memory, 5 << 2 | 0x20);
}

static void a_machine_that_cannot_go_off_says_so(void **state)
{
    (void)state;
    begin();
    machine.pm1a_control = 0x404; /* and no \\_S5 */
    assert_string_equal(end_by(machine_power_off), "");
    assert_non_null(strstr(fake_log, "by hand"));
    begin();
    machine.s5_known = true;
    assert_string_equal(end_by(machine_power_off), "");
    assert_non_null(strstr(fake_log, "by hand"));
}

static void a_reset_tries_one_way_after_the_other(void **state)
{
    (void)state;
    begin();
    machine.reset = (struct acpi_register){1, 0xb2};
    machine.reset_value = 0x73;
    assert_string_equal(end_by(machine_reboot), "b2=73 cf9=02 cf9=06 64=fe ");
    begin();
    assert_string_equal(end_by(machine_reboot), "cf9=02 cf9=06 64=fe ");
    begin();
    machine.reset = (struct acpi_register){0, 0xfed00000};
    machine.reset_value = 9;
    assert_string_equal(end_by(machine_reboot), "cf9=02 cf9=06 64=fe ");
    assert_int_equal(in_memory, 9);
}

static void efi_is_the_last_way_of_both(void **state)
{
    (void)state;
    begin();
    efi.reset = (hpa_t)reset_system;
    end_by(machine_power_off);
    assert_int_equal(efi_calls, 1);
    assert_int_equal(efi_how, 2);
    assert_int_equal(privileged.idts,
                     0); /* a fault of the firmware's is told, and the machine stays as it is */
    assert_string_equal(efi_mapped, "1000+2000 r-x0, 3000+1000 r--0, 4000+1000 rw-0, ffc00000+1000 rw-3, ");
    begin();
    efi.reset = (hpa_t)reset_system;
    assert_string_equal(end_by(machine_reboot), "cf9=02 cf9=06 64=fe ");
    assert_int_equal(efi_calls, 1);
    assert_int_equal(efi_how, 0);
    assert_int_equal(waits, 3);
}

static void efi_is_not_called_where_it_cannot_be_mapped(void **state)
{
    (void)state;
    begin();
    efi.reset = (hpa_t)reset_system;
    efi.ranges[1].first = GIB(8);
    end_by(machine_reboot);
    assert_int_equal(efi_calls, 0);
    begin();
    end_by(machine_reboot); /* and not where there is no ResetSystem */
    assert_string_equal(efi_mapped, "");
    machine.efi = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_goes_off_by_pm1_control),
        cmocka_unit_test(a_hardware_reduced_machine_goes_off_by_its_sleep_register),
        cmocka_unit_test(a_machine_that_cannot_go_off_says_so),
        cmocka_unit_test(a_reset_tries_one_way_after_the_other),
        cmocka_unit_test(efi_is_the_last_way_of_both),
        cmocka_unit_test(efi_is_not_called_where_it_cannot_be_mapped),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
