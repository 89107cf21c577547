/* GDB's remote protocol against a target of arrays. */
#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/debug/gdb_server.h"

static struct gdb_server server;
static char line[65536]; /* what the server has sent */
static size_t line_length;
static uint8_t memory[256];
static struct gdb_registers registers[4];
static uint8_t resumed[GDB_THREADS];
static unsigned resumes, interrupts, detaches, kills;
static char points[8][40];
static unsigned point_count;
static bool is_wide, is_full;

static void put(void *owner, uint8_t byte)
{
    (void)owner;
    line[line_length++] = (char)byte;
    line[line_length] = 0;
}

static bool wide(void *target)
{
    (void)target;
    return is_wide;
}

static unsigned threads(void *target)
{
    (void)target;
    return 4;
}

static void describe(void *target, unsigned thread, struct writer *out)
{
    (void)target;
    print_to(out, "cpu %u", thread);
}

static bool get(void *target, unsigned thread, struct gdb_registers *out)
{
    (void)target;
    *out = registers[thread - 1];
    return true;
}

static bool set(void *target, unsigned thread, const struct gdb_registers *in)
{
    (void)target;
    registers[thread - 1] = *in;
    return true;
}

static size_t reachable(uint64_t address, size_t count)
{
    return address >= sizeof(memory) ? 0 : MIN(count, sizeof(memory) - address);
}

static size_t read_memory(void *target, unsigned thread, uint64_t address, uint8_t *bytes, size_t count)
{
    (void)target;
    (void)thread;
    count = reachable(address, count);
    memcpy(bytes, memory + (count ? address : 0), count);
    return count;
}

static size_t write_memory(void *target, unsigned thread, uint64_t address, const uint8_t *bytes,
                           size_t count)
{
    (void)target;
    (void)thread;
    count = reachable(address, count);
    memcpy(memory + (count ? address : 0), bytes, count);
    return count;
}

static bool insert(void *target, enum gdb_point point, uint64_t address, unsigned length)
{
    (void)target;
    snprintf(points[point_count++], sizeof(points[0]), "+%u %lx %u", point, address, length);
    return !is_full;
}

static bool take_out(void *target, enum gdb_point point, uint64_t address, unsigned length)
{
    (void)target;
    snprintf(points[point_count++], sizeof(points[0]), "-%u %lx %u", point, address, length);
    return true;
}

static void resume(void *target, const uint8_t *what)
{
    (void)target;
    resumes++;
    memcpy(resumed, what, sizeof(resumed));
}

static void interrupt(void *target)
{
    (void)target;
    interrupts++;
}

static void detach(void *target, bool kill)
{
    (void)target;
    detaches++;
    kills += kill;
}

static void command(void *target, const char *text, struct writer *out)
{
    (void)target;
    print_to(out, "you said %s", text);
    for (unsigned i = 0; i < 3000 && strcmp(text, "much") == 0; i++)
        print_to(out, "x");
}

static const struct gdb_target ops = {wide,        threads,      describe, get,      set,
                                      read_memory, write_memory, insert,   take_out, resume,
                                      interrupt,   detach,       command};

static int begin(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(registers, 0, sizeof(registers));
    resumes = interrupts = detaches = kills = point_count = 0;
    is_wide = true;
    is_full = false;
    line_length = 0;
    line[0] = 0;
    gdb_server_init(&server, &ops, NULL, put, NULL);
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_STOPPED, 5, 1, GDB_SOFTWARE, 0});
    return 0;
}

static void type(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        gdb_server_byte(&server, (uint8_t)bytes[i]);
}

static void send_bytes(const char *packet, size_t length)
{
    char end[4];
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += (uint8_t)packet[i];
    snprintf(end, sizeof(end), "#%02x", sum);
    line_length = 0;
    line[0] = 0;
    type("$", 1);
    type(packet, length);
    type(end, 3);
}

/* What the server answers, without "+" and frame; the check sum is checked. */
static const char *ask(const char *packet)
{
    static char answer[65536];
    unsigned stated;
    uint8_t sum = 0;
    char *end;

    send_bytes(packet, strlen(packet));
    assert_int_equal(line[0], '+');
    if (!line[1])
        return NULL;
    assert_int_equal(line[1], '$');
    strcpy(answer, line + 2);
    end = strrchr(answer, '#');
    assert_non_null(end);
    assert_int_equal(sscanf(end, "#%2x", &stated), 1);
    for (char *at = answer; at < end; at++)
        sum += (uint8_t)*at;
    assert_int_equal(sum, stated);
    *end = 0;
    return answer;
}

static void a_wrong_check_sum_is_refused_and_the_repetition_served(void **state)
{
    (void)state;
    type("$qC#00", 6);
    assert_string_equal(line, "-");
    assert_string_equal(ask("qC"), "QC1");
}

static void an_answer_that_got_lost_is_sent_again(void **state)
{
    char first[64];

    (void)state;
    ask("qC");
    strcpy(first, line + 1);
    line_length = 0;
    type("-", 1);
    assert_string_equal(line, first);
}

static void acknowledgements_end_when_both_agree(void **state)
{
    (void)state;
    assert_string_equal(ask("QStartNoAckMode"), "OK");
    send_bytes("qC", 2);
    assert_string_equal(line, "$QC1#c5");
    line_length = 0;
    type("$qC#00", 6);
    assert_int_equal(line_length, 0);
}

static void a_packet_begun_anew_replaces_the_broken_one(void **state)
{
    (void)state;
    type("$m0,4", 5);
    assert_string_equal(ask("qC"), "QC1");
}

static void a_packet_that_is_too_long_is_refused(void **state)
{
    static char much[GDB_PACKET + 10];

    (void)state;
    memset(much, 'm', sizeof(much));
    send_bytes(much, sizeof(much));
    assert_string_equal(line, "-");
    assert_string_equal(ask("qC"), "QC1");
}

static void what_is_not_known_is_answered_empty(void **state)
{
    (void)state;
    assert_string_equal(ask("vMustReplyEmpty"), "");
    assert_string_equal(ask("qSymbol::"), "");
}

static void registers_have_gdbs_order_and_size(void **state)
{
    const char *all;
    size_t bits = 0;
    char description[16384] = "";
    struct text_buffer buffer;

    (void)state;
    text_buffer_init(&buffer, description, sizeof(description));
    ask("qSupported");
    registers[0].general[0] = 0x1122334455667788; /* RAX */
    registers[0].general[3] = 0xbb;               /* RBX comes second */
    registers[0].rip = 0x401000;
    all = ask("g");
    assert_memory_equal(all, "8877665544332211bb00000000000000", 32);
    assert_memory_equal(all + 16 * 16, "0010400000000000", 16);
    gdb_describe_registers(&buffer.writer, true);
    for (char *at = strstr(description, "bitsize=\""); at; at = strstr(at + 1, "bitsize=\""))
        bits += strtoul(at + 9, NULL, 10);
    assert_int_equal(strlen(all), bits / 4);

    is_wide = false;
    ask("qSupported");
    all = ask("g");
    assert_memory_equal(all, "8877665500000000", 16);
    assert_memory_equal(all + 8 * 3, "bb000000", 8); /* EAX ECX EDX EBX */
}

static void one_register_is_read_and_written(void **state)
{
    (void)state;
    ask("qSupported");
    assert_string_equal(ask("P10=7856341200000000"), "OK");
    assert_int_equal(registers[0].rip, 0x12345678);
    assert_string_equal(ask("p10"), "7856341200000000");
    assert_string_equal(ask("P10=7856"), "E01");
    assert_string_equal(ask("pff"), "E01");
    assert_string_equal(ask("p"), "E01");
}

static void all_registers_are_written_as_they_were_read(void **state)
{
    char packet[4096] = "G";
    struct gdb_registers before;

    (void)state;
    ask("qSupported");
    for (size_t i = 0; i < sizeof(registers[0]); i++)
        ((uint8_t *)&registers[0])[i] = (uint8_t)(i * 7);
    before = registers[0];
    strcat(packet, ask("g"));
    memset(registers[0].general, 0, sizeof(registers[0].general));
    memset(registers[0].xmm, 0, sizeof(registers[0].xmm));
    assert_string_equal(ask(packet), "OK");
    assert_memory_equal(registers[0].general, before.general, sizeof(before.general));
    assert_memory_equal(registers[0].xmm, before.xmm, sizeof(before.xmm));
    packet[strlen(packet) - 2] = 0;
    assert_string_equal(ask(packet), "E01");
}

static void the_description_comes_in_pieces(void **state)
{
    char whole[16384] = "", description[16384] = "", packet[64];
    struct text_buffer buffer;
    const char *piece;

    (void)state;
    text_buffer_init(&buffer, description, sizeof(description));
    gdb_describe_registers(&buffer.writer, true);
    ask("qSupported");
    do {
        snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,200", strlen(whole));
        piece = ask(packet);
        for (const char *at = piece + 1; *at; at++)
            strncat(whole, *at == '}' ? (char[]){(char)(*++at ^ 0x20), 0} : (char[]){*at, 0}, 1);
    } while (*piece == 'm');
    assert_string_equal(whole, description);
    assert_string_equal(ask("qXfer:features:read:target.xml:ffff,200"), "l");
}

static void memory_is_read_until_it_ends(void **state)
{
    (void)state;
    memory[254] = 0xab;
    memory[255] = 0xcd;
    assert_string_equal(ask("mfe,2"), "abcd");
    assert_string_equal(ask("mfe,10"), "abcd");
    assert_string_equal(ask("m100,1"), "E01");
    assert_string_equal(ask("m100"), "E01");
    assert_int_equal(strlen(ask("m0,ffffffffffffffff")), 512);
}

static void memory_is_written_in_digits_and_in_bytes(void **state)
{
    (void)state;
    assert_string_equal(ask("M10,3:0102ff"), "OK");
    assert_memory_equal(memory + 0x10, "\x01\x02\xff", 3);
    assert_string_equal(ask("M10,3:0102"), "E01");
    assert_string_equal(ask("Mff,2:0102"), "E01");
    send_bytes("X20,4:a}\x03}\x04"
               "b",
               12);
    assert_string_equal(line, "+$OK#9a");
    assert_memory_equal(memory + 0x20, "a#$b", 4);
    assert_string_equal(ask("X0,0:"), "OK"); /* how GDB asks whether X is known */
}

static void breakpoints_reach_the_target(void **state)
{
    (void)state;
    assert_string_equal(ask("Z0,401000,1"), "OK");
    assert_string_equal(ask("Z2,20,8"), "OK");
    assert_string_equal(ask("z0,401000,1"), "OK");
    assert_string_equal(points[0], "+0 401000 1");
    assert_string_equal(points[1], "+2 20 8");
    assert_string_equal(points[2], "-0 401000 1");
    is_full = true;
    assert_string_equal(ask("Z1,401000,1"), "E01");
    assert_string_equal(ask("Z7,401000,1"), "");
    assert_string_equal(ask("Z1,401000"), "E01");
}

static void threads_are_listed_chosen_and_described(void **state)
{
    (void)state;
    assert_string_equal(ask("qfThreadInfo"), "m1,2,3,4");
    assert_string_equal(ask("qsThreadInfo"), "l");
    assert_string_equal(ask("qThreadExtraInfo,3"), "6370752033");
    assert_string_equal(ask("T4"), "OK");
    assert_string_equal(ask("T5"), "E01");
    registers[2].rip = 0x33;
    ask("qSupported");
    assert_string_equal(ask("Hg3"), "OK");
    assert_string_equal(ask("p10"), "3300000000000000");
    assert_string_equal(ask("Hg-1"), "OK");
    assert_string_equal(ask("qC"), "QC3");
    assert_string_equal(ask("Hg9"), "E01");
}

static void each_thread_goes_on_as_the_leftmost_action_says(void **state)
{
    (void)state;
    assert_string_equal(ask("vCont?"), "vCont;c;C;s;S");
    assert_null(ask("vCont;s:2;c"));
    assert_int_equal(resumed[0], GDB_CONTINUE);
    assert_int_equal(resumed[1], GDB_STEP);
    assert_int_equal(resumed[3], GDB_CONTINUE);
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_STOPPED, 5, 2, GDB_SOFTWARE, 0});
    assert_null(ask("vCont;c:1"));
    assert_int_equal(resumed[0], GDB_CONTINUE);
    assert_int_equal(resumed[1], GDB_STAY);
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_STOPPED, 5, 1, GDB_SOFTWARE, 0});
    assert_string_equal(ask("vCont;x"), "E01");
    assert_string_equal(ask("vCont;c:77"), "E01");
    assert_int_equal(resumes, 2);
}

static void a_stop_says_why(void **state)
{
    (void)state;
    assert_null(ask("c"));
    line_length = 0;
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_HIT, 0, 2, GDB_WATCH_WRITE, 0x1234});
    assert_memory_equal(line, "$T05thread:2;watch:1234;#", 25);
    assert_string_equal(ask("?"), "T05thread:2;watch:1234;");
    assert_string_equal(ask("qC"), "QC2");
    assert_null(ask("s"));
    line_length = 0;
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_HIT, 0, 1, GDB_SOFTWARE, 0});
    assert_memory_equal(line, "$T05thread:1;swbreak:;#", 23);
    assert_null(ask("c"));
    line_length = 0;
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_ENDED, 7, 0, GDB_SOFTWARE, 0});
    assert_memory_equal(line, "$W07#", 5);
}

static void a_break_interrupts_only_what_runs(void **state)
{
    (void)state;
    type("\x03", 1);
    assert_int_equal(interrupts, 0);
    assert_null(ask("c"));
    type("\x03", 1);
    assert_int_equal(interrupts, 1);
}

static void gdb_that_connects_to_a_running_target_stops_it(void **state)
{
    (void)state;
    gdb_server_init(&server, &ops, NULL, put, NULL);
    assert_null(ask("?"));
    assert_int_equal(interrupts, 1);
    line_length = 0;
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_STOPPED, 2, 3, GDB_SOFTWARE, 0});
    assert_memory_equal(line, "$T02thread:3;#", 14);
}

static void gdb_learns_what_a_running_target_is_when_it_has_stopped(void **state)
{
    (void)state;
    gdb_server_init(&server, &ops, NULL, put, NULL);
    assert_null(ask("qSupported:multiprocess+"));
    assert_int_equal(interrupts, 1);
    is_wide = false;
    line_length = 0;
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_STOPPED, 2, 1, GDB_SOFTWARE, 0});
    assert_memory_equal(line, "$PacketSize=", 12);
    assert_string_equal(ask("?"), "T02thread:1;");
    assert_int_equal(strlen(ask("p8")), 8); /* EIP */
}

static void nobody_is_told_of_a_stop_after_detaching(void **state)
{
    (void)state;
    assert_string_equal(ask("D"), "OK");
    assert_int_equal(detaches, 1);
    assert_int_equal(kills, 0);
    line_length = 0;
    gdb_server_stopped(&server, &(struct gdb_stop){GDB_ENDED, 0, 0, GDB_SOFTWARE, 0});
    assert_int_equal(line_length, 0);
    assert_string_equal(ask("vKill;1"), "OK");
    assert_int_equal(kills, 1);
}

static void a_monitor_command_answers_in_as_many_packets_as_it_takes(void **state)
{
    unsigned packets = 0;
    size_t longest = 0;

    (void)state;
    send_bytes("qRcmd,6c73", 10); /* ls */
    assert_memory_equal(line, "+$O796f752073616964206c73#", 25);
    assert_non_null(strstr(line, "$OK#9a"));
    send_bytes("qRcmd,6d756368", 14); /* much */
    for (char *at = strchr(line, '$'); at; at = strchr(at + 1, '$')) {
        packets++;
        longest = MAX(longest, (size_t)(strchr(at, '#') - at));
    }
    assert_true(packets > 3);
    assert_true(longest < GDB_PACKET / 2);
}

/* Whatever the line brings, nothing is read or written out of bounds (ASan) and the server goes on. */
static void noise_does_no_harm(void **state)
{
    static const char letters[] = "$#}*+-?gGpPmMXzZcsHTDqv,;:=0123456789abcdefRcmdXferCont\x03";
    uint32_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        random = random * 1664525 + 1013904223;
        if (line_length > sizeof(line) / 2)
            line_length = 0;
        point_count = 0;
        gdb_server_byte(&server, (uint8_t)letters[(random >> 16) % (sizeof(letters) - 1)]);
    }
    for (unsigned i = 0; i < 20000; i++) {
        char packet[24];
        unsigned length = 1 + (random >> 8) % 20;

        for (unsigned k = 0; k < length; k++) {
            random = random * 1664525 + 1013904223;
            packet[k] = letters[4 + (random >> 16) % (sizeof(letters) - 5)];
        }
        point_count = 0;
        send_bytes(packet, length);
    }
    server.link.quiet = false;
    assert_non_null(strstr(ask("qC"), "QC"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
    static const struct CMUnitTest tests[] = {
        TEST(a_wrong_check_sum_is_refused_and_the_repetition_served),
        TEST(an_answer_that_got_lost_is_sent_again),
        TEST(acknowledgements_end_when_both_agree),
        TEST(a_packet_begun_anew_replaces_the_broken_one),
        TEST(a_packet_that_is_too_long_is_refused),
        TEST(what_is_not_known_is_answered_empty),
        TEST(registers_have_gdbs_order_and_size),
        TEST(one_register_is_read_and_written),
        TEST(all_registers_are_written_as_they_were_read),
        TEST(the_description_comes_in_pieces),
        TEST(memory_is_read_until_it_ends),
        TEST(memory_is_written_in_digits_and_in_bytes),
        TEST(breakpoints_reach_the_target),
        TEST(threads_are_listed_chosen_and_described),
        TEST(each_thread_goes_on_as_the_leftmost_action_says),
        TEST(a_stop_says_why),
        TEST(a_break_interrupts_only_what_runs),
        TEST(gdb_that_connects_to_a_running_target_stops_it),
        TEST(gdb_learns_what_a_running_target_is_when_it_has_stopped),
        TEST(nobody_is_told_of_a_stop_after_detaching),
        TEST(a_monitor_command_answers_in_as_many_packets_as_it_takes),
        TEST(noise_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
