/* The machine's serial ports: a claim is kept, and there is no chip. */
#include "hv/host/serial.h"

struct serial serial_ports[SERIAL_ACPI + 1];

bool serial_init(struct serial *serial, unsigned baud)
{
    (void)serial, (void)baud;
    return false;
}

const char *serial_claim(struct serial *serial, const char *user)
{
    const char *before = serial->user;

    if (!before)
        serial->user = user;
    return before;
}

void serial_release(struct serial *serial)
{
    serial->user = NULL;
}
