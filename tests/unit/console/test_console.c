#include "hv/console/console_internal.h"
#include "tests/unit/console/console_fixture.h"

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
    end();
}

static void long_lines_are_folded_not_lost(void **state)
{
    char text[160 + 3], expected[2 * sizeof(text)];

    (void)state;
    begin();
    memset(text, 'x', 160);
    strcpy(text + 160, "\n");
    say(&two, text);
    snprintf(expected, sizeof(expected), "two| %.*s\r\n", (int)160, text);
    expect(expected); /* a full line is one line */
    strcpy(text + 160, "y\n");
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

static void keys_for_a_vm_that_is_off_are_nobody_else_s_and_wait_for_it(void **state)
{
    (void)state;
    begin();
    console_detach(&two);
    console_give_focus(2);
    expect("console: 2 two is off: what is typed is for nobody else, and waits for its start\r\n");
    host_uart_type(&host_uarts[0], "secret");
    console_poll();
    assert_int_equal(heard_count[0], 0);
    console_detach(&one); /* others come and leave meanwhile */
    console_attach(&one);
    console_poll();
    assert_int_equal(heard_count[0], 0);
    room[1] = 0; /* it is not ready to hear yet */
    console_attach(&two);
    fake_run_until(fake_now + fake_hz);
    room[1] = 6;
    fake_run_until(fake_now + fake_hz); /* and nobody types, which would bring an interrupt */
    assert_int_equal(heard_count[1], 6);
    assert_int_equal(heard_count[0], 0);
    end();
}

static void nobody_waits_for_a_vm_that_never_comes_to_the_console(void **state)
{
    (void)state;
    begin();
    console_detach(&two);
    silent = true;
    console_give_focus(2);
    expect("console: VM 2 is not at the console\r\n");
    host_uart_type(&host_uarts[0], "a");
    console_poll();
    assert_int_equal(heard_count[0], 1);
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
    expect("a\r\n[keel]\r\n text"); /* Keel's line comes before what waits of a VM */
    let_out(32);
    expect(" of more than sixteen bytes\n");
    end();
}

static void a_flood_waits_and_is_told_when_it_may_go_on(void **state)
{
    unsigned put = 1;

    (void)state;
    begin_slow();
    while (console_vm_put(&one, 'f') && put < 1000)
        put++;
    assert_int_equal(put, 257);             /* one is at the port */
    assert_true(console_vm_put(&two, 't')); /* the other one goes on */
    assert_false(is_ready[0]);
    let_out(16);
    fake_run_until(fake_now + fake_hz / 100);
    assert_true(is_ready[0]);
    assert_false(is_ready[1]);
    assert_true(console_vm_put(&one, 'f'));
    host_uarts[0].wired = host_uarts[1].wired = false;
    console_finish();
    assert_int_equal(host_uarts[0].sent_count, 258);
    end();
}

/* How often a text is there. */
static unsigned count_of(const char *text)
{
    unsigned count = 0;

    host_uarts[0].sent[host_uarts[0].sent_count] = 0;
    for (const char *at = host_uarts[0].sent; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static void a_flood_that_does_not_wait_loses_its_own_bytes_only(void **state)
{
    unsigned lost;

    (void)state;
    begin_slow();
    for (unsigned i = 0; i < 40000; i++)
        console_vm_put(&one, 'f');
    lost = one.lost;
    assert_int_equal(lost, 40000 - 1 - sizeof(one.queue));
    for (unsigned i = 0; i < 10; i++)
        say(&two, "0123456789\n");
    assert_int_equal(two.lost, 0);
    for (unsigned i = 0; i < 200; i++)
        console_write("[keel] a line as long as most of them\n", 38);
    let_out(11000);
    assert_int_equal(count_of("[keel]"), 200);
    assert_int_equal(count_of("two| 0123456789\r\n"), 10);
    let_out(8000);
    fake_run_until(fake_now + 10 * fake_hz);
    let_out(200);
    assert_int_equal(one.lost, 0);
    assert_int_equal(count_of("bytes of one lost in"), 1);
    end();
}

/* A wire that is slower than everybody: what one that waits gets of it beside one that does not. */
static void a_flood_leaves_the_others_their_share(void **state)
{
    unsigned polite = 0;
    bool waits = false;

    (void)state;
    begin_slow();
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned j = 0; j < 200; j++)
            console_vm_put(&one, j % 61 ? 'f' : '\n');
        while (!waits) {
            waits = !console_vm_put(&two, polite % 40 == 39 ? '\n' : 'p');
            polite++;
        }
        waits = !is_ready[1];
        is_ready[1] = false;
        let_out(16);
    }
    assert_in_range(polite, 2000 * 16 * 35 / 100, 2000 * 16 * 60 / 100);
    assert_true(one.lost);
    end();
}

/* Keel's own, when even those are too many. */
static void lines_that_find_no_room_are_counted(void **state)
{
    (void)state;
    begin_slow();
    for (unsigned i = 0; i < 2000; i++)
        console_write("[keel] a line as long as most of them\n", 38);
    let_out(33000);
    console_write("[again]\n", 8);
    let_out(200);
    assert_int_equal(count_of("of Keel's lines left out"), 1);
    assert_in_range(count_of("[keel]"), 32768 / 39, (32768 + 256) / 39 + 1);
    assert_int_equal(count_of("[again]"), 1);
    end();
}

/* Nothing comes between the monitor's lines, nor between Keel's; who came first is first. */
static void an_answer_is_one_piece(void **state)
{
    static const char answer[] =
        "1 one running\n2 two off\nand much more, so that it is more than one piece\n"
        "0123456789012345678901234567890123456789012345678901234567890123456789\n"
        "0123456789012345678901234567890123456789012345678901234567890123456789\n"
        "0123456789012345678901234567890123456789012345678901234567890123456789\n";
    static char expected[sizeof(answer) + 100];
    size_t at = 0;

    (void)state;
    begin_slow();
    say(&two, "up\n");
    console_answer(answer, sizeof(answer) - 1);
    console_write("[keel]\n", 7);
    say(&two, "and up\n");
    let_out(500);
    assert_int_equal(console_answer(answer, sizeof(answer) - 1), sizeof(answer) - 1);
    strcpy(expected, "two| up\r\n");
    at = strlen(expected);
    for (const char *from = answer; *from; from++) {
        if (*from == '\n')
            expected[at++] = '\r';
        expected[at++] = *from;
    }
    strcpy(expected + at, "[keel]\r\ntwo| and up\r\n");
    expect(expected);
    console_answer(answer, 0);
    end();
}

/* A port whose transmitter has stopped: those who wait for it go on when that has lasted. */
static void a_port_that_takes_nothing_holds_nobody(void **state)
{
    (void)state;
    begin_slow();
    while (console_vm_put(&one, 'f'))
        ;
    console_answer("an answer\n", 10);
    fake_run_until(fake_now + 4 * fake_hz);
    assert_false(is_ready[0]);
    assert_int_equal(console_answer("an answer\n", 10), 0);
    fake_run_until(fake_now + 2 * fake_hz);
    assert_true(is_ready[0]);
    console_answer("", 0);
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
    console_attach(&one);
    assert_int_equal(one.count, 0);
    let_out(100);
    expect("o\r\ntwo| the last words\r\nf one\r\n[end]\r\n");
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
    assert_int_equal(put, 257);
    for (unsigned i = 0; i < 8000; i++) /* it does not wait */
        console_vm_put(&two, 't');
    assert_true(console_vm_put(&one, 'o'));
    host_uarts[1].takes = 16;
    let_out(1);
    expect("o");
    assert_int_equal(host_uarts[1].sent_count, 16);
    assert_int_equal(two.lost, 8000 - (sizeof(two.queue) - 256));
    console_vm_put(&two, 't'); /* room again, and the flood may go on: nothing is said yet */
    expect("");
    console_detach(&two);
    let_out(160);
    host_uarts[0].sent[host_uarts[0].sent_count] = 0;
    assert_non_null(strstr(host_uarts[0].sent, "console: 4160 bytes of two lost"));
    host_uarts[0].wired = host_uarts[1].wired = false;
    console_finish();
    assert_int_equal(host_uarts[1].sent_count, 257 + 3840 + 1);
    two.own = NULL;
    end();
}

/* The lock is free, or a core that was stopped has it, and others that were stopped wait for it. */
static void a_panic_speaks_whoever_has_the_lock(void **state)
{
    (void)state;
    for (unsigned tickets = 0; tickets < 4; tickets++) {
        begin();
        console_output_lock.next += tickets;
        console_panic();
        assert_false(spin_is_held(&console_output_lock));
        console_write("a panic\n", 8);
        expect("a panic\r\n");
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_focused_vm_is_raw),
        cmocka_unit_test(another_vms_lines_carry_its_name),
        cmocka_unit_test(a_line_begins_a_line),
        cmocka_unit_test(long_lines_are_folded_not_lost),
        cmocka_unit_test(the_focus_moves_on_when_its_vm_leaves),
        cmocka_unit_test(keys_for_a_vm_that_is_off_are_nobody_else_s_and_wait_for_it),
        cmocka_unit_test(nobody_waits_for_a_vm_that_never_comes_to_the_console),
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
        cmocka_unit_test(a_flood_leaves_the_others_their_share),
        cmocka_unit_test(lines_that_find_no_room_are_counted),
        cmocka_unit_test(an_answer_is_one_piece),
        cmocka_unit_test(a_panic_speaks_whoever_has_the_lock),
        cmocka_unit_test(a_port_that_takes_nothing_holds_nobody),
        cmocka_unit_test(what_a_vm_left_behind_is_sent),
        cmocka_unit_test(a_port_of_ones_own_is_slow_alone),
        cmocka_unit_test(without_a_port_text_goes_where_an_emulator_shows_it),
    };
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
