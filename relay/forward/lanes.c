#include "forward/lanes.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/memory.h"

enum place { WAITS, READY_NEW, READY_TRIED, LATER, STARTED, PLACES };

struct lane;

struct event {
    TAILQ_ENTRY(event) in_lane;
    TAILQ_ENTRY(event) in_place;
    struct lane *lane;
    enum place place;
    bool tried;
    int64_t at_ms;
    char id[LANES_ID];
};
TAILQ_HEAD(events, event);

struct lane {
    char *key;  /* NULL: one event's own */
    char *dead; /* the id of the dead letter before what stands first; NULL: none */
    struct events events;
};

struct lanes {
    void *by_id, *by_key; /* trees of <search.h>: struct event, struct lane with a key */
    struct events places[PLACES];
    size_t counts[PLACES];
    bool tried_first; /* whose turn it is */
};

static int compare_ids(const void *a, const void *b) {
    return strcmp(((const struct event *)a)->id, ((const struct event *)b)->id);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const struct lane *)a)->key, ((const struct lane *)b)->key);
}

/* The trees hold pointers to what they hold. */
static void *found(void *node) {
    return node ? *(void **)node : NULL;
}

static void add_to_tree(void **tree, void *thing, int (*compare)(const void *, const void *)) {
    void *node = tsearch(thing, tree, compare);
    assert(node && found(node) == thing);
    (void)node;
}

static struct event *find_event(const struct lanes *lanes, struct text id) {
    struct event like = {0};
    if (id.size == 0 || id.size >= sizeof like.id)
        return NULL;
    memcpy(like.id, id.data, id.size);
    return found(tfind(&like, &lanes->by_id, compare_ids));
}

static struct lane *find_lane(const struct lanes *lanes, struct text key) {
    struct lane like = {.key = text_copy(key)};
    struct lane *lane = found(tfind(&like, &lanes->by_key, compare_keys));
    free(like.key);
    return lane;
}

static struct lane *make_lane(struct lanes *lanes, struct text key) {
    struct lane *lane = key.size ? find_lane(lanes, key) : NULL;
    if (lane)
        return lane;
    lane = memory_new(sizeof *lane);
    TAILQ_INIT(&lane->events);
    if (key.size) {
        lane->key = text_copy(key);
        add_to_tree(&lanes->by_key, lane, compare_keys);
    }
    return lane;
}

/* Nothing is left to remember of it. */
static void leave_lane(struct lanes *lanes, struct lane *lane) {
    if (lane->dead || !TAILQ_EMPTY(&lane->events))
        return;
    if (lane->key)
        tdelete(lane, &lanes->by_key, compare_keys);
    free(lane->key);
    free(lane);
}

struct lanes *lanes_create(void) {
    struct lanes *lanes = memory_new(sizeof *lanes);
    for (enum place place = 0; place < PLACES; place++)
        TAILQ_INIT(&lanes->places[place]);
    return lanes;
}

/* Those for later stand by their time, and of one time by their turn. What is put off has most
 * often the latest, what was just put the earliest: so it is looked from both ends. */
static void insert_by_time(struct events *events, struct event *event) {
    struct event *earlier = TAILQ_LAST(events, events), *later = TAILQ_FIRST(events);
    while (earlier && earlier->at_ms > event->at_ms && later->at_ms <= event->at_ms) {
        earlier = TAILQ_PREV(earlier, events, in_place);
        later = TAILQ_NEXT(later, in_place);
    }
    if (!earlier)
        TAILQ_INSERT_HEAD(events, event, in_place);
    else if (earlier->at_ms > event->at_ms)
        TAILQ_INSERT_BEFORE(later, event, in_place);
    else
        TAILQ_INSERT_AFTER(events, earlier, event, in_place);
}

static void enter(struct lanes *lanes, struct event *event, enum place place) {
    event->place = place;
    lanes->counts[place]++;
    if (place == LATER)
        insert_by_time(&lanes->places[place], event);
    else
        TAILQ_INSERT_TAIL(&lanes->places[place], event, in_place);
}

static void leave(struct lanes *lanes, struct event *event) {
    TAILQ_REMOVE(&lanes->places[event->place], event, in_place);
    lanes->counts[event->place]--;
}

static void move(struct lanes *lanes, struct event *event, enum place place) {
    leave(lanes, event);
    enter(lanes, event, place);
}

/* Where an event belongs that is not started. Whether its time has come is seen by lanes_ready. */
static enum place place_of(const struct event *event) {
    return event == TAILQ_FIRST(&event->lane->events) ? LATER : WAITS;
}

static void wake_due(struct lanes *lanes, int64_t now_ms) {
    struct event *event;
    while ((event = TAILQ_FIRST(&lanes->places[LATER])) && event->at_ms <= now_ms)
        move(lanes, event, event->tried ? READY_TRIED : READY_NEW);
}

void lanes_put(struct lanes *lanes, const struct lanes_event *what) {
    if (what->id.size >= LANES_ID || find_event(lanes, what->id))
        return;
    struct event *event = memory_new(sizeof *event);
    memcpy(event->id, what->id.data, what->id.size);
    event->tried = what->tried;
    event->at_ms = what->at_ms;
    event->lane = make_lane(lanes, what->key);
    TAILQ_INSERT_TAIL(&event->lane->events, event, in_lane);
    add_to_tree(&lanes->by_id, event, compare_ids);
    enter(lanes, event, place_of(event));
}

static void remove_event(struct lanes *lanes, struct event *event) {
    struct lane *lane = event->lane;
    leave(lanes, event);
    TAILQ_REMOVE(&lane->events, event, in_lane);
    tdelete(event, &lanes->by_id, compare_ids);
    free(event);
    struct event *first = TAILQ_FIRST(&lane->events);
    if (first && first->place == WAITS)
        move(lanes, first, place_of(first));
    leave_lane(lanes, lane);
}

void lanes_clear(struct lanes *lanes) {
    for (enum place place = 0; place < PLACES; place++)
        while (!TAILQ_EMPTY(&lanes->places[place]))
            remove_event(lanes, TAILQ_FIRST(&lanes->places[place]));
    while (lanes->by_key) { /* those that are only marked */
        struct lane *lane = found(lanes->by_key);
        free(lane->dead);
        lane->dead = NULL;
        leave_lane(lanes, lane);
    }
}

void lanes_destroy(struct lanes *lanes) {
    if (!lanes)
        return;
    lanes_clear(lanes);
    free(lanes);
}

static struct moves_head head_of(const struct event *event) {
    return (struct moves_head){text_of(event->id), text_of(event->lane->key)};
}

size_t lanes_ready(struct lanes *lanes, int64_t now_ms, size_t most, size_t tried_most,
                   struct moves_head *heads) {
    wake_due(lanes, now_ms);
    struct event *next[] = {TAILQ_FIRST(&lanes->places[READY_NEW]),
                            TAILQ_FIRST(&lanes->places[READY_TRIED])};
    size_t count = 0, tried = 0;
    bool turn = lanes->tried_first;
    while (count < most) {
        if (tried == tried_most)
            next[true] = NULL;
        if (!next[turn])
            turn = !turn;
        if (!next[turn])
            break;
        heads[count++] = head_of(next[turn]);
        tried += turn;
        next[turn] = TAILQ_NEXT(next[turn], in_place);
        turn = !turn;
    }
    lanes->tried_first = turn;
    return count;
}

size_t lanes_new(struct lanes *lanes, int64_t now_ms) {
    wake_due(lanes, now_ms);
    return lanes->counts[READY_NEW];
}

size_t lanes_tried(struct lanes *lanes, int64_t now_ms) {
    wake_due(lanes, now_ms);
    return lanes->counts[READY_TRIED];
}

void lanes_start(struct lanes *lanes, struct text id) {
    struct event *event = find_event(lanes, id);
    if (event)
        move(lanes, event, STARTED);
}

void lanes_defer(struct lanes *lanes, struct text id, bool tried, int64_t at_ms) {
    struct event *event = find_event(lanes, id);
    if (!event)
        return;
    event->tried = event->tried || tried;
    event->at_ms = at_ms;
    move(lanes, event, place_of(event));
}

void lanes_end(struct lanes *lanes, struct text id) {
    struct event *event = find_event(lanes, id);
    if (event)
        remove_event(lanes, event);
}

void lanes_mark(struct lanes *lanes, struct text key, struct text dead) {
    if (key.size == 0)
        return;
    struct lane *lane = make_lane(lanes, key);
    free(lane->dead);
    lane->dead = text_copy(dead);
}

void lanes_unmark(struct lanes *lanes, struct text key) {
    struct lane *lane = key.size ? find_lane(lanes, key) : NULL;
    if (!lane)
        return;
    free(lane->dead);
    lane->dead = NULL;
    leave_lane(lanes, lane);
}

struct text lanes_dead_before(const struct lanes *lanes, struct text id) {
    const struct event *event = find_event(lanes, id);
    return event ? text_of(event->lane->dead) : (struct text){0};
}

struct text lanes_key(const struct lanes *lanes, struct text id) {
    const struct event *event = find_event(lanes, id);
    return event ? text_of(event->lane->key) : (struct text){0};
}

size_t lanes_count(const struct lanes *lanes) {
    size_t count = 0;
    for (enum place place = 0; place < PLACES; place++)
        count += lanes->counts[place];
    return count;
}

size_t lanes_idle(const struct lanes *lanes) {
    return lanes_count(lanes) - lanes->counts[STARTED];
}

int64_t lanes_wait_ms(struct lanes *lanes, int64_t now_ms) {
    wake_due(lanes, now_ms);
    const struct event *event = TAILQ_FIRST(&lanes->places[LATER]);
    return event ? event->at_ms - now_ms : -1;
}
