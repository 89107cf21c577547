/* VMs and vCPUs as a model, with GDB attached: what may happen does, in any order. */
#include "tests/unit/gdb/gdb_model_parts.h"

#include <asm/prctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hv/console/console.h"
#include "hv/cpu/native.h"
#include "hv/crash/crash.h"
#include "hv/event/guest_debug.h"
#include "hv/gdb/gdb_stub.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/paging.h"
#include "hv/life/create.h"
#include "hv/life/life.h"
#include "hv/monitor/monitor.h"
#include "hv/observe/stats.h"
#include "hv/observe/trace.h"
#include "hv/run/sched.h"
#include "hv/run/work.h"
#include "hv/walk/linear.h"
#include "tests/unit/fake.h"

#define NOP 0x90

/* A vCPU of the model: its registers, and who has it. */
struct being {
    struct vcpu vcpu;
    uint64_t regs[REG_COUNT], dr[4];
    struct segment segments[SEG_COUNT];
    uint8_t xsave[4096];
    bool added; /* the scheduler has it */
    struct cpu *loaded;
};

static struct cpu cores[2] = {{.self = &cores[0]}, {.self = &cores[1], .index = 1}};
static struct being beings[MODEL_VMS][MODEL_VCPUS];
static uint8_t ram[MODEL_VMS][MODEL_RAM];
static struct config config;
static struct life *made[MODEL_VMS];

void model_on_core(unsigned index)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cores[index]);
}

static struct being *being_of(struct vcpu *vcpu)
{
    return container_of(vcpu, struct being, vcpu);
}

/* The vendor. */

static void vcpu_load(struct vcpu *vcpu)
{
    struct being *being = being_of(vcpu);

    CHECK(!being->loaded);
    CHECK(!this_cpu()->current);
    CHECK(this_cpu() == &cores[1] || !being->added); /* core 0 is no vCPU's: it stands still */
    being->loaded = this_cpu();
    this_cpu()->current = vcpu;
}

static void vcpu_put(struct vcpu *vcpu)
{
    struct being *being = being_of(vcpu);

    if (being->loaded != this_cpu()) /* clearing puts a worker that nobody has loaded */
        return;
    being->loaded = NULL;
    this_cpu()->current = NULL;
}

static struct being *mine(struct vcpu *vcpu)
{
    CHECK(being_of(vcpu)->loaded == this_cpu());
    return being_of(vcpu);
}

static uint64_t get(struct vcpu *vcpu, enum vcpu_reg reg)
{
    return mine(vcpu)->regs[reg];
}

static void set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
    mine(vcpu)->regs[reg] = value;
}

static void get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value)
{
    *value = mine(vcpu)->segments[segment];
}

static void set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value)
{
    mine(vcpu)->segments[segment] = *value;
}

static bool get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = mine(vcpu)->regs[REG_RAX];
    return true;
}

static void set_debug(struct vcpu *vcpu, unsigned what)
{
    (void)what;
    mine(vcpu);
}

static const struct virt_ops model_virt = {
    .lifecycle =
        {
            .vcpu_load = vcpu_load,
            .vcpu_put = vcpu_put,
        },
    .run =
        {
            .set_debug = set_debug,
        },
};
const struct virt_ops *virt = &model_virt;

static const struct virt_state model_registers = {
    .get = get,
    .set = set,
    .get_segment = get_segment,
    .set_segment = set_segment,
    .get_msr = get_msr,
};
const struct virt_state *virt_state = &model_registers;

uint64_t native_dr(unsigned number)
{
    return being_of(this_cpu()->current)->dr[number];
}

void native_set_dr(unsigned number, uint64_t value)
{
    being_of(this_cpu()->current)->dr[number] = value;
}

bool guest_translate(struct vcpu *vcpu, gva_t gva, unsigned access, gpa_t *gpa, struct fault *fault)
{
    (void)access, (void)fault;
    mine(vcpu);
    *gpa = gva;
    return gva < MODEL_RAM;
}

enum code_mode vcpu_code_mode(struct vcpu *vcpu)
{
    mine(vcpu);
    return CODE_64;
}

static unsigned get_tpr(void *state)
{
    (void)state;
    return 0;
}

static void say_much(const char *line, struct writer *out)
{
    for (unsigned i = 0; i < 200; i++)
        print_to(out, "%s: line %u of many\n", line, i);
}

/* The scheduler. */

void sched_add(struct vcpu *vcpu)
{
    CHECK(!being_of(vcpu)->added);
    being_of(vcpu)->added = true;
}

void sched_remove(struct vcpu *vcpu)
{
    CHECK(being_of(vcpu)->added);
    being_of(vcpu)->added = false;
}

bool model_work(void)
{
    struct work *work = fake_asked.work;

    fake_asked.work = NULL;
    if (!work)
        return false;
    model_on_core(0);
    work->run(work);
    CHECK(!cores[0].current);
    return true;
}

static void execute(struct being *being)
{
    struct vcpu *vcpu = &being->vcpu;
    uint64_t rip = being->regs[REG_RIP];

    if (rip < MODEL_RAM && ram[vcpu->vm->id - 1][rip] == 0xcc && debug_on_breakpoint(vcpu))
        return;
    being->regs[REG_RIP] = MODEL_CODE + (rip + 1) % PAGE_SIZE;
    if (vcpu->arch.debug.step == STEP_TRAP)
        CHECK(debug_on_trap(vcpu, BIT(14)) == 0);
}

bool model_run(unsigned number, unsigned id, enum model_act act)
{
    static const enum vm_end ends[ACTS] = {
        [ACT_EXIT] = VM_EXITED, [ACT_POWER_OFF] = VM_POWERED_OFF, [ACT_RESET] = VM_RESET};
    struct being *being = &beings[number][id];
    struct vcpu *vcpu = &being->vcpu;

    if (!being->added)
        return false;
    model_on_core(1);
    if (cores[1].current != vcpu) {
        if (cores[1].current)
            vcpu_put(cores[1].current);
        vcpu_load(vcpu);
    }
    if (vcpu->requests & REQUEST_STOP) {
        vm_vcpu_stopped(vcpu);
        return true;
    }
    if (vcpu->requests & REQUEST_DEBUG) {
        vcpu->requests &= ~(uint64_t)REQUEST_DEBUG;
        debug_apply(vcpu);
    }
    if (act == ACT_RUN)
        execute(being);
    else if (act == ACT_CRASH)
        vm_crash(vcpu->vm, "by a draw of lots");
    else if (ends[act])
        vm_stop(vcpu->vm, ends[act], 3);
    if (act > ACT_HALT) /* its run loop ends by that */
        vm_vcpu_stopped(vcpu);
    return false;
}

void model_order(unsigned vm, enum model_order order)
{
    model_on_core(0);
    switch (order) {
    case ORDER_PAUSE:
        life_pause(vm + 1);
        break;
    case ORDER_RESUME:
        life_resume(vm + 1);
        break;
    case ORDER_STOP:
        life_stop(vm + 1);
        break;
    case ORDER_START:
        life_start(vm + 1);
        break;
    default:
        life_reset(vm + 1);
    }
}

void model_settle(void)
{
    bool any = true;

    for (unsigned turns = 0; any; turns++) {
        CHECK(turns < 10000);
        any = model_work();
        for (unsigned i = 0; i < MODEL_VMS * MODEL_VCPUS; i++)
            any |= model_run(i / MODEL_VCPUS, i % MODEL_VCPUS, ACT_HALT);
    }
}

/* The lives' parts: RAM is there at once. */

static void being_begin(unsigned number, unsigned id)
{
    struct being *being = &beings[number][id];

    memset(being, 0, sizeof(*being));
    being->vcpu.vm = &made[number]->vm;
    being->vcpu.id = id;
    being->vcpu.arch.native.xsave = being->xsave;
    being->vcpu.arch.interrupts.get_tpr = get_tpr;
    made[number]->vm.vcpus[id] = &being->vcpu;
}

const struct life_recorder *life_recorder;

bool life_create(struct life *life)
{
    struct vm *vm = &life->vm;
    unsigned number = life->number - 1;

    memset(vm, 0, sizeof(*vm));
    made[number] = life;
    vm->life = life;
    vm->id = life->number;
    vm->vcpu_count = MODEL_VCPUS;
    vm->memory = (struct guest_mem){{{0, MODEL_RAM, ram[number]}}, 1};
    for (unsigned i = 0; i < MODEL_VCPUS; i++)
        being_begin(number, i);
    return true;
}

bool life_clear(struct life *life)
{
    memset(ram[life->number - 1], 0, MODEL_RAM);
    return true;
}

bool life_load(struct life *life)
{
    unsigned number = life->number - 1;

    memset(ram[number] + MODEL_CODE, NOP, PAGE_SIZE);
    debug_forget_breakpoints(&life->vm);
    for (unsigned i = 0; i < MODEL_VCPUS; i++) {
        struct being *being = &beings[number][i];

        memset(being->regs, 0, sizeof(being->regs));
        being->regs[REG_RIP] = MODEL_CODE;
        being->regs[REG_RFLAGS] = RFLAGS_1;
        being->regs[REG_EFER] = EFER_LMA;
        being->vcpu.requests = 0;
        debug_reset(&being->vcpu);
    }
    return true;
}

void life_destroy(struct life *life)
{
    for (unsigned i = 0; i < MODEL_VCPUS; i++) {
        struct being *being = &beings[life->number - 1][i];

        if (being->loaded)
            being->loaded->current = NULL;
        being->loaded = NULL;
        memset(&being->vcpu, 0xee, sizeof(being->vcpu)); /* whoever still looks at it sees that */
    }
    memset(life->vm.vcpus, 0, sizeof(life->vm.vcpus));
}

bool guest_space_create(struct table *space)
{
    (void)space;
    return false;
}

void console_hasten(struct console_client *client)
{
    (void)client;
}

void crash_report(struct vcpu *vcpu)
{
    (void)vcpu;
}

void stats_print(const struct vm *vm, const struct vcpu *vcpu, struct writer *out)
{
    (void)vm, (void)vcpu, (void)out;
}

bool stats_reported;

bool trace_reported;

struct frames *host_frames(void)
{
    return NULL;
}

static void board_stop(struct vm *vm)
{
    (void)vm;
}

static void all_off(void)
{
}

static const struct board_ops board = {.stop = board_stop};

void model_begin(void)
{
    static const struct serial serial = {.port = 1};

    fake_reset();
    memset(&config, 0, sizeof(config));
    memset(cores, 0, sizeof(cores));
    memset(beings, 0, sizeof(beings));
    cores[0].self = &cores[0];
    cores[1].self = &cores[1];
    cores[1].index = 1;
    config.vm_count = MODEL_VMS;
    for (unsigned i = 0; i < MODEL_VMS; i++)
        config.vms[i] = (struct config_vm){.name = {(char)('a' + i)},
                                           .memory = MIB(1),
                                           .vcpus = MODEL_VCPUS,
                                           .start = true,
                                           .autostart = true};
    fake_asked.work = NULL;
    cpus[0] = &cores[0], cpus[1] = &cores[1];
    cpu_count = 2;
    model_port_begin();
    gdb_monitor = say_much;
    vm_all_off = all_off;
    model_on_core(0);
    vm_hold();
    life_init(&config, &board);
    gdb_start(&serial);
    life_launch();
    model_settle();
}

void model_end(void)
{
    for (unsigned i = 0; i < MODEL_VMS; i++)
        model_order(i, ORDER_STOP);
    for (unsigned i = 0; i < 100; i++) {
        model_transmit(64);
        model_settle();
        fake_run_until(fake_now + 100 * fake_hz);
    }
    vm_release();
}

const char *model_state(unsigned vm)
{
    struct life_info info;

    CHECK(life_info(vm + 1, &info));
    return life_state_name(info.state);
}

bool model_untouched(unsigned vm)
{
    bool is = !made[vm]->vm.debug;

    for (unsigned i = 0; i < PAGE_SIZE; i++)
        is &= ram[vm][MODEL_CODE + i] == NOP;
    for (unsigned i = 0; i < MODEL_VCPUS; i++)
        is &= !beings[vm][i].vcpu.arch.debug.step && !(beings[vm][i].regs[REG_RFLAGS] & RFLAGS_TF);
    return is;
}
