/* What the owner of an ordered service makes of what a take brought. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/config.h"
#include "forward/order.h"

static struct moves_put of_ada(const char *stream_id, const char *id) {
    return (struct moves_put){
        .event = {.stream_id = text_of(stream_id), .id = text_of(id), .account = text_of("ada")}};
}

static bool nothing_flies(void *arg, struct text stream_id) {
    (void)arg, (void)stream_id;
    return false;
}

/* Its lanes are put together from these, of which the first is handed out. */
static void own(struct order *order, const struct moves_put *put, size_t count) {
    struct order_slots slots = {.free = 1};
    struct moves_taken first = {.event = put[0].event};
    size_t new_slots;
    order_ask(order, &slots, &new_slots);
    order_told(order,
               &(struct moves_haul){
                   .owned = MOVES_OURS, .put = put, .put_count = count, .all_is_put = true},
               nothing_flies, NULL, 0);
    order_ask(order, &slots, &new_slots);
    order_told(order, &(struct moves_haul){.owned = MOVES_OURS, .taken = &first, .count = 1},
               nothing_flies, NULL, 0);
}

static void test_one_that_dies_while_the_lanes_are_doubted_is_marked_all_the_same(void **state) {
    static char name[] = "crm", by[] = "account";
    struct config_service service = {.name = name, .order_by = by, .concurrency = 1};
    const struct moves_put put[] = {of_ada("1-0", "evt_1"), of_ada("2-0", "evt_2")};
    struct order_slots no_slot = {.free = 0};
    struct metrics *metrics = metrics_create();
    struct order *order = order_create(metrics, &service);
    struct attempt attempt = {.event = put[0].event, .move = MOVES_BURY};
    size_t new_slots;
    (void)state;
    own(order, put, 2);
    attempt.lane = text_copy(order_lane(order, attempt.event.stream_id));
    order_doubt(order);
    order_ask(order, &no_slot, &new_slots);
    order_settled(order, &attempt, MOVES_SETTLED, 0);
    order_told(order,
               &(struct moves_haul){
                   .owned = MOVES_OURS, .put = &put[1], .put_count = 1, .all_is_put = true},
               nothing_flies, NULL, 0);
    assert_true(text_is(order_dead_before(order, text_of("2-0")), "evt_1"));
    free(attempt.lane);
    order_destroy(order);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_dies_while_the_lanes_are_doubted_is_marked_all_the_same),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
