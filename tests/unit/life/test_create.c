/* What a VM is made of, with every piece of memory that can be missing. */
#include <stdlib.h>
#include <string.h>

#include "hv/cpu/msr.h"
#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/host/cpu.h"
#include "hv/host/paging.h"
#include "hv/host/serial.h"
#include "hv/life/config_modules.h"
#include "hv/life/create.h"
#include "hv/life/life.h"
#include "hv/load/acpi.h"
#include "hv/load/mp_table.h"
#include "hv/run/sched.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/privileged.h"

#define VCPUS 3

static struct cpu machine_cpus[2];

/* How many pieces of each kind are out, and which request fails: the first is 1; 0: none. */
static unsigned pool_blocks, guest_memory, spaces, vendor_vms, vendor_vcpus, boards, attached;
static unsigned requests, failing;

/* The scheduler. */
bool sched_may_run(const struct vm *vm)
{
    return vm->cores[0] & 3;
}

bool sched_add_vm(struct vm *vm, unsigned weight, unsigned cap)
{
    vm->group = (struct run_group){.weight = weight, .quota = cap};
    return true;
}

void sched_remove_vm(struct vm *vm)
{
    (void)vm;
}

static bool grant(void)
{
    return ++requests != failing;
}

void *host_allocate(uint64_t size)
{
    if (!grant())
        return NULL;
    pool_blocks++;
    return calloc(1, size);
}

void host_free(void *memory, uint64_t size)
{
    (void)size;
    pool_blocks--;
    free(memory);
}

size_t guest_memory_allocate(struct frames *frames, uint64_t bytes, struct memory_range *pieces, size_t most)
{
    (void)frames, (void)most;
    if (!grant())
        return 0;
    guest_memory++;
    pieces[0] = (struct memory_range){MIB(16), bytes};
    return 1;
}

void guest_memory_free(struct frames *frames, const struct memory_range *pieces, size_t count)
{
    (void)frames, (void)pieces;
    assert_int_equal(count, 1);
    guest_memory--;
}

bool guest_space_create(struct table *space)
{
    if (!grant())
        return false;
    spaces++;
    space->root = 0x1000;
    return true;
}

bool guest_space_map(struct table *space, gpa_t gpa, hpa_t physical, uint64_t size)
{
    (void)space, (void)gpa, (void)physical, (void)size;
    return grant();
}

void table_destroy(struct table *table)
{
    (void)table;
    spaces--;
}

static bool vm_create(struct vm *vm)
{
    if (!grant())
        return false;
    vendor_vms++;
    vm->nested.root = 0x2000;
    return true;
}

static void vm_destroy(struct vm *vm)
{
    if (vm->nested.root)
        vendor_vms--;
    vm->nested.root = 0;
}

static bool vcpu_create(struct vcpu *vcpu)
{
    if (!grant())
        return false;
    vendor_vcpus++;
    vcpu->arch.vendor = vcpu;
    return true;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
    if (vcpu->arch.vendor)
        vendor_vcpus--;
}

static void limits(struct cpuid_limits *out)
{
    (void)out;
}

static size_t board_size(unsigned vcpus)
{
    return 100 * vcpus;
}

static bool board_create(struct vm *vm, void *memory, const struct serial_backend *serial,
                         const struct cpuid_limits *of)
{
    (void)serial, (void)of;
    if (!grant())
        return false;
    vm->board = memory;
    boards++;
    return true;
}

static void board_stop(struct vm *vm)
{
    (void)vm;
    boards--;
}

/* Lines that move by it reach vCPUs as the guest has wired them. */
static void board_reset(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_note(vm->vcpus[i], REQUEST_NMI | REQUEST_INIT | REQUEST_SIPI);
}

/* The vCPU whose registers are there: CPUID follows them. */
static struct vcpu *loaded;

static void vcpu_load(struct vcpu *vcpu)
{
    loaded = vcpu;
}

static void vcpu_put(struct vcpu *vcpu)
{
    assert_ptr_equal(loaded, vcpu);
    loaded = NULL;
}

static bool is_enabled(void *state)
{
    (void)state;
    return true;
}

static unsigned msr_ranges_of_board(struct vcpu *vcpu, struct bus_range ranges[3])
{
    (void)vcpu, (void)ranges;
    return 0;
}

void console_attach(struct console_client *client)
{
    (void)client;
    attached++;
}

void console_detach(struct console_client *client)
{
    if (client->vm)
        attached--;
    client->vm = NULL;
}

/* The rest is not reached, or says little here. */
void console_listen(const struct serial *serial)
{
    (void)serial;
}
bool console_vm_put(void *owner, uint8_t byte)
{
    (void)owner, (void)byte;
    return true;
}
struct frames *host_frames(void)
{
    return NULL;
}
struct memory_counts memory_count(struct frames *frames)
{
    (void)frames;
    return (struct memory_counts){.guest_total = MIB(8), .guest_free = MIB(5)};
}
hpa_t paging_root(void)
{
    return 0;
}
struct paging_audit paging_audit(const struct table *space)
{
    (void)space;
    return (struct paging_audit){0};
}
gpa_t acpi_build(const struct guest_mem *memory, unsigned vcpus)
{
    (void)memory, (void)vcpus;
    return 0;
}
void cpuid_limit(struct cpuid_limits *of)
{
    (void)of;
}
const char *cpuid_wanted_missing(const struct cpuid_choice *choice, const struct vcpu *vcpu)
{
    (void)choice, (void)vcpu;
    return NULL;
}
void mp_table_build(const struct guest_mem *memory, unsigned vcpus, const struct mp_processor *processor)
{
    (void)memory, (void)vcpus, (void)processor;
}
void config_load_request(const struct config_vm *vm, gpa_t acpi_rsdp, struct load_request *request)
{
    (void)vm, (void)acpi_rsdp, (void)request;
}
bool load_guest(const struct guest_mem *memory, const struct load_request *request, struct entry_state *entry,
                char *reason, size_t reason_size)
{
    (void)memory, (void)request, (void)entry, (void)reason, (void)reason_size;
    return true;
}
size_t cpuid_table_size(void)
{
    return 64;
}
void cpuid_init(struct vcpu *vcpu, unsigned vcpus, const struct cpuid_limits *of, cpuid_source *source)
{
    (void)vcpu, (void)vcpus, (void)of, (void)source;
}
void cpuid_refresh(struct vcpu *vcpu, uint64_t cr4, bool apic, uint64_t xcr0, uint64_t xss)
{
    (void)cr4, (void)apic, (void)xcr0, (void)xss;
    assert_ptr_equal(loaded, vcpu);
}
void native_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    (void)leaf, (void)subleaf, (void)out;
}
void native_reset(struct vcpu *vcpu)
{
    (void)vcpu;
}
size_t decode_cache_size(void)
{
    return 64;
}
size_t msr_devices_size(void)
{
    return 64;
}
unsigned msr_range_count(void)
{
    return 0;
}
void msr_ranges(struct vcpu *vcpu, void *devices, struct bus_range *ranges)
{
    (void)vcpu, (void)devices, (void)ranges;
}
void msr_reset(struct vcpu *vcpu, const struct cpuid_limits *of, uint64_t hole)
{
    (void)vcpu, (void)of, (void)hole;
}

static void board_open_irqs(struct vm *vm)
{
    (void)vm;
}
static const struct board_ops board = {.size = board_size,
                                       .create = board_create,
                                       .reset = board_reset,
                                       .stop = board_stop,
                                       .open_irqs = board_open_irqs,
                                       .msr_ranges = msr_ranges_of_board};
static struct virt_ops ops;
static struct config_vm config;
static struct life life;

static int setup(void **state)
{
    core_setup(state);
    ops = *virt;
    ops.lifecycle.vm_create = vm_create;
    ops.lifecycle.vm_destroy = vm_destroy;
    ops.lifecycle.vcpu_create = vcpu_create;
    ops.lifecycle.vcpu_destroy = vcpu_destroy;
    ops.lifecycle.limits = limits;
    ops.lifecycle.vcpu_load = vcpu_load;
    ops.lifecycle.vcpu_put = vcpu_put;
    virt = &ops;
    for (unsigned i = 0; i < 2; i++) {
        machine_cpus[i] = (struct cpu){.index = i, .runs_guests = true};
        cpus[i] = &machine_cpus[i];
    }
    config = (struct config_vm){.name = "a", .memory = MIB(8), .vcpus = VCPUS};
    memset(&life, 0, sizeof(life));
    life.config = &config;
    life.board = &board;
    life.number = 1;
    requests = failing = 0;
    return 0;
}

static void assert_nothing_out(void)
{
    assert_int_equal(pool_blocks, 0);
    assert_int_equal(guest_memory, 0);
    assert_int_equal(spaces, 0);
    assert_int_equal(vendor_vms, 0);
    assert_int_equal(vendor_vcpus, 0);
    assert_int_equal(boards, 0);
    assert_int_equal(attached, 0);
}

static void a_thousand_vms_made_and_given_back_leave_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(life_create(&life));
        assert_int_equal(life.vm.vcpu_count, VCPUS);
        assert_int_equal(attached, 1);
        life_destroy(&life);
        assert_nothing_out();
    }
    assert_string_equal(fake_log, "");
}

static void whatever_is_missing_is_said_once_and_all_else_given_back(void **state)
{
    unsigned all;

    (void)state;
    assert_true(life_create(&life));
    life_destroy(&life);
    all = requests;
    assert_true(all > 3 * VCPUS);
    for (failing = 1; failing <= all; failing++) {
        requests = 0;
        fake_log[0] = 0;
        assert_false(life_create(&life));
        assert_nothing_out();
        assert_memory_equal(fake_log, "vm a: not started: ", 19);
        assert_ptr_equal(strchr(fake_log, '\n'), fake_log + strlen(fake_log) - 1);
    }
    failing = 0;
    assert_true(life_create(&life));
    life_destroy(&life);
}

static void too_little_memory_is_said_in_figures(void **state)
{
    (void)state;
    failing = 1;
    assert_false(life_create(&life));
    assert_non_null(strstr(fake_log, "8 MiB of memory wanted, 5 MiB of 8 MiB for guests are free"));
}

static void a_vm_keeps_to_the_cores_named_and_gets_its_share(void **state)
{
    (void)state;
    config.weight = 250;
    config.cap = 50;
    assert_true(life_create(&life));
    assert_int_equal(life.vm.cores[0] & life.vm.cores[3], UINT64_MAX);
    assert_int_equal(life.vm.group.weight, 250);
    assert_int_equal(life.vm.group.quota, 50);
    life_destroy(&life);
    config.cpus[0] = BIT(1);
    assert_true(life_create(&life));
    assert_int_equal(life.vm.cores[0], BIT(1));
    assert_int_equal(life.vm.cores[1] | life.vm.cores[2] | life.vm.cores[3], 0);
    life_destroy(&life);
    config.cpus[0] = BIT(7);
    assert_false(life_create(&life));
    assert_non_null(strstr(fake_log, "none of the cores that `cpus` names is there"));
    assert_nothing_out();
}

static void a_spared_core_runs_a_vm_that_names_it_or_one_that_has_no_other(void **state)
{
    (void)state;
    machine_cpus[0].spared = true;
    assert_true(life_create(&life));
    assert_int_equal(life.vm.cores[0], ~BIT(0));
    life_destroy(&life);
    config.cpus[0] = BIT(0);
    assert_true(life_create(&life));
    assert_int_equal(life.vm.cores[0], BIT(0));
    life_destroy(&life);
    config.cpus[0] = 0;
    machine_cpus[1].spared = true;
    assert_true(life_create(&life));
    assert_int_equal(life.vm.cores[0], UINT64_MAX);
    life_destroy(&life);
    assert_nothing_out();
}

static void what_the_last_guest_wired_does_not_reach_the_next(void **state)
{
    (void)state;
    assert_true(life_create(&life));
    for (unsigned i = 0; i < VCPUS; i++)
        life.vm.vcpus[i]->arch.interrupts.enabled = is_enabled;
    for (unsigned times = 0; times < 2; times++) {
        privileged_begin();
        assert_true(life_load(&life));
        privileged_end();
        for (unsigned i = 0; i < VCPUS; i++) {
            assert_int_equal(life.vm.vcpus[i]->requests, REQUEST_FLUSH);
            assert_int_equal(life.vm.vcpus[i]->arch.nmis, 0);
            assert_int_equal(life.vm.vcpus[i]->activity, i ? VCPU_WAIT_FOR_SIPI : VCPU_RUNNABLE);
        }
    }
    life_destroy(&life);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_vms_made_and_given_back_leave_nothing),
        TEST(whatever_is_missing_is_said_once_and_all_else_given_back),
        TEST(too_little_memory_is_said_in_figures),
        TEST(a_vm_keeps_to_the_cores_named_and_gets_its_share),
        TEST(a_spared_core_runs_a_vm_that_names_it_or_one_that_has_no_other),
        TEST(what_the_last_guest_wired_does_not_reach_the_next),
    };
    cpu_count = 2;
    return cmocka_run_group_tests_name("create", tests, NULL, NULL);
}
