#include "hv/lib/tree.h"

static bool before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* Where in a subtree a node belongs: on the left, 0, or on the right, 1. Of one key: by their addresses. */
static unsigned side_of(const struct tree_node *node, const struct tree_node *tree)
{
    return node->key == tree->key ? node > tree : before(tree->key, node->key);
}

static unsigned height(const struct tree_node *tree)
{
    return tree ? tree->height : 0;
}

static void renew(struct tree_node *tree)
{
    tree->height = MAX(height(tree->child[0]), height(tree->child[1])) + 1;
    tree->least = tree->value;
    for (unsigned side = 0; side < 2; side++)
        if (tree->child[side] && before(tree->child[side]->least, tree->least))
            tree->least = tree->child[side]->least;
}

/* The child on this side comes to the top, which is returned. */
static struct tree_node *rotate(struct tree_node *tree, unsigned side)
{
    struct tree_node *top = tree->child[side];

    tree->child[side] = top->child[!side];
    top->child[!side] = tree;
    renew(tree);
    renew(top);
    return top;
}

/* One of its subtrees has changed, in height by 1 at most. Returns the new top. */
static struct tree_node *balance(struct tree_node *tree)
{
    for (unsigned side = 0; side < 2; side++) {
        struct tree_node *child = tree->child[side];

        if (height(child) <= height(tree->child[!side]) + 1)
            continue;
        if (height(child->child[!side]) > height(child->child[side]))
            tree->child[side] = rotate(child, !side);
        return rotate(tree, side);
    }
    renew(tree);
    return tree;
}

static struct tree_node *with(struct tree_node *tree, struct tree_node *node)
{
    unsigned side;

    if (!tree)
        return node;
    side = side_of(node, tree);
    tree->child[side] = with(tree->child[side], node);
    return balance(tree);
}

static struct tree_node *without(struct tree_node *tree, struct tree_node *node)
{
    if (tree == node) {
        struct tree_node *next = tree_first(node->child[1]);

        if (!next)
            return node->child[0];
        next->child[1] = without(node->child[1], next);
        next->child[0] = node->child[0];
        tree = next;
    } else {
        unsigned side = side_of(node, tree);

        tree->child[side] = without(tree->child[side], node);
    }
    return balance(tree);
}

void tree_insert(struct tree_node **tree, struct tree_node *node)
{
    node->child[0] = node->child[1] = NULL;
    renew(node);
    *tree = with(*tree, node);
}

void tree_remove(struct tree_node **tree, struct tree_node *node)
{
    *tree = without(*tree, node);
}

struct tree_node *tree_first(struct tree_node *tree)
{
    while (tree && tree->child[0])
        tree = tree->child[0];
    return tree;
}

struct tree_node *tree_first_within(struct tree_node *tree, uint64_t bound)
{
    while (tree && !before(bound, tree->least)) {
        struct tree_node *left = tree->child[0];

        if (left && !before(bound, left->least))
            tree = left;
        else if (!before(bound, tree->value))
            return tree;
        else
            tree = tree->child[1];
    }
    return NULL;
}

struct tree_node *tree_least(struct tree_node *tree)
{
    return tree ? tree_first_within(tree, tree->least) : NULL;
}
