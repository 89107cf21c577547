#include "tests/unit/fake.h"

#include <string.h>

#include "hv/host/cpu.h"
#include "hv/host/log_ring.h"
#include "tests/unit/privileged.h"

static char shown[20000];
static size_t shown_count;

static void note(const char *text, size_t length)
{
    assert_true(shown_count + length < sizeof(shown));
    memcpy(shown + shown_count, text, length);
    shown_count += length;
    shown[shown_count] = 0;
}

static struct cpu core = {.self = &core, .index = 5};

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fake_now = 1000;
    memset(&log_ring, 0, sizeof(log_ring));
    shown_count = 0;
    log_start(note);
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

/* Another core's line in the middle of one, and a report that is too long. */
static void a_report_is_one_piece(void **state)
{
    struct writer *out = report_begin();

    (void)state;
    log_stamp(out);
    print_to(out, "vm one: cannot go on:\n");
    log_line("another's");
    print_to(out, "rax 5");
    log_line("another's again");
    print_to(out, " rcx 6\n");
    report_end();
    assert_non_null(strstr(shown, "vm one: cannot go on:\nrax 5 rcx 6\n"));
    assert_memory_equal(log_ring.text, shown, shown_count);
    shown_count = 0;
    out = report_begin();
    for (unsigned i = 0; i < REPORT_MOST; i++)
        print_to(out, i % 50 ? "x" : "\n");
    report_end();
    assert_string_equal(shown + shown_count - 39, "\nthe report is longer: the rest is cut\n");
    report_begin(); /* the next one may begin */
    report_end();
}

static void a_report_is_kept_and_shown_as_it_is(void **state)
{
    (void)state;
    print_to(&log_writer, "rax %x", 5);
    print_to(&log_writer, " rcx %x\n", 6);
    assert_string_equal(shown, "rax 5 rcx 6\n");
    assert_memory_equal(log_ring.text, shown, shown_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_carry_time_and_core, setup),
        cmocka_unit_test_setup(time_does_not_overflow, setup),
        cmocka_unit_test_setup(a_long_line_is_cut_and_ends, setup),
        cmocka_unit_test_setup(the_ring_holds_what_the_console_showed, setup),
        cmocka_unit_test_setup(the_ring_keeps_the_latest, setup),
        cmocka_unit_test_setup(a_report_is_one_piece, setup),
        cmocka_unit_test_setup(a_report_is_kept_and_shown_as_it_is, setup),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
