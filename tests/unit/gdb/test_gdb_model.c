/*
 * GDB's stub in a machine of two cores, whose turns, bytes and accidents come in any order: what is asked is
 * answered once, no vCPU that runs is touched, and whoever leaves leaves nothing behind.
 */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/gdb/gdb_internal.h"
#include "tests/unit/gdb/gdb_model.h"

#define RUNS 500 /* of the random ones */

static uint32_t random_state;
static size_t read_to;    /* of what was said */
static char answer[8192]; /* the latest packet */
static unsigned answers, pluses;

static unsigned draw(unsigned below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static void begin(uint32_t seed)
{
    random_state = seed;
    read_to = 0;
    model_begin();
}

/* Takes apart what has been said since: counts packets and acknowledgements, and keeps the last packet. */
static void listen(void)
{
    answers = pluses = 0;
    while (read_to < model_said_length) {
        const char *at = model_said + read_to;
        char *to = answer;

        if (*at == '+' || *at == '-') {
            pluses += *at == '+';
            read_to++;
            continue;
        }
        CHECK(*at == '$');
        for (at++; *at && *at != '#'; at++) {
            if (*at != '*') {
                *to++ = *at;
                continue;
            }
            at++;
            for (int more = *at - 29; more > 0; more--, to++)
                *to = to[-1];
        }
        if (!*at || !at[1] || !at[2])
            return; /* the rest is on its way */
        *to = 0;
        answers += answer[0] != 'O' || answer[1] == 'K';
        read_to = (size_t)(at + 3 - model_said);
    }
}

/* Something happens: a turn of a core, a byte that leaves. Guests run on; `accidents` end them. */
static void happen(bool accidents)
{
    unsigned act = accidents && draw(400) == 0 ? ACT_EXIT + draw(ACTS - ACT_EXIT)
                   : draw(8)                   ? ACT_RUN
                                               : ACT_HALT;

    switch (draw(4)) {
    case 0:
        model_work();
        break;
    case 1:
        model_transmit(1 + draw(16));
        break;
    default:
        model_run(draw(MODEL_VMS), draw(MODEL_VCPUS), (enum model_act)act);
    }
}

static void hear(const char *bytes, size_t length, bool accidents)
{
    for (size_t i = 0; i < length; i++) {
        unsigned tries = 0;

        while (!model_hear((uint8_t)bytes[i])) {
            happen(accidents);
            CHECK(tries++ < 10000);
        }
        while (draw(4) == 0)
            happen(accidents);
    }
}

static void send(const char *packet, bool accidents)
{
    char end[4];
    uint8_t sum = 0;

    for (const char *at = packet; *at; at++)
        sum += (uint8_t)*at;
    snprintf(end, sizeof(end), "#%02x", sum);
    hear("$", 1, accidents);
    hear(packet, strlen(packet), accidents);
    hear(end, 3, accidents);
}

/* All has been said and done. */
static void settle(void)
{
    size_t before;

    do {
        before = model_said_length;
        model_settle();
        model_transmit(16);
        model_settle();
    } while (model_said_length != before);
}

static void ask_and_listen(const char *packet)
{
    answer[0] = 0;
    settle();
    listen();
    send(packet, false);
    settle();
    listen();
}

/* A packet and its one answer. */
static const char *ask(const char *packet)
{
    ask_and_listen(packet);
    assert_int_equal(answers, 1);
    return answer;
}

static bool answer_begins(const char *with)
{
    return strncmp(answer, with, strlen(with)) == 0;
}

/* A new GDB. A stop that the one before it waited for may come until it has spoken. */
static void connect(void)
{
    hear("+", 1, false);
    ask_and_listen("qSupported:swbreak+");
    assert_in_range(answers, 1, 2);
    assert_true(answer_begins("PacketSize="));
    assert_true(pluses >= 1);
    assert_string_equal(ask("QStartNoAckMode"), "OK");
    hear("+", 1, false);
    ask("?");
    assert_true(answer_begins("T") || answer_begins("W") || answer_begins("X"));
}

static void leaves_it_running(unsigned vm)
{
    assert_string_equal(ask("D;1"), "OK");
    assert_string_equal(model_state(vm), "running");
    assert_true(model_untouched(vm));
}

static void a_vm_runs_on_after_detach_and_is_seen_again(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < 5; i++) {
        connect();
        assert_string_equal(model_state(0), "paused");
        assert_string_equal(ask("Z0,1005,1"), "OK");
        leaves_it_running(0);
    }
    model_end();
}

/* At 3eac50a each of these loaded a vCPU that core 1 was running. */
static void nothing_touches_a_vm_that_runs(void **state)
{
    static const char *const packets[] = {
        "g", "p0",      "P0=0000000000000000", "m1000,4",      "M2000,1:00", "Z0,1010,1", "z0,1010,1", "D",
        "k", "vKill;1", "qRcmd,6c73",          "qCRC:1000,10", "c",          "vCont;s:1", "X2000,0:",  "qC"};

    (void)state;
    begin(2);
    connect();
    send("c", false);
    settle();
    for (unsigned i = 0; i < 50; i++)
        happen(false);
    for (unsigned i = 0; i < ARRAY_LENGTH(packets); i++) {
        assert_string_equal(ask(packets[i]), "E01");
        assert_string_equal(model_state(0), "running");
    }
    settle();
    hear("\x03", 1, false);
    settle();
    listen();
    assert_int_equal(answers, 1);
    assert_true(answer_begins("T02thread:1;"));
    leaves_it_running(0);
    model_end();
}

static void a_breakpoint_stops_all_and_is_gone_after_detach(void **state)
{
    (void)state;
    begin(3);
    connect();
    assert_string_equal(ask("Z0,1005,1"), "OK");
    send("c", false);
    for (unsigned i = 0; i < 4000; i++)
        happen(false);
    settle();
    listen();
    assert_int_equal(answers, 1);
    assert_true(answer_begins("T05thread:") && strstr(answer, "swbreak:;"));
    assert_true(strstr(answer, "10:0510000000000000;"));
    assert_string_equal(ask("m1005,1"), "cc");
    leaves_it_running(0);
    model_end();
}

static void a_crash_is_shown_before_the_vm_ends(void **state)
{
    (void)state;
    begin(4);
    connect();
    send("c", false);
    settle();
    model_run(0, 1, ACT_CRASH);
    settle();
    listen();
    assert_int_equal(answers, 1);
    assert_true(answer_begins("T0bthread:2;"));
    assert_string_equal(model_state(0), "paused");
    assert_string_equal(ask("m1000,2"), "9090");
    assert_int_not_equal(ask("g")[0], 'E');
    assert_string_equal(ask("c"), "X0b");
    assert_string_equal(model_state(0), "off");
    assert_string_equal(ask("D"), "OK");
    model_end();
}

static void an_end_is_told_as_it_was(void **state)
{
    static const struct {
        enum model_act act;
        const char *told;
    } ends[] = {{ACT_EXIT, "W03"}, {ACT_POWER_OFF, "W00"}, {ACT_HALT, "X09"}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(ends); i++) {
        begin(5 + i);
        connect();
        send("c", false);
        settle();
        if (ends[i].act == ACT_HALT)
            model_order(0, ORDER_STOP);
        else
            model_run(0, 0, ends[i].act);
        settle();
        listen();
        assert_int_equal(answers, 1);
        assert_string_equal(answer, ends[i].told);
        assert_string_equal(ask("g"), "E01");
        model_order(0, ORDER_START);
        settle();
        connect();
        assert_true(answer_begins("T02"));
        leaves_it_running(0);
        model_end();
    }
}

/* A person lets the VM go on while GDB thinks that it stands still. */
static void nothing_is_touched_that_somebody_else_let_go_on(void **state)
{
    (void)state;
    begin(8);
    connect();
    assert_string_equal(ask("Z0,1fff,1"), "OK");
    model_order(0, ORDER_RESUME);
    for (unsigned i = 0; i < 20; i++)
        happen(false);
    assert_string_equal(ask("g"), "E01");
    assert_string_equal(ask("m1000,1"), "E01");
    assert_string_equal(ask("z0,1fff,1"), "E01");
    leaves_it_running(0);
    model_end();
}

static void another_vm_is_seen_by_the_next_connection(void **state)
{
    (void)state;
    begin(9);
    connect();
    assert_string_equal(ask("qRcmd,766d2062"), "OK"); /* vm b */
    assert_string_equal(model_state(0), "running");
    assert_true(model_untouched(0));
    connect();
    assert_string_equal(model_state(1), "paused");
    assert_string_equal(model_state(0), "running");
    leaves_it_running(1);
    model_end();
}

/* A port that takes nothing holds nobody up, and loses nothing. */
static void a_port_that_stands_still_holds_nobody_up(void **state)
{
    (void)state;
    begin(10);
    connect();
    settle();
    listen();
    for (unsigned i = 0; i < 40; i++) {
        for (const char *at = "$g#67"; *at && model_hear((uint8_t)*at); at++)
            model_settle();
        model_run(1, 0, ACT_RUN);
    }
    settle();
    listen();
    assert_true(answers > 5);
    hear("#00", 3, false); /* what was cut short */
    leaves_it_running(0);
    model_end();
}

/* All packets, and what their answers may be; those behind the first NULL let the VM go on. */
static const char *const packets[] = {
    "g",
    "p0",
    "p10",
    "P0=0102030405060708",
    "P10=0510000000000000",
    "P10=00000000000000f1",
    "m1000,40",
    "m2ff0,40",
    "m3000,1",
    "M2000,2:0102",

    "Z0,1008,1",
    "z0,1008,1",
    "Z0,1008,1",
    "Z1,1010,1",

    "Z2,2000,4",

    "Z3,2000,1",
    "Hg1",
    "Hg2",

    "qC",

    "qAttached",
    "qCRC:1000,800",
    "qCRC:0,ffffffff",
    "qXfer:features:read:target.xml:0,200",

    "qUnknown",
    "qRcmd,6c73",
    "G00",
    "?",
    NULL,
    "c",
    "s",
    "vCont;c",
    "vCont;s:1",
    "vCont;s:2;c",
    "vCont;c:1",
};

static bool lets_go(unsigned i)
{
    unsigned first = 0;

    while (packets[first])
        first++;
    return i > first;
}

static unsigned draw_packet(void)
{
    unsigned i;

    do
        i = draw(ARRAY_LENGTH(packets));
    while (!packets[i]);
    return i;
}

static void disturb(void)
{
    if (draw(60) == 0)
        model_order(draw(MODEL_VMS), (enum model_order)draw(ORDERS));
    if (draw(200) == 0)
        fake_run_until(fake_now + 100 * fake_hz);
}

/* However it went: GDB interrupts if it waits, leaves, and another one connects to a VM that runs. */
static void leave_and_connect(bool waits)
{
    if (waits) {
        hear("\x03", 1, false);
        settle();
    }
    listen();
    assert_true(!waits || answers == 1);
    assert_string_equal(ask("D"), "OK");
    settle();
    model_order(0, ORDER_START);  /* if it ended */
    model_order(0, ORDER_RESUME); /* if a person has paused it */
    settle();
    assert_string_equal(model_state(0), "running");
    assert_true(model_untouched(0));
    connect();
    leaves_it_running(0);
}

/* GDB asks one thing after the other, and while it waits for a stop, things that it must not; guests end, and
 * a person gives orders meanwhile. */
static void each_packet_has_one_answer_whatever_happens(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < RUNS; seed++) {
        bool waits = false, goes;

        begin(seed);
        connect();
        for (unsigned i = 0; i < 20; i++) {
            unsigned which = draw_packet();

            settle();
            listen();
            assert_true(answers <= waits);
            waits &= !answers;
            goes = lets_go(which) && !waits;
            send(strcmp(packets[which], "?") == 0 && waits ? "g" : packets[which], true);
            for (unsigned k = draw(60); k; k--) {
                happen(true);
                disturb();
            }
            settle();
            listen();
            /* Its own answer, and perhaps that of the stop that was waited for. */
            assert_in_range(answers, !goes, 1 + waits);
            waits = goes ? !answers : waits && answers == 1;
        }
        leave_and_connect(waits);
        model_end();
    }
}

/* Bytes of any kind, and a GDB that is gone in the middle of everything. */
static void noise_and_death_do_no_harm(void **state)
{
    static const char letters[] = "$$##+-\x03?gpmMZzcsDkH,;:=0123456789abcdef";

    (void)state;
    for (uint32_t seed = 0; seed < RUNS; seed++) {
        begin(seed);
        for (unsigned i = 0; i < 60; i++) {
            char byte = letters[draw(sizeof(letters) - 1)];

            if (draw(3))
                send(draw(4) ? packets[draw(6) ? draw_packet() : 0] : "qSupported", true);
            else
                hear(&byte, 1, true);
            for (unsigned k = draw(10); k; k--)
                happen(true);
            disturb();
        }
        hear("#00+", 4, false); /* what was cut short */
        model_order(0, ORDER_START);
        settle();
        listen();
        connect();
        leave_and_connect(false);
        model_end();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vm_runs_on_after_detach_and_is_seen_again),
        cmocka_unit_test(nothing_touches_a_vm_that_runs),
        cmocka_unit_test(a_breakpoint_stops_all_and_is_gone_after_detach),
        cmocka_unit_test(a_crash_is_shown_before_the_vm_ends),
        cmocka_unit_test(an_end_is_told_as_it_was),
        cmocka_unit_test(nothing_is_touched_that_somebody_else_let_go_on),
        cmocka_unit_test(another_vm_is_seen_by_the_next_connection),
        cmocka_unit_test(a_port_that_stands_still_holds_nobody_up),
        cmocka_unit_test(each_packet_has_one_answer_whatever_happens),
        cmocka_unit_test(noise_and_death_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
