#include "hv/console/out_port.h"

#include "hv/host/clock.h"

bool out_port_send(struct out_port *port, bool wait)
{
    while (port->first < port->count) {
        uint8_t byte = (uint8_t)port->piece[port->first];

        if (!port->room)
            port->room = serial_room(port->serial);
        if (port->room) {
            serial_send(port->serial, byte);
            port->room--;
            port->stuck = false;
            port->moved = clock_now();
        } else if (!port->stuck && wait) {
            port->stuck = !serial_put(port->serial, byte);
        } else if (!port->stuck) {
            port->stuck = clock_now() - port->moved > STUCK_AFTER_SECONDS * clock_hz();
            if (!port->stuck)
                return false;
        }
        port->first++;
    }
    return true;
}
