/* Every packet that the server knows, and when it is allowed. */
#include "hv/gdb/gdb_internal.h"
#include "hv/lib/string.h"

#define ALWAYS (GDB_AWAY | GDB_RUNS | GDB_STANDS | GDB_GONE)
#define KNOWN  (GDB_STANDS | GDB_GONE) /* GDB has been told how the target is */
#define STANDS GDB_STANDS

/* The packets that begin a connection are allowed always: the one before may be dead. */
const struct gdb_command gdb_commands[] = {
    {"qSupported", BEHIND_EITHER, ':', ALWAYS, gdb_answer_supported},
    {"?", BEHIND_NOTHING, 0, ALWAYS, gdb_why_stopped},
    {"QStartNoAckMode", BEHIND_NOTHING, 0, ALWAYS, gdb_be_quiet},
    {"qAttached", BEHIND_EITHER, ':', ALWAYS, gdb_attached},
    {"vCont?", BEHIND_NOTHING, 0, ALWAYS, gdb_say_resumes},

    {"vCont", BEHIND_MARK, ';', KNOWN, gdb_go_each},
    {"c", BEHIND_DIRECTLY, 0, KNOWN, gdb_go_all},
    {"C", BEHIND_DIRECTLY, 0, KNOWN, gdb_go_all},
    {"s", BEHIND_DIRECTLY, 0, KNOWN, gdb_step},
    {"S", BEHIND_DIRECTLY, 0, KNOWN, gdb_step},
    {"D", BEHIND_EITHER, ';', KNOWN, gdb_detach},
    {"k", BEHIND_NOTHING, 0, KNOWN, gdb_kill},
    {"vKill", BEHIND_MARK, ';', KNOWN, gdb_kill},
    {"qRcmd", BEHIND_MARK, ',', KNOWN, gdb_monitor_command},

    {"qXfer", BEHIND_MARK, ':', STANDS, gdb_transfer},
    {"qfThreadInfo", BEHIND_NOTHING, 0, STANDS, gdb_first_threads},
    {"qsThreadInfo", BEHIND_NOTHING, 0, STANDS, gdb_last_threads},
    {"qThreadExtraInfo", BEHIND_MARK, ',', STANDS, gdb_about_thread},
    {"qC", BEHIND_NOTHING, 0, STANDS, gdb_current_thread},
    {"qCRC", BEHIND_MARK, ':', STANDS, gdb_sum_up},
    {"H", BEHIND_DIRECTLY, 0, STANDS, gdb_choose_thread},
    {"T", BEHIND_DIRECTLY, 0, STANDS, gdb_thread_lives},
    {"g", BEHIND_NOTHING, 0, STANDS, gdb_read_registers},
    {"G", BEHIND_DIRECTLY, 0, STANDS, gdb_write_registers},
    {"p", BEHIND_DIRECTLY, 0, STANDS, gdb_read_register},
    {"P", BEHIND_DIRECTLY, 0, STANDS, gdb_write_register},
    {"m", BEHIND_DIRECTLY, 0, STANDS, gdb_read_memory},
    {"M", BEHIND_DIRECTLY, 0, STANDS, gdb_write_memory},
    {"X", BEHIND_DIRECTLY, 0, STANDS, gdb_write_binary},
    {"Z", BEHIND_DIRECTLY, 0, STANDS, gdb_insert_point},
    {"z", BEHIND_DIRECTLY, 0, STANDS, gdb_remove_point},
};

const unsigned gdb_command_count = ARRAY_LENGTH(gdb_commands);

/* A name is the letter that the packet begins with; q, Q and v begin longer ones (GDB manual, "Packets"). */
static size_t name_length(const struct gdb_input *in)
{
    const char *at = in->at;

    if (at == in->end)
        return 0;
    if (*at != 'q' && *at != 'Q' && *at != 'v')
        return 1;
    while (at < in->end && *at != ':' && *at != ';' && *at != ',')
        at++;
    return (size_t)(at - in->at);
}

static bool behind_is(const struct gdb_command *command, const struct gdb_input *in)
{
    bool nothing = in->at == in->end, marked = !nothing && *in->at == command->mark;

    switch (command->behind) {
    case BEHIND_NOTHING:
        return nothing;
    case BEHIND_MARK:
        return marked;
    case BEHIND_EITHER:
        return nothing || marked;
    default:
        return true;
    }
}

const struct gdb_command *gdb_find_command(struct gdb_input *in)
{
    size_t length = name_length(in);
    struct gdb_input rest = {in->at + length, in->end};

    for (unsigned i = 0; i < gdb_command_count; i++) {
        const struct gdb_command *command = &gdb_commands[i];

        if (strlen(command->name) != length || memcmp(command->name, in->at, length) != 0 ||
            !behind_is(command, &rest))
            continue;
        *in = rest;
        if (command->behind >= BEHIND_MARK)
            gdb_next_is(in, command->mark);
        return command;
    }
    return NULL;
}
