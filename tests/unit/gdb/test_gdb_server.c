/* Packets, one by one: their frame, registers, memory, breakpoints, threads. */
#include "tests/unit/gdb/gdb_fixture.h"

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

static void an_answer_is_sent_again_three_times_and_not_once_it_has_come(void **state)
{
    size_t once;

    (void)state;
    ask("qC");
    once = line_length - 1;
    clear_line();
    for (unsigned i = 0; i < 1000; i++)
        type("-", 1);
    assert_int_equal(line_length, 3 * once);
    ask("qC");
    clear_line();
    type("+-", 2);
    assert_int_equal(line_length, 0);
}

static void bytes_that_repeat_go_out_as_one_and_a_count(void **state)
{
    (void)state;
    memset(memory, 0xbb, sizeof(memory));
    memory[0] = 0xab;
    assert_string_equal(ask("m0,2"), "abbb");
    assert_string_equal(line, "+$abbb#87"); /* a count of two would be longer */
    assert_string_equal(ask("m0,3"), "abbbbb");
    assert_string_equal(line, "+$ab*!#0e");
    memset(registers, 0, sizeof(registers));
    ask("g");
    assert_true(line_length < 100); /* of 1,100 digits and more */
    for (unsigned count = 3; count < 256; count++) {
        char packet[16];

        snprintf(packet, sizeof(packet), "m0,%x", count);
        assert_int_equal(strlen(ask(packet)), 2 * count);
        assert_null(strpbrk(strchr(line, '$') + 1, "$+-"));
    }
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
    reconnect();
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
    reconnect();
    all = ask("g");
    assert_memory_equal(all, "8877665500000000", 16);
    assert_memory_equal(all + 8 * 3, "bb000000", 8); /* EAX ECX EDX EBX */
}

static void one_register_is_read_and_written(void **state)
{
    (void)state;
    reconnect();
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
    reconnect();
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
    reconnect();
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

static void memory_is_summed_up_as_gdb_does_it(void **state)
{
    (void)state;
    memcpy(memory + 0x10, "123456789", 9);
    assert_string_equal(ask("qCRC:10,9"), "C376e6e7");
    assert_string_equal(ask("qCRC:10,0"), "Cffffffff");
    assert_string_equal(ask("qCRC:f0,20"), "E01");
    assert_string_equal(ask("qCRC:10"), "E01");
    assert_string_equal(ask("qCRC:0,ffffffffffffffff"), "E01");
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
    reconnect();
    assert_string_equal(ask("Hg3"), "OK");
    assert_string_equal(ask("p10"), "3300000000000000");
    assert_string_equal(ask("Hg-1"), "OK");
    assert_string_equal(ask("qC"), "QC3");
    assert_string_equal(ask("Hg9"), "E01");
}

static void a_monitor_command_answers_in_as_many_packets_as_it_takes(void **state)
{
    unsigned packets = 0;
    size_t bytes = 0;
    char text[GDB_PACKET];

    (void)state;
    send_bytes("qRcmd,6c73", 10); /* ls */
    assert_string_equal(unpack(line + 1, text), "$OK#9a");
    assert_string_equal(text, "O796f752073616964206c73");
    send_bytes("qRcmd,6d756368", 14); /* much */
    for (const char *at = line + 1; *at; packets++) {
        at = unpack(at, text);
        assert_in_range(strlen(text), 2, GDB_PACKET / 2);
        bytes += *at ? strlen(text) / 2 : 0;
    }
    assert_string_equal(text, "OK");
    assert_true(packets > 3);
    assert_int_equal(bytes, strlen("you said much") + 3000);
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
    reconnect();
    begins(ask("qC"), "QC");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, connect)
    static const struct CMUnitTest tests[] = {
        TEST(a_wrong_check_sum_is_refused_and_the_repetition_served),
        TEST(an_answer_that_got_lost_is_sent_again),
        TEST(an_answer_is_sent_again_three_times_and_not_once_it_has_come),
        TEST(bytes_that_repeat_go_out_as_one_and_a_count),
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
        TEST(memory_is_summed_up_as_gdb_does_it),
        TEST(breakpoints_reach_the_target),
        TEST(threads_are_listed_chosen_and_described),
        TEST(a_monitor_command_answers_in_as_many_packets_as_it_takes),
        TEST(noise_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
