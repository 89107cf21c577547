#include "hv/lib/fair.h"

#include "hv/lib/arith.h"

static int64_t ahead(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

static struct fair_member *member_at(struct tree_node *node)
{
    return node ? container_of(node, struct fair_member, node) : NULL;
}

static void count_in(struct fair *fair, const struct fair_member *member, int64_t weight)
{
    fair->weight += (uint64_t)weight;
    fair->rest += (__int128)weight * ahead(member->node.value, fair->virtual);
}

uint64_t fair_virtual(struct fair *fair)
{
    uint64_t by;

    if (!fair->weight)
        return fair->virtual;
    by = fair->rest >= 0
             ? div_wide((unsigned __int128)fair->rest, fair->weight)
             : -div_wide((unsigned __int128)(-fair->rest + (__int128)(fair->weight - 1)), fair->weight);
    fair->virtual += by;
    fair->rest -= (__int128)(int64_t)by * (__int128)fair->weight;
    return fair->virtual;
}

int64_t fair_lag(struct fair *fair, const struct fair_member *member)
{
    return ahead(fair_virtual(fair), member->node.value);
}

void fair_join(struct fair *fair, struct fair_member *member, uint64_t weight, uint64_t request,
               uint64_t owed_most, uint64_t owing_most)
{
    struct tree_node *node = &member->node;
    uint64_t virtual = fair_virtual(fair);
    int64_t owed = fair->count ? (int64_t)owed_most : 0;

    if (ahead(virtual, node->value) > owed)
        node->value = virtual - (uint64_t)owed;
    else if (ahead(node->value, virtual) > (int64_t)owing_most)
        node->value = virtual + owing_most;
    node->key = node->value + request;
    if (ahead(node->value, virtual) < 0 && ahead(node->key, virtual) > 0)
        node->key = virtual;
    member->weight = weight;
    count_in(fair, member, (int64_t)weight);
    fair->count++;
    tree_insert(&fair->waiting, node);
}

void fair_leave(struct fair *fair, struct fair_member *member)
{
    fair_virtual(fair);
    if (fair->served == member)
        fair->served = NULL;
    else
        tree_remove(&fair->waiting, &member->node);
    count_in(fair, member, -(int64_t)member->weight);
    member->weight = 0;
    fair->count--;
}

void fair_weigh(struct fair *fair, struct fair_member *member, uint64_t weight)
{
    count_in(fair, member, (int64_t)(weight - member->weight));
    member->weight = weight;
}

struct fair_member *fair_next(struct fair *fair, struct fair_member *aside)
{
    struct tree_node *found;

    if (aside)
        tree_remove(&fair->waiting, &aside->node);
    found = tree_first_within(fair->waiting, fair_virtual(fair));
    if (!found)
        found = tree_least(fair->waiting);
    if (aside)
        tree_insert(&fair->waiting, &aside->node);
    return member_at(found);
}

void fair_serve(struct fair *fair, struct fair_member *member)
{
    tree_remove(&fair->waiting, &member->node);
    fair->served = member;
}

void fair_advance(struct fair *fair, uint64_t by)
{
    fair->served->node.value += by;
    fair->rest += (__int128)fair->served->weight * (__int128)by;
}

void fair_pause(struct fair *fair, uint64_t request)
{
    struct tree_node *node = &fair->served->node;

    if (ahead(node->value, node->key) >= 0)
        node->key = node->value + request;
    tree_insert(&fair->waiting, node);
    fair->served = NULL;
}

bool fair_precedes(struct fair *fair, const struct fair_member *member, const struct fair_member *served)
{
    return fair_lag(fair, member) >= 0 && (ahead(served->node.value, served->node.key) >= 0 ||
                                           ahead(member->node.key, served->node.key) < 0);
}
