#include "hv/observe/record_sink.h"

#include "hv/host/paging.h"
#include "hv/host/serial.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/observe/record_format.h"

struct record_sink record_sink;
static struct record_buffer *reserved;

void record_reserve(uint64_t bytes)
{
    if (!bytes || reserved)
        return;
    reserved = host_allocate(sizeof(*reserved) + bytes);
    if (reserved)
        reserved->size = bytes;
}

void record_byte(uint8_t byte)
{
    if (!record_sink.left)
        return;
    record_sink.left--;
    record_sink.written++;
    record_sink.sum = record_sum(record_sink.sum, byte);
    if (record_sink.buffer) {
        record_sink.buffer->bytes[record_sink.buffer->used++] = byte;
        return;
    }
    while (!record_sink.room)
        record_sink.room = serial_room(record_sink.port);
    record_sink.room--;
    serial_send(record_sink.port, byte);
}

void record_number(uint64_t number)
{
    uint8_t bytes[RECORD_NUMBER_MOST];
    unsigned length = record_encode(bytes, number);

    for (unsigned i = 0; i < length; i++)
        record_byte(bytes[i]);
}

void record_bytes(const void *bytes, uint64_t length)
{
    record_number(length);
    for (uint64_t i = 0; i < length; i++)
        record_byte(((const uint8_t *)bytes)[i]);
}

const char *record_open_sink(const struct config_record *config)
{
    static char refusal[96];
    const char *user;

    record_sink = (struct record_sink){.left = config->size};
    if (config->port == RECORD_TO_MEMORY) {
        if (!reserved)
            return "record: Keel has no memory for so much: give the machine more";
        record_sink.buffer = reserved;
        record_sink.left = reserved->size;
        reserved->used = 0;
        memcpy(reserved->signature, RECORD_SIGNATURE, sizeof(reserved->signature));
        return NULL;
    }
    user = serial_claim(&serial_ports[config->port - 1], "a recording's");
    if (user) {
        format_text(refusal, sizeof(refusal), "record: COM%u is %s: record to another port, or to memory",
                    config->port, user);
        return refusal;
    }
    if (!serial_init(&serial_ports[config->port - 1], 115200)) {
        serial_release(&serial_ports[config->port - 1]);
        return "record: no UART answers there";
    }
    record_sink.port = &serial_ports[config->port - 1];
    return NULL;
}
