#include "tests/unit/irq/apic_fixture.h"
#include "hv/cpu/cpuid.h"

#include <string.h>

struct vcpu vcpus[APICS];
struct local_apic apics[APICS];
struct local_apic_group group;
unsigned acknowledges, broadcasts, resumptions;
int external_vector;
uint8_t broadcast_vector;

static int acknowledge_external(void *owner)
{
    assert_ptr_equal(owner, &external_vector);
    acknowledges++;
    return external_vector;
}

static void broadcast(void *owner, uint8_t vector)
{
    assert_ptr_equal(owner, &broadcasts);
    broadcasts++;
    broadcast_vector = vector;
}

static void resumed(void *owner)
{
    assert_ptr_equal(owner, &resumptions);
    resumptions++;
}

void forget(void)
{
    memset(fake_asked.requests, 0, sizeof(fake_asked.requests));
    broadcasts = acknowledges = fake_asked.cpuid_changes = resumptions = 0;
}

uint64_t asked(uint64_t work)
{
    uint64_t who = 0;

    for (unsigned i = 0; i < APICS; i++) {
        if (fake_asked.requests[i] & work)
            who |= BIT(i);
        fake_asked.requests[i] &= ~work;
    }
    return who;
}

bool wrmsr(unsigned cpu, uint32_t msr, uint64_t value)
{
    struct bus_range ranges[3];
    unsigned count = local_apic_msr_ranges(&apics[cpu], ranges);

    for (unsigned i = 0; i < count; i++)
        if (msr >= ranges[i].first && msr <= ranges[i].last)
            return ranges[i].device->ops->write(ranges[i].device, msr - ranges[i].first, 8, value);
    return false;
}

bool rdmsr(unsigned cpu, uint32_t msr, uint64_t *value)
{
    struct bus_range ranges[3];
    unsigned count = local_apic_msr_ranges(&apics[cpu], ranges);

    for (unsigned i = 0; i < count; i++)
        if (msr >= ranges[i].first && msr <= ranges[i].last)
            return ranges[i].device->ops->read(ranges[i].device, msr - ranges[i].first, 8, value);
    return false;
}

uint64_t msr(uint32_t number)
{
    uint64_t value = 0;

    assert_true(rdmsr(0, number, &value));
    return value;
}

void put_at(unsigned cpu, uint64_t offset, unsigned size, uint64_t value)
{
    struct device *page = vcpus[cpu].local.device;

    assert_ptr_equal(page, &apics[cpu].page);
    assert_true(page->ops->write(page, offset, size, value));
}

uint32_t get_at(unsigned cpu, uint64_t offset, unsigned size)
{
    struct device *page = vcpus[cpu].local.device;
    uint64_t value = UINT64_MAX;

    assert_true(page->ops->read(page, offset, size, &value));
    assert_in_range(value, 0, size_mask(size));
    return value;
}

void put_on(unsigned cpu, enum apic_reg reg, uint32_t value)
{
    put_at(cpu, reg * 16, 4, value);
}

uint32_t get_on(unsigned cpu, enum apic_reg reg)
{
    return get_at(cpu, reg * 16, 4);
}

void put(enum apic_reg reg, uint32_t value)
{
    put_on(0, reg, value);
}

uint32_t get(enum apic_reg reg)
{
    return get_on(0, reg);
}

int pending(unsigned cpu)
{
    return vcpus[cpu].arch.interrupts.pending(vcpus[cpu].arch.interrupts.state);
}

int acknowledge(unsigned cpu)
{
    return vcpus[cpu].arch.interrupts.acknowledge(vcpus[cpu].arch.interrupts.state);
}

bool has(unsigned cpu, enum apic_reg first, unsigned vector)
{
    return get_on(cpu, first + vector / 32) >> vector % 32 & 1;
}

bool send(enum apic_delivery delivery, uint8_t vector, uint32_t destination, bool logical, bool level)
{
    return local_apic_deliver(&group, &(struct apic_message){.destination = destination,
                                                             .delivery = delivery,
                                                             .vector = vector,
                                                             .logical = logical,
                                                             .level = level});
}

bool interrupt(uint8_t vector)
{
    return send(APIC_FIXED, vector, 0, false, false);
}

void ipi(uint32_t destination, uint32_t low)
{
    put(APIC_ICR2, destination << 24);
    put(APIC_ICR, low);
}

void lint(unsigned cpu, unsigned pin, bool asserted)
{
    struct local_apic_group alone = {.members = &apics[cpu], .count = 1};

    local_apic_group_set_lint(&alone, pin, asserted);
}

uint32_t errors(void)
{
    put(APIC_ESR, 0);
    return get(APIC_ESR);
}

void to_x2apic(unsigned cpu)
{
    uint64_t base;

    assert_true(rdmsr(cpu, IA32_APIC_BASE, &base));
    assert_true(wrmsr(cpu, IA32_APIC_BASE, base | APIC_BASE_EXTD));
}

int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(vcpus, 0, sizeof(vcpus));
    group = (struct local_apic_group){.members = apics, .count = APICS};
    for (unsigned i = 0; i < APICS; i++) {
        vcpus[i].id = i;
        local_apic_init(&apics[i], &(struct local_apic_config){
                                       .vcpu = &vcpus[i],
                                       .group = &group,
                                       .physical_bits = 39,
                                       .bootstrap = i == 0,
                                       .x2apic = true,
                                       .tsc_deadline = true,
                                       .extint = {acknowledge_external, &external_vector},
                                       .eoi = {broadcast, &broadcasts},
                                       .resumed = {resumed, &resumptions},
                                   });
        local_apic_reset(&apics[i], false);
        put_on(i, APIC_SVR, 0x1ff);
    }
    forget();
    external_vector = 0x77;
    fake_now = 1000;
    return 0;
}
