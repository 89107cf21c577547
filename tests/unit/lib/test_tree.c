/* The tree against a plain array, and the shape that makes it fast. */
#include "hv/lib/tree.h"

#include <stdlib.h>

#include "tests/unit/fake.h"

#define MOST 300

static struct tree_node nodes[MOST], *tree;
static bool in[MOST];
static unsigned count;
static uint64_t base; /* keys and values are near this: they wrap */

static int64_t ahead(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

/* Returns the height; what each node says of its subtree must be so. */
static unsigned check(const struct tree_node *node, unsigned *seen)
{
    unsigned heights[2];
    uint64_t least;

    if (!node)
        return 0;
    least = node->value;
    for (unsigned side = 0; side < 2; side++) {
        const struct tree_node *child = node->child[side];

        heights[side] = check(child, seen);
        if (!child)
            continue;
        assert_true(side ? ahead(child->key, node->key) >= 0 : ahead(child->key, node->key) <= 0);
        least = ahead(child->least, least) < 0 ? child->least : least;
    }
    ++*seen;
    assert_true(abs((int)heights[0] - (int)heights[1]) <= 1);
    assert_int_equal(node->height, MAX(heights[0], heights[1]) + 1);
    assert_int_equal(node->least, least);
    return node->height;
}

static void check_answers(uint64_t bound)
{
    const struct tree_node *first = NULL, *within = NULL, *least = NULL;
    unsigned seen = 0;

    check(tree, &seen);
    assert_int_equal(seen, count);
    for (unsigned i = 0; i < MOST; i++) {
        if (!in[i])
            continue;
        if (!first || ahead(nodes[i].key, first->key) < 0)
            first = &nodes[i];
        if (!least || ahead(nodes[i].value, least->value) < 0)
            least = &nodes[i];
        if (ahead(nodes[i].value, bound) <= 0 && (!within || ahead(nodes[i].key, within->key) < 0))
            within = &nodes[i];
    }
    assert_int_equal(!tree_first(tree), !first);
    assert_true(!first || tree_first(tree)->key == first->key);
    assert_int_equal(!tree_least(tree), !least);
    assert_true(!least || tree_least(tree)->value == least->value);
    assert_int_equal(!tree_first_within(tree, bound), !within);
    if (within) {
        assert_int_equal(tree_first_within(tree, bound)->key, within->key);
        assert_true(ahead(tree_first_within(tree, bound)->value, bound) <= 0);
    }
}

static void toggle(unsigned i, unsigned keys)
{
    if (in[i]) {
        tree_remove(&tree, &nodes[i]);
        count--;
    } else {
        nodes[i].key = base + (uint64_t)rand() % keys;
        nodes[i].value = base + (uint64_t)rand() % 1000;
        tree_insert(&tree, &nodes[i]);
        count++;
    }
    in[i] = !in[i];
}

static void begin(uint64_t at)
{
    tree = NULL;
    count = 0;
    base = at;
    for (unsigned i = 0; i < MOST; i++)
        in[i] = false;
}

static void answers_are_those_of_an_array(void **state)
{
    static const uint64_t bases[] = {0, UINT64_MAX - 500, INT64_MAX - 500};

    (void)state;
    srand(1);
    for (unsigned i = 0; i < ARRAY_LENGTH(bases); i++)
        for (unsigned keys = 1; keys <= 10000; keys *= 100) {
            begin(bases[i]);
            for (unsigned step = 0; step < 2000; step++) {
                toggle((unsigned)rand() % (step < 1000 ? MOST : 12), keys);
                check_answers(base + (uint64_t)rand() % 1100 - 50);
            }
        }
}

static void it_is_never_high(void **state)
{
    (void)state;
    begin(0);
    for (unsigned i = 0; i < MOST; i++) {
        nodes[i].key = nodes[i].value = i; /* in order: a list, if it were not balanced */
        tree_insert(&tree, &nodes[i]);
    }
    assert_true(tree->height <= 11); /* 1.44 log2(300) */
    for (unsigned i = 0; i < MOST; i++) {
        assert_ptr_equal(tree_first(tree), &nodes[i]);
        tree_remove(&tree, &nodes[i]);
    }
    assert_null(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_an_array),
        cmocka_unit_test(it_is_never_high),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
