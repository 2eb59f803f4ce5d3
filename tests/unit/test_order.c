/* What the owner of an ordered service makes of what a take brought. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config.h"
#include "forward/order.h"

enum { ASKED_MS = 1000000, SLEPT_MS = 60000 };

static bool never_flies(void *arg, struct text stream_id) {
    (void)arg, (void)stream_id;
    return false;
}

/* May what it was handed be started? */
static bool told_after(int64_t steady_ms, int64_t elapsed_ms) {
    static char name[] = "crm", by[] = "account";
    struct config_service service = {.name = name, .order_by = by, .concurrency = 1};
    struct metrics *metrics = metrics_create();
    struct order *order = order_create(metrics, &service);
    struct moves_haul haul = {.owned = MOVES_OURS, .all_is_put = true};
    struct order_slots slots = {.free = 1, .now_ms = ASKED_MS, .elapsed_ms = ASKED_MS + SLEPT_MS};
    size_t new_slots;
    order_ask(order, &slots, &new_slots);
    bool startable = order_told(order, &haul, never_flies, NULL, slots.now_ms + steady_ms,
                                slots.elapsed_ms + elapsed_ms);
    order_destroy(order);
    metrics_destroy(metrics);
    return startable;
}

static void test_what_comes_when_its_lease_may_have_ended_is_not_started(void **state) {
    (void)state;
    assert_true(told_after(0, 0));
    assert_true(told_after(4000, 4000));
    assert_false(told_after(4001, 4001));
    assert_false(told_after(1, SLEPT_MS)); /* the machine was suspended: Redis' was not */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_when_its_lease_may_have_ended_is_not_started),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
