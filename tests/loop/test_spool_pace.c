/* Who waits for the pace between two syncs, and who does not: the clock of the thread that writes
 * stands still, so that whoever waits for it is never written. */
#include "spool_house.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/memory.h"

enum { ENOUGH = 16, LONES = 3, BODY = 20, WHILE_MS = 20, HOUR_MS = 3600 * 1000 };

static pthread_t loops;
static _Atomic int64_t writers_ms;

/* The linker puts this in the place of clock_steady_ms, and that behind __real_. */
int64_t __real_clock_steady_ms(void);
int64_t __wrap_clock_steady_ms(void);
int64_t __wrap_clock_steady_ms(void) {
    return pthread_equal(pthread_self(), loops) ? __real_clock_steady_ms() : writers_ms;
}

/* An hour ahead: what it waits for does not come by the system's clock either. */
static int set_up(void **state) {
    struct spool_house *house = memory_new(sizeof *house);
    loops = pthread_self();
    writers_ms = __real_clock_steady_ms() + HOUR_MS;
    spool_house_open(house);
    house->options.segment_bytes = 64 * 1024; /* with room for all: one that is full ends a batch */
    assert_true(spool_house_start(house));
    *state = house;
    return 0;
}

static int tear_down(void **state) {
    writers_ms += HOUR_MS; /* a failed test leaves some that wait */
    return spool_house_tear_down(state);
}

static void put(struct spool_house *house, size_t count) {
    for (size_t i = 0; i < count; i++)
        spool_house_put_sized(house, BODY);
}

/* Two that come while the disk is busy are written together, and what follows them is paced. */
static void put_a_load(struct spool_house *house) {
    disk_sim_hold_syncs(house->sim, true);
    put(house, 1);
    spool_house_wait(house, spool_house_sync_is_held);
    put(house, 2);
    disk_sim_hold_syncs(house->sim, false);
    spool_house_settle(house);
}

static void test_under_load_sixteen_are_enough_for_a_sync_and_fewer_wait(void **state) {
    struct spool_house *house = *state;
    put_a_load(house);
    size_t from = house->sent_count;
    put(house, ENOUGH - 1);
    spool_house_pass(house, WHILE_MS);
    for (size_t i = from; i < house->sent_count; i++)
        assert_int_equal(house->sent[i].times, 0);
    put(house, 1);
    spool_house_settle(house);
    for (size_t i = from; i < house->sent_count; i++)
        assert_int_equal(house->sent[i].outcome, SPOOL_SYNCED);
}

static void test_one_after_the_other_none_waits(void **state) {
    struct spool_house *house = *state;
    for (int i = 0; i < LONES; i++) {
        put(house, 1);
        spool_house_settle(house);
    }
}

int main(void) {
#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PROMISE(test_under_load_sixteen_are_enough_for_a_sync_and_fewer_wait),
        PROMISE(test_one_after_the_other_none_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
