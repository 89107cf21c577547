#include "tests/unit/console_fixture.h"

static void the_focused_vm_is_raw(void **state)
{
    (void)state;
    begin();
    say(&one, "\x1b[2J\r\nlogin: \xff");
    expect("\x1b[2J\r\nlogin: \xff");
    end();
}

static void another_vms_lines_carry_its_name(void **state)
{
    (void)state;
    begin();
    say(&two, "hello\r");
    expect("");
    say(&two, "\n\nx\n");
    expect("two| hello\r\ntwo| \r\ntwo| x\r\n");
    end();
}

static void a_line_begins_a_line(void **state)
{
    (void)state;
    begin();
    say(&one, "login: ");
    say(&two, "up\n");
    expect("login: \r\ntwo| up\r\n");
    say(&one, "root");
    console_write("[keel]\n", 7);
    expect("root\r\n[keel]\r\n");
    console_write("[again]\n", 8);
    expect("[again]\r\n");
    print_to(&console_writer, "a");
    print_to(&console_writer, "b\n"); /* parts of one line */
    expect("ab\r\n");
    end();
}

static void long_lines_are_folded_not_lost(void **state)
{
    char text[sizeof(one.line) + 3], expected[2 * sizeof(text)];

    (void)state;
    begin();
    memset(text, 'x', sizeof(one.line));
    strcpy(text + sizeof(one.line), "\n");
    say(&two, text);
    snprintf(expected, sizeof(expected), "two| %.*s\r\n", (int)sizeof(one.line), text);
    expect(expected); /* a full line is one line */
    strcpy(text + sizeof(one.line), "y\n");
    say(&two, text);
    strcat(expected, "two| y\r\n");
    expect(expected);
    end();
}

static void the_focus_moves_on_when_its_vm_leaves(void **state)
{
    (void)state;
    begin();
    say(&two, "login: "); /* held back: no line end */
    say(&one, "bye\n");
    expect("bye\n");
    console_detach(&one);
    expect("login: "); /* it has the console now: what it said so far is seen */
    say(&two, "root\n");
    expect("root\n");
    console_attach(&one); /* a restarted VM takes its place behind */
    say(&one, "back\n");
    expect("one| back\r\n");
    end();
}

static void the_last_words_of_a_vm_that_leaves_are_seen(void **state)
{
    (void)state;
    begin();
    say(&two, "Kernel panic");
    console_detach(&two);
    expect("two| Kernel panic\r\n");
    end();
}

static void typed_bytes_go_to_the_focused_vm(void **state)
{
    (void)state;
    begin();
    host_uart_type(&host_uarts[0], "ls\r");
    console_poll();
    assert_int_equal(heard_count[0], 3);
    assert_memory_equal(heard[0], "ls\r", 3);
    assert_int_equal(heard_count[1], 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    end();
}

static void bytes_that_a_vm_cannot_take_wait_in_order(void **state)
{
    (void)state;
    begin();
    room[0] = 2;
    host_uart_type(&host_uarts[0], "abc");
    console_poll();
    assert_int_equal(heard_count[0], 2);
    host_uart_type(&host_uarts[0], "def");
    console_poll();
    assert_int_equal(host_uarts[0].received_count, 0); /* none stays in the port, which would drop them */
    assert_int_equal(heard_count[0], 2);
    room[0] = 4;
    fake_run_until(fake_now + fake_hz / 100); /* nobody tells that there is room: it is tried again */
    assert_int_equal(heard_count[0], 4);
    room[0] = 100;
    fake_run_until(fake_now + fake_hz / 100);
    assert_memory_equal(heard[0], "abcdef", 6);
    assert_int_equal(fake_next_deadline(), UINT64_MAX); /* and not for ever */
    end();
}

static void a_full_queue_leaves_the_rest_in_the_port(void **state)
{
    unsigned typed = 0;

    (void)state;
    begin();
    room[0] = 0;
    while (host_uarts[0].received_count == 0 && typed < 10000) {
        char byte[2] = {(char)('a' + typed % 26), 0};

        host_uart_type(&host_uarts[0], byte);
        console_poll();
        typed++;
    }
    assert_in_range(typed, 256, 8192);
    room[0] = sizeof(heard[0]);
    console_poll();
    assert_int_equal(heard_count[0], typed);
    for (unsigned i = 0; i < typed; i++)
        assert_int_equal(heard[0][i], 'a' + i % 26);
    end();
}

static void typing_waits_for_a_vm_to_come(void **state)
{
    (void)state;
    begin();
    console_detach(&one);
    console_detach(&two);
    host_uart_type(&host_uarts[0], "x");
    console_poll();
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    console_attach(&two);
    console_poll();
    assert_int_equal(heard_count[1], 1);
    end();
}

static void a_port_of_a_vms_own_is_apart(void **state)
{
    (void)state;
    begin();
    console_detach(&one);
    console_detach(&two);
    two.own = &second_port;
    console_attach(&two);
    console_attach(&one);
    say(&two, "raw\n");
    say(&one, "mine");
    expect("mine");
    assert_memory_equal(host_uarts[1].sent, "raw\n", 4);
    host_uart_type(&host_uarts[1], "to two");
    host_uart_type(&host_uarts[0], "to one");
    room[1] = 1;
    console_poll();
    assert_int_equal(heard_count[1], 1);
    assert_int_equal(two.held, 'o');
    room[1] = 100;
    fake_run_until(fake_now + fake_hz / 100);
    assert_memory_equal(heard[1], "to two", 6);
    assert_memory_equal(heard[0], "to one", 6);
    console_detach(&one); /* the console does not become another VM's that has its own */
    host_uart_type(&host_uarts[0], "nobody");
    console_poll();
    assert_int_equal(heard_count[1], 6);
    end();
}

static void listening_takes_the_ports_interrupt(void **state)
{
    static struct cpu boot_core = {.apic_id = 7};

    (void)state;
    begin();
    cpus[0] = &boot_core;
    routable = true;
    console_listen(&port);
    assert_int_equal(routed_irq, 4);
    assert_int_equal(host_uarts[0].registers[1], 1);
    host_uart_type(&host_uarts[0], "k");
    serial_handler();
    assert_int_equal(heard_count[0], 1);
    routable = false;
    console_listen(&second_port);
    expect("");
    assert_non_null(strstr(fake_log, "interrupt 3: typing at port 0x2f8 will not work"));
    end();
}

static void without_a_port_text_goes_where_an_emulator_shows_it(void **state)
{
    (void)state;
    begin();
    host_debug_port = true;
    console_init(NULL);
    assert_null(console_port());
    console_write("a\n", 2);
    assert_memory_equal(host_debug, "a\r\n", 3);
    expect("");
    host_debug_port = false;
    console_init(NULL);
    console_write("b\n", 2);
    assert_int_equal(host_debug_count, 3); /* nobody there */
    console_init(&port);
    assert_ptr_equal(console_port(), &port);
    end();
}

/* A port at its own speed: `count` bytes leave it, and the timer finds the room. */
static void let_out(unsigned count)
{
    for (unsigned i = 0; i < count; i += 16) {
        host_uarts[0].takes = 16;
        fake_run_until(fake_now + fake_hz / 1000);
    }
}

static void begin_slow(void)
{
    begin();
    host_uarts[0].wired = true;
    console_init(&port); /* it is asked for room anew */
    console_start();
}

static void nobody_waits_for_the_wire(void **state)
{
    (void)state;
    begin_slow();
    say(&one, "a text of more than sixteen bytes\n");
    console_write("[keel]\n", 7);
    expect("");
    let_out(16);
    expect("a text of more t");
    let_out(32);
    expect("han sixteen bytes\n[keel]\r\n");
    end();
}

static void a_flood_waits_and_is_told_when_it_may_go_on(void **state)
{
    unsigned put = 1;

    (void)state;
    begin_slow();
    while (console_vm_put(&one, 'f') && put < 1000)
        put++;
    assert_int_equal(put, 256);
    assert_true(console_vm_put(&two, 't')); /* the other one goes on */
    assert_false(is_ready[0]);
    let_out(16);
    fake_run_until(fake_now + fake_hz / 100);
    assert_true(is_ready[0]);
    assert_false(is_ready[1]);
    assert_true(console_vm_put(&one, 'f'));
    host_uarts[0].wired = host_uarts[1].wired = false;
    console_finish();
    assert_int_equal(host_uarts[0].sent_count, 257);
    end();
}

static void a_flood_that_does_not_wait_loses_its_own_bytes_only(void **state)
{
    unsigned lost;

    (void)state;
    begin_slow();
    for (unsigned i = 0; i < 40000; i++)
        console_vm_put(&one, 'f');
    lost = one.lost;
    assert_in_range(lost, 20000, 39000);
    for (unsigned i = 0; i < 10; i++)
        say(&two, "0123456789\n");
    assert_int_equal(two.lost, 0);
    console_write("[keel]\n", 7); /* in the log in memory, told of later */
    let_out(20000);
    say(&one, "x");
    console_write("[again]\n", 8);
    host_uarts[0].wired = false;
    console_finish();
    host_uarts[0].sent[host_uarts[0].sent_count] = 0;
    assert_non_null(strstr(host_uarts[0].sent, "bytes of one lost"));
    assert_non_null(strstr(host_uarts[0].sent, "two| 0123456789\r\n"));
    assert_non_null(strstr(host_uarts[0].sent, "1 of Keel's lines left out"));
    assert_non_null(strstr(host_uarts[0].sent, "[again]\r\n"));
    assert_int_equal(host_uarts[0].sent_count - 40000 + lost > 100, 1);
    end();
}

static void what_a_vm_left_behind_is_sent(void **state)
{
    (void)state;
    begin_slow();
    say(&two, "the last words");
    say(&one, "of one");
    console_detach(&two);
    console_detach(&one);
    console_write("[end]\n", 6);
    console_attach(&one); /* takes the place of one that left: what waits is not its own */
    assert_int_equal(one.queued, 0);
    let_out(100);
    assert_int_equal(one.queued, 0);
    expect("of one\r\ntwo| the last words\r\n[end]\r\n");
    end();
}

static void a_port_of_ones_own_is_slow_alone(void **state)
{
    unsigned put = 1;

    (void)state;
    begin_slow();
    console_detach(&two);
    two.own = &second_port;
    host_uarts[1].wired = true;
    console_attach(&two);
    while (console_vm_put(&two, 't') && put < 1000)
        put++;
    assert_int_equal(put, 256);
    for (unsigned i = 0; i < 4000; i++) /* it does not wait */
        console_vm_put(&two, 't');
    assert_true(console_vm_put(&one, 'o'));
    host_uarts[1].takes = 16;
    let_out(1);
    expect("o");
    assert_int_equal(host_uarts[1].sent_count, 16);
    assert_int_equal(two.lost, 4000 - (2048 - 256));
    console_vm_put(&two, 't'); /* room again, and the flood may go on: nothing is said yet */
    expect("");
    console_detach(&two);
    let_out(160);
    host_uarts[0].sent[host_uarts[0].sent_count] = 0;
    assert_non_null(strstr(host_uarts[0].sent, "console: 2208 bytes of two lost"));
    host_uarts[0].wired = host_uarts[1].wired = false;
    console_finish();
    assert_int_equal(host_uarts[1].sent_count, 2049);
    two.own = NULL;
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_focused_vm_is_raw),
        cmocka_unit_test(another_vms_lines_carry_its_name),
        cmocka_unit_test(a_line_begins_a_line),
        cmocka_unit_test(long_lines_are_folded_not_lost),
        cmocka_unit_test(the_focus_moves_on_when_its_vm_leaves),
        cmocka_unit_test(the_last_words_of_a_vm_that_leaves_are_seen),
        cmocka_unit_test(typed_bytes_go_to_the_focused_vm),
        cmocka_unit_test(bytes_that_a_vm_cannot_take_wait_in_order),
        cmocka_unit_test(a_full_queue_leaves_the_rest_in_the_port),
        cmocka_unit_test(typing_waits_for_a_vm_to_come),
        cmocka_unit_test(a_port_of_a_vms_own_is_apart),
        cmocka_unit_test(listening_takes_the_ports_interrupt),
        cmocka_unit_test(nobody_waits_for_the_wire),
        cmocka_unit_test(a_flood_waits_and_is_told_when_it_may_go_on),
        cmocka_unit_test(a_flood_that_does_not_wait_loses_its_own_bytes_only),
        cmocka_unit_test(what_a_vm_left_behind_is_sent),
        cmocka_unit_test(a_port_of_ones_own_is_slow_alone),
        cmocka_unit_test(without_a_port_text_goes_where_an_emulator_shows_it),
    };
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
