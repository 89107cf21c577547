#include "hv/console/line_edit.h"

#include "hv/lib/string.h"

#define CONTROL(letter) ((letter)&0x1f)
#define DELETE          0x7f

void line_edit_show(struct line_edit *edit)
{
    if (edit->done) {
        edit->done = false;
        edit->length = edit->at = edit->recalled = 0;
        edit->line[0] = 0;
    }
    print_to(edit->out, "\r%s%s\x1b[K", edit->prompt, edit->line);
    if (edit->at < edit->length)
        print_to(edit->out, "\x1b[%uD", edit->length - edit->at);
}

/* Takes out what is in [first, last). */
static void cut(struct line_edit *edit, unsigned first, unsigned last)
{
    memmove(edit->line + first, edit->line + last, edit->length + 1 - last);
    edit->length -= last - first;
    edit->at = first;
    line_edit_show(edit);
}

static void insert(struct line_edit *edit, const char *text, unsigned count)
{
    bool at_end = edit->at == edit->length;

    count = MIN(count, EDIT_MOST - edit->length);
    memmove(edit->line + edit->at + count, edit->line + edit->at, edit->length + 1 - edit->at);
    memcpy(edit->line + edit->at, text, count);
    edit->at += count;
    edit->length += count;
    if (at_end)
        print_to(edit->out, "%.*s", (int)count, text);
    else
        line_edit_show(edit);
}

static void move_to(struct line_edit *edit, unsigned at)
{
    edit->at = at;
    line_edit_show(edit);
}

static void left(struct line_edit *edit)
{
    if (edit->at)
        move_to(edit, edit->at - 1);
}

static void right(struct line_edit *edit)
{
    if (edit->at < edit->length)
        move_to(edit, edit->at + 1);
}

static void to_begin(struct line_edit *edit)
{
    move_to(edit, 0);
}

static void to_end(struct line_edit *edit)
{
    move_to(edit, edit->length);
}

static void backspace(struct line_edit *edit)
{
    if (edit->at)
        cut(edit, edit->at - 1, edit->at);
}

static void delete_here(struct line_edit *edit)
{
    if (edit->at < edit->length)
        cut(edit, edit->at, edit->at + 1);
}

static void kill_end(struct line_edit *edit)
{
    cut(edit, edit->at, edit->length);
}

static void kill_begin(struct line_edit *edit)
{
    cut(edit, 0, edit->at);
}

static void kill_word(struct line_edit *edit)
{
    unsigned first = edit->at;

    while (first && edit->line[first - 1] == ' ')
        first--;
    while (first && edit->line[first - 1] != ' ')
        first--;
    cut(edit, first, edit->at);
}

static void give_up(struct line_edit *edit)
{
    print_to(edit->out, "^C\n");
    edit->done = true;
    line_edit_show(edit);
}

static void recall(struct line_edit *edit, unsigned which)
{
    if (!edit->recalled)
        memcpy(edit->draft, edit->line, sizeof(edit->draft));
    edit->recalled = which;
    memcpy(edit->line, which ? edit->history[which - 1] : edit->draft, sizeof(edit->line));
    edit->length = (unsigned)strlen(edit->line);
    move_to(edit, edit->length);
}

static void earlier(struct line_edit *edit)
{
    if (edit->recalled < edit->kept)
        recall(edit, edit->recalled + 1);
}

static void later(struct line_edit *edit)
{
    if (edit->recalled)
        recall(edit, edit->recalled - 1);
}

static void keep(struct line_edit *edit)
{
    if (!edit->length || (edit->kept && strcmp(edit->history[0], edit->line) == 0))
        return;
    memmove(edit->history[1], edit->history[0], sizeof(edit->history) - sizeof(edit->history[0]));
    memcpy(edit->history[0], edit->line, sizeof(edit->line));
    edit->kept = MIN(edit->kept + 1, (unsigned)EDIT_HISTORY);
}

/* The words that begin as the one before the cursor does; a second look lists them. */
static void complete(struct line_edit *edit)
{
    unsigned first = edit->at, place = 0, found = 0, common = 0, length;
    const char *word, *match = NULL;
    size_t column = 0;

    while (first && edit->line[first - 1] != ' ')
        first--;
    length = edit->at - first;
    for (unsigned i = 0; i < first; i++)
        place += edit->line[i] != ' ' && edit->line[i + 1] == ' ';
    for (unsigned n = 0; (word = edit->candidate(place, n)); n++) {
        unsigned same = 0;

        if (strncmp(word, edit->line + first, length) != 0)
            continue;
        while (match && same < common && word[same] == match[same])
            same++;
        common = found++ ? same : (unsigned)strlen(word);
        match = word;
    }
    if (found && common > length)
        insert(edit, match + length, common - length);
    if (found == 1)
        insert(edit, " ", 1);
    if (found < 2 || common > length)
        return;
    print_to(edit->out, "\n");
    for (unsigned n = 0; (word = edit->candidate(place, n)); n++)
        if (strncmp(word, edit->line + first, length) == 0)
            print_item(edit->out, &column, word);
    print_to(edit->out, "\n");
    line_edit_show(edit);
}

static const struct {
    uint8_t key;
    void (*act)(struct line_edit *edit);
} controls[] =
    {
        {CONTROL('A'), to_begin},    {CONTROL('B'), left},     {CONTROL('C'), give_up},
        {CONTROL('D'), delete_here}, {CONTROL('E'), to_end},   {CONTROL('F'), right},
        {CONTROL('H'), backspace},   {CONTROL('I'), complete}, {CONTROL('K'), kill_end},
        {CONTROL('N'), later},       {CONTROL('P'), earlier},  {CONTROL('U'), kill_begin},
        {CONTROL('W'), kill_word},   {DELETE, backspace},
},
  sequences[] = {{'A', earlier}, {'B', later}, {'C', right}, {'D', left}, {'H', to_begin}, {'F', to_end}};

/* What follows ESC: `[`, parameters, and the letter that counts. */
static void take_sequence(struct line_edit *edit, uint8_t byte)
{
    if (edit->keys == EDIT_ESCAPE) {
        edit->keys = byte == '[' || byte == 'O' ? EDIT_SEQUENCE : EDIT_PLAIN;
        return;
    }
    if (byte < 0x40)
        return;
    edit->keys = EDIT_PLAIN;
    for (unsigned i = 0; i < ARRAY_LENGTH(sequences); i++)
        if (sequences[i].key == byte)
            sequences[i].act(edit);
}

/* A line may end with CR, LF or both. */
static enum edit_result end_line(struct line_edit *edit, uint8_t byte)
{
    if (byte == '\n' && edit->was_return)
        return EDIT_GOES_ON;
    print_to(edit->out, "\n");
    keep(edit);
    edit->done = true;
    return EDIT_DONE;
}

enum edit_result line_edit_byte(struct line_edit *edit, uint8_t byte)
{
    enum edit_result result = EDIT_GOES_ON;

    if (edit->keys != EDIT_PLAIN) {
        take_sequence(edit, byte);
    } else if (byte == '\r' || byte == '\n') {
        result = end_line(edit, byte);
    } else if (byte == 0x1b) {
        edit->keys = EDIT_ESCAPE;
    } else if (byte == CONTROL('D') && !edit->length) {
        return EDIT_END;
    } else if (byte >= ' ' && byte < DELETE) {
        insert(edit, (const char *)&byte, 1);
    } else {
        for (unsigned i = 0; i < ARRAY_LENGTH(controls); i++)
            if (controls[i].key == byte)
                controls[i].act(edit);
    }
    edit->was_return = byte == '\r';
    return result;
}
