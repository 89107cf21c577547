/* What cores give each other, as numbers. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/run/balance.h"

#define CORES  4
#define ROUNDS 20000

static uint64_t gap_between(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* A core on which one of load `running` runs, and these wait (0 ends them). */
static struct balance_side side_of(uint64_t running, const uint64_t *waiting)
{
    struct balance_side side = {.load = running, .empty = !running};

    for (; waiting[side.count]; side.count++) {
        side.loads[side.count] = waiting[side.count];
        side.load += waiting[side.count];
        side.empty = false;
    }
    return side;
}

#define SIDE(running, ...) side_of(running, (const uint64_t[]){__VA_ARGS__, 0})
#define ALONE(running)     side_of(running, (const uint64_t[]){0})

static void expect(struct balance_side from, struct balance_side to, bool stale, unsigned given,
                   unsigned taken)
{
    struct balance_moves moves = balance_choose(&from, &to, stale);

    assert_int_equal(moves.given, given);
    assert_int_equal(moves.taken, taken);
}

static void one_goes_that_makes_loads_more_even(void **state)
{
    (void)state;
    expect(SIDE(4, 4, 1), ALONE(5), false, 1, BALANCE_NOBODY); /* 9 and 5: 4 would turn them round */
    expect(SIDE(4, 3, 1), ALONE(4), false, 0, BALANCE_NOBODY); /* who has waited longest */
    expect(SIDE(4, 1, 3), ALONE(0), false, 1, BALANCE_NOBODY); /* an empty one gets the heaviest */
    expect(SIDE(4, 4), SIDE(4, 4), true, BALANCE_NOBODY, BALANCE_NOBODY);
    expect(SIDE(2, 2), SIDE(4, 4), true, BALANCE_NOBODY, BALANCE_NOBODY); /* the other one's to give */
    expect(ALONE(9), ALONE(1), true, BALANCE_NOBODY, BALANCE_NOBODY);     /* who runs stays */
}

static void two_change_places_where_one_move_makes_nothing_more_even(void **state)
{
    (void)state;
    expect(SIDE(3, 4), SIDE(2, 3), false, 0, 0);                              /* 7 and 5 get 6 and 6 */
    expect(SIDE(4, 9, 8), SIDE(6, 6, 5), false, 1, 0);                        /* 21 and 17 get 19 and 19 */
    expect(SIDE(4, 4, 4), SIDE(4, 4), false, BALANCE_NOBODY, BALANCE_NOBODY); /* alike: nothing to gain */
    expect(SIDE(5, 3), SIDE(2, 4), false, BALANCE_NOBODY, BALANCE_NOBODY);    /* it would be less even */
}

static void what_cannot_be_made_even_takes_turns(void **state)
{
    (void)state;
    expect(SIDE(4, 4), ALONE(4), false, BALANCE_NOBODY, BALANCE_NOBODY);
    expect(SIDE(4, 4), ALONE(4), true, 0, BALANCE_NOBODY);
    expect(SIDE(8, 9), ALONE(9), true, 0, BALANCE_NOBODY); /* 17 and 9 get 8 and 18: a quarter more */
    expect(SIDE(8, 10), ALONE(10), true, BALANCE_NOBODY, BALANCE_NOBODY);
}

/* A machine of cores by chance: who is first on each runs. */
static struct machine {
    unsigned cores, count[CORES];
    uint64_t loads[CORES][64];
} machine;
static uint64_t random_state;

static unsigned chance(unsigned of)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % of;
}

static void begin_machine(unsigned seed)
{
    unsigned most = 1 + seed % 40, alike = chance(3);

    machine.cores = 2 + chance(CORES - 1);
    for (unsigned i = 0; i < machine.cores; i++) {
        machine.count[i] = chance(BALANCE_MOST + 2);
        for (unsigned j = 0; j < machine.count[i]; j++)
            machine.loads[i][j] = alike ? 1 + chance(3) : 1 + chance(most);
    }
}

static struct balance_side see(unsigned core)
{
    struct balance_side side = {.empty = !machine.count[core]};

    for (unsigned i = 0; i < machine.count[core]; i++) {
        side.load += machine.loads[core][i];
        if (i && side.count < BALANCE_MOST)
            side.loads[side.count++] = machine.loads[core][i];
    }
    return side;
}

static uint64_t take_out(unsigned core, unsigned place)
{
    uint64_t load = machine.loads[core][place + 1];

    machine.count[core]--;
    for (unsigned i = place + 1; i < machine.count[core]; i++)
        machine.loads[core][i] = machine.loads[core][i + 1];
    return load;
}

static void put_in(unsigned core, uint64_t load)
{
    machine.loads[core][machine.count[core]++] = load;
}

/* Returns whether something moved; the two loads then differ by less, or, if stale, by a quarter more at
 * most. */
static bool decide(unsigned from, unsigned to, bool stale)
{
    struct balance_side a = see(from), b = see(to);
    struct balance_moves moves = balance_choose(&a, &b, stale);
    uint64_t before = gap_between(a.load, b.load), after, given, taken = 0;

    if (moves.given == BALANCE_NOBODY) {
        assert_int_equal(moves.taken, BALANCE_NOBODY);
        return false;
    }
    assert_true(a.load > b.load);
    given = take_out(from, moves.given);
    if (moves.taken != BALANCE_NOBODY)
        put_in(from, taken = take_out(to, moves.taken));
    put_in(to, given);
    after = gap_between(see(from).load, see(to).load);
    assert_int_equal(see(from).load + see(to).load, a.load + b.load);
    assert_true(stale ? after <= before + before / 4 : after < before);
    return true;
}

/* Whatever the order in which cores decide, they are done after a while; then no move and no swap of two that
 * wait would make any two cores' loads more even. */
static void no_order_of_decisions_goes_on_for_ever(void **state)
{
    (void)state;
    random_state = 1;
    for (unsigned seed = 0; seed < ROUNDS; seed++) {
        unsigned moves = 0, idle = 0;

        begin_machine(seed);
        while (idle < 200) {
            unsigned from = chance(machine.cores), to = chance(machine.cores);

            if (from != to && decide(from, to, false))
                idle = 0, moves++;
            else
                idle++;
            assert_true(moves < 200);
        }
    }
}

static bool could_be_more_even(unsigned from, unsigned to)
{
    struct balance_side a = see(from), b = see(to);
    int64_t gap = (int64_t)(a.load - b.load);

    for (unsigned i = 0; i < a.count; i++) {
        if (2 * (int64_t)a.loads[i] < 2 * gap)
            return true;
        for (unsigned j = 0; j < b.count; j++) {
            int64_t more = (int64_t)(a.loads[i] - b.loads[j]);

            if (more > 0 && more < gap)
                return true;
        }
    }
    return false;
}

static void nothing_is_left_that_a_move_or_a_swap_would_mend(void **state)
{
    unsigned left = 0, swaps = 0;

    (void)state;
    random_state = 2;
    for (unsigned seed = 0; seed < ROUNDS; seed++) {
        struct balance_side a, b;
        struct balance_moves moves;

        begin_machine(seed);
        a = see(0), b = see(1);
        moves = balance_choose(&a, &b, false);
        swaps += moves.taken != BALANCE_NOBODY;
        assert_int_equal(moves.given != BALANCE_NOBODY, a.load > b.load && could_be_more_even(0, 1));
        left += moves.given == BALANCE_NOBODY;
        decide(0, 1, true);
    }
    assert_true(left > ROUNDS / 100 && swaps > ROUNDS / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_goes_that_makes_loads_more_even),
        cmocka_unit_test(two_change_places_where_one_move_makes_nothing_more_even),
        cmocka_unit_test(what_cannot_be_made_even_takes_turns),
        cmocka_unit_test(no_order_of_decisions_goes_on_for_ever),
        cmocka_unit_test(nothing_is_left_that_a_move_or_a_swap_would_mend),
    };
    return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}
