/* The monitor's prompt: keys, waiting for VMs to stand still, output that waits for room. */
#include <string.h>

#include "hv/console/console.h"
#include "hv/observe/trace.h"
#include "tests/unit/monitor/monitor_fixture.h"

static void a_vm_that_does_not_stand_still_is_not_waited_for_long(void **state)
{
    (void)state;
    begin();
    stays = true;
    type("regs one\r");
    wait_for(4 * fake_hz);
    assert_null(strstr(shown, "stand"));
    wait_for(2 * fake_hz);
    assert_non_null(strstr(shown, "one does not stand still\n\rkeel> "));
    assert_int_equal(resumes, 1);
    type("regs one\r");
    off = true; /* it ends meanwhile */
    wait_for(fake_hz);
    assert_non_null(strstr(shown, "one is off\n\rkeel> "));
    assert_int_equal(loads, 0);
    end();
}

static void the_prompt_comes_back_behind_others_lines(void **state)
{
    (void)state;
    begin();
    type("vm");
    broken++;
    screen.length = 0;
    wait_for(fake_hz);
    assert_string_equal(shown, "\rkeel> vm\x1b[K");
    screen.length = 0;
    wait_for(fake_hz);
    assert_int_equal(screen.length, 0);
    type("\x15");
    end();
}

static void output_waits_for_room_and_control_c_ends_it(void **state)
{
    (void)state;
    begin();
    type("log 900");
    full = true;
    type("\r");
    assert_int_equal(screen.length, 0);
    full = false;
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "line 899 "));
    type("log 900");
    full = true;
    type("\r");
    type("\x03");
    full = false;
    screen.length = 0;
    wait_for(fake_hz / 100);
    assert_null(strstr(shown, "line 800 "));
    assert_non_null(strstr(shown, "keel> "));
    end();
}

/* A port that takes nothing, or has others' words to send first. */
static void keys_are_obeyed_while_nothing_can_be_printed(void **state)
{
    (void)state;
    begin();
    full = true;
    type("log 100\rpause one\r");
    assert_int_equal(pauses, 1);
    paused = true;
    type("resume one\rfocus one\r");
    assert_int_equal(resumes, 1);
    assert_int_equal(focus, 1);
    assert_null(strstr(shown, "line "));
    full = false;
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "line 99 "));
    assert_non_null(strstr(shown, "one: paused\n"));
    assert_non_null(strstr(shown, "one: goes on\n"));
    end();
}

static void top_refreshes_until_a_key(void **state)
{
    (void)state;
    begin();
    type("top\r");
    screen.length = 0;
    wait_for(fake_hz / 100);
    screen.length = 0;
    wait_for(2 * fake_hz);
    assert_string_equal(shown, "tick\n");
    type("q");
    assert_int_equal(top_key, 'q');
    assert_string_equal(shown, "tick\n\rkeel> \x1b[K");
    end();
}

static void it_is_left_and_opened_again(void **state)
{
    (void)state;
    begin();
    type("exit\r");
    wait_for(fake_hz);
    assert_null(taker);
    console_monitor();
    turn();
    assert_non_null(taker);
    type("half a l");
    taker(CONSOLE_ESCAPE);
    turn();
    wait_for(fake_hz);
    assert_null(taker);
    screen.length = 0;
    console_monitor();
    turn();
    assert_string_equal(shown, "Keel's monitor: `help` lists commands, `exit` leaves\n\rkeel> \x1b[K");
    console_monitor(); /* once more is harmless */
    end();
}

static void what_is_typed_behind_exit_is_the_vms(void **state)
{
    (void)state;
    begin();
    type("exit\rab");
    wait_for(fake_hz);
    assert_null(taker);
    assert_int_equal(unused_count, 2);
    assert_int_equal(unused[0], 'a');
    assert_int_equal(unused[1], 'b');
    end();
}

static void no_byte_harms(void **state)
{
    unsigned seed = 1;

    (void)state;
    begin();
    paused = still = true;
    for (unsigned i = 0; i < 200000; i++) {
        static const char *const words[] = {"mem ", "regs ", "one",    ".1 ",  "\t",   "\r",
                                            "0x",   " ",     "\x1b[A", "\x17", "log ", "9"};

        seed = seed * 1103515245 + 12345;
        if (taker && seed >> 16 & 1)
            taker((int)(seed >> 20 & 0xff));
        else
            for (const char *key = words[(seed >> 17) % ARRAY_LENGTH(words)]; taker && *key; key++)
                taker(*key);
        turn();
        if (!taker) {
            console_monitor();
            turn();
        }
        if (screen.length > sizeof(shown) / 2)
            screen.length = 0;
        if (fake_asked.work == NULL && i % 16 == 0)
            wait_for(fake_hz);
        paused = still = true;
    }
    end();
}

static void it_traces(void **state)
{
    (void)state;
    begin();
    expect("trace", "described\n");
    expect("trace on", "on \"\"\ndescribed\n");
    expect("trace  on   one.1 -hlt,io", "on \"one.1 -hlt,io\"\ndescribed\n");
    holds("trace off", "off\n");
    holds("trace clear", "clear\n");
    expect("trace o", "trace: on, off, clear or dump, not \"o\"\n");
    expect("trace offs", "trace: on, off, clear or dump, not \"offs\"\n");
    expect("trace dump x", "COUNT: \"x\" is no number of records\n");
    expect("trace dump 1x", "COUNT: \"1x\" is no number of records\n");
    expect("trace dump 2", "record 0\nrecord 1\nthe end\n");
    trace_frozen = true;
    expect("trace dump", "A dump is being printed\n");
    trace_frozen = false;
    end();
}

static void a_key_ends_a_dump(void **state)
{
    (void)state;
    begin();
    full = true;
    type("trace dump\r");
    full = false;
    type("q");
    assert_null(strstr(shown, "record 999\n"));
    assert_non_null(strstr(shown, "the end\n\rkeel> "));
    assert_false(trace_frozen);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vm_that_does_not_stand_still_is_not_waited_for_long),
        cmocka_unit_test(the_prompt_comes_back_behind_others_lines),
        cmocka_unit_test(output_waits_for_room_and_control_c_ends_it),
        cmocka_unit_test(keys_are_obeyed_while_nothing_can_be_printed),
        cmocka_unit_test(top_refreshes_until_a_key),
        cmocka_unit_test(it_traces),
        cmocka_unit_test(a_key_ends_a_dump),
        cmocka_unit_test(it_is_left_and_opened_again),
        cmocka_unit_test(what_is_typed_behind_exit_is_the_vms),
        cmocka_unit_test(no_byte_harms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
