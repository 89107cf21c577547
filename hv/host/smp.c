#include "hv/host/smp.h"

#include "hv/host/acpi.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/string.h"

/* What the core that starts finds in memory. */
uint64_t ap_cr3, ap_stack;
struct cpu *ap_cpu;

static const struct smp_trampoline *trampoline;
static void (*begin_here)(void);

static void wait_microseconds(uint64_t microseconds)
{
    clock_wait(clock_hz() / 1000000 * microseconds);
}

/* On the new core's own stack and the final page tables. */
void cpu_start_here(struct cpu *cpu)
{
    cpu_enable_features();
    cpu_load_tables(cpu);
    host_apic_enable();
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    begin_here();
    panic("core %u has nothing to do", cpu->index);
}

static bool wait_until_online(const struct cpu *cpu)
{
    for (unsigned i = 0; i < 1000; i++) {
        if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
            return true;
        wait_microseconds(100);
    }
    return false;
}

/* SDM, "Typical BSP Initialization Sequence". */
static bool start_one(struct cpu *cpu, uint8_t page)
{
    ap_cr3 = paging_root();
    ap_stack = cpu->stack_top;
    ap_cpu = cpu;
    host_apic_send_init(cpu->apic_id);
    wait_microseconds(10000);
    for (unsigned i = 0; i < 2; i++) {
        host_apic_send_startup(cpu->apic_id, page);
        wait_microseconds(200);
        if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
            return true;
    }
    if (wait_until_online(cpu))
        return true;
    return !__atomic_exchange_n(&ap_cpu, NULL, __ATOMIC_ACQ_REL) && wait_until_online(cpu);
}

static void write_trampoline(uint8_t *page)
{
    uint32_t displacement = (uint32_t)(IMAGE_BASE - image_base);

    memcpy(page, trampoline->start, (size_t)(trampoline->end - trampoline->start));
    memcpy(page + (trampoline->displacement - trampoline->start), &displacement, sizeof(displacement));
}

void smp_start(const struct smp_trampoline *with, void (*begin)(void))
{
    hpa_t page = paging_low_page();
    void *code = page ? host_map(page, PAGE_SIZE, HOST_WRITE) : NULL;
    struct cpu *cpu = NULL;

    trampoline = with;
    begin_here = begin;
    if (machine.apic_count > 1 && !code) {
        log_line("smp: no usable page below 640 KiB to start other cores from: only the boot core is used");
        return;
    }
    for (unsigned i = 0; i < machine.apic_count; i++) {
        uint32_t id = machine.apic_ids[i];

        if (id == this_cpu()->apic_id)
            continue;
        if (!host_apic_reaches(id)) {
            log_line("smp: the core with APIC id %u is left alone: this CPU has no x2APIC to reach it by",
                     id);
            continue;
        }
        if (!cpu) /* or the last one's, which did not start */
            cpu = cpu_create(id);
        if (!cpu) {
            log_line("smp: no memory for more than %u cores", cpu_count);
            return;
        }
        cpu->apic_id = id;
        write_trampoline(code);
        if (start_one(cpu, (uint8_t)(page >> PAGE_SHIFT)))
            cpu = NULL;
        else
            log_line("smp: the core with APIC id %u did not start within 100 ms: it is left alone", id);
    }
    if (cpu)
        cpus[--cpu_count] = NULL;
}
