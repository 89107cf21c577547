/* An intrusive doubly-linked list: a ring through the head, which is a link of no element. */
#pragma once

#include "hv/lib/base.h"

struct list_link {
    struct list_link *next, *previous;
};

/* An empty list; also a link that is in no list, so that removing it is harmless. */
static inline void list_init(struct list_link *link)
{
    link->next = link->previous = link;
}

static inline bool list_is_empty(const struct list_link *head)
{
    return head->next == head;
}

/* Puts `link`, which is in no list, behind `before`: at the list's beginning if `before` is the head. */
static inline void list_insert_after(struct list_link *before, struct list_link *link)
{
    link->previous = before;
    link->next = before->next;
    before->next->previous = link;
    before->next = link;
}

/* Puts `link`, which is in no list, at the end. */
static inline void list_append(struct list_link *head, struct list_link *link)
{
    list_insert_after(head->previous, link);
}

/* Takes `link` out of its list; it may be removed again or inserted anew. */
static inline void list_remove(struct list_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* The first element, taken out, or NULL. */
static inline struct list_link *list_take_first(struct list_link *head)
{
    struct list_link *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* Runs over the links; the current one may be removed in the body. */
#define list_for_each(link, head)                                                                            \
    for (struct list_link *link = (head)->next, *link##_next = link->next; link != (head);                   \
         link = link##_next, link##_next = link->next)
