/* The small containers, numbers and the wide arithmetic of hv/lib. */
#include "tests/unit/fake.h"

#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "hv/lib/arith.h"
#include "hv/lib/bitmap.h"
#include "hv/lib/list.h"
#include "hv/lib/number.h"
#include "hv/lib/spinlock.h"

struct item {
    int value;
    struct list_link link;
};

static int value_of(struct list_link *link)
{
    return container_of(link, struct item, link)->value;
}

/* The list's values as decimal digits, forwards; checks the way back too. */
static long digits(struct list_link *head)
{
    long forwards = 0, backwards = 0, scale = 1;

    list_for_each(link, head) forwards = forwards * 10 + value_of(link);
    for (struct list_link *link = head->previous; link != head; link = link->previous, scale *= 10)
        backwards += scale * value_of(link);
    assert_int_equal(forwards, backwards);
    return forwards;
}

static void a_list_keeps_the_order_of_insertion(void **state)
{
    struct list_link head;
    struct item items[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_take_first(&head));
    list_append(&head, &items[0].link);
    list_append(&head, &items[1].link);
    list_insert_after(&head, &items[2].link);
    list_insert_after(&items[0].link, &items[3].link);
    assert_int_equal(digits(&head), 3142);
    assert_false(list_is_empty(&head));

    list_remove(&items[0].link);
    list_remove(&items[0].link); /* harmless */
    assert_int_equal(digits(&head), 342);
    assert_int_equal(value_of(list_take_first(&head)), 3);
    assert_int_equal(value_of(list_take_first(&head)), 4);
    list_append(&head, &items[2].link);
    assert_int_equal(digits(&head), 23);
}

static void elements_may_be_removed_while_running_over_the_list(void **state)
{
    struct list_link head;
    struct item items[6];

    (void)state;
    list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].value = i + 1;
        list_append(&head, &items[i].link);
    }
    list_for_each(link, &head) if (value_of(link) % 2) list_remove(link);
    assert_int_equal(digits(&head), 246);
    list_for_each(link, &head) list_remove(link);
    assert_true(list_is_empty(&head));
}

#define BITS 200

/* The model of a bitmap: a byte a bit. */
static uint64_t map[BITMAP_WORDS(BITS)];
static bool model[BITS];

static size_t model_find(size_t from, size_t bits, bool value)
{
    for (size_t i = from; i < bits; i++)
        if (model[i] == value)
            return i;
    return BITMAP_NONE;
}

static size_t model_find_run(size_t bits, size_t from, size_t count, size_t align)
{
    for (size_t first = ALIGN_UP(from, align); first + count <= bits; first += align)
        if (model_find(first, first + count, true) == BITMAP_NONE)
            return first;
    return BITMAP_NONE;
}

static void bitmaps_agree_with_arrays_of_booleans(void **state)
{
    (void)state;
    srand(1);
    memset(map, 0, sizeof(map));
    memset(model, 0, sizeof(model));
    for (unsigned round = 0; round < 20000; round++) {
        size_t first = (size_t)rand() % BITS, count = (size_t)rand() % (BITS - first + 1);
        size_t bits = (size_t)rand() % (BITS + 1), align = (size_t)1 << rand() % 6;
        bool value = rand() & 1;

        if (round % 3)
            count %= 5;
        bitmap_fill(map, first, count, value);
        memset(model + first, value, count);
        value ? bitmap_set(map, first) : bitmap_clear(map, first);
        model[first] = value;

        for (size_t i = 0; i < BITS; i++)
            assert_int_equal(bitmap_test(map, i), model[i]);
        assert_int_equal(bitmap_find(map, bits, first, value), model_find(first, bits, value));
        assert_int_equal(bitmap_find(map, bits, first, !value), model_find(first, bits, !value));
        assert_int_equal(bitmap_find_run(map, bits, first, count + 1, align),
                         model_find_run(bits, first, count + 1, align));
    }
}

static void the_end_of_a_bitmap_is_respected(void **state)
{
    uint64_t two[2] = {UINT64_MAX, 0};

    (void)state;
    assert_int_equal(bitmap_find(two, 64, 0, false), BITMAP_NONE);
    assert_int_equal(bitmap_find(two, 65, 0, false), 64);
    assert_int_equal(bitmap_find(two, 128, 64, true), BITMAP_NONE);
    assert_int_equal(bitmap_find(two, 0, 0, true), BITMAP_NONE);
    assert_int_equal(bitmap_find_run(two, 128, 0, 64, 64), 64);
    assert_int_equal(bitmap_find_run(two, 127, 0, 64, 64), BITMAP_NONE);
    assert_int_equal(bitmap_find_run(two, 128, 65, 1, 64), BITMAP_NONE);
}

static void mul_div_keeps_128_bits_in_between_and_saturates(void **state)
{
    (void)state;
    assert_int_equal(mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(mul_div(UINT64_MAX, 3, 7), 7905747460161236406);
    assert_int_equal(mul_div(10, 10, 101), 0);
    assert_int_equal(mul_div(UINT64_MAX, 2, 1), UINT64_MAX);
    assert_int_equal(mul_div(BIT(32), BIT(32), 1), UINT64_MAX);
    assert_int_equal(mul_div(0, UINT64_MAX, 1), 0);
}

/* Bit by bit. */
static uint64_t slow_mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t quotient = 0, rest = 0;

    for (int bit = 127; bit >= 0; bit--) {
        uint64_t high = (uint64_t)((unsigned __int128)a * b >> 64), low = a * b;
        uint64_t next = bit > 63 ? high >> (bit - 64) & 1 : low >> bit & 1;
        bool carry = rest >> 63;

        rest = rest << 1 | next;
        if (quotient >> 63)
            return UINT64_MAX;
        quotient <<= 1;
        if (carry || rest >= c)
            rest -= c, quotient |= 1;
    }
    return quotient;
}

static void mul_div_agrees_with_long_division(void **state)
{
    uint64_t seed = 88172645463325252, n[3];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        for (unsigned i = 0; i < 3; i++) { /* numbers of every width */
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            n[i] = seed >> (seed & 63);
        }
        n[2] += n[2] == 0;
        assert_int_equal(mul_div(n[0], n[1], n[2]), slow_mul_div(n[0], n[1], n[2]));
    }
}

#define ROUNDS 20000

static struct spinlock lock;
static unsigned counter;

static void *count(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned seen;

        spin_lock(&lock);
        seen = counter;
        counter = seen + 1;
        spin_unlock(&lock);
    }
    return unused;
}

static void a_spinlock_lets_one_in_at_a_time(void **state)
{
    pthread_t other;

    (void)state;
    counter = 0;
    assert_int_equal(pthread_create(&other, NULL, count, NULL), 0);
    count(NULL);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(counter, 2 * ROUNDS);
    assert_true(spin_try_lock(&lock));
    assert_false(spin_try_lock(&lock));
    spin_unlock(&lock);
    assert_true(spin_try_lock(&lock));
    spin_unlock(&lock);
}

static char order[4];
static unsigned arrived;

static void *arrive(void *name)
{
    spin_lock(&lock);
    order[arrived++] = *(char *)name;
    spin_unlock(&lock);
    return NULL;
}

static void a_spinlock_is_had_in_the_order_of_asking(void **state)
{
    static char names[] = "abc";
    pthread_t others[2];

    (void)state;
    lock = (struct spinlock){0};
    arrived = 0;
    spin_lock(&lock);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&others[i], NULL, arrive, &names[i]), 0);
        while (__atomic_load_n(&lock.next, __ATOMIC_RELAXED) != i + 2) /* it waits */
            sched_yield();
    }
    assert_false(spin_try_lock(&lock));
    spin_unlock(&lock);
    arrive(&names[2]); /* who had it and asks again at once is the last */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(others[i], NULL), 0);
    assert_string_equal(order, "abc");
}

static void the_tickets_of_a_spinlock_begin_anew(void **state)
{
    (void)state;
    lock = (struct spinlock){0};
    for (unsigned i = 0; i < 3 * 65536; i++) {
        if (i % 2)
            spin_lock(&lock);
        else
            assert_true(spin_try_lock(&lock));
        assert_true(spin_is_held(&lock));
        spin_unlock(&lock);
        assert_false(spin_is_held(&lock));
    }
}

static void a_number_ends_where_its_digits_end(void **state)
{
    static const struct {
        const char *text;
        unsigned base;
        uint64_t value;
        const char *rest;
    } rows[] = {
        {"0", 10, 0, ""},
        {"42,7", 10, 42, ",7"},
        {"42f", 10, 42, "f"},
        {"42F", 16, 0x42f, ""},
        {"0X1fg", 10, 0x1f, "g"},
        {"18446744073709551615", 10, UINT64_MAX, ""},
        {"ffffffffffffffff", 16, UINT64_MAX, ""},
    };
    static const char *const none[] = {
        "", "x1", "-1", "0x", "0xg", "18446744073709551616", "0x10000000000000000", "@", "`", "/", ":", "G"};
    uint64_t value;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_string_equal(read_number(rows[i].text, rows[i].base, &value), rows[i].rest);
        assert_int_equal(value, rows[i].value);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(none); i++)
        assert_null(read_number(none[i], 10, &value));
    for (unsigned c = 0; c < 256; c++)
        assert_int_equal(hex_value((char)c),
                         isxdigit((int)c) ? (int)strtol((char[]){(char)c, 0}, NULL, 16) : -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_ends_where_its_digits_end),
        cmocka_unit_test(a_list_keeps_the_order_of_insertion),
        cmocka_unit_test(elements_may_be_removed_while_running_over_the_list),
        cmocka_unit_test(bitmaps_agree_with_arrays_of_booleans),
        cmocka_unit_test(the_end_of_a_bitmap_is_respected),
        cmocka_unit_test(mul_div_keeps_128_bits_in_between_and_saturates),
        cmocka_unit_test(mul_div_agrees_with_long_division),
        cmocka_unit_test(a_spinlock_lets_one_in_at_a_time),
        cmocka_unit_test(a_spinlock_is_had_in_the_order_of_asking),
        cmocka_unit_test(the_tickets_of_a_spinlock_begin_anew),
    };
    return cmocka_run_group_tests_name("lib", tests, NULL, NULL);
}
