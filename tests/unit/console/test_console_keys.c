/* What is typed at the console: the escape key, commands, and who seizes it. */
#include "tests/unit/console/console_fixture.h"

static void type_at(const char *text)
{
    host_uart_type(&host_uarts[0], text);
    console_poll();
}

static void expect_heard(unsigned vm, const char *text)
{
    assert_int_equal(heard_count[vm], strlen(text));
    assert_memory_equal(heard[vm], text, strlen(text));
    heard_count[vm] = 0;
}

static void escape_and_a_number_move_the_focus(void **state)
{
    (void)state;
    begin();
    say(&one, "one's prompt");
    say(&two, "login: ");
    expect("one's prompt");
    type_at("a\x1d"
            "2b");
    expect_heard(0, "a");
    expect_heard(1, "b");
    expect("\r\nconsole: 2 two has the focus\r\nlogin: "); /* what it said of its open line */
    say(&two, "root\n");
    say(&one, "more\n");
    expect("root\none| more\r\n");
    type_at("\x1d"
            "1");
    expect("console: 1 one has the focus\r\n");
    type_at("\x1d"
            "1"); /* it has it already */
    expect("console: 1 one has the focus\r\n");
    type_at("\x1d"
            "7");
    expect("console: there is no VM 7\r\n");
    type_at("c");
    expect_heard(0, "c");
    end();
}

static void a_number_ends_when_no_vms_number_goes_on(void **state)
{
    (void)state;
    begin();
    two.number = vm_count = 12;
    type_at("\x1d"
            "12x"); /* 12 can be nothing longer */
    expect("console: 12 two has the focus\r\n");
    expect_heard(1, "x");
    type_at("\x1d"
            "1");
    expect(""); /* 1, or 10 to 12 */
    type_at("\ry");
    expect("console: 1 one has the focus\r\n");
    expect_heard(0, "y");
    type_at("\x1d"
            "2"); /* 20 and more: nobody's */
    expect("console: VM 2 is not at the console\r\n");
    type_at("\x1d"
            "0\n");
    expect("console: there is no VM 0\r\n");
    type_at("\x1d"
            "1z");
    assert_int_equal(host_uarts[0].sent_count > 100, 1); /* no command: help */
    host_uarts[0].sent_count = 0;
    expect_heard(0, "");
    end();
}

static void escape_twice_is_typed_once(void **state)
{
    (void)state;
    begin();
    type_at("\x1d\x1d"
            "2");
    expect_heard(0, "\x1d"
                    "2");
    console_set_escape(1);
    type_at("\x1d"
            "2\x01\x01");
    expect_heard(0, "\x1d"
                    "2\x01");
    console_set_escape(0); /* none: every byte is the VM's, 0 too */
    host_uarts[0].received_count = 3;
    memcpy(host_uarts[0].received,
           "\x01\0"
           "2",
           3);
    console_poll();
    assert_int_equal(heard_count[0], 3);
    expect("");
    end();
}

static unsigned monitor_calls;

static void monitor(void)
{
    monitor_calls++;
}

static void escape_and_a_letter_is_a_command(void **state)
{
    (void)state;
    begin();
    type_at("\x1d?");
    expect("console: m monitor, 1 one (running, focus), 2 two (paused)\r\n");
    type_at("\x1dq");
    expect("console: m monitor, 1 one (running, focus), 2 two (paused)\r\n");
    type_at("\x1dm");
    expect("console: there is no monitor\r\n");
    console_monitor = monitor;
    type_at("\x1dmm");
    console_monitor = NULL;
    assert_int_equal(monitor_calls, 1);
    expect_heard(0, "m");
    console_detach(&two);
    two.own = &second_port;
    console_attach(&two);
    type_at("\x1d?\x1d"
            "2");
    expect("console: m monitor, 1 one (running, focus), 2 two (paused, a port of its own)\r\n"
           "console: VM 2 has a port of its own\r\n");
    end();
}

static int seized[16];
static unsigned seized_count;

static void take(int key)
{
    seized[seized_count++ % ARRAY_LENGTH(seized)] = key;
}

static void open_monitor(void)
{
    console_seize(take);
}

/* Keys that the monitor had not used: an escape, and a letter. */
static int next_unused(void)
{
    static const int keys[] = {'x', CONSOLE_ESCAPE, CONSOLE_ESCAPE, -1};
    static unsigned at;

    return keys[at++ % ARRAY_LENGTH(keys)];
}

static void who_seizes_the_console_has_all_that_is_typed(void **state)
{
    unsigned was;

    (void)state;
    begin();
    seized_count = 0;
    console_monitor = open_monitor;
    type_at("a\x1dm2\x1d\xff"); /* all at once: what follows `m` is the monitor's */
    console_monitor = NULL;
    expect_heard(0, "a");
    assert_int_equal(seized_count, 3);
    assert_int_equal(seized[0], '2');
    assert_int_equal(seized[1], CONSOLE_ESCAPE);
    assert_int_equal(seized[2], 0xff);
    say(&one, "hello\nlogin: "); /* the focused VM's lines are like another's */
    expect("one| hello\r\n");
    console_answer("> ", 2);
    was = console_broken_lines();
    say(&two, "up\n");
    expect("> \r\ntwo| up\r\n");
    assert_int_equal(console_broken_lines(), was + 1);
    console_give_focus(2);
    expect("console: 2 two has the focus\r\n");
    console_give_focus(1);
    console_release(next_unused);
    expect("console: 1 one has the focus\r\nlogin: ");
    expect_heard(0, "x\x1d"); /* at once */
    type_at("b");
    expect_heard(0, "b");
    assert_int_equal(seized_count, 3);
    assert_true(console_is_idle());
    console_answer("> ", 0);
    end();
}

static void what_a_vm_has_not_taken_is_not_anothers(void **state)
{
    (void)state;
    begin();
    room[0] = 1;
    type_at("abc\x1d"
            "2d");
    expect_heard(0, "a");
    expect_heard(1, "d");
    expect("console: 2 typed bytes are dropped, which one has not taken\r\nconsole: 2 two has the focus\r\n");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape_and_a_number_move_the_focus),
        cmocka_unit_test(a_number_ends_when_no_vms_number_goes_on),
        cmocka_unit_test(escape_twice_is_typed_once),
        cmocka_unit_test(escape_and_a_letter_is_a_command),
        cmocka_unit_test(who_seizes_the_console_has_all_that_is_typed),
        cmocka_unit_test(what_a_vm_has_not_taken_is_not_anothers),
    };
    return cmocka_run_group_tests_name("console_keys", tests, NULL, NULL);
}
