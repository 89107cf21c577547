/*
 * GDB's stub: an input is a list of what happens in the machine of tests/unit/gdb/gdb_model.h, which checks
 * that no vCPU is touched that runs. At the end a GDB that behaves has to find a server that works, and to
 * leave its VM as it was.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/gdb/gdb_model.h"

#include <string.h>

/* What a byte of the input stands for by its upper three bits; the lower five say which. */
enum { GDB_BYTE, GDB_PACKET_OF_INPUT, GDB_PACKET_KNOWN, CORE_0, CORE_1, CORE_1_ENDS, ORDER, LINE };

static void hear(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        for (unsigned tries = 0; tries < 10 && !model_hear((uint8_t)bytes[i]); tries++) {
            model_work();
            model_transmit(16);
        }
}

static void send_bytes(const char *packet, size_t length)
{
    char end[4];
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += (uint8_t)packet[i];
    snprintf(end, sizeof(end), "#%02x", sum);
    hear("$", 1);
    hear(packet, length);
    hear(end, 3);
}

static void send_known(unsigned which)
{
    static const char *const packets[] = {"qSupported",
                                          "?",
                                          "c",
                                          "s",
                                          "vCont;s:1;c",
                                          "vCont;c:2",
                                          "D",
                                          "vKill;1",
                                          "Z0,1005,1",
                                          "z0,1005,1",
                                          "Z1,1005,1",
                                          "Z2,2000,8",
                                          "g",
                                          "m1000,20",
                                          "M2000,1:00",
                                          "Hg2",
                                          "qRcmd,766d2062",
                                          "qRcmd,6c73",
                                          "QStartNoAckMode",
                                          "qCRC:1000,800"};
    const char *packet = packets[which % (sizeof(packets) / sizeof(packets[0]))];

    send_bytes(packet, strlen(packet));
}

/* A packet out of the input, up to a line end. Returns how much of it was taken. */
static size_t send_line(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) : size;
    char packet[256];

    length = length < sizeof(packet) ? length : sizeof(packet);
    for (size_t i = 0; i < length; i++)
        packet[i] = data[i] == '$' || data[i] == '#' ? '0' : (char)data[i];
    send_bytes(packet, length);
    return length;
}

static size_t happen(const uint8_t *data, size_t size)
{
    unsigned which = *data & 31;

    switch (*data >> 5) {
    case GDB_BYTE:
        hear(which < 4 ? &"\x03+-$"[which] : (const char *)data, 1);
        return 1;
    case GDB_PACKET_OF_INPUT:
        return 1 + send_line(data + 1, size - 1);
    case GDB_PACKET_KNOWN:
        send_known(which);
        return 1;
    case CORE_0:
        model_work();
        return 1;
    case CORE_1:
        for (unsigned i = 0; i <= which >> 2; i++)
            model_run(which & 1, which >> 1 & 1, ACT_RUN);
        return 1;
    case CORE_1_ENDS:
        model_run(which & 1, which >> 1 & 1, (enum model_act)((which >> 2) % ACTS));
        return 1;
    case ORDER:
        model_order(which & 1, (enum model_order)((which >> 1) % ORDERS));
        return 1;
    default:
        model_transmit(which);
        return 1;
    }
}

static void settle(void)
{
    size_t before;

    do {
        before = model_said_length;
        model_settle();
        model_transmit(16);
        model_settle();
    } while (before != model_said_length);
}

static bool answered(const char *packet, const char *answer)
{
    size_t before = model_said_length;

    send_bytes(packet, strlen(packet));
    settle();
    return strstr(model_said + before, answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned vm;

    model_begin();
    for (size_t at = 0; at < size && model_said_length < sizeof(model_said) / 2;)
        at += happen(data + at, size - at);
    settle();
    hear("#00+", 4); /* what was cut short */
    for (vm = 0; vm < MODEL_VMS; vm++)
        model_order(vm, ORDER_START);
    settle();
    MUST(answered("qSupported", "$PacketSize="));
    MUST(answered("qfThreadInfo", "$m1"));
    MUST(answered("D", "$OK#9a"));
    for (vm = 0; vm < MODEL_VMS; vm++) {
        model_order(vm, ORDER_START); /* one that was left as it crashed has ended now */
        model_order(vm, ORDER_RESUME);
    }
    settle();
    for (vm = 0; vm < MODEL_VMS; vm++)
        MUST(strcmp(model_state(vm), "running") == 0);
    model_end();
    return 0;
}
