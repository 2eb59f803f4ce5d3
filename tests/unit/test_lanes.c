#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forward/lanes.h"

/* Words: "k:1" puts the event 1 with the key k ("-:1" with none), "k:1@50" not before 50, "k:1!" as
 * tried; ">1" starts it, ".1" ends it, "~1@50" defers it to 50; "^k=9" marks the lane k with the
 * dead letter 9, "_k" takes the mark away; "x" forgets all. */
static void tell(struct lanes *lanes, struct text word) {
    struct text left = text_cut(&word, '@');
    uint64_t at_ms = 0;
    if (word.size)
        assert_true(text_to_uint(word, 1000000, &at_ms));
    struct text rest = text_slice(left.data + 1, left.size - 1);
    switch (left.data[0]) {
    case '>':
        lanes_start(lanes, rest);
        return;
    case '.':
        lanes_end(lanes, rest);
        return;
    case '~':
        lanes_defer(lanes, rest, true, (int64_t)at_ms);
        return;
    case '^': {
        struct text lane = text_cut(&rest, '=');
        lanes_mark(lanes, lane, rest);
        return;
    }
    case '_':
        lanes_unmark(lanes, rest);
        return;
    }
    if (text_is(left, "x")) {
        lanes_clear(lanes);
        return;
    }
    struct lanes_event event = {.key = text_cut(&left, ':'), .at_ms = (int64_t)at_ms};
    event.tried = left.data[left.size - 1] == '!';
    event.id = text_slice(left.data, left.size - event.tried);
    if (text_is(event.key, "-"))
        event.key = (struct text){0};
    lanes_put(lanes, &event);
}

static struct lanes *told(const char *story) {
    struct lanes *lanes = lanes_create();
    struct text rest = text_of(story);
    while (rest.size)
        tell(lanes, text_cut(&rest, ' '));
    return lanes;
}

/* The ids that may be tried, one after the other. */
static void list_ready(struct lanes *lanes, int64_t now_ms, size_t most, size_t tried_most,
                       struct string *list) {
    struct moves_head heads[16];
    size_t count = lanes_ready(lanes, now_ms, most, tried_most, heads);
    string_clear(list);
    for (size_t i = 0; i < count; i++)
        string_addf(list, "%s%.*s", i ? " " : "", TEXT_ARG(heads[i].stream_id));
}

static void test_the_first_of_each_lane_may_be_tried(void **state) {
    static const struct {
        const char *story;
        int64_t now_ms;
        size_t most, tried_most;
        const char *ready;
        size_t count, idle;
    } rows[] = {
        {"", 0, 8, 8, "", 0, 0},
        {"a:1 b:2 a:3 c:4 b:5", 0, 8, 8, "1 2 4", 5, 5},
        {"a:1 b:2 c:4", 0, 2, 8, "1 2", 3, 3},
        {"-:1 -:2 -:3", 0, 8, 8, "1 2 3", 3, 3}, /* without a key nobody waits for anybody */
        {"a:1 a:1 a:1", 0, 8, 8, "1", 1, 1},
        /* What is being tried holds its lane, and no other. */
        {"a:1 a:2 b:3 >1", 0, 8, 8, "3", 3, 2},
        {"a:1 a:2 b:3 >1 .1", 0, 8, 8, "3 2", 2, 2},
        {"a:1 a:2 >1 .1 >2 .2 a:3", 0, 8, 8, "3", 1, 1},
        /* So does what is to be tried again. */
        {"a:1 a:2 b:3 >1 ~1@50", 49, 8, 8, "3", 3, 3},
        {"a:1 a:2 b:3 >1 ~1@50", 50, 8, 8, "3 1", 3, 3},
        {"a:1 a:2 b:3 >1 ~1@50", 50, 8, 0, "3", 3, 3},
        {"a:1@30 b:2@10 c:3@20", 15, 8, 8, "2", 3, 3},
        {"a:1@30 b:2@10 c:3@20", 30, 8, 8, "2 3 1", 3, 3},
        {"a:1 a:2@70 >1 .1", 60, 8, 8, "", 1, 1}, /* its former owner may be at it */
        /* Those that were tried and the others take turns. */
        {"a:1! b:2! c:3! d:4 e:5", 0, 8, 8, "4 1 5 2 3", 5, 5},
        {"a:1! b:2! c:3! d:4 e:5", 0, 8, 1, "4 1 5", 5, 5},
        {"a:1! b:2! c:3! d:4 e:5", 0, 2, 1, "4 1", 5, 5},
        /* An event that flies behind another of its lane: it was sent before there were lanes. */
        {"a:1@50 a:2 >2", 0, 8, 8, "", 2, 1},
        {"a:1@50 a:2 >2 ~2@10", 50, 8, 8, "1", 2, 2},
        {"a:1@50 a:2 >2 .2", 50, 8, 8, "1", 1, 1},
        /* What nobody put is passed over. */
        {"a:1 >7 .8 ~9@1 x >1 .1 ~1@5", 0, 8, 8, "", 0, 0},
        {"a:1 a:2 ^a=9 x a:2", 0, 8, 8, "2", 1, 1},
    };
    struct string ready = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lanes *lanes = told(rows[i].story);
        list_ready(lanes, rows[i].now_ms, rows[i].most, rows[i].tried_most, &ready);
        if (!text_is(string_text(&ready), rows[i].ready))
            fail_msg("\"%s\" gave %.*s", rows[i].story, TEXT_ARG(string_text(&ready)));
        assert_int_equal(lanes_count(lanes), rows[i].count);
        assert_int_equal(lanes_idle(lanes), rows[i].idle);
        lanes_destroy(lanes);
    }
    string_finish(&ready);
}

static void test_a_mark_stays_with_its_lane_until_it_is_taken_away(void **state) {
    static const struct {
        const char *story, *id, *dead;
    } rows[] = {
        {"a:1 b:2 ^a=9", "1", "9"},
        {"a:1 b:2 ^a=9", "2", ""},
        {"a:1 a:2 ^a=9 .1", "2", "9"},
        {"a:1 ^a=9 .1 a:2", "2", "9"}, /* however long it takes until the next one comes */
        {"^a=9 a:1", "1", "9"},
        {"^a=9 ^a=8 a:1", "1", "8"},
        {"^a=9 _a a:1", "1", ""},
        {"a:1 ^a=9 _a", "1", ""},
        {"^a=9 x a:1", "1", ""},
        {"^a=9 _b -:1", "1", ""},
        {"a:1", "7", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lanes *lanes = told(rows[i].story);
        struct text dead = lanes_dead_before(lanes, text_of(rows[i].id));
        if (!text_is(dead, rows[i].dead))
            fail_msg("\"%s\" gave %.*s for %s", rows[i].story, TEXT_ARG(dead), rows[i].id);
        lanes_destroy(lanes);
    }
}

static void test_it_says_for_how_long_nothing_more_is_ready(void **state) {
    static const struct {
        const char *story;
        int64_t now_ms, wait_ms;
    } rows[] = {
        {"a:1", 0, -1},
        {"a:1@50 b:2@30", 10, 20},
        {"a:1@50 b:2@30", 30, 20},
        {"a:1@50 b:2@30", 60, -1},
        {"a:1@50 a:2@30", 0, 50},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lanes *lanes = told(rows[i].story);
        assert_int_equal(lanes_wait_ms(lanes, rows[i].now_ms), rows[i].wait_ms);
        lanes_destroy(lanes);
    }
}

/* Keys and moves by lot, against a list that is walked. */
static void test_whatever_happens_a_lane_keeps_its_order(void **state) {
    enum { EVENTS = 3000, KEYS = 40 };
    static int key_of[EVENTS], ended_to[KEYS];
    struct lanes *lanes = lanes_create();
    struct moves_head heads[8];
    size_t done = 0;
    unsigned short lot[3] = {7};
    (void)state;
    for (int i = 0; i < EVENTS; i++) {
        char id[16], key[16];
        key_of[i] = (int)(nrand48(lot) % KEYS);
        snprintf(id, sizeof id, "%d-0", i);
        snprintf(key, sizeof key, "k%d", key_of[i]);
        lanes_put(lanes, &(struct lanes_event){.id = text_of(id), .key = text_of(key)});
    }
    memset(ended_to, -1, sizeof ended_to);
    for (int64_t now_ms = 0; done < EVENTS; now_ms++) {
        size_t count = lanes_ready(lanes, now_ms, 8, 8, heads);
        for (size_t i = 0; i < count; i++) {
            struct text id = heads[i].stream_id, number = id;
            uint64_t event;
            assert_true(text_to_uint(text_cut(&number, '-'), EVENTS, &event));
            for (int before = ended_to[key_of[event]] + 1; before < (int)event; before++)
                assert_int_not_equal(key_of[before], key_of[event]);
            lanes_start(lanes, id);
            if (nrand48(lot) % 3 == 0) {
                lanes_defer(lanes, id, true, now_ms + nrand48(lot) % 20);
                continue;
            }
            ended_to[key_of[event]] = (int)event;
            lanes_end(lanes, id);
            done++;
        }
    }
    assert_int_equal(lanes_count(lanes), 0);
    lanes_destroy(lanes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_of_each_lane_may_be_tried),
        cmocka_unit_test(test_a_mark_stays_with_its_lane_until_it_is_taken_away),
        cmocka_unit_test(test_it_says_for_how_long_nothing_more_is_ready),
        cmocka_unit_test(test_whatever_happens_a_lane_keeps_its_order),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
