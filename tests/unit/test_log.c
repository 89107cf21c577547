#include "tests/unit/fake.h"

#include <string.h>

#include "hv/debug/console.h"
#include "hv/debug/crash.h"
#include "hv/debug/log_ring.h"
#include "hv/host/cpu.h"
#include "tests/unit/privileged.h"

static char shown[8192];
static size_t shown_count;

void console_write(const char *text, size_t length)
{
    assert_true(shown_count + length < sizeof(shown));
    memcpy(shown + shown_count, text, length);
    shown_count += length;
    shown[shown_count] = 0;
}

static void write_shown(struct writer *self, const char *text, size_t length)
{
    (void)self;
    console_write(text, length);
}

struct writer console_writer = {write_shown};

static struct cpu core = {.self = &core, .index = 5};

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_now = 1000;
    memset(&log_ring, 0, sizeof(log_ring));
    shown_count = 0;
    log_start();
    return 0;
}

static void lines_carry_time_and_core(void **state)
{
    (void)state;
    log_line("first %d", 1);
    assert_string_equal(shown, "[   0.000000 cpu0] first 1\n");
    fake_now = 1000 + 12345678901;
    shown_count = 0;
    log_line("later");
    assert_string_equal(shown, "[  12.345678 cpu0] later\n");
    privileged_set_core(&core);
    log_cores_known();
    shown_count = 0;
    log_line("elsewhere");
    assert_string_equal(shown, "[  12.345678 cpu5] elsewhere\n");
}

static void time_does_not_overflow(void **state)
{
    (void)state;
    fake_hz = 3000000000;
    fake_now = 1000 + fake_hz * 86400 * 3650; /* ten years */
    log_line("old");
    assert_non_null(strstr(shown, "[315360000.000000 cpu"));
}

static void a_long_line_is_cut_and_ends(void **state)
{
    (void)state;
    log_line("%0600d", 1);
    assert_in_range(shown_count, 200, 400);
    assert_int_equal(shown[shown_count - 1], '\n');
    assert_int_equal(strcspn(shown, "\n"), shown_count - 1);
}

static void the_ring_holds_what_the_console_showed(void **state)
{
    (void)state;
    assert_memory_equal(log_ring.signature, "KEEL-LOG-RING-1", 16);
    log_line("one");
    log_line("two");
    assert_int_equal(log_ring.written, shown_count);
    assert_memory_equal(log_ring.text, shown, shown_count);
}

static void the_ring_keeps_the_latest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        shown_count = 0;
        log_line("line %u", i);
    }
    assert_true(log_ring.written > sizeof(log_ring.text));
    for (size_t i = 0; i < shown_count; i++)
        assert_int_equal(log_ring.text[(log_ring.written - shown_count + i) % sizeof(log_ring.text)],
                         shown[i]);
}

static void dump(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    print_to(out, "control structure\n");
}

static void a_crash_report_names_the_vm_once_and_every_register(void **state)
{
    static struct vm vm = {.name = "one", .reason = "triple fault at rip 0x10"};
    static struct vcpu vcpu = {.id = 3};
    struct virt_ops ops = fake_virt;

    (void)state;
    fake_vcpu_init(&vm, &vcpu, 64);
    ops.dump = dump;
    virt = &ops;
    vcpu_set(&vcpu, REG_RSP, 0x44);
    vcpu_set(&vcpu, REG_R15, 0xffffffff80000000);
    crash_report(&vcpu);
    assert_non_null(strstr(shown, "vm one: cannot go on:\nvcpu 3: triple fault at rip 0x10\n"));
    assert_non_null(strstr(shown, "rsp 0000000000000044"));
    assert_non_null(strstr(shown, "r15 ffffffff80000000\ncontrol structure\n"));
    shown_count = 0;
    crash_report(&vcpu);
    assert_null(strstr(shown, "cannot go on"));
    virt = &fake_virt;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_carry_time_and_core, setup),
        cmocka_unit_test_setup(time_does_not_overflow, setup),
        cmocka_unit_test_setup(a_long_line_is_cut_and_ends, setup),
        cmocka_unit_test_setup(the_ring_holds_what_the_console_showed, setup),
        cmocka_unit_test_setup(the_ring_keeps_the_latest, setup),
        cmocka_unit_test_setup(a_crash_report_names_the_vm_once_and_every_register, setup),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
