/* Connections, running and stopping: every packet in every state. */
#include "tests/unit/gdb/gdb_fixture.h"

static void each_thread_goes_on_as_the_leftmost_action_says(void **state)
{
    (void)state;
    assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
    assert_null(ask("vCont;s:2;c"));
    assert_int_equal(resumed[0], GDB_CONTINUE);
    assert_int_equal(resumed[1], GDB_STEP);
    assert_int_equal(resumed[3], GDB_CONTINUE);
    stop_with((struct gdb_stop){GDB_STOPPED, 5, 2, GDB_SOFTWARE, 0});
    assert_null(ask("vCont;c:1"));
    assert_int_equal(resumed[0], GDB_CONTINUE);
    assert_int_equal(resumed[1], GDB_STAY);
    stop_with((struct gdb_stop){GDB_STOPPED, 5, 1, GDB_SOFTWARE, 0});
    assert_string_equal(ask("vCont;x"), "E01");
    assert_string_equal(ask("vCont;c:77"), "E01");
    assert_int_equal(resumes, 2);
}

static void a_stop_says_why_and_where(void **state)
{
    (void)state;
    registers[1].rip = 0x401000;
    registers[1].general[4] = 0x7000;
    assert_null(ask("c"));
    clear_line();
    stop_with((struct gdb_stop){GDB_HIT, 0, 2, GDB_WATCH_WRITE, 0x1234});
    assert_string_equal(said(), "T05thread:2;watch:1234;6:0000000000000000;7:0070000000000000;"
                                "10:0010400000000000;");
    begins(ask("?"), "T05thread:2;watch:1234;");
    assert_string_equal(ask("qC"), "QC2");
    assert_null(ask("s"));
    clear_line();
    stop_with((struct gdb_stop){GDB_HIT, 0, 1, GDB_SOFTWARE, 0});
    begins(said(), "T05thread:1;swbreak:;6:");
    is_wide = false;
    reconnect();
    begins(ask("?"), "T05thread:1;5:00000000;4:00000000;8:00000000;");
}

static void an_end_says_how_and_goes_on_saying_so(void **state)
{
    (void)state;
    assert_null(ask("c"));
    clear_line();
    stop_with((struct gdb_stop){.kind = GDB_EXITED, .signal = 7});
    assert_string_equal(said(), "W07");
    assert_string_equal(ask("?"), "W07");
    assert_string_equal(ask("c"), "W07");
    assert_string_equal(ask("vCont;s:1"), "W07");
    assert_int_equal(resumes, 1);
    reconnect();
    assert_null(ask("s"));
    clear_line();
    stop_with((struct gdb_stop){.kind = GDB_KILLED, .signal = 11});
    assert_string_equal(said(), "X0b");
    assert_string_equal(ask("D"), "OK");
    assert_string_equal(ask("g"), "E01");
}

static void a_break_interrupts_only_what_runs(void **state)
{
    (void)state;
    type("\x03", 1);
    assert_int_equal(interrupts, 0);
    assert_null(ask("c"));
    type("\x03", 1);
    assert_int_equal(interrupts, 1);
    begin(state); /* nobody has connected: it is noise */
    type("\x03", 1);
    assert_int_equal(interrupts, 0);
}

static void gdb_that_connects_stops_the_target_and_learns_what_it_is(void **state)
{
    begin(state);
    assert_null(ask("qSupported:multiprocess+"));
    assert_int_equal(interrupts, 1);
    assert_int_equal(attaches, 0); /* not while it runs */
    is_wide = false;
    clear_line();
    stop_with((struct gdb_stop){GDB_STOPPED, 2, 1, GDB_SOFTWARE, 0});
    begins(said(), "PacketSize=");
    assert_int_equal(attaches, 1);
    begins(ask("?"), "T02thread:1;");
    assert_int_equal(strlen(ask("p8")), 8); /* EIP */
}

static void a_question_alone_begins_a_connection_too(void **state)
{
    begin(state);
    assert_null(ask("?"));
    assert_int_equal(interrupts, 1);
    clear_line();
    stop_with((struct gdb_stop){GDB_STOPPED, 2, 3, GDB_SOFTWARE, 0});
    begins(said(), "T02thread:3;");
    assert_int_equal(attaches, 1);
}

/* All that is in the table, with arguments that are right while the target stands still. */
static const char *const packets[] = {
    "qSupported",
    "?",
    "QStartNoAckMode",
    "qAttached",
    "vCont?",
    "vCont;c",
    "c",
    "C05",
    "s",
    "S05",
    "D",
    "k",
    "vKill;1",
    "qRcmd,6c73",
    "qXfer:features:read:target.xml:0,10",
    "qfThreadInfo",
    "qsThreadInfo",
    "qThreadExtraInfo,1",
    "qC",
    "qCRC:0,10",
    "Hg1",
    "T1",
    "g",
    "G00",
    "p0",
    "P0=0000000000000000",
    "m0,4",
    "M0,1:00",
    "X0,0:",
    "Z0,10,1",
    "z0,10,1",
};

static const struct gdb_command *find(const char *packet)
{
    struct gdb_input in = {packet, packet + strlen(packet)};

    return gdb_find_command(&in);
}

static void into_state(enum gdb_state at)
{
    if (at == GDB_AWAY) {
        begin(NULL);
        return;
    }
    connect(NULL);
    if (at != GDB_STANDS)
        assert_null(ask("c"));
    if (at == GDB_GONE)
        stop_with((struct gdb_stop){.kind = GDB_EXITED, .signal = 1});
    memset(registers, 0x11, sizeof(registers));
    attaches = resumes = interrupts = detaches = point_count = 0;
}

static bool touched(void)
{
    for (size_t i = 0; i < sizeof(registers); i++)
        if (((uint8_t *)registers)[i] != 0x11)
            return true;
    return resumes || detaches || kills || point_count || accesses || attaches;
}

/* What is not allowed is refused, once, and does nothing; what is allowed is answered once, now or with the
 * stop. */
static void every_packet_in_every_state(void **state)
{
    static const enum gdb_state states[] = {GDB_AWAY, GDB_RUNS, GDB_STANDS, GDB_GONE};
    bool seen[64] = {false};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(packets); i++)
        for (unsigned k = 0; k < ARRAY_LENGTH(states); k++) {
            const struct gdb_command *command = find(packets[i]);
            const char *answer;

            assert_non_null(command);
            seen[command - gdb_commands] = true;
            into_state(states[k]);
            memset(registers, 0x11, sizeof(registers));
            accesses = kills = 0;
            answer = ask(packets[i]);
            if (!(command->states & states[k])) {
                assert_string_equal(answer, "E01");
                assert_false(touched());
                assert_int_equal(server.state, states[k]);
                assert_int_equal(interrupts, 0);
            } else if (!answer) {
                assert_int_equal(server.state, GDB_RUNS);
                clear_line();
                stop_with((struct gdb_stop){GDB_STOPPED, 5, 1, GDB_SOFTWARE, 0});
                assert_non_null(said());
            }
        }
    for (unsigned i = 0; i < gdb_command_count; i++)
        assert_true(seen[i]);
}

/* Only these two are answered while the target runs, and both ask it to stop. */
static void nothing_but_a_new_connection_disturbs_what_runs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(packets); i++) {
        into_state(GDB_RUNS);
        memset(registers, 0x11, sizeof(registers));
        accesses = kills = 0;
        ask(packets[i]);
        assert_false(touched());
        assert_int_equal(server.state, GDB_RUNS);
        assert_int_equal(interrupts, packets[i][0] == '?' || strcmp(packets[i], "qSupported") == 0);
    }
}

/* GDB says goodbye, and another one connects as if it were the first. */
static void connects_as_the_first(void)
{
    attaches = interrupts = 0;
    clear_line();
    type("+", 1);
    assert_null(ask("qSupported"));
    assert_string_equal(line, "+");
    assert_int_equal(interrupts, 1);
    clear_line();
    stop_with((struct gdb_stop){GDB_STOPPED, 2, 1, GDB_SOFTWARE, 0});
    begins(said(), "PacketSize=");
    assert_int_equal(attaches, 1);
    assert_string_equal(ask("QStartNoAckMode"), "OK");
    type("+", 1);
    begins(ask("?"), "T02");
    assert_true(server.link.quiet);
}

static void a_second_connection_works_after_detach_and_kill(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        connects_as_the_first();
        assert_string_equal(ask(i == 1 ? "vKill;1" : i ? "k" : "D;1"), "OK");
        assert_int_equal(detaches, i + 1);
        assert_int_equal(kills, i);
        assert_int_equal(server.state, GDB_AWAY);
        assert_string_equal(ask("g"), "E01");
    }
    clear_line(); /* and nobody is told of what happens meanwhile */
    stop_with((struct gdb_stop){.kind = GDB_EXITED});
    assert_int_equal(line_length, 0);
    connects_as_the_first();
}

static void a_second_connection_works_after_one_that_died(void **state)
{
    (void)state;
    connects_as_the_first(); /* and dies while the target stands still */
    connects_as_the_first();
    assert_null(ask("c")); /* and dies while it runs */
    connects_as_the_first();
    type("$m0,", 4); /* and dies in the middle of a packet */
    connects_as_the_first();
    assert_null(ask("c"));
    clear_line(); /* one that acknowledges nothing, and does not begin with "+" */
    send_bytes("qSupported", 10);
    assert_string_equal(line, "+");
    assert_null(ask("?")); /* and dies before it has been answered */
    connects_as_the_first();
}

static void the_plus_that_agrees_to_silence_does_not_end_it(void **state)
{
    (void)state;
    assert_string_equal(ask("QStartNoAckMode"), "OK");
    type("+", 1);
    begins(ask("qC"), "QC1");
    assert_string_equal(line, "$QC1#c5");
    type("+", 1);
    ask("qC");
    assert_string_equal(line, "+$QC1#c5");
}

/* No packet is taken for another whose name it begins with, or that begins with its own. */
static void names_are_matched_whole(void **state)
{
    char packet[64];

    (void)state;
    for (unsigned i = 0; i < gdb_command_count; i++) {
        const struct gdb_command *command = &gdb_commands[i];
        bool is_long = command->name[1];

        snprintf(packet, sizeof(packet), "%s%c1,1", command->name, command->mark ? command->mark : ' ');
        packet[command->behind == BEHIND_NOTHING ? strlen(command->name) : strlen(packet)] = 0;
        assert_ptr_equal(find(packet), command);
        for (unsigned cut = 1; is_long && cut < strlen(command->name); cut++) {
            snprintf(packet, sizeof(packet), "%.*s", (int)cut, command->name);
            assert_ptr_not_equal(find(packet), command);
        }
        snprintf(packet, sizeof(packet), "%sX", command->name);
        if (is_long || command->behind != BEHIND_DIRECTLY)
            assert_null(find(packet));
        snprintf(packet, sizeof(packet), "%s", command->name);
        assert_true((command->behind == BEHIND_MARK) != (find(packet) == command));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(command->name, gdb_commands[k].name);
    }
    assert_null(find(""));
    assert_string_equal(ask("qCx"), "");
    assert_string_equal(ask("qSupportedAsWell:a"), "");
    assert_string_equal(ask("qXfer:memory-map:read::0,fff"), "");
    assert_string_equal(ask("qXfer:features:read:other.xml:0,fff"), "E01");
    assert_string_equal(ask("vKillAll"), "");
    assert_string_equal(ask("!"), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, connect)
    static const struct CMUnitTest tests[] = {
        TEST(each_thread_goes_on_as_the_leftmost_action_says),
        TEST(a_stop_says_why_and_where),
        TEST(an_end_says_how_and_goes_on_saying_so),
        TEST(a_break_interrupts_only_what_runs),
        TEST(gdb_that_connects_stops_the_target_and_learns_what_it_is),
        TEST(a_question_alone_begins_a_connection_too),
        TEST(every_packet_in_every_state),
        TEST(nothing_but_a_new_connection_disturbs_what_runs),
        TEST(a_second_connection_works_after_detach_and_kill),
        TEST(a_second_connection_works_after_one_that_died),
        TEST(the_plus_that_agrees_to_silence_does_not_end_it),
        TEST(names_are_matched_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
