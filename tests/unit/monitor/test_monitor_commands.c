/* The monitor's commands: how their lines are taken apart, and what they say. */
#include <string.h>

#include "hv/gdb/gdb_stub.h"
#include "hv/observe/stats.h"
#include "tests/unit/monitor/monitor_fixture.h"

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    begin();
    expect("", "");
    expect("  ", "");
    expect("xyz", "There is no command \"xyz\": see `help`\n");
    expect("regs", "VM[.VCPU] is missing: regs VM[.VCPU]\n");
    expect("regs three", "There is no VM \"three\", but: one two\n");
    expect("regs one.3", "one has no vCPU \"3\": they are 0 to 2\n");
    expect("regs one.", "one has no vCPU \"\": they are 0 to 2\n");
    expect("regs one.18446744073709551616", "one has no vCPU \"18446744073709551616\": they are 0 to 2\n");
    expect("stop one.0", "There is no VM \"one.0\", but: one two\n");
    expect("regs two", "two is off\n");
    expect("mem one", "ADDRESS is missing: mem VM[.VCPU] ADDRESS [COUNT] [BITS]\n");
    expect("mem one 10g", "ADDRESS: \"10g\" is not a hexadecimal number from 0 to ffffffffffffffff\n");
    expect("mem one 0x", "ADDRESS: \"0x\" is not a hexadecimal number from 0 to ffffffffffffffff\n");
    expect("mem one 10000000000000000",
           "ADDRESS: \"10000000000000000\" is not a hexadecimal number from 0 to ffffffffffffffff\n");
    expect("mem one 0 0", "COUNT: \"0\" is not a number from 1 to 4096\n");
    expect("mem one 0 4097", "COUNT: \"4097\" is not a number from 1 to 4096\n");
    expect("mem one 0 1 8 2", "\"2\" is too much: mem VM[.VCPU] ADDRESS [COUNT] [BITS]\n");
    expect("inject one 15", "VECTOR: \"15\" is not a number from 16 to 255\n");
    expect("inject one 0x100", "VECTOR: \"0x100\" is not a number from 16 to 255\n");
    assert_int_equal(pauses, 0);
    end();
}

static void a_vm_stands_still_while_it_is_looked_at(void **state)
{
    (void)state;
    begin();
    memcpy(core.ram + 0x1ff0, "known bytes\0\1\xff!?and on", 22);
    expect("mem one 1ff0 18",
           "0000000000001ff0  6b 6e 6f 77 6e 20 62 79 74 65 73 00 01 ff 21 3f  known bytes...!?\n"
           "0000000000002000  61 6e                                            an\n");
    assert_int_equal(pauses, 1);
    assert_int_equal(resumes, 1);
    paused = still = true; /* one that was paused before stays so */
    expect("pmem one 9fffe 4", "000000000009fffe  00 00                                            ..\n"
                               "one has no RAM at 0xa0000\n");
    assert_int_equal(resumes, 1);
    expect("translate one.1 0x1234", "walk of 1234\n");
    expect("vmcs one", "field 0x1\n2 checks forbid the entry: see above\n");
    expect("cpuid one.1", "what leaf 7 hides of vCPU 1\n");
    core.vcpu->arch.gpr[REG_RAX] = 0x1234567890abcdef;
    holds("regs one.0", "rax  1234567890abcdef");
    holds("regs one", "xcr0 0000000000000007");
    core.vcpu->arch.debug.intercepts = DEBUG_REGISTERS;
    holds("regs one", "dr3  00000000000000d3");
    holds("regs one", "dr7  00000000000000d7");
    end();
}

static struct exit_stat rows[1 + 3]; /* as many as a fixture's VM has */

static void it_lists(void **state)
{
    (void)state;
    begin();
    core.vm.group.weight = 50;
    core.vm.group.quota = fake_hz / 40; /* of a tenth of a second: 25 % */
    core.vm.group.ran = fake_hz * 5 / 4;
    core.vcpus[1].activity = VCPU_HALTED;
    core.vcpus[1].stats = rows;
    core.vcpus[1].runner.ran = fake_hz / 2;
    rows[0].buckets[9] = 7;
    expect(
        "vms",
        " # name             state     vcpus     memory  weight  cap         ran  share       exits\n"
        " 1 one              running       3     16 MiB      50  25%       1.250 s   12.5%          7 exits\n"
        " 2 two              off           1      8 MiB  stopped\n");
    expect("vcpus one",
           "one.0                ready          core   0       0.000 s    0.0%          0 exits\n"
           "one.1                halted         core   0       0.500 s    5.0%          7 exits\n"
           "one.2                ready          core   0       0.000 s    0.0%          0 exits\n");
    expect("vcpus two", "two is off\n");
    paused = true;
    holds("vcpus", "one.0                paused ");
    end();
}

static void it_steers(void **state)
{
    (void)state;
    begin();
    expect("start one", "one: it runs\n");
    expect("start two", "two: is being started\n");
    expect("stop two", "two: is being stopped\n");
    assert_int_equal(stops, 2);
    expect("resume one", "one: it is not paused\n");
    expect("pause one", "one: paused\n");
    expect("pause one", "one: it is paused\n");
    expect("nmi one.2", "one: sent\n");
    assert_int_equal(signals[0].what, BOARD_NMI);
    assert_int_equal(signals[0].code, BOARD_VCPU(2));
    expect("resume one", "one: goes on\n");
    expect("inject one 0x51", "one: sent\n");
    assert_int_equal(signals[1].what, BOARD_INTERRUPT);
    assert_int_equal(signals[1].code, BOARD_VCPU(0) | 0x51);
    assert_false(paused);
    expect("focus two", "");
    assert_int_equal(focus, 2);
    end();
}

static void signals_are_given_to_a_vm_that_stands_still(void **state)
{
    static const struct signalled keys[] = {{BOARD_KEY_DOWN, 0x14},  {BOARD_KEY_DOWN, 0xe071},
                                            {BOARD_KEY_UP, 0xe071},  {BOARD_KEY_UP, 0x14},
                                            {BOARD_POWER_BUTTON, 0}, {BOARD_BREAK, 0}};

    (void)state;
    begin();
    expect("keys one 14 e071", "one: sent\n");
    expect("button one", "one: sent\n");
    expect("break one", "one: sent\n");
    assert_int_equal(signal_count, ARRAY_LENGTH(keys));
    assert_memory_equal(signals, keys, sizeof(keys));
    deaf = true;
    signal_count = 0;
    expect("keys one 1c", "one: its keyboard is off, or full\n");
    expect("button one", "one: pressed, but it does not listen: it has no ACPI driver, or not yet\n");
    expect("break one", "one: not sent: its COM1 is full, or has RTS down\n");
    signal_count = 0;
    expect("keys one 1c 1ff", "KEY is 1 to ff, or e001 to e0ff\n");
    assert_int_equal(signal_count, 0);
    expect("button two", "two is off\n");
    assert_false(paused);
    end();
}

static void memory_is_shown_as_words(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 20; i++)
        core.ram[0x1ff0 + i] = (uint8_t)(i + 1);
    expect("mem one 1ff0 20 16", "0000000000001ff0  0201 0403 0605 0807 0a09 0c0b 0e0d 100f\n"
                                 "0000000000002000  1211 1413\n");
    expect("mem one 1ff0 7 32", "0000000000001ff0  04030201\n"); /* whole words alone */
    expect("pmem one 1ff0 20 64", "0000000000001ff0  0807060504030201 100f0e0d0c0b0a09\n");
    expect("pmem one 9fffe 4 32", "one has no RAM at 0xa0000\n");
    expect("mem one 1ff0 16 24", "BITS is 8, 16, 32 or 64\n");
    expect("mem one 1ff0 16 63", "BITS is 8, 16, 32 or 64\n");
    expect("mem one 1ff0 16 65", "BITS: \"65\" is not a number from 8 to 64\n");
    end();
}

static void a_step_ends_paused(void **state)
{
    (void)state;
    begin();
    vcpu_set(core.vcpu, REG_RIP, 0x1000);
    type("step one\r");
    wait_for(fake_hz / 100);
    assert_int_equal(steps, 1);
    assert_int_equal(resumed_some, 1);
    assert_non_null(attached);
    vcpu_set(core.vcpu, REG_RIP, 0x1003);
    memcpy(core.ram + 0x1003, "\xeb\xfe", 2);
    attached->stopped(core.vcpu, DEBUG_STEPPED, NULL);
    turn();
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "one.0: 0x1000 -> 0x1003, next eb fe 00"));
    assert_null(attached);
    assert_true(paused);
    type("step one\r"); /* one that comes to nothing */
    wait_for(fake_hz / 100);
    core.vcpu->activity = VCPU_HALTED;
    wait_for(2 * fake_hz);
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "one.0 runs no instruction, it is halted: still at 0x1003\n"));
    assert_int_equal(given_up, 1);
    assert_null(attached);
    assert_true(paused);
    end();
}

static void gdb_runs_commands(void **state)
{
    char text[8192];
    struct text_buffer out;

    (void)state;
    begin();
    text_buffer_init(&out, text, sizeof(text));
    gdb_monitor("mem one 0 16", &out.writer);
    assert_string_equal(text, "one does not stand still: interrupt it, or `monitor pause one`\n");
    paused = still = true;
    out.length = 0;
    gdb_monitor("trace dump", &out.writer);
    assert_string_equal(text, "the latest 300\n");
    out.length = 0;
    gdb_monitor("mem one 0 1", &out.writer);
    assert_non_null(strstr(text, "0000000000000000  00 "));
    out.length = 0;
    gdb_monitor("step one", &out.writer);
    assert_string_equal(text, "GDB steps by itself: stepi\n");
    out.length = 0;
    gdb_monitor("exit", &out.writer);
    assert_non_null(taker);
    out.length = 0;
    gdb_monitor("help", &out.writer);
    for (unsigned i = 0; i < monitor_command_count; i++)
        assert_non_null(strstr(text, monitor_commands[i].help));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_vm_stands_still_while_it_is_looked_at),
        cmocka_unit_test(it_lists),
        cmocka_unit_test(it_steers),
        cmocka_unit_test(signals_are_given_to_a_vm_that_stands_still),
        cmocka_unit_test(memory_is_shown_as_words),
        cmocka_unit_test(a_step_ends_paused),
        cmocka_unit_test(gdb_runs_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
