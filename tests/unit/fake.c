#include "tests/unit/fake.h"

#include "hv/console/console.h"
#include "hv/cpu/native.h"
#include "hv/host/clock.h"
#include "hv/host/paging.h"
#include "hv/life/vm_log.h"
#include "hv/run/vm_timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t fake_now, fake_hz = 1000000000, fake_wall = 1700000000;
char fake_log[16384];
struct fake_cpu fake_cpu;
const struct virt_ops *virt __attribute__((weak)) = &fake_virt;

bool fake_at_home = true;
__attribute__((weak)) void clock_hold(uint64_t now)
{
    (void)now;
}

__attribute__((weak)) void (*timer_paid)(struct runner *payer, uint64_t from, uint64_t until);

struct timer_queue {
    struct timer *first;
};
static struct timer_queue queue;

__attribute__((weak)) const char *serial_claim(struct serial *serial, const char *user)
{
    const char *before = serial->user;

    if (!before)
        serial->user = user;
    return before;
}

__attribute__((weak)) void serial_release(struct serial *serial)
{
    serial->user = NULL;
}

__attribute__((weak)) uint64_t clock_now(void)
{
    return fake_now;
}

__attribute__((weak)) uint64_t clock_hz(void)
{
    return fake_hz;
}

__attribute__((weak)) uint64_t clock_wall_seconds(void)
{
    return fake_wall + fake_now / fake_hz;
}

__attribute__((weak)) void timer_cancel(struct timer *timer)
{
    for (struct timer **at = &queue.first; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->queue = NULL;
}

__attribute__((weak)) void timer_stop(struct timer *timer)
{
    timer_cancel(timer);
}

__attribute__((weak)) void timer_arm(struct timer *timer, uint64_t deadline)
{
    struct timer **at = &queue.first;

    timer_cancel(timer);
    timer->deadline = deadline;
    timer->queue = &queue;
    while (*at && (*at)->deadline <= deadline)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

__attribute__((weak)) bool vm_timer_at_home(struct vm *vm, struct vcpu *vcpu)
{
    (void)vm, (void)vcpu;
    return fake_at_home;
}

uint64_t fake_next_deadline(void)
{
    return queue.first ? queue.first->deadline : UINT64_MAX;
}

void fake_run_until(uint64_t when)
{
    while (queue.first && queue.first->deadline <= when) {
        struct timer *timer = queue.first;
        if (fake_now < timer->deadline)
            fake_now = timer->deadline;
        timer_cancel(timer);
        if (timer->lock)
            spin_lock(timer->lock);
        timer->expired(timer);
        if (timer->lock)
            spin_unlock(timer->lock);
    }
    fake_now = when;
}

void fake_reset(void)
{
    queue.first = NULL;
    fake_at_home = true;
    fake_now = 0;
    fake_hz = 1000000000;
    fake_wall = 1700000000;
    fake_log[0] = 0;
}

__attribute__((weak)) void *host_allocate(uint64_t size)
{
    return calloc(1, size);
}

__attribute__((weak)) void host_free(void *memory, uint64_t size)
{
    (void)size;
    free(memory);
}

__attribute__((weak)) void log_line(const char *format, ...)
{
    size_t used = strlen(fake_log);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_log + used, sizeof(fake_log) - used, format, arguments);
    va_end(arguments);
    used = strlen(fake_log);
    snprintf(fake_log + used, sizeof(fake_log) - used, "\n");
}

static void append(struct writer *self, const char *text, size_t length)
{
    (void)self;
    strncat(fake_log, text, MIN(length, sizeof(fake_log) - 1 - strlen(fake_log)));
}

__attribute__((weak)) void log_lines_init(struct log_lines *lines)
{
    lines->writer.write = append;
}

static struct writer fake_report = {append};

/* A VM's lines and reports, where hv/life/vm_log.c is not: all of them are said. */
static bool say_of_vm(const struct vm *vm, const char *format, va_list arguments)
{
    char text[LOG_LINE];

    vsnprintf(text, sizeof(text), format, arguments);
    log_line("vm %s: %s", vm->name, text);
    return true;
}

__attribute__((weak)) bool vm_log(struct vm *vm, const char *format, ...)
{
    va_list arguments;
    bool said;

    va_start(arguments, format);
    said = say_of_vm(vm, format, arguments);
    va_end(arguments);
    return said;
}

__attribute__((weak)) bool vm_log_crash(struct vm *vm, const char *format, ...)
{
    va_list arguments;
    bool said;

    va_start(arguments, format);
    said = say_of_vm(vm, format, arguments);
    va_end(arguments);
    return said;
}

__attribute__((weak)) bool vm_may_report(struct vm *vm)
{
    (void)vm;
    return true;
}

__attribute__((weak)) bool vm_may_report_crash(struct vm *vm)
{
    (void)vm;
    return true;
}

__attribute__((weak)) void vm_log_init(struct vm_log *log, const char *name, bool restarts)
{
    (void)log, (void)name, (void)restarts;
}

__attribute__((weak)) void vm_log_free(struct vm_log *log, bool free)
{
    (void)log, (void)free;
}

__attribute__((weak)) struct writer *report_begin(void)
{
    return &fake_report;
}

__attribute__((weak)) void report_end(void)
{
}

__attribute__((weak)) void log_stamp(struct writer *out)
{
    (void)out;
}

__attribute__((weak)) void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
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

__attribute__((weak)) uint64_t native_dr(unsigned number)
{
    return fake_cpu.dr[number];
}

__attribute__((weak)) void native_set_dr(unsigned number, uint64_t value)
{
    fake_cpu.dr[number] = value;
}

const struct virt_ops fake_virt = {
    .name = "fake",
    .get = get,
    .set = set,
    .get_segment = get_segment,
    .set_segment = set_segment,
    .advance = advance,
    .flush = flush,
    .watch_paging = watch_paging,
    .loads_pdptes = true,
    .interrupt_allowed = interrupt_allowed,
    .nmi_allowed = nmi_allowed,
    .unblock_nmi = unblock_nmi,
    .inject = inject,
    .set_windows = set_windows,
    .set_debug = set_debug,
    .get_msr = get_msr,
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

/* Where hv/vm/vm.c is not: the page that the test device has taken away, plus 1. */
gpa_t fake_hidden;

__attribute__((weak)) void vm_hide_page(struct vm *vm, gpa_t page)
{
    (void)vm;
    fake_hidden = page + 1;
}

__attribute__((weak)) void vm_show_page(struct vm *vm)
{
    (void)vm;
    fake_hidden = 0;
}
