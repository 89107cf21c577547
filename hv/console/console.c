/* Who is at the console: Keel's lines, VMs that come and leave, and who has the focus. */
#include "hv/console/console_internal.h"

/* The next VM that shares the console, if there is one. */
static struct console_client *first_client(void)
{
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i] && !console_clients[i]->own)
            return console_clients[i];
    return NULL;
}

/* The one that is waited for has come, or the first at all. */
static void welcome(struct console_client *client)
{
    if (console_focus || (console_awaited && console_awaited != client->number))
        return;
    console_awaited = 0;
    console_set_focus(client->own ? first_client() : client);
}

void console_attach(struct console_client *client)
{
    spin_lock(&console_input_lock);
    spin_lock(&console_output_lock);
    for (unsigned i = 0; i < CONSOLE_CLIENTS && !client->place; i++)
        if (!console_clients[i]) {
            console_clients[i] = client;
            client->place = (uint8_t)(i + 1);
            client->first = client->count = client->lines = client->lost = 0;
            client->waits = false;
            if (client->own)
                console_open(client);
            welcome(client);
        }
    spin_unlock(&console_output_lock);
    console_offer_typed();
    spin_unlock(&console_input_lock);
}

void console_hasten(struct console_client *client)
{
    spin_lock(&console_output_lock);
    if (client->place)
        console_hand_over(client);
    spin_unlock(&console_output_lock);
}

void console_detach(struct console_client *client)
{
    if (!client->place)
        return;
    spin_lock(&console_input_lock);
    spin_lock(&console_output_lock);
    console_leave(client);
    if (client->lost)
        console_say_lost(client);
    if (console_focus == client)
        console_drop_typed();
    console_clients[client->place - 1] = NULL;
    client->place = 0;
    if (console_focus == client)
        console_set_focus(first_client());
    spin_unlock(&console_output_lock);
    spin_unlock(&console_input_lock);
}

void console_seize(void (*taker)(int key))
{
    __atomic_store_n(&console_taker, taker, __ATOMIC_RELEASE);
}
