/* A console that nobody looks at. */
#include "hv/console/console.h"

void console_attach(struct console_client *client)
{
    (void)client;
}

void console_detach(struct console_client *client)
{
    (void)client;
}
