/* The console's input: what is typed goes to the focused VM, but for the escape key and what follows it. */
#include "hv/console/console_internal.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"

void (*console_monitor)(void);

static uint8_t typed[4096]; /* bytes that the focused VM could not take yet */
static unsigned typed_first, typed_count;
static uint64_t moved; /* when it took one, or the first was typed */
static char escape = ']' & 0x1f;

/* Where the keys of a command stand. */
static enum { PLAIN, ESCAPED, IN_NUMBER } keys;
static unsigned number;

bool (*console_vms)(unsigned number, struct console_vm *vm);

static bool console_vm(unsigned wanted, struct console_vm *vm)
{
    return console_vms && console_vms(wanted, vm);
}

static void deliver(void)
{
    while (typed_count && console_focus && console_focus->input(console_focus->vm, typed[typed_first])) {
        typed_first = (typed_first + 1) % sizeof(typed);
        typed_count--;
        moved = clock_now();
    }
}

static void type(uint8_t byte)
{
    if (!typed_count)
        moved = clock_now();
    typed[(typed_first + typed_count++) % sizeof(typed)] = byte;
}

void console_drop_typed(void)
{
    if (typed_count)
        console_say_locked("%u typed bytes are dropped, which %s%s taken", typed_count,
                           console_focus ? console_focus->name : "nobody",
                           console_focus ? " has not" : " has");
    typed_count = 0;
}

static struct console_client *find(unsigned wanted)
{
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i] && console_clients[i]->number == wanted)
            return console_clients[i];
    return NULL;
}

/* One line: the commands, and the VMs in the order of their numbers. */
static void say_help(void)
{
    struct text_buffer buffer;
    struct console_vm info;
    char text[400];

    text_buffer_init(&buffer, text, sizeof(text));
    print_to(&buffer.writer, "m monitor");
    for (unsigned i = 1; console_vm(i, &info); i++) {
        const struct console_client *client = find(i);

        print_to(&buffer.writer, ", %u %s (%s%s)", i, info.name, info.state,
                 !client                   ? ""
                 : client->own             ? ", a port of its own"
                 : client == console_focus ? ", focus"
                                           : "");
    }
    console_say("%s", text);
}

static void call_monitor(void)
{
    if (console_monitor)
        console_monitor();
    else
        console_say("there is no monitor");
}

static void give_focus_to(unsigned wanted)
{
    struct console_client *client = find(wanted);
    struct console_vm info;
    bool known = console_vm(wanted, &info);

    if (client ? client->own != NULL : !known || !info.shares) {
        console_say(client  ? "VM %u has a port of its own"
                    : known ? "VM %u is not at the console"
                            : "there is no VM %u",
                    wanted);
        return;
    }
    deliver(); /* what was typed before */
    spin_lock(&console_output_lock);
    if (client != console_focus)
        console_drop_typed();
    if (client)
        console_say_locked("%u %s has the focus", wanted, client->name);
    else
        console_say_locked("%u %s is %s: what is typed is for nobody else, and waits for its start", wanted,
                           info.name, info.state);
    console_awaited = client ? 0 : wanted;
    console_set_focus(client);
    spin_unlock(&console_output_lock);
}

static void give_focus(void)
{
    give_focus_to(number);
}

void console_give_focus(unsigned wanted)
{
    spin_lock(&console_input_lock);
    give_focus_to(wanted);
    spin_unlock(&console_input_lock);
}

static void send_escape(void)
{
    type((uint8_t)escape);
}

/* What follows the escape key, besides the escape key itself and numbers. */
static const struct {
    char key;
    void (*act)(void);
} commands[] = {{'?', say_help}, {'m', call_monitor}};

static bool end_command(void (*act)(void))
{
    keys = PLAIN;
    act();
    return true;
}

/* A number is complete when no VM's can begin with it, or at the end of the line. */
static bool take_digit(char key)
{
    struct console_vm info;

    number = number * 10 + (unsigned)(key - '0');
    keys = IN_NUMBER;
    return number && !console_vm(number * 10, &info) ? end_command(give_focus) : true;
}

/* Takes a key of a command; returns false for one that is the VM's. */
static bool take_key(char key)
{
    if (keys == PLAIN) {
        if (key != escape || !escape)
            return false;
        keys = ESCAPED;
        number = 0;
        return true;
    }
    if (key >= '0' && key <= '9')
        return take_digit(key);
    if (keys == IN_NUMBER)
        return end_command(key == '\r' || key == '\n' ? give_focus : say_help);
    if (key == escape)
        return end_command(send_escape);
    for (unsigned i = 0; i < ARRAY_LENGTH(commands); i++)
        if (commands[i].key == key)
            return end_command(commands[i].act);
    return end_command(say_help);
}

void console_set_escape(char key)
{
    escape = key;
}

void console_hear(int byte)
{
    if (console_taker)
        console_taker(escape && byte == (uint8_t)escape ? CONSOLE_ESCAPE : byte);
    else if (byte == CONSOLE_ESCAPE)
        take_key(escape);
    else if (!take_key((char)byte) && typed_count < sizeof(typed))
        type((uint8_t)byte);
}

/* Whether there is room for one more byte: a VM that takes nothing does not keep the escape key from Keel. */
static bool makes_room(void)
{
    if (typed_count < sizeof(typed))
        return true;
    if (clock_now() - moved < clock_hz())
        return false;
    spin_lock(&console_output_lock);
    console_drop_typed();
    spin_unlock(&console_output_lock);
    return true;
}

static void collect(void)
{
    const struct serial *port = console_port();
    int byte;

    while (port && makes_room() && (byte = serial_get(port)) >= 0)
        console_hear(byte);
}

/* A VM that was full is tried again soon: nobody tells when it has room. */
#define TRIES_A_SECOND 1000

static void try_again(struct timer *timer)
{
    (void)timer;
    console_poll();
}

static struct timer retry = {.expired = try_again};

static void try_soon(void)
{
    timer_arm(&retry, clock_now() + clock_hz() / TRIES_A_SECOND);
}

void console_offer_typed(void)
{
    if (typed_count && console_focus)
        try_soon();
}

/* Takes what was typed, hands it on, and comes again while something waits. */
static void serve_shared(bool waiting)
{
    unsigned was;

    do {
        collect();
        was = typed_count;
        deliver();
    } while (typed_count < was);
    if (waiting || (typed_count && (console_focus || typed_count == sizeof(typed))))
        try_soon();
}

void console_release(int (*next)(void))
{
    int key;

    spin_lock(&console_input_lock);
    spin_lock(&console_output_lock);
    console_taker = NULL;
    console_set_focus(console_focus);
    spin_unlock(&console_output_lock);
    while ((key = next()) >= 0)
        console_hear(key);
    serve_shared(false); /* nobody else comes for these */
    spin_unlock(&console_input_lock);
}

/* A port of a VM's own: bytes that the VM cannot take yet wait in `held`. Returns whether some wait. */
static bool poll_own(struct console_client *client)
{
    for (;;) {
        if (client->held < 0)
            client->held = serial_get(client->own);
        if (client->held < 0)
            return false;
        if (!client->input(client->vm, (uint8_t)client->held))
            return true;
        client->held = -1;
    }
}

void console_listen(const struct serial *serial)
{
    interrupts_handle(VECTOR_SERIAL, console_poll);
    if (!ioapic_route(serial->irq, VECTOR_SERIAL, cpus[0]->apic_id))
        log_line("console: no I/O APIC brings interrupt %u: typing at port 0x%lx will not work", serial->irq,
                 serial->port);
    serial_interrupts_on(serial);
}

void console_poll(void)
{
    bool waiting = false;

    spin_lock(&console_input_lock);
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i] && console_clients[i]->own)
            waiting |= poll_own(console_clients[i]);
    serve_shared(waiting);
    spin_unlock(&console_input_lock);
}
