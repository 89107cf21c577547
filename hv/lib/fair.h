/*
 * Whose turn it is among members with weights: earliest eligible virtual deadline first (Stoica and
 * Abdel-Wahab, 1995). A member's virtual time is the service that it has received by its weight, its deadline
 * that at the end of its request. A decision takes O(log n). Arithmetic only; times are compared by their
 * distance, as in hv/lib/tree.h. The caller locks.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/tree.h"

struct fair_member {
    struct tree_node node; /* key: its deadline; value: its virtual time. They stay while it is not in */
    uint64_t weight;       /* 0: it is not in */
};

struct fair {
    struct tree_node *waiting;
    struct fair_member *served; /* has its turn, and is not in the tree; or NULL */
    unsigned count;
    uint64_t weight;  /* of all that are in */
    uint64_t virtual; /* the mean of all that are in, by weight, when last asked for */
    __int128 rest;    /* of weights times distances from that */
};

/* The virtual time: the mean of all that are in, by weight; where nobody is, as it was last. */
uint64_t fair_virtual(struct fair *fair);

/* What a member is owed, in virtual time; negative: what it owes. */
int64_t fair_lag(struct fair *fair, const struct fair_member *member);

/*
 * A member that is not in comes in and begins a request. Where it stood by its virtual time counts, but it is
 * owed no more than `owed_most`, and nothing where nobody waits for it, and owes no more than `owing_most`.
 * Who is owed less than its request asks for what it is owed: that it should have had by now, so it is next.
 * All are distances in virtual time.
 */
void fair_join(struct fair *fair, struct fair_member *member, uint64_t weight, uint64_t request,
               uint64_t owed_most, uint64_t owing_most);

/* One that is in goes, whether it waits or is served. */
void fair_leave(struct fair *fair, struct fair_member *member);

/* Its weight has changed. */
void fair_weigh(struct fair *fair, struct fair_member *member, uint64_t weight);

/* Who is next of those that wait, but for `aside` if not NULL: of those that are owed something the one with
 * the earliest deadline, else who owes least. NULL: nobody. */
struct fair_member *fair_next(struct fair *fair, struct fair_member *aside);

/* One that waits is served from now on; nobody was. */
void fair_serve(struct fair *fair, struct fair_member *member);

/* The one that is served has received so much, in virtual time. */
void fair_advance(struct fair *fair, uint64_t by);

/* The one that is served waits again; it begins a new request if this one is fulfilled. */
void fair_pause(struct fair *fair, uint64_t request);

/* Whether a member that waits is to be served in place of this one. */
bool fair_precedes(struct fair *fair, const struct fair_member *member, const struct fair_member *served);
