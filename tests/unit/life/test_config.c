#include "tests/unit/life/config_fixture.h"

/* One VM with a kernel and one more line. */
static bool parse_vm_line(const char *line)
{
    char text[512];

    snprintf(text, sizeof(text), "[vm a]\nkernel = k\n%s\n", line);
    return parse(text);
}

static void reads_the_example_of_the_design(void **state)
{
    const struct config_vm *vm = &config.vms[0];

    (void)state;
    assert_true(parse("[keel]\n"
                      "console   = com1,115200     # where everything talks\n"
                      "all_off   = poweroff        # poweroff | reboot | monitor\n"
                      "\n"
                      "[vm debian]\n"
                      "memory    = 256M\n"
                      "vcpus     = 2\n"
                      "cpus      = 0-1             # cores it may run on\n"
                      "kernel    = vmlinuz\n"
                      "ramdisk   = initrd.gz\n"
                      "cmdline   = console=ttyS0\n"
                      "serial    = console         # console | com2 | com3 | com4 | none\n"
                      "on_crash  = halt            # halt | restart\n"));
    assert_string_equal(fake_log, "");
    assert_int_equal(config.console.port, 1);
    assert_int_equal(config.console.baud, 115200);
    assert_int_equal(config.all_off, ALL_OFF_POWEROFF);
    assert_int_equal(config.vm_count, 1);
    assert_true(vm->start);
    assert_string_equal(vm->name, "debian");
    assert_int_equal(vm->memory, MIB(256));
    assert_int_equal(vm->vcpus, 2);
    assert_int_equal(vm->cpus[0], 3);
    assert_string_equal(vm->kernel, "vmlinuz");
    assert_string_equal(vm->ramdisk, "initrd.gz");
    assert_string_equal(vm->cmdline, "console=ttyS0");
    assert_int_equal(vm->serial, SERIAL_CONSOLE);
    assert_int_equal(vm->on_crash, ON_CRASH_HALT);
}

static void every_key_but_kernel_has_a_default(void **state)
{
    const struct config_vm *vm = &config.vms[0];

    (void)state;
    assert_true(parse("[vm a]\nkernel=k"));
    assert_int_equal(config.console.port, 1);
    assert_int_equal(config.console.baud, 115200);
    assert_int_equal(vm->memory, MIB(256));
    assert_int_equal(vm->vcpus, 1);
    assert_int_equal(vm->cpus[0] | vm->cpus[1] | vm->cpus[2] | vm->cpus[3], 0);
    assert_int_equal(vm->weight, 100);
    assert_int_equal(vm->cap, 0);
    assert_null(vm->ramdisk);
    assert_string_equal(vm->cmdline, "");
    assert_int_equal(vm->format, FORMAT_AUTO);
}

static void values_of_every_kind_are_read(void **state)
{
    (void)state;
    assert_true(parse("[keel]\nconsole = com3 , 9600\nall_off = monitor\nescape=^a\n"
                      "[vm a]\nkernel=k\nmemory=0x400k\nvcpus=64\ncpus= 3, 5 - 6 "
                      ",255\nweight=10000\ncap=6400\nserial=com4\n"
                      "on_crash=restart\n"
                      "[vm b]\nkernel=k\nmemory=2G\nformat=flat\nload=0x200000\nentry=long\nserial=none\n"));
    assert_int_equal(config.console.port, 3);
    assert_int_equal(config.console.baud, 9600);
    assert_int_equal(config.all_off, ALL_OFF_MONITOR);
    assert_int_equal(config.escape, 1);
    assert_int_equal(config.vms[0].memory, MIB(1));
    assert_int_equal(config.vms[0].vcpus, 64);
    assert_int_equal(config.vms[0].cpus[0], BIT(3) | BIT(5) | BIT(6));
    assert_int_equal(config.vms[0].cpus[3], BIT(63));
    assert_int_equal(config.vms[0].weight, 10000);
    assert_int_equal(config.vms[0].cap, 6400);
    assert_int_equal(config.vms[0].serial, SERIAL_COM4);
    assert_int_equal(config.vms[0].on_crash, ON_CRASH_RESTART);
    assert_int_equal(config.vms[1].memory, GIB(2));
    assert_int_equal(config.vms[1].load, 0x200000);
    assert_int_equal(config.vms[1].entry, ENTRY_LONG);
    assert_int_equal(config.vms[1].serial, SERIAL_NONE);
    assert_true(parse("[keel]\nconsole = none\n[vm a]\nkernel=k\n"));
    assert_int_equal(config.console.port, 0);
}

static void carriage_returns_and_a_missing_last_line_end_are_fine(void **state)
{
    (void)state;
    assert_true(parse("[keel]\r\nconsole = com2\r\n\r\n[vm a]\r\nkernel = k"));
    assert_int_equal(config.console.port, 2);
    assert_string_equal(config.vms[0].kernel, "k");
}

static void comments_begin_after_a_blank_and_outside_quotes(void **state)
{
    const struct {
        const char *line, *value;
    } cases[] = {
        {"cmdline = a b # c", "a b"},
        {"cmdline = a#b c", "a#b c"},
        {"cmdline = # nothing", ""},
        {"cmdline =", ""},
        {"cmdline = \"a # b\" # c", "a # b"},
        {"cmdline = \"  a \"", "  a "},
        {"cmdline = 'dyndbg=\"file a +p\" x'", "dyndbg=\"file a +p\" x"},
        {"cmdline = x dyndbg=\"a # b\" y # z", "x dyndbg=\"a # b\" y"},
        {"cmdline = root=/dev/vda1 a=b", "root=/dev/vda1 a=b"},
        {"  cmdline\t=\ta\tb\t", "a\tb"},
        {"cmdline = it's", "it's"},
        {"cmdline = \"\"", ""},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_true(parse_vm_line(cases[i].line));
        assert_string_equal(config.vms[0].cmdline, cases[i].value);
    }
}

static void a_bad_value_is_named_by_file_line_section_key_and_reason(void **state)
{
    (void)state;
    assert_false(parse("# first\n[vm debian]\nkernel = k\n\nvcpus = abc\n"));
    assert_string_equal(fake_log,
                        "keel.conf:5: [vm debian] vcpus: \"abc\" is not a number from 1 to 64; the VM is "
                        "not started\n");
    assert_false(config.vms[0].start);
}

static void values_out_of_range_are_refused(void **state)
{
    static const char *const bad[] = {
        "vcpus = 0",
        "vcpus = 65",
        "vcpus = -1",
        "vcpus = 1x",
        "vcpus = 18446744073709551617",
        "vcpus =",
        "vcpus = 0x",
        "memory = 512K",
        "memory = 256",
        "memory = 1025G",
        "memory = 1026K1",
        "memory = M",
        "memory = 1025K",
        "memory = 1.5G",
        "memory = 17179869185G",
        "memory = 256MB",
        "cpus = 256",
        "cpus = 3-1",
        "cpus = 1,,2",
        "cpus = 1,",
        "cpus = -",
        "cpus = 1 2",
        "cpus = 0-99999999999",
        "cpus =",
        "weight = 0",
        "weight = 10001",
        "weight = 1.5",
        "cap = 6401",
        "cap = 50%",
        "cap = -1",
        "serial = com1",
        "serial = Console",
        "on_crash = no",
        "autostart = maybe",
        "after = a b",
        "format = elf",
        "kernel2 = x",
        "ramdisk = two words",
        "ramdisk =",
        "load = 0x7c00",
        "entry = real",
        "memory 256M",
        "cmdline = \"open",
        "cmdline = \"a\" b",
        "= 5",
        "cmdline = a\x01",
        "cmdline = \x7f",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (parse_vm_line(bad[i]) || config.vms[0].start)
            fail_msg("taken: %s", bad[i]);
        assert_said("keel.conf:3: [vm a]");
        assert_said("; the VM is not started");
    }
}

static void a_report_is_a_list_of_words(void **state)
{
    (void)state;
    assert_true(parse("[keel]\nreport = shares\n[vm a]\nkernel=k\n"));
    assert_int_equal(config.report, REPORT_SHARES);
    assert_true(parse("[keel]\nreport = shares  shares\n[vm a]\nkernel=k\n"));
    assert_int_equal(config.report, REPORT_SHARES);
    assert_true(parse("[keel]\nreport = none\n[vm a]\nkernel=k\n"));
    assert_int_equal(config.report, 0);
    assert_true(parse("[keel]\nreport = trace exits\n[vm a]\nkernel=k\n"));
    assert_int_equal(config.report, REPORT_TRACE | REPORT_EXITS);
    assert_false(parse("[keel]\nreport = share\n[vm a]\nkernel=k\n"));
    assert_false(parse("[keel]\nreport =\n[vm a]\nkernel=k\n"));
    assert_false(parse("[keel]\nreport = shares none\n[vm a]\nkernel=k\n"));
}

static void other_vms_start_all_the_same(void **state)
{
    (void)state;
    assert_false(parse("[vm a]\nkernel=k\n[vm b]\nkernel=k\nnonsense\n[vm c]\nkernel=k\n"));
    assert_int_equal(config.vm_count, 3);
    assert_true(config.vms[0].start);
    assert_false(config.vms[1].start);
    assert_true(config.vms[2].start);
}

static void the_trace_is_off_or_on_with_filters(void **state)
{
    (void)state;
    assert_true(parse("[vm a]\nkernel=k\n"));
    assert_string_equal(config.trace, "off");
    assert_int_equal(config.trace_size, 4096);
    assert_true(parse("[keel]\ntrace = on a.0 -hlt\ntrace_size = 0x400\n[vm a]\nkernel=k\n"));
    assert_string_equal(config.trace, "on a.0 -hlt");
    assert_int_equal(config.trace_size, 1024);
    assert_false(parse("[keel]\ntrace = one\n[vm a]\nkernel=k\n"));
    assert_string_equal(config.trace, "off");
    assert_false(parse("[keel]\ntrace_size = 1000\n[vm a]\nkernel=k\n"));
    assert_false(parse("[keel]\ntrace_size = 128\n[vm a]\nkernel=k\n"));
    assert_false(parse("[keel]\ntrace_size = 2097152\n[vm a]\nkernel=k\n"));
    assert_int_equal(config.trace_size, 4096);
}

static void an_unknown_key_is_said_with_those_there_are(void **state)
{
    (void)state;
    assert_false(parse("[vm a]\nkernel=k\nvcpu=1\n"));
    assert_said("keel.conf:3: [vm a] \"vcpu\" is not a key of this section; those are: memory vcpus cpus "
                "weight cap cpuid kernel");
    assert_false(config.vms[0].start);
    assert_false(parse("[keel]\nmemory=1G\n[vm a]\nkernel=k\n"));
    assert_said("keel.conf:2: [keel] \"memory\" is not a key of this section; those are: console escape gdb "
                "all_off report disable trace trace_size; the line "
                "is ignored");
    assert_true(config.vms[0].start);
}

static void what_is_wrong_in_the_keel_section_leaves_the_default(void **state)
{
    static const char *const bad[] = {"com5",      "com",   "com1,",     "com1,0", "com1,115201",
                                      "com1,7000", "com12", "com1;9600", "ttyS0",  "com1,9600x"};
    char text[128];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
        snprintf(text, sizeof(text), "[keel]\nconsole = %s\n[vm a]\nkernel=k\n", bad[i]);
        assert_false(parse(text));
        assert_said("keel.conf:2: [keel] console: \"");
        assert_said("; com1,115200 is used\n");
        assert_int_equal(config.console.port, 1);
        assert_int_equal(config.console.baud, 115200);
        assert_true(config.vms[0].start);
    }
}

static void a_missing_kernel_is_said_at_its_section(void **state)
{
    (void)state;
    assert_false(parse("\n[vm a]\nmemory=64M\n[vm b]\nkernel=k\n"));
    assert_said("keel.conf:2: [vm a] kernel: it is missing; needed is the name of a module");
    assert_false(config.vms[0].start);
    assert_true(config.vms[1].start);
}

static void duplicates_are_refused(void **state)
{
    (void)state;
    assert_false(parse("[vm a]\nkernel=k\nkernel=l\n"));
    assert_said("keel.conf:3: [vm a] kernel: it is already set on line 2; the VM is not started");
    assert_false(parse("[vm a]\nkernel=k\n[vm a]\nkernel=l\n"));
    assert_said("keel.conf:3: [vm a] is already there on line 1; this one is not started");
    assert_int_equal(config.vm_count, 1);
    assert_true(config.vms[0].start);
    assert_string_equal(config.vms[0].kernel, "k");
    assert_false(parse("[keel]\nconsole=com2\n[vm a]\nkernel=k\n[keel]\nconsole=com3\n"));
    assert_said("keel.conf:6: [keel] console: it is already set on line 2; the line is ignored");
    assert_int_equal(config.console.port, 2);
}

static void names_of_vms_are_words_of_at_most_31_characters(void **state)
{
    static const char *const good[] = {"a", "Debian-12.1_x", "0", "abcdefghijklmnopqrstuvwxyz01234"};
    static const char *const bad[] = {
        "", "-a", ".", "a b", "a/b", "a\xc3\xa4", "abcdefghijklmnopqrstuvwxyz012345"};
    char text[128];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(good); i++) {
        snprintf(text, sizeof(text), "[ vm  %s ] # comment\nkernel=k\n", good[i]);
        assert_true(parse(text));
        assert_string_equal(config.vms[0].name, good[i]);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
        snprintf(text, sizeof(text), "[vm %s]\nkernel=k\n", bad[i]);
        assert_false(parse(text));
        assert_int_equal(config.vm_count, 0);
        assert_said("keel.conf:1: ");
    }
}

static void unknown_sections_are_skipped_and_said_once(void **state)
{
    (void)state;
    assert_false(parse("[disk]\nfile=x\nnonsense\n[vm a]\nkernel=k\n[vm\nmemory=1G\n"));
    assert_string_equal(
        fake_log,
        "keel.conf:1: [disk] is not a section; needed is [keel] or [vm NAME]; its lines are ignored\n"
        "keel.conf:6: \"[vm\" is not a section: the ] is missing; its lines are ignored\n");
    assert_int_equal(config.vms[0].memory, MIB(256));
    assert_true(config.vms[0].start);
}

static void lines_before_the_first_section_are_said(void **state)
{
    (void)state;
    assert_false(parse("memory=1G\n[vm a]\nkernel=k\n"));
    assert_said("keel.conf:1: \"memory\" comes before the first section");
    assert_true(config.vms[0].start);
}

static void control_bytes_are_errors(void **state)
{
    static const char text[] = "[vm a]\nkernel=k\ncmdline=a\0b\n[vm b]\nkernel=k";

    (void)state;
    assert_false(parse_bytes(text, sizeof(text) - 1));
    assert_said("keel.conf:3: [vm a] column 10 is a control byte, 0x00");
    assert_false(config.vms[0].start);
    assert_true(config.vms[1].start);
}

static void a_file_without_vms_is_said(void **state)
{
    (void)state;
    assert_false(parse(""));
    assert_said("keel.conf: it has no [vm NAME] section that can be used; no VM is started");
    assert_false(parse("[keel]\nconsole=com2\n"));
    assert_int_equal(config.console.port, 2);
}

static void more_vms_than_there_is_room_for_are_said(void **state)
{
    char text[4096] = "";

    (void)state;
    for (unsigned i = 0; i < CONFIG_VMS_MOST + 2; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "[vm v%u]\nkernel=k\n", i);
    assert_false(parse(text));
    assert_int_equal(config.vm_count, CONFIG_VMS_MOST);
    assert_true(config.vms[CONFIG_VMS_MOST - 1].start);
    assert_said("[vm v16] is one more than the 16 that Keel runs");
    assert_said("[vm v17]");
}

static void more_text_than_there_is_room_for_is_said(void **state)
{
    static char text[sizeof(config.text) + 100];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "[vm a]\nkernel=k\ncmdline=", 24);
    assert_false(parse_bytes(text, sizeof(text)));
    assert_said("keel.conf:3: [vm a] cmdline: ");
    assert_false(config.vms[0].start);
    assert_string_equal(config.vms[0].cmdline, "");
}

static void a_flat_kernel_has_keys_of_its_own(void **state)
{
    (void)state;
    assert_true(parse("[vm a]\nkernel=k\nformat=flat\nentry=real\n"));
    assert_int_equal(config.vms[0].load, 0x7c00);
    assert_true(parse("[vm a]\nkernel=k\nformat=flat\n"));
    assert_int_equal(config.vms[0].load, 0x100000);
    assert_int_equal(config.vms[0].entry, ENTRY_PROTECTED);
    assert_true(parse("[vm a]\nkernel=k\nload=0\nformat=flat\n"));
    assert_int_equal(config.vms[0].load, 0);
    assert_false(parse("[vm a]\nkernel=k\nformat=flat\nentry=real\nload=0x100000\n"));
    assert_said("keel.conf:5: [vm a] load: 0x100000 is not below 0x100000");
    assert_false(parse("[vm a]\nkernel=k\nformat=flat\nramdisk=r\n"));
    assert_said("keel.conf:4: [vm a] ramdisk: a flat kernel takes none");
    assert_false(parse("[vm a]\nkernel=k\nload=5\n"));
    assert_said("keel.conf:3: [vm a] load: only a kernel with format = flat takes it");
    assert_false(parse("[vm a]\nkernel=k\nformat=flat\nload=0x100000000\n"));
}

static void a_vm_may_wait_for_a_call_or_for_the_end_of_another(void **state)
{
    (void)state;
    assert_true(
        parse("[vm a]\nkernel=k\nafter=b\n[vm b]\nkernel=k\nautostart=no\n[vm c]\nkernel=k\nafter=a\n"));
    assert_true(config.vms[0].autostart);
    assert_string_equal(config.vms[0].after, "b");
    assert_false(config.vms[1].autostart);
    assert_null(config.vms[1].after);
}

static void who_waits_for_nobody_or_for_himself_is_not_started(void **state)
{
    (void)state;
    assert_false(parse("[vm a]\nkernel=k\nafter=z\n[vm b]\nkernel=k\nafter=a\n"));
    assert_said("keel.conf:3: [vm a] after: there is no [vm z]; the VM is not started");
    assert_true(config.vms[1].start);
    assert_false(parse("[vm a]\nkernel=k\nafter=b\n[vm b]\nkernel=k\nafter=a\n[vm c]\nkernel=k\nafter=c\n"));
    assert_said("keel.conf:3: [vm a] after: it would wait for itself; the VM is not started");
    assert_said("keel.conf:6: [vm b] after: it would wait for itself");
    assert_said("keel.conf:9: [vm c] after: it would wait for itself");
}

/* docs/configuration.md has a row for each, with its default. */
static void features_are_hidden_by_their_linux_names(void **state)
{
    (void)state;
    assert_true(parse_vm_line("cpuid = -x2apic, -avx512f,+hle"));
    assert_true(config.vms[0].start);
    assert_true(cpuid_is_hidden(&config.vms[0].cpuid_choice, "x2apic"));
    assert_true(cpuid_is_hidden(&config.vms[0].cpuid_choice, "avx512bw"));
    assert_false(cpuid_is_hidden(&config.vms[0].cpuid_choice, "avx2"));
}

static void a_name_that_is_no_feature_is_said_with_those_near_it(void **state)
{
    (void)state;
    assert_false(parse_vm_line("cpuid = -x2apik"));
    assert_false(config.vms[0].start);
    assert_non_null(strstr(fake_log,
                           ":3: [vm a] cpuid: \"x2apik\" is not a feature of /proc/cpuinfo that a VM "
                           "can have; near it are x2apic"));
    assert_non_null(strstr(fake_log, "; the VM is not started"));
    fake_log[0] = 0;
    assert_false(parse_vm_line("cpuid = avx"));
    assert_non_null(strstr(fake_log, "\"avx\" begins with neither + nor -"));
}

static void every_key_is_in_the_documentation(void **state)
{
    static char page[65536];
    FILE *file = fopen("docs/configuration.md", "r");

    (void)state;
    assert_non_null(file);
    page[fread(page, 1, sizeof(page) - 1, file)] = 0;
    fclose(file);
    for (unsigned i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char begin[64], fallback[64] = "";
        char *row, *end;

        snprintf(begin, sizeof(begin), "\n| `%s` |", key->name);
        row = strstr(page, begin);
        if (!row)
            fail_msg("no row for %s", key->name);
        if (key->fallback && *key->fallback)
            snprintf(fallback, sizeof(fallback), "| `%s` |", key->fallback);
        end = strchr(row + 1, '\n');
        *end = 0;
        if (!strstr(row, fallback))
            fail_msg("the row for %s does not say %s", key->name, fallback);
        *end = '\n';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_example_of_the_design),
        cmocka_unit_test(every_key_but_kernel_has_a_default),
        cmocka_unit_test(values_of_every_kind_are_read),
        cmocka_unit_test(carriage_returns_and_a_missing_last_line_end_are_fine),
        cmocka_unit_test(comments_begin_after_a_blank_and_outside_quotes),
        cmocka_unit_test(a_bad_value_is_named_by_file_line_section_key_and_reason),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(a_report_is_a_list_of_words),
        cmocka_unit_test(other_vms_start_all_the_same),
        cmocka_unit_test(the_trace_is_off_or_on_with_filters),
        cmocka_unit_test(an_unknown_key_is_said_with_those_there_are),
        cmocka_unit_test(what_is_wrong_in_the_keel_section_leaves_the_default),
        cmocka_unit_test(a_missing_kernel_is_said_at_its_section),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(names_of_vms_are_words_of_at_most_31_characters),
        cmocka_unit_test(unknown_sections_are_skipped_and_said_once),
        cmocka_unit_test(lines_before_the_first_section_are_said),
        cmocka_unit_test(control_bytes_are_errors),
        cmocka_unit_test(a_file_without_vms_is_said),
        cmocka_unit_test(more_vms_than_there_is_room_for_are_said),
        cmocka_unit_test(more_text_than_there_is_room_for_is_said),
        cmocka_unit_test(a_flat_kernel_has_keys_of_its_own),
        cmocka_unit_test(a_vm_may_wait_for_a_call_or_for_the_end_of_another),
        cmocka_unit_test(who_waits_for_nobody_or_for_himself_is_not_started),
        cmocka_unit_test(features_are_hidden_by_their_linux_names),
        cmocka_unit_test(a_name_that_is_no_feature_is_said_with_those_near_it),
        cmocka_unit_test(every_key_is_in_the_documentation),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
