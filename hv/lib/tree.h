/*
 * A balanced binary tree in the order of a key (AVL: Adelson-Velsky and Landis, 1962), of which each subtree
 * knows the least value in it. All is done in O(log n). Keys and values wrap: they are compared by their
 * distance, so those of one tree must be less than 2^63 apart. Nodes of one key may be in any order.
 */
#pragma once

#include "hv/lib/base.h"

struct tree_node {
    uint64_t key, value; /* the caller's; not to be changed while the node is in a tree */
    struct tree_node *child[2];
    uint64_t least; /* value in this subtree */
    unsigned height;
};

/* A tree is a pointer to its root; NULL is the empty one. */
void tree_insert(struct tree_node **tree, struct tree_node *node);

/* The node is in this tree. */
void tree_remove(struct tree_node **tree, struct tree_node *node);

/* The node with the least key, or NULL. */
struct tree_node *tree_first(struct tree_node *tree);

/* Of those whose value is at most `bound` the one with the least key, or NULL. */
struct tree_node *tree_first_within(struct tree_node *tree, uint64_t bound);

/* The node with the least value, or NULL. */
struct tree_node *tree_least(struct tree_node *tree);
