/* The bring-up, in order, and the one place that knows every room. */
#include "boot/efi_runtime.h"
#include "boot/multiboot2.h"
#include "devices/board.h"
#include "hv/console/console.h"
#include "hv/console/screen.h"
#include "hv/cpu/hygiene.h"
#include "hv/cpu/virt_state.h"
#include "hv/crash/crash.h"
#include "hv/crash/panic.h"
#include "hv/crash/watchdog.h"
#include "hv/gdb/gdb_stub.h"
#include "hv/host/acpi.h"
#include "hv/host/apic.h"
#include "hv/host/calibrate.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/frames.h"
#include "hv/host/idt.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/log_ring.h"
#include "hv/host/paging.h"
#include "hv/host/quirks.h"
#include "hv/host/smp.h"
#include "hv/host/timer.h"
#include "hv/host/wait.h"
#include "hv/lib/string.h"
#include "hv/life/config.h"
#include "hv/life/config_modules.h"
#include "hv/life/life.h"
#include "hv/life/sleepers.h"
#include "hv/monitor/monitor.h"
#include "hv/observe/record.h"
#include "hv/observe/reports.h"
#include "hv/observe/stats.h"
#include "hv/observe/trace.h"
#include "hv/run/sched.h"
#include "hv/run/work.h"
#include "hv/vm/virt_controls.h"
#include "svm/ops.h"
#include "vmx/ops.h"

static struct boot_info info;
static struct config config;
static struct module modules[ARRAY_LENGTH(info.modules)];

/* How far it got, for whoever watches port 0x80. */
static void stage(uint8_t code)
{
    outb(0x80, code);
}

/* Ends without a panic's alarm: the machine is as it should be, but Keel cannot run here. */
static _Noreturn void stop_in_words(const char *what)
{
    log_line("Keel stops: %s", what);
    halt_for_ever();
}

static void say_memory(void)
{
    struct memory_counts counts = memory_count(host_frames());

    log_line("memory: %lu MiB for guests, the largest piece %lu MiB; %lu KiB for Keel, %lu KiB of it used",
             counts.guest_total / MIB(1), counts.largest_free / MIB(1), counts.pool_total / KIB(1),
             counts.pool_used / KIB(1));
}

/* Where COM1 does not answer, the UART that ACPI names hears it all from the beginning. */
static void find_console(void)
{
    if (console_port() || !machine.console || !serial_init(machine.console, machine.console_baud))
        return;
    console_init(machine.console);
    log_repeat();
    log_line("console: no UART answers at COM1; this is the one that ACPI's SPCR names");
}

/* Time, interrupts and the boot core's own tables. */
static void start_machine(void)
{
    struct cpu *cpu;
    const char *by;

    acpi_init(&info);
    find_console();
    host_apic_init();
    cpu = cpu_create(0);
    if (!cpu)
        panic("no memory for the boot core's stacks");
    cpu_load_tables(cpu);
    host_apic_enable();
    cpu->apic_id = host_apic_id();
    cpu->online = true;
    log_cores_known();
    legacy_interrupts_off();
    by = clock_calibrate(machine.pm_timer);
    clock_read_rtc();
    if (by)
        log_line("clock: TSC at %lu.%06lu MHz, measured by %s", clock_hz() / 1000000, clock_hz() % 1000000,
                 by);
    else
        log_line("clock: nothing here to measure the TSC by: 1 GHz is assumed, guests' time will be wrong");
    interrupts_handle(VECTOR_TIMER, timer_interrupt);
    host_apic_timer_init();
    if (host_apic_timer_hz())
        log_line("clock: APIC timer at %lu.%06lu MHz, measured by the TSC", host_apic_timer_hz() / 1000000,
                 host_apic_timer_hz() % 1000000);
    log_line("interrupts: %s; %u processors, %u I/O APICs", host_apic_description(),
             MAX(machine.apic_count, 1u), machine.ioapic_count);
}

/* `disable` in keel.conf: names with commas between them. */
static void forbid_controls(void)
{
    size_t length;

    for (const char *at = config.forbid; at && *at; at += length) {
        const char *end;

        while (*at == ' ' || *at == ',')
            at++;
        end = strchr(at, ',');
        length = end ? (size_t)(end - at) : strlen(at);
        if (length && !virt_forbid(virt->lifecycle.controls, at, length))
            log_line("disable: %s has no control to do without at \"%s\"", virt->name, at);
    }
}

static void choose_vendor(void)
{
    static const struct virt_ops *const vendors[] = {&vmx_ops, &svm_ops};

    for (unsigned i = 0; i < ARRAY_LENGTH(vendors) && !virt; i++)
        if (vendors[i]->lifecycle.present())
            virt = vendors[i];
    if (!virt)
        stop_in_words(
            "this CPU shows neither VMX (CPUID.1:ECX[5]) nor SVM (CPUID.80000001:ECX[2]). Turn on \"Intel "
            "Virtualization Technology\" (VT-x) or \"SVM Mode\" in the firmware's set-up; in an emulator "
            "choose a CPU model that has it (" MODELS_WITH_EITHER ").");
    virt_state = virt->state;
    forbid_controls();
    if (!virt->lifecycle.preflight())
        stop_in_words("the CPU lacks what is named above.");
}

/* Of entry.asm. */
extern const char trampoline_start[], trampoline_displacement[], trampoline_end[];

static void start_other_core(void)
{
    this_cpu()->runs_guests = virt->lifecycle.enable();
    if (!this_cpu()->runs_guests)
        for (;;)
            interrupts_wait();
    watchdog_start();
    sched_loop(vm_vcpu_stopped);
}

static void all_off(void)
{
    static const char *const words[] = {"powering the machine off", "restarting the machine",
                                        "waiting at the console"};

    log_line("all VMs are off: %s", words[config.all_off]);
    gdb_finish();
    if (config.all_off == ALL_OFF_MONITOR) {
        monitor_open();
    } else {
        watchdog_stop();
        console_finish();
    }
    if (config.all_off == ALL_OFF_POWEROFF)
        machine_power_off();
    if (config.all_off == ALL_OFF_REBOOT)
        machine_reboot();
}

static unsigned map_modules(void)
{
    for (unsigned i = 0; i < info.module_count; i++) {
        modules[i] = (struct module){
            .name = info.modules[i].name,
            .arguments = info.modules[i].arguments,
            .bytes = host_map(info.modules[i].first, MAX(info.modules[i].size, 1u), HOST_READ),
            .size = info.modules[i].size};
        if (!modules[i].bytes)
            panic("no memory to map module %s", modules[i].name);
    }
    return info.module_count;
}

static void read_config(unsigned module_count)
{
    for (unsigned i = 0; i < module_count; i++)
        if (strcmp(modules[i].name, CONFIG_FILE) == 0) {
            config_parse(CONFIG_FILE, (const char *)modules[i].bytes, modules[i].size, &config);
            config_resolve(&config, modules, module_count);
            return;
        }
    log_line("there is no module named %s: one VM of the modules `kernel` and `ramdisk`", CONFIG_FILE);
    if (config_default(&config, modules, module_count))
        config_resolve(&config, modules, module_count);
}

static void open_console(void)
{
    struct serial *wanted = config.console.port ? &serial_ports[config.console.port - 1] : NULL;

    console_set_escape((char)config.escape);
    if (wanted && !serial_init(wanted, config.console.baud))
        log_line("console: no UART answers at COM%u: the console stays where it is%s", config.console.port,
                 console_port() ? "" : ", and nothing can be typed");
    else
        console_init(wanted);
    if (console_port())
        console_listen(console_port());
}

static void open_gdb(void)
{
    struct serial *serial = config.gdb.port ? &serial_ports[config.gdb.port - 1] : NULL;

    const char *user = serial ? serial_claim(serial, "GDB's") : NULL;

    if (user)
        log_line("gdb: COM%u is %s: GDB is not served. Give one of the two another port: gdb = com%u, or "
                 "console = com%u",
                 config.gdb.port, user, config.gdb.port % 4 + 1, config.gdb.port % 4 + 1);
    if (!serial || user)
        return;
    if (!serial_init(serial, config.gdb.baud)) {
        serial_release(serial);
        log_line("gdb: no UART answers at COM%u", config.gdb.port);
        return;
    }
    gdb_start(serial);
    log_line("gdb: at COM%u, %u baud", config.gdb.port, config.gdb.baud);
}

static void start_trace(void)
{
    struct log_lines lines;

    log_lines_init(&lines);
    trace_reported = config.report & REPORT_TRACE;
    trace_size = config.trace_size;
    if (config.trace && strncmp(config.trace, "on", 2) == 0)
        trace_on(config.trace + 2, &lines.writer);
}

/* For the console. */
static bool find_vm(unsigned number, struct console_vm *vm)
{
    struct life_info of;

    if (!life_info(number, &of))
        return false;
    *vm = (struct console_vm){of.name, life_state_name(of.state), of.shares};
    return true;
}

static void audit_paging(void)
{
    struct paging_audit audit = paging_audit(NULL);

    if (audit.writable_and_executable)
        panic("%lu of %lu mapped pages are writable and executable", audit.writable_and_executable,
              audit.pages);
    if (audit.executable)
        panic("%lu of %lu mapped pages are executable and not of Keel's text", audit.executable, audit.pages);
    log_line("paging: %lu mapped pages, none writable and executable", audit.pages);
}

/* The rest of the bring-up, on the boot core's own stack. */
static void run(void)
{
    stage(0x24);
    read_config(map_modules());
    choose_vendor();
    this_cpu()->runs_guests = virt->lifecycle.enable();
    if (!this_cpu()->runs_guests)
        stop_in_words("hardware virtualization cannot be turned on on the boot core.");
    hygiene_init();
    stage(0x25);
    sched_init();
    smp_start(&(struct smp_trampoline){trampoline_start, trampoline_displacement, trampoline_end},
              start_other_core);
    log_line("smp: %u core%s", cpu_count, cpu_count == 1 ? "" : "s");
    stage(0x26);
    open_console();
    sched_report_shares = config.report & REPORT_SHARES;
    stats_reported = config.report & REPORT_EXITS;
    audit_paging();
    say_memory();
    stage(0x27);
    vm_all_off = all_off;
    vm_hold();
    console_vms = find_vm;
    life_recorder = &record_recorder;
    life_watch = (struct life_watch){.starts = trace_vm, .crashed = crash_report, .ended = reports_vm_ended};
    life_init(&config, &pc_board);
    start_trace();
    reports_init();
    work_init();
    monitor_init();
    open_gdb();
    life_launch();
    vm_release();
    console_start();
    watchdog_start();
    sleepers_start();
    sched_loop(vm_vcpu_stopped);
}

extern _Noreturn void stack_switch(uint64_t top, void (*next)(void));

/* Called by entry.asm with the physical address of the boot loader's information; the low 4 GiB are mapped as
 * they are. */
_Noreturn void keel_main(uint64_t information);
_Noreturn void keel_main(uint64_t information)
{
    stage(0x20);
    interrupts_init();
    panic_init();
    interrupts_load(); /* from here on an exception is told, not a silent restart */
    log_start(console_write);
    console_init(serial_init(&serial_ports[0], 115200) ? &serial_ports[0] : NULL);
    log_line("Keel, a microhypervisor");
    stage(0x21);
    cpu_enable_features();
    if (!multiboot2_parse((const void *)information, MULTIBOOT2_INFO_MOST, &info))
        stop_in_words("the boot loader handed over nothing that Keel can read.");
    efi_runtime_read(&info);
    log_line("booted by %s, %u modules", *info.loader_name ? info.loader_name : "a nameless boot loader",
             info.module_count);
    if (!console_port())
        screen_start(&info);
    stage(0x22);
    paging_init(&info);
    screen_move();
    stage(0x23);
    start_machine();
    stack_switch(this_cpu()->stack_top, run);
}
