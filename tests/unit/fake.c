/* What the stand-ins note and are told (tests/standins/), and a vendor whose registers are arrays. */
#include "tests/unit/fake.h"

#include <string.h>

uint64_t fake_now, fake_hz = 1000000000, fake_wall = 1700000000, fake_held, fake_debuggers;
struct timer *fake_timers;
bool (*fake_has)(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);
bool fake_at_home = true;
char fake_log[16384];
struct writer *fake_report;
struct fake_memory fake_memory;
struct fake_asked fake_asked;
struct fake_cpuid fake_cpuid;
struct fake_cpu fake_cpu;
gpa_t fake_hidden;

void fake_reset(void)
{
    fake_timers = NULL;
    fake_at_home = true;
    fake_now = fake_held = fake_debuggers = fake_hidden = 0;
    fake_hz = 1000000000;
    fake_wall = 1700000000;
    fake_log[0] = 0;
    fake_report = NULL;
    fake_memory = (struct fake_memory){0};
    fake_asked = (struct fake_asked){0};
    fake_cpuid = (struct fake_cpuid){0};
}

static uint64_t get(struct vcpu *vcpu, enum vcpu_reg reg)
{
    (void)vcpu;
    return fake_cpu.regs[reg];
}

static void set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
    (void)vcpu;
    fake_cpu.regs[reg] = value;
}

static void get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value)
{
    (void)vcpu;
    *value = fake_cpu.segments[segment];
}

static void set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value)
{
    (void)vcpu;
    fake_cpu.segments[segment] = *value;
}

static void advance(struct vcpu *vcpu, unsigned length)
{
    uint64_t rip = fake_cpu.regs[REG_RIP] + length;

    (void)vcpu;
    fake_cpu.regs[REG_RIP] = fake_cpu.segments[SEG_CS].attributes & SEG_L ? rip : (uint32_t)rip;
    fake_cpu.regs[REG_RFLAGS] &= ~RFLAGS_RF;
    fake_cpu.interrupt_shadow = false;
    fake_cpu.advances++;
}

static void flush(struct vcpu *vcpu)
{
    (void)vcpu;
    fake_cpu.flushes++;
}

static void watch_paging(struct vcpu *vcpu)
{
    (void)vcpu;
    fake_cpu.watched = true;
}

static bool interrupt_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return (fake_cpu.regs[REG_RFLAGS] & RFLAGS_IF) && !fake_cpu.interrupt_shadow;
}

static bool nmi_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return !fake_cpu.block_nmi && !fake_cpu.interrupt_shadow;
}

static void unblock_nmi(struct vcpu *vcpu)
{
    (void)vcpu;
    fake_cpu.block_nmi = false;
}

static void inject(struct vcpu *vcpu, const struct event *event)
{
    (void)vcpu;
    fake_cpu.injected = *event;
}

static void set_windows(struct vcpu *vcpu, bool interrupt, bool nmi)
{
    (void)vcpu;
    fake_cpu.windows = interrupt | nmi << 1;
}

static void set_debug(struct vcpu *vcpu, unsigned what)
{
    (void)vcpu;
    fake_cpu.debug = what;
}

static bool get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    *value = fake_cpu.msrs[1];
    return msr == fake_cpu.msrs[0];
}

const struct virt_state fake_state = {
    .get = get,
    .set = set,
    .get_segment = get_segment,
    .set_segment = set_segment,
    .advance = advance,
    .loads_pdptes = true,
    .get_msr = get_msr,
    .inject = inject,
};

const struct virt_ops fake_virt = {
    .name = "fake",
    .run =
        {
            .flush = flush,
            .watch_paging = watch_paging,
            .interrupt_allowed = interrupt_allowed,
            .nmi_allowed = nmi_allowed,
            .unblock_nmi = unblock_nmi,
            .set_windows = set_windows,
            .set_debug = set_debug,
        },
    .state = &fake_state,
};

void fake_vcpu_init(struct vm *vm, struct vcpu *vcpu, unsigned bits)
{
    uint32_t size = bits == 64 ? SEG_L : bits == 32 ? SEG_DB : 0;
    struct segment data = {.limit = bits == 16 ? 0xffff : 0xffffffff,
                           .attributes = 0x93 | (bits == 16 ? 0 : SEG_G | SEG_DB)};

    memset(&fake_cpu, 0, sizeof(fake_cpu));
    vcpu->vm = vm;
    vm->vcpus[0] = vcpu;
    vm->vcpu_count = 1;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        fake_cpu.segments[i] = data;
    fake_cpu.segments[SEG_CS].attributes = 0x9b | size | (bits == 16 ? 0 : SEG_G);
    fake_cpu.regs[REG_RFLAGS] = RFLAGS_1;
    fake_cpu.regs[REG_CR0] = CR0_ET | (bits == 16 ? 0 : CR0_PE);
    if (bits == 64)
        fake_cpu.regs[REG_EFER] = EFER_LME | EFER_LMA;
}
