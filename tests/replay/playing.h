/* What the files of the player share. */
#pragma once

#include <setjmp.h>

#include "hv/exit/details.h"
#include "hv/vm/virt.h"
#include "tests/replay/player.h"

/* Requests that come from outside of the VM. */
#define FROM_OUTSIDE (REQUEST_STOP | REQUEST_YIELD | REQUEST_DEBUG | REQUEST_OBSERVE)

struct playing {
    struct stream stream;
    jmp_buf over;
    enum outcome outcome;
    uint64_t words[RECORD_WORDS], total_exits, begun;
    const struct wish *wish;
    bool in_exit;
    struct exit_details exit;
};
extern struct playing playing;

/* said.c: both end the replay. */
_Noreturn void differs(const char *format, ...) PRINTF_LIKE(1, 2);
_Noreturn void end_with(enum outcome outcome);
void print_place(void);
void print_exit(void); /* what it is, and where */

/* said.c: the next record; of this kind; or only a look at it, RECORD_LAST if there is none. */
struct record next_record(void);
struct record take_record(enum record_tag tag);
struct record peek_record(void);

/* words.c: those of the record become the recorded ones; the machine's become the recorded ones; each that
 * differs is said, and ends the replay. */
void take_words(const struct record *record);
void load_words(struct vcpu *vcpu);
void compare_words(struct vcpu *vcpu, bool (*unless)(unsigned word));
bool is_machines_own(unsigned word);
bool is_vmx(void);

/* asked.c: what Keel has changed of the guest memory that it looked at. */
void close_pieces(void);

/* asked.c */
extern const struct life_recorder replay_recorder;
