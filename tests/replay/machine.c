/* The machine on which a replay runs: what the rest of Keel, and the CPU, are asked for meanwhile. */
#include <asm/prctl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "hv/crash/crash.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/feature.h"
#include "hv/host/frames.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/stub.h"
#include "hv/host/timer.h"
#include "hv/host/wait.h"
#include "hv/life/config_modules.h"
#include "hv/load/acpi.h"
#include "hv/load/mp_table.h"
#include "hv/run/sched.h"
#include "hv/vm/nested.h"
#include "svm/capabilities.h"
#include "svm/entry.h"
#include "svm/exits.h"
#include "svm/quirks.h"
#include "tests/replay/player.h"
#include "tests/unit/fake.h"
#include "vmx/capabilities.h"
#include "vmx/controls.h"
#include "vmx/entry.h"
#include "vmx/exits.h"
#include "vmx/instructions.h"

struct played played;
uint64_t machine_now;
static struct cpu cpu;

/* Time and timers. */

uint64_t clock_now(void)
{
    return machine_now;
}

uint64_t clock_hz(void)
{
    return played_header.clock_hz;
}

uint64_t clock_wall_seconds(void)
{
    return played_wall;
}

struct timer *machine_timer_due(uint64_t deadline)
{
    for (struct timer *timer = fake_timers; timer; timer = timer->next)
        if (timer->deadline == deadline) {
            timer_cancel(timer);
            return timer;
        }
    return NULL;
}

void machine_describe_timers(char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", fake_timers ? "" : "nothing");

    for (const struct timer *timer = fake_timers; timer && used < size; timer = timer->next)
        used += (size_t)snprintf(text + used, size - used, "%s%lu", timer == fake_timers ? "" : ", ",
                                 timer->deadline);
}

/* Instructions. */

uint64_t vmread(uint32_t field)
{
    return played.vmcs[field % ARRAY_LENGTH(played.vmcs)];
}

void vmwrite(uint32_t field, uint64_t value)
{
    played.vmcs[field % ARRAY_LENGTH(played.vmcs)] = value;
}

uint64_t rdmsr(uint32_t msr)
{
    (void)msr;
    return 0;
}

void wrmsr(uint32_t msr, uint64_t value)
{
    (void)msr, (void)value;
}

bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = 0;
    return true;
}

bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    (void)msr, (void)value;
    return true;
}

/* What an instruction of the guest's left when Keel executed it, the recording says. */

uint8_t *stub_operand(void)
{
    static uint8_t copy[STUB_OPERAND_MOST];

    return copy;
}

int32_t stub_distance(unsigned length)
{
    return -(int32_t)length;
}

uint8_t stub_run(const uint8_t *code, unsigned length, struct stub_registers *registers)
{
    (void)code, (void)length, (void)registers;
    return 0;
}

uint64_t rdtsc(void)
{
    return machine_now;
}

/* As far as native_limits asks: what the header says comes out again. */
void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    (void)leaf, (void)subleaf;
    *a = (uint32_t)played_header.limits.xcr0;
    *b = *c = 0;
    *d = (uint32_t)(played_header.limits.xcr0 >> 32);
}

static bool has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
    (void)subleaf, (void)reg;
    return leaf == 1 ? bit == 26 && played_header.limits.xcr0 : leaf == 0xd && played_header.limits.xsaves;
}

uint64_t xgetbv(uint32_t index)
{
    (void)index;
    return played.xcr0;
}

void xsetbv(uint32_t index, uint64_t value)
{
    (void)index;
    played.xcr0 = value;
}

uint32_t rdpkru(void)
{
    return 0;
}

void interrupts_poll(void)
{
    play_pending();
}

void interrupts_serve(uint8_t vector)
{
    (void)vector;
    play_pending();
}

void vmx_enter(struct vcpu *vcpu, bool launched)
{
    (void)vcpu, (void)launched;
    played_entered = true;
}

void svm_enter(struct vcpu *vcpu)
{
    (void)vcpu;
    played_entered = true;
}

void vmx_leave(struct vcpu *vcpu)
{
    (void)vcpu;
    played_entered = false;
}

void svm_leave(struct vcpu *vcpu)
{
    (void)vcpu;
    played_entered = false;
}

/* hv/cpu/native.c's own would load them into the CPU that this program runs on. */
void native_load(struct vcpu *vcpu, const struct native_policy *policy)
{
    (void)policy;
    memcpy(played.dr, vcpu->arch.native.dr, sizeof(vcpu->arch.native.dr));
    played.xcr0 = vcpu->arch.xcr0;
}

void native_put(struct vcpu *vcpu, const struct native_policy *policy)
{
    (void)policy;
    memcpy(vcpu->arch.native.dr, played.dr, sizeof(vcpu->arch.native.dr));
}

void native_keep(struct vcpu *vcpu)
{
    (void)vcpu;
}

void native_return_upper(struct vcpu *vcpu, uint8_t *scratch)
{
    (void)vcpu, (void)scratch;
}

/* What a ModRM byte for memory is followed by. */
static unsigned operand_length(const uint8_t *modrm)
{
    unsigned mode = *modrm >> 6, base = *modrm & 7, sib = base == 4;

    return sib + (mode == 1 ? 1 : mode == 2 || (mode == 0 && (sib ? modrm[1] & 7 : base) == 5) ? 4 : 0);
}

/* VMCLEAR, VMPTRLD, INVEPT, and INT of an NMI or a machine check: nothing happens. */
static void pass_over(int number, siginfo_t *information, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[16];
    const uint8_t *at = (const uint8_t *)*rip, *begin = at;

    (void)number, (void)information;
    while (*at == 0x66 || *at == 0xf3 || (*at & 0xf0) == 0x40)
        at++;
    if (*at == 0xcd) {
        *rip += 2;
    } else if (at[0] == 0x0f && at[1] == 0xc7) {
        *rip += at - begin + 3 + operand_length(at + 2);
    } else if (at[0] == 0x0f && at[1] == 0x38 && (at[2] == 0x80 || at[2] == 0x81)) {
        *rip += at - begin + 4 + operand_length(at + 3);
    } else {
        signal(SIGSEGV, SIG_DFL); /* a true error */
        signal(SIGILL, SIG_DFL);
    }
}

void machine_start(void)
{
    struct sigaction action = {.sa_sigaction = pass_over, .sa_flags = SA_SIGINFO};

    cpu = (struct cpu){.self = &cpu, .online = true, .runs_guests = true};
    cpus[0] = &cpu;
    cpu_count = 1;
    fake_has = has;
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

/* Memory. */

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    (void)physical, (void)size, (void)mapping;
    return NULL;
}

struct frames *host_frames(void)
{
    return NULL;
}

struct paging_audit paging_audit(const struct table *space)
{
    (void)space;
    return (struct paging_audit){0};
}

size_t guest_memory_allocate(struct frames *frames, uint64_t bytes, struct memory_range *pieces, size_t most)
{
    (void)frames, (void)most;
    pieces[0] = (struct memory_range){MIB(16), bytes};
    return 1;
}

void guest_memory_free(struct frames *frames, const struct memory_range *pieces, size_t count)
{
    (void)frames, (void)pieces, (void)count;
}

bool guest_space_create(struct table *space)
{
    space->root = PAGE_SIZE;
    return true;
}

bool guest_space_map(struct table *space, gpa_t gpa, hpa_t physical, uint64_t size)
{
    (void)space, (void)gpa, (void)physical, (void)size;
    return true;
}

const struct table_format table_format_ept, table_format_npt;

/* The VM's RAM is this program's: what Keel sees of it comes from the recording. */
bool nested_create(struct vm *vm, const struct table_format *format, unsigned largest, unsigned memory_type)
{
    (void)format, (void)largest, (void)memory_type;
    for (unsigned i = 0; i < vm->memory.count; i++) {
        struct guest_region *region = &vm->memory.regions[i];
        void *memory = mmap(NULL, region->size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED)
            return false;
        region->host = memory;
    }
    return true;
}

void nested_destroy(struct vm *vm)
{
    (void)vm;
}

bool nested_map(struct vm *vm, gpa_t page, hpa_t physical)
{
    (void)vm, (void)page, (void)physical;
    return true;
}

bool nested_unmap(struct vm *vm, gpa_t page)
{
    (void)vm, (void)page;
    return true;
}

bool nested_set_present(struct vm *vm, gpa_t page, bool present)
{
    (void)vm, (void)page, (void)present;
    return true;
}

/* The scheduler, the console, the loader. */

bool sched_may_run(const struct vm *vm)
{
    (void)vm;
    return true;
}

/* REQUEST_YIELD comes from the recording. */
bool sched_others_wait(void)
{
    return false;
}

bool sched_add_vm(struct vm *vm, unsigned weight, unsigned cap)
{
    (void)vm, (void)weight, (void)cap;
    return true;
}

void sched_remove_vm(struct vm *vm)
{
    (void)vm;
}

void console_listen(const struct serial *serial)
{
    (void)serial;
}

bool console_vm_put(void *owner, uint8_t byte)
{
    (void)owner, (void)byte;
    return true;
}

gpa_t acpi_build(const struct guest_mem *memory, unsigned vcpus)
{
    (void)memory, (void)vcpus;
    return 0;
}

void mp_table_build(const struct guest_mem *memory, unsigned vcpus, const struct mp_processor *processor)
{
    (void)memory, (void)vcpus, (void)processor;
}

void config_load_request(const struct config_vm *vm, gpa_t acpi_rsdp, struct load_request *request)
{
    (void)vm, (void)acpi_rsdp;
    memset(request, 0, sizeof(*request));
}

bool load_guest(const struct guest_mem *memory, const struct load_request *request, struct entry_state *entry,
                char *reason, size_t reason_size)
{
    (void)memory, (void)request, (void)reason, (void)reason_size;
    play_entry(entry);
    return true;
}

/* Words. */

void crash_entry_failed(struct vcpu *vcpu, void (*explain)(struct vcpu *vcpu, struct writer *out),
                        const char *format, ...)
{
    (void)vcpu, (void)explain, (void)format;
}

const char vmx_exit[1];

void svm_find_quirks(void)
{
}
