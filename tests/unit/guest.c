#include "tests/unit/guest.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/event/event.h"
#include "hv/walk/walk.h"

struct guest guest;

/* Fuzzers use this file too, without a test around it. */
static void must(bool condition)
{
    if (!condition)
        abort();
}

static bool note(bool write, uint64_t address, unsigned size, uint64_t value)
{
    if (guest.access_count < ARRAY_LENGTH(guest.accesses))
        guest.accesses[guest.access_count++] = (struct guest_access){write, address, size, value};
    return true;
}

static bool mmio_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device;
    *value = 0;
    memcpy(value, guest.mmio + offset, size);
    return note(false, offset, size, *value);
}

static bool mmio_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    must((value & ~size_mask(size)) == 0);
    memcpy(guest.mmio + offset, &value, size);
    return note(true, offset, size, value);
}

static bool port_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device;
    *value = (0x03020100u + 0x04040404u * guest.access_count) & size_mask(size);
    return note(false, GUEST_PORTS + offset, size, *value);
}

static bool port_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    return note(true, GUEST_PORTS + offset, size, value);
}

static const struct device_ops mmio_ops = {.read = mmio_read, .write = mmio_write, .width = 8};
static const struct device_ops port_ops = {.read = port_read, .write = port_write, .width = 4};
static struct device mmio_device = {"mmio", &mmio_ops, NULL, NULL},
                     port_device = {"ports", &port_ops, NULL, NULL};
static struct bus_range mmio_range, port_range;

void guest_begin(unsigned bits)
{
    uint8_t *ram = guest.ram ? guest.ram : aligned_alloc(PAGE_SIZE, GUEST_RAM);
    struct decode_cache *cache = guest.vcpu.arch.decode_cache;

    memset(&guest, 0, sizeof(guest));
    guest.ram = ram;
    guest.vcpu.arch.decode_cache = cache ? cache : calloc(1, decode_cache_size());
    guest.vcpu.arch.code_changed = true;
    fake_reset();
    fake_vcpu_init(&guest.vm, &guest.vcpu, bits);
    memset(guest.ram, 0, GUEST_RAM);
    guest.vm.memory = (struct guest_mem){.regions = {{0, GUEST_RAM, guest.ram}}, .count = 1};
    mmio_range = (struct bus_range){GUEST_MMIO, GUEST_MMIO + 2 * PAGE_SIZE - 1, &mmio_device};
    port_range = (struct bus_range){GUEST_PORTS, GUEST_PORTS + 15, &port_device};
    must(bus_init(&guest.vm.mmio, "memory", &mmio_range, 1));
    must(bus_init(&guest.vm.ports, "port", &port_range, 1));
    guest.physical_bits = 40;
    guest_set_state(NULL);
    guest.pse36 = guest.pages_1g = true;
}

void guest_set_state(const uint8_t *fxsave)
{
    const uint16_t fcw = 0x37f;
    const uint32_t mxcsr = 0x1f80;
    const uint64_t x87_and_sse = 3;

    memset(guest.state, 0, sizeof(guest.state));
    memcpy(guest.state, &fcw, sizeof(fcw));
    memcpy(guest.state + 24, &mxcsr, sizeof(mxcsr));
    memcpy(guest.state + 512, &x87_and_sse, sizeof(x87_and_sse));
    if (fxsave) {
        memcpy(guest.state + 2, fxsave + 2, 22);
        memcpy(guest.state + 32, fxsave + 32, 512 - 32);
    }
}

int guest_end(void **state)
{
    (void)state;
    free(guest.ram);
    free(guest.vcpu.arch.decode_cache);
    guest.ram = NULL;
    guest.vcpu.arch.decode_cache = NULL;
    return 0;
}

void guest_code(uint64_t address, const void *code, unsigned length)
{
    must(address + length <= GUEST_RAM);
    memcpy(guest.ram + address, code, length);
    fake_cpu.regs[REG_RIP] = address - fake_cpu.segments[SEG_CS].base;
}

void guest_set_cpl(unsigned cpl)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        fake_cpu.segments[i].attributes = (fake_cpu.segments[i].attributes & ~0x60u) | cpl << 5;
        fake_cpu.segments[i].selector = cpl;
    }
}

uint64_t guest_peek(uint64_t address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, guest.ram + address, size);
    return value;
}

void guest_poke(uint64_t address, unsigned size, uint64_t value)
{
    memcpy(guest.ram + address, &value, size);
}

/* What hv/run/sched.c, vm.c, event.c, cpuid.c and native.c do on the machine. */

void vcpu_trap(struct vcpu *vcpu, uint64_t causes)
{
    (void)vcpu;
    guest.traps |= causes;
}

void vcpu_raise(struct vcpu *vcpu, const struct fault *fault)
{
    (void)vcpu;
    guest.raised = true;
    guest.fault = *fault;
}

uint32_t vcpu_pkru(struct vcpu *vcpu)
{
    (void)vcpu;
    return guest.pkru;
}

const struct cpuid_regs *cpuid_lookup(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    static struct cpuid_regs regs;

    (void)vcpu;
    regs = (struct cpuid_regs){0};
    if (leaf == 0xd) { /* what this process has, and no more */
        __cpuid_count(leaf, subleaf, regs.eax, regs.ebx, regs.ecx, regs.edx);
        regs.ecx = subleaf ? regs.ecx : regs.ebx;
    } else if (leaf == 1)
        regs.edx = guest.cpuid1_edx | (guest.pse36 ? BIT(17) : 0);
    else if (leaf == 7)
        regs.ebx = guest.cpuid7_ebx, regs.ecx = guest.cpuid7_ecx;
    else if (leaf == 0x80000001)
        regs.edx = guest.pages_1g ? BIT(26) : 0;
    else if (leaf == 0x80000008)
        regs.eax = guest.physical_bits, regs.ebx = guest.cpuid_amd8_ebx;
    return &regs;
}

uint64_t vm_memory_read(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
    const void *ram = guest_ptr(&vcpu->vm->memory, gpa, size);
    uint64_t value = 0;

    must((gpa & PAGE_MASK) + size <= PAGE_SIZE);
    if (bus_find(&vcpu->vm->mmio, gpa) || !ram)
        bus_read(&vcpu->vm->mmio, gpa, size, &value);
    else
        memcpy(&value, ram, size);
    return value;
}

uint64_t vm_memory_missed(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
    bus_missed(&vcpu->vm->mmio, gpa);
    return size_mask(size);
}

void vm_memory_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
    void *ram = guest_ptr(&vcpu->vm->memory, gpa, size);

    must((gpa & PAGE_MASK) + size <= PAGE_SIZE);
    if (bus_find(&vcpu->vm->mmio, gpa) || !ram)
        bus_write(&vcpu->vm->mmio, gpa, size, value);
    else
        memcpy(ram, &value, size);
}
