#include "ledger/browse.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum {
    DEADLINE_MS = 5000,
    SEARCH_PAGE =
        1000, /* entries a script looks at, so that a long search does not hold Redis up */
};

/* Pages of the stream */

struct page_op {
    struct op op;
    browse_page_fn *fn;
    void *arg;
};

static struct page_op *page_start(struct ledger *ledger, browse_page_fn *fn, void *arg) {
    struct page_op *page = op_start(ledger, sizeof *page);
    page->fn = fn;
    page->arg = arg;
    return page;
}

static void page_end(struct page_op *page, enum ledger_outcome outcome,
                     const struct redis_value *entries, bool more) {
    struct browse_page result = {.outcome = outcome};
    struct ledger_event *events = NULL;
    if (outcome == LEDGER_DONE && entries->kind == REDIS_ARRAY) {
        events = memory_new(entries->count * sizeof *events);
        for (size_t i = 0; i < entries->count; i++)
            events[i] = entry_event(redis_item(entries, i));
        result.events = events;
        result.count = entries->count;
        result.more = more;
    }
    page->fn(page->arg, &result);
    free(events);
    op_end(&page->op);
}

static void on_page(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct page_op *page = arg;
    page_end(page, op_outcome(&page->op, NULL, outcome, reply), redis_item(reply, 1),
             redis_integer(redis_item(reply, 0)) != 0);
}

static void ask_page(struct ledger *ledger, struct text from, const char *direction, size_t most,
                     struct page_op *page) {
    struct command command = {.script = &script_page};
    command_key(&command, ledger, "events");
    command_text(&command, from);
    command_number(&command, (int64_t)most);
    command_text_of(&command, direction);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_page, page);
}

void browse_after(struct ledger *ledger, struct text after, size_t most, browse_page_fn *fn,
                  void *arg) {
    ask_page(ledger, after, "after", most, page_start(ledger, fn, arg));
}

void browse_before(struct ledger *ledger, struct text before, size_t most, browse_page_fn *fn,
                   void *arg) {
    ask_page(ledger, before, "before", most, page_start(ledger, fn, arg));
}

/* {{stream, entries}}, or nil when nothing came in time. */
static void on_wait(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct page_op *page = arg;
    const struct redis_value *entries =
        outcome == REDIS_REPLIED ? redis_item(redis_item(reply, 0), 1) : reply;
    page_end(page, op_outcome(&page->op, NULL, outcome, reply), entries, true);
}

void browse_wait(struct ledger *ledger, struct text after, int64_t wait_ms, browse_page_fn *fn,
                 void *arg) {
    struct command command = {.block_ms = wait_ms};
    command_text_of(&command, "XREAD");
    command_text_of(&command, "COUNT");
    command_number(&command, 1);
    command_text_of(&command, "BLOCK");
    command_number(&command, wait_ms);
    command_text_of(&command, "STREAMS");
    command_key(&command, ledger, "events");
    command_text(&command, after);
    command_send(&command, ledger->redis, wait_ms + DEADLINE_MS, false, on_wait,
                 page_start(ledger, fn, arg));
}

/* Searches: ids of a page at a time, then the entries of those ids in one go */

struct search;
typedef void search_fn(struct search *, enum ledger_outcome, const struct redis_value *entries);

struct search {
    struct op op;
    const char *stream; /* the key's kind */
    const char *field;
    char *value;
    char *after;
    char **ids;
    size_t count;
    search_fn *on_found;
    union {
        browse_page_fn *page;
        browse_attempts_fn *attempts;
    } fn;
    void *arg;
};

static void finish_search(struct op *op) {
    struct search *search = (struct search *)op;
    for (size_t i = 0; i < search->count; i++)
        free(search->ids[i]);
    free(search->ids);
    free(search->value);
    free(search->after);
}

static void search_on(struct search *);

static void on_picked(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct search *search = arg;
    search->on_found(search, op_outcome(&search->op, NULL, outcome, reply), reply);
    op_end(&search->op);
}

static void pick(struct search *search) {
    struct command command = {.script = &script_pick};
    command_key(&command, search->op.ledger, search->stream);
    for (size_t i = 0; i < search->count; i++)
        command_text_of(&command, search->ids[i]);
    command_send(&command, search->op.ledger->redis, DEADLINE_MS, true, on_picked, search);
}

static void on_searched(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct search *search = arg;
    if (outcome != REDIS_REPLIED) {
        search->on_found(search, op_outcome(&search->op, NULL, outcome, reply), reply);
        op_end(&search->op);
        return;
    }
    const struct redis_value *found = redis_item(reply, 2);
    search->ids = memory_resize(search->ids, (search->count + found->count) * sizeof(char *));
    for (size_t i = 0; i < found->count; i++)
        search->ids[search->count++] = text_copy(redis_text(redis_item(found, i)));
    free(search->after);
    search->after = text_copy(redis_text(redis_item(reply, 0)));
    if (redis_integer(redis_item(reply, 1)) < SEARCH_PAGE)
        pick(search);
    else
        search_on(search);
}

static void search_on(struct search *search) {
    struct command command = {.script = &script_search};
    command_key(&command, search->op.ledger, search->stream);
    command_text_of(&command, search->field);
    command_text_of(&command, search->value);
    command_text_of(&command, search->after);
    command_number(&command, SEARCH_PAGE);
    command_send(&command, search->op.ledger->redis, DEADLINE_MS, true, on_searched, search);
}

static struct search *search_start(struct ledger *ledger, const char *stream, const char *field,
                                   struct text value, search_fn *on_found) {
    struct search *search = op_start(ledger, sizeof *search);
    search->op.finish = finish_search;
    search->stream = stream;
    search->field = field;
    search->value = text_copy(value);
    search->after = text_copy(text_of("0"));
    search->on_found = on_found;
    return search;
}

static void on_events_found(struct search *search, enum ledger_outcome outcome,
                            const struct redis_value *entries) {
    struct page_op *page = page_start(search->op.ledger, search->fn.page, search->arg);
    page_end(page, outcome, entries, false);
}

void browse_find(struct ledger *ledger, struct text event_id, browse_page_fn *fn, void *arg) {
    struct search *search = search_start(ledger, "events", "id", event_id, on_events_found);
    search->fn.page = fn;
    search->arg = arg;
    search_on(search);
}

static struct browse_attempt read_attempt(const struct redis_value *entry) {
    uint64_t attempt = 0, status = 0, took_ms = 0;
    text_to_uint(entry_field(entry, "attempt"), UINT32_MAX, &attempt);
    text_to_uint(entry_field(entry, "status"), 999, &status);
    text_to_uint(entry_field(entry, "ms"), INT32_MAX, &took_ms);
    return (struct browse_attempt){
        .log_id = redis_text(redis_item(entry, 0)),
        .service = entry_field(entry, "service"),
        .stream_id = entry_field(entry, "id"),
        .event_id = entry_field(entry, "event"),
        .outcome = entry_field(entry, "outcome"),
        .reason = entry_field(entry, "reason"),
        .attempt = (unsigned)attempt,
        .status = (int)status,
        .took_ms = (int64_t)took_ms,
    };
}

static void on_attempts_found(struct search *search, enum ledger_outcome outcome,
                              const struct redis_value *entries) {
    struct browse_attempts result = {.outcome = outcome};
    struct browse_attempt *items = NULL;
    if (outcome == LEDGER_DONE) {
        items = memory_new(entries->count * sizeof *items);
        for (size_t i = 0; i < entries->count; i++)
            items[i] = read_attempt(redis_item(entries, i));
        result.items = items;
        result.count = entries->count;
    }
    search->fn.attempts(search->arg, &result);
    free(items);
}

void browse_attempts(struct ledger *ledger, struct text event_id, browse_attempts_fn *fn,
                     void *arg) {
    struct search *search = search_start(ledger, "log", "event", event_id, on_attempts_found);
    search->fn.attempts = fn;
    search->arg = arg;
    search_on(search);
}

/* Is an event remembered? */

struct remembers_op {
    struct op op;
    browse_remembers_fn *fn;
    void *arg;
};

static void on_exists(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct remembers_op *op = arg;
    op->fn(op->arg, op_outcome(&op->op, NULL, outcome, reply),
           outcome == REDIS_REPLIED && redis_integer(reply) != 0);
    op_end(&op->op);
}

void browse_remembers(struct ledger *ledger, const char *endpoint, struct text event_id,
                      browse_remembers_fn *fn, void *arg) {
    struct remembers_op *op = op_start(ledger, sizeof *op);
    op->fn = fn;
    op->arg = arg;
    struct command command = {0};
    command_text_of(&command, "EXISTS");
    command_key_of_id(&command, ledger, "seen", text_of(endpoint), event_id);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_exists, op);
}

/* The services */

struct names_op {
    struct op op;
    browse_names_fn *fn;
    void *arg;
};

static int compare_names(const void *a, const void *b) {
    struct text one = *(const struct text *)a, other = *(const struct text *)b;
    size_t shorter = one.size < other.size ? one.size : other.size;
    int order = memcmp(one.data, other.data, shorter);
    return order ? order : (one.size > other.size) - (one.size < other.size);
}

static void on_names(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct names_op *op = arg;
    struct text *names = NULL;
    size_t count = 0;
    if (outcome == REDIS_REPLIED) {
        names = memory_new(reply->count * sizeof *names);
        for (; count < reply->count; count++)
            names[count] = redis_text(redis_item(reply, count));
        qsort(names, count, sizeof *names, compare_names);
    }
    op->fn(op->arg, op_outcome(&op->op, NULL, outcome, reply), names, count);
    free(names);
    op_end(&op->op);
}

void browse_services(struct ledger *ledger, browse_names_fn *fn, void *arg) {
    struct names_op *op = op_start(ledger, sizeof *op);
    op->fn = fn;
    op->arg = arg;
    struct command command = {0};
    command_text_of(&command, "HKEYS");
    command_key(&command, ledger, "places");
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_names, op);
}

/* The stream */

struct stream_op {
    struct op op;
    browse_stream_fn *fn;
    void *arg;
};

static void on_stream(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct stream_op *op = arg;
    struct browse_stream stream = {.outcome = op_outcome(&op->op, NULL, outcome, reply)};
    if (outcome == REDIS_REPLIED) {
        stream.length = redis_integer(redis_item(reply, 0));
        stream.trimmed = redis_integer(redis_item(reply, 1));
        stream.oldest_ago_ms = redis_integer(redis_item(reply, 2));
        stream.newest_ago_ms = redis_integer(redis_item(reply, 3));
    }
    op->fn(op->arg, &stream);
    op_end(&op->op);
}

void browse_stream(struct ledger *ledger, browse_stream_fn *fn, void *arg) {
    struct stream_op *op = op_start(ledger, sizeof *op);
    op->fn = fn;
    op->arg = arg;
    struct command command = {.script = &script_stream_look};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "about");
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_stream, op);
}
