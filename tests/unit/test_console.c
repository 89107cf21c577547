#include "tests/unit/fake.h"

#include <stdio.h>

#include "hv/debug/console.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/vm/life.h"
#include "tests/unit/host_uart.h"

/* The machine's interrupts: what Keel asked for. */
struct cpu *cpus[CPUS_MOST];
static struct cpu boot_core = {.apic_id = 7};
static void (*serial_handler)(void);
static bool routable;
static unsigned routed_irq;

void interrupts_handle(uint8_t vector, void (*handler)(void))
{
    assert_int_equal(vector, VECTOR_SERIAL);
    serial_handler = handler;
}

bool ioapic_route(unsigned irq, uint8_t vector, uint32_t apic_id)
{
    assert_int_equal(vector, VECTOR_SERIAL);
    assert_int_equal(apic_id, 7);
    routed_irq = irq;
    return routable;
}

/* Two VMs at the console: what each was typed. */
static struct vm vms[2];
static char heard[2][8192];
static unsigned heard_count[2], room[2];

static bool input(struct vm *vm, uint8_t byte)
{
    unsigned i = vm == &vms[1];

    if (heard_count[i] == room[i])
        return false;
    heard[i][heard_count[i]++] = (char)byte;
    return true;
}

static struct console_client one, two;
#define port        serial_ports[0]
#define second_port serial_ports[1]

/* The table of VMs. */
static unsigned vm_count;

bool life_info(unsigned number, struct life_info *info)
{
    static const char *const names[] = {"one", "two"}, *const states[] = {"running", "paused"};

    if (number < 1 || number > vm_count)
        return false;
    *info = (struct life_info){.name = number <= 2 ? names[number - 1] : "more",
                               .state = number <= 2 ? states[number - 1] : "off"};
    return true;
}

static bool is_ready[2];

static void ready(struct vm *vm)
{
    is_ready[vm == &vms[1]] = true;
}

static void begin(void)
{
    fake_reset();
    console_detach(&one); /* of a test that failed */
    console_detach(&two);
    host_uarts_begin(0x3f8, 0x2f8);
    serial_init(&port, 115200);
    serial_init(&second_port, 115200);
    console_finish(); /* a test may have ended with the queue on */
    console_init(&port);
    console_set_escape(']' & 0x1f);
    console_write("\n", 1); /* whatever another test left open */
    host_uarts[0].sent_count = 0;
    memset(host_uarts[0].sent, 0, sizeof(host_uarts[0].sent));
    one = (struct console_client){
        .vm = &vms[0], .name = "one", .number = 1, .held = -1, .input = input, .ready = ready};
    two = (struct console_client){
        .vm = &vms[1], .name = "two", .number = 2, .held = -1, .input = input, .ready = ready};
    vm_count = 2;
    room[0] = room[1] = sizeof(heard[0]);
    is_ready[0] = is_ready[1] = false;
    console_attach(&one);
    console_attach(&two);
    console_poll(); /* what was typed for nobody */
    heard_count[0] = heard_count[1] = 0;
}

static void end(void)
{
    console_detach(&one);
    console_detach(&two);
    host_uarts[0].wired = host_uarts[1].wired = false;
    fake_run_until(fake_now + fake_hz); /* a retry finds nothing */
    privileged_end();
}

static void say(struct console_client *client, const char *text)
{
    for (; *text; text++)
        console_vm_put(client, (uint8_t)*text);
}

/* What has been sent since the last time. */
static void expect(const char *text)
{
    struct host_uart *uart = &host_uarts[0];

    uart->sent[uart->sent_count] = 0;
    assert_string_equal(uart->sent, text);
    uart->sent_count = 0;
}

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
    console_writer.write(&console_writer, "> ", 2);
    was = console_broken_lines();
    say(&two, "up\n");
    expect("> \r\ntwo| up\r\n");
    assert_int_equal(console_broken_lines(), was + 1);
    console_give_focus(2);
    expect("console: 2 two has the focus\r\n");
    console_give_focus(1);
    console_release(next_unused);
    expect("console: 1 one has the focus\r\nlogin: ");
    type_at("b");
    expect_heard(0, "x\x1d"
                    "b");
    assert_int_equal(seized_count, 3);
    assert_true(console_has_room(1));
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
    assert_true(console_port_taken(&second_port));
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
    assert_false(console_port_taken(&second_port));
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
        cmocka_unit_test(escape_and_a_number_move_the_focus),
        cmocka_unit_test(a_number_ends_when_no_vms_number_goes_on),
        cmocka_unit_test(escape_twice_is_typed_once),
        cmocka_unit_test(escape_and_a_letter_is_a_command),
        cmocka_unit_test(who_seizes_the_console_has_all_that_is_typed),
        cmocka_unit_test(what_a_vm_has_not_taken_is_not_anothers),
        cmocka_unit_test(nobody_waits_for_the_wire),
        cmocka_unit_test(a_flood_waits_and_is_told_when_it_may_go_on),
        cmocka_unit_test(a_flood_that_does_not_wait_loses_its_own_bytes_only),
        cmocka_unit_test(what_a_vm_left_behind_is_sent),
        cmocka_unit_test(a_port_of_ones_own_is_slow_alone),
        cmocka_unit_test(without_a_port_text_goes_where_an_emulator_shows_it),
    };
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
