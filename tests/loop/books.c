#include "books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ledger/dead.h"

struct config_service books_crm = {.concurrency = 8};

void books_keep(char *to, struct text text) {
    size_t size = text.size < BOOKS_KEPT - 1 ? text.size : BOOKS_KEPT - 1;
    if (size)
        memcpy(to, text.data, size);
    to[size] = '\0';
}

char *books_name(const char *literal) {
    return (char *)(uintptr_t)literal;
}

static void on_deadline(void *arg) {
    (void)arg;
    fail_msg("nothing came before the deadline");
}

void books_await(struct books *books) {
    loop_timer_set(books->deadline, 2 * BOOKS_DEADLINE_MS);
    while (!books->done)
        loop_turn(books->loop);
    loop_timer_cancel(books->deadline);
    books->done = false;
}

static struct books *build(const char *const *redis_args) {
    struct books *books = memory_new(sizeof *books);
    struct string why = {0};
    books->loop = loop_create();
    books->redis = redis_house_start(redis_args);
    books->config.redis.url = strdup(redis_house_url(books->redis));
    books->config.redis.prefix = strdup("kula");
    books->ledger = ledger_create(books->loop, &books->config, "test", NULL, NULL, &why);
    books->deadline = loop_timer_create(books->loop, on_deadline, NULL);
    assert_non_null(books->ledger);
    return books;
}

int books_set_up(void **state) {
    books_crm.name = books_name("crm");
    *state = build(NULL);
    return 0;
}

int books_tear_down(void **state) {
    struct books *books = *state;
    ledger_destroy(books->ledger);
    loop_timer_destroy(books->deadline);
    loop_destroy(books->loop);
    redis_house_stop(books->redis);
    free(books->config.redis.url);
    free(books->config.redis.prefix);
    free(books);
    return 0;
}

static void on_stored(void *arg, const struct ledger_appended *appended) {
    struct stored *stored = arg;
    stored->stored = appended->stored;
    books_keep(stored->stream_id, appended->stream_id);
    stored->books->done = true;
}

void books_send_item(struct books *books, const struct ledger_item *item, int64_t deadline_ms,
                     struct stored *stored) {
    *stored = (struct stored){.books = books};
    ledger_append(books->ledger, item, deadline_ms, on_stored, stored);
}

struct stored books_append_item(struct books *books, const struct ledger_item *item,
                                int64_t deadline_ms) {
    struct stored stored;
    books_send_item(books, item, deadline_ms, &stored);
    books_await(books);
    return stored;
}

struct stored books_append_body(struct books *books, const char *id, const char *type,
                                const char *endpoint, struct text body) {
    struct ledger_item item = {
        .event = {.id = text_of(id),
                  .type = text_of(type),
                  .endpoint = text_of(endpoint),
                  .account = text_of("12345"),
                  .created = text_of("2025-01-15T10:30:00Z"),
                  .trace = text_of("0123456789abcdef0123456789abcdef"),
                  .received_ms = 1736937000123,
                  .body = body},
        .window_ms = BOOKS_WINDOW_MS,
    };
    return books_append_item(books, &item, BOOKS_DEADLINE_MS);
}

struct stored books_append(struct books *books, const char *id, const char *type) {
    return books_append_body(books, id, type, "kula", text_of("{\"data\":{}}"));
}

struct opened {
    struct books *books;
    enum ledger_outcome outcome;
};

static void on_opened(void *arg, enum ledger_outcome outcome) {
    struct opened *opened = arg;
    opened->outcome = outcome;
    opened->books->done = true;
}

static enum ledger_outcome open_at(struct books *books, const struct config_service *service,
                                   const char *place) {
    struct opened opened = {.books = books};
    moves_open(books->ledger, &(struct moves_start){service, text_of(place)}, 1, BOOKS_DEADLINE_MS,
               on_opened, &opened);
    books_await(books);
    return opened.outcome;
}

enum ledger_outcome books_open(struct books *books, const struct config_service *service) {
    return open_at(books, service, NULL);
}

void books_open_again(struct books *books, const struct config_service *service,
                      const char *place) {
    assert_int_equal(open_at(books, service, place), LEDGER_DONE);
}

void books_open_service(struct books *books, const struct config_service *service) {
    assert_int_equal(books_open(books, service), LEDGER_DONE);
}

static void on_haul(void *arg, const struct moves_haul *haul) {
    struct haul *kept = arg;
    kept->haul = *haul;
    kept->count = haul->count;
    assert_true(haul->count <= BOOKS_MOST);
    books_keep(kept->place, haul->place);
    for (size_t i = 0; i < haul->count; i++) {
        const struct moves_taken *taken = &haul->taken[i];
        books_keep(kept->taken[i].stream_id, taken->event.stream_id);
        books_keep(kept->taken[i].id, taken->event.id);
        books_keep(kept->taken[i].lease, taken->lease);
        books_keep(kept->taken[i].body, taken->event.body);
        kept->taken[i].attempts = taken->attempts;
        kept->taken[i].first_ms = taken->first_ms;
    }
    kept->books->done = true;
}

struct haul books_take_as(struct books *books, const struct moves_take *what) {
    struct haul haul = {.books = books, .service = what->service->name};
    moves_take(books->ledger, what, on_haul, &haul);
    books_await(books);
    assert_int_equal(haul.haul.outcome, LEDGER_DONE);
    return haul;
}

struct haul books_take_for(struct books *books, const struct config_service *service, size_t slots,
                           int64_t lease_ms) {
    return books_take_as(books, &(struct moves_take){service, slots, slots, lease_ms,
                                                     BOOKS_OWED_MOST_MS, BOOKS_DEADLINE_MS});
}

struct haul books_take(struct books *books, const struct config_service *service) {
    return books_take_for(books, service, 8, BOOKS_LEASE_MS);
}

struct settled {
    struct books *books;
    enum moves_settled settled;
};

static void on_settled(void *arg, enum moves_settled how) {
    struct settled *settled = arg;
    settled->settled = how;
    settled->books->done = true;
}

enum moves_settled books_settle_as(struct books *books, const struct moves_settle *what) {
    struct settled settled = {.books = books};
    moves_settle(books->ledger, what, on_settled, &settled);
    books_await(books);
    return settled.settled;
}

enum moves_settled books_settle_breaker(struct books *books, const struct haul *haul, size_t i,
                                        const char *lease, enum moves_verdict verdict,
                                        enum moves_breaker breaker) {
    return books_settle_as(books, &(struct moves_settle){
                                      .service = haul->service,
                                      .stream_id = text_of(haul->taken[i].stream_id),
                                      .lease = text_of(lease),
                                      .event_id = text_of(haul->taken[i].id),
                                      .verdict = verdict,
                                      .delay_ms = 50,
                                      .breaker = breaker,
                                      .probe_in_ms = BOOKS_PROBE_MS,
                                      .reason = "answered",
                                      .status = verdict == MOVES_DONE ? 200 : 500,
                                      .took_ms = 7,
                                      .deadline_ms = BOOKS_DEADLINE_MS,
                                  });
}

enum moves_settled books_settle_with(struct books *books, const struct haul *haul, size_t i,
                                     const char *lease, enum moves_verdict verdict) {
    return books_settle_breaker(books, haul, i, lease, verdict, MOVES_BREAKER_AS_IS);
}

enum moves_settled books_settle(struct books *books, const struct haul *haul, size_t i,
                                enum moves_verdict verdict) {
    return books_settle_with(books, haul, i, haul->taken[i].lease, verdict);
}

struct healed {
    struct books *books;
    struct moves_healed healed;
};

static void on_healed(void *arg, const struct moves_healed *told) {
    struct healed *healed = arg;
    healed->healed = *told;
    healed->books->done = true;
}

struct moves_healed books_heal_as(struct books *books, const struct moves_heal *what) {
    struct healed healed = {.books = books};
    moves_heal(books->ledger, what, on_healed, &healed);
    books_await(books);
    assert_int_equal(healed.healed.outcome, LEDGER_DONE);
    return healed.healed;
}

struct moves_healed books_heal(struct books *books, const char *service) {
    return books_heal_as(
        books, &(struct moves_heal){service, BOOKS_LEASE_MS, BOOKS_DUE_MOST_MS, BOOKS_DEADLINE_MS});
}

/* The audit's findings as one text, empty where it balances. */
struct audited {
    struct books *books;
    struct string findings;
    struct audit_service crm;
};

static void on_audited(void *arg, const struct audit_report *report) {
    struct audited *audited = arg;
    assert_int_equal(report->outcome, LEDGER_DONE);
    for (size_t i = 0; i < report->finding_count; i++)
        string_addf(&audited->findings, "%s\n", report->findings[i]);
    for (size_t i = 0; i < report->service_count; i++)
        if (strcmp(report->services[i].name, "crm") == 0)
            audited->crm = report->services[i];
    audited->books->done = true;
}

struct audit_service books_assert_balances(struct books *books) {
    struct audited audited = {.books = books};
    audit_run(books->ledger, on_audited, &audited);
    books_await(books);
    if (audited.findings.size)
        fail_msg("%s", audited.findings.data);
    return audited.crm;
}

void books_assert_found(struct books *books, const char *part) {
    struct audited audited = {.books = books};
    audit_run(books->ledger, on_audited, &audited);
    books_await(books);
    if (!audited.findings.size || !strstr(audited.findings.data, part))
        fail_msg("expected \"%s\" among:\n%s", part,
                 audited.findings.size ? audited.findings.data : "(nothing)");
    string_finish(&audited.findings);
}

void books_say(struct books *books, const char *format, ...) {
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    const char *reply = redis_house_say(books->redis, command);
    if (reply[0] == '-')
        fail_msg("%s: %s", command, reply);
}

static void on_letters(void *arg, const struct dead_page *page) {
    struct letters *letters = arg;
    letters->count = page->count;
    letters->more = page->more;
    if (page->count) {
        const struct dead_letter *letter = &page->items[0];
        books_keep(letters->dead_id, letter->dead_id);
        books_keep(letters->id, letter->event.id);
        books_keep(letters->origin, letter->event.stream_id);
        books_keep(letters->reason, letter->reason);
        books_keep(letters->body, letter->event.body);
        letters->tries = letter->tries;
    }
    letters->books->done = true;
}

struct letters books_dead_letters(struct books *books) {
    struct letters letters = {.books = books};
    dead_after(books->ledger, "crm", text_of("0"), 10, on_letters, &letters);
    books_await(books);
    return letters;
}

struct haul books_take_when_due(struct books *books) {
    for (;;) {
        struct haul haul = books_take(books, &books_crm);
        if (haul.count)
            return haul;
        assert_true(haul.haul.next_due_in_ms >= 0);
    }
}
