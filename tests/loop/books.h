/* The books: a ledger in a private Redis, and calls that wait for their answer,
 * for the tests of what the ledger does. An answer that does not come in time
 * fails the test. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config.h"
#include "ledger/audit.h"
#include "ledger/moves.h"
#include "redis_house.h"

enum {
    BOOKS_DEADLINE_MS = 5000,
    BOOKS_LEASE_MS = 60000,
    BOOKS_OWED_MOST_MS = 3600000,
    BOOKS_DUE_MOST_MS = 3600000,
    BOOKS_WINDOW_MS = 60000,
    BOOKS_PROBE_MS = 100,
    BOOKS_KEPT = 64,
    BOOKS_MOST = 64, /* taken at once */
};

struct books {
    struct loop *loop;
    struct redis_house *redis;
    struct config config;
    struct ledger *ledger;
    struct loop_timer *deadline;
    bool done;
};

extern struct config_service books_crm; /* eight slots, no filter */

int books_set_up(void **state);
int books_tear_down(void **state);

/* The configuration's strings are its own; a test's are literals. */
char *books_name(const char *literal);
/* A text, beyond the callback that lent it. */
void books_keep(char *to, struct text); /* BOOKS_KEPT bytes */
void books_await(struct books *);       /* until a callback has set `done` */
/* A command to Redis that has to succeed. */
void books_say(struct books *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a call came to, kept beyond its callback. */
struct stored {
    struct books *books;
    enum ledger_stored stored;
    char stream_id[BOOKS_KEPT];
};
struct stored books_append_item(struct books *, const struct ledger_item *, int64_t deadline_ms);
/* The same without waiting: it is filled while the caller awaits. */
void books_send_item(struct books *, const struct ledger_item *, int64_t deadline_ms,
                     struct stored *);
struct stored books_append_body(struct books *, const char *id, const char *type,
                                const char *endpoint, struct text body);
struct stored books_append(struct books *, const char *id, const char *type);

enum ledger_outcome books_open(struct books *, const struct config_service *);
void books_open_service(struct books *, const struct config_service *); /* which has to be DONE */

/* Which was served up to that place. */
void books_open_again(struct books *, const struct config_service *, const char *place);

struct haul {
    struct books *books;
    const char *service;
    struct moves_haul haul; /* its borrowed parts are not to be looked at */
    size_t count;
    struct {
        char stream_id[BOOKS_KEPT], id[BOOKS_KEPT], lease[BOOKS_KEPT], body[BOOKS_KEPT];
        unsigned attempts;
        int64_t first_ms;
    } taken[BOOKS_MOST];
    char place[BOOKS_KEPT];
};
struct haul books_take_as(struct books *, const struct moves_take *);
struct haul books_take_for(struct books *, const struct config_service *, size_t slots,
                           int64_t lease_ms);
struct haul books_take(struct books *, const struct config_service *);
/* Until something is handed out: it comes due by Redis' clock. */
struct haul books_take_when_due(struct books *);

enum moves_settled books_settle_as(struct books *, const struct moves_settle *);
enum moves_settled books_settle_breaker(struct books *, const struct haul *, size_t i,
                                        const char *lease, enum moves_verdict, enum moves_breaker);
enum moves_settled books_settle_with(struct books *, const struct haul *, size_t i,
                                     const char *lease, enum moves_verdict);
enum moves_settled books_settle(struct books *, const struct haul *, size_t i, enum moves_verdict);

struct moves_healed books_heal_as(struct books *, const struct moves_heal *);
struct moves_healed books_heal(struct books *, const char *service);

struct letters { /* the first one's texts */
    struct books *books;
    size_t count;
    char dead_id[BOOKS_KEPT], id[BOOKS_KEPT], origin[BOOKS_KEPT], reason[BOOKS_KEPT],
        body[BOOKS_KEPT];
    unsigned tries;
    bool more; /* behind this page */
    bool found;
};
struct letters books_dead_letters(struct books *); /* of crm */

struct audit_service books_assert_balances(struct books *); /* what it says of crm */
void books_assert_found(struct books *, const char *part);  /* of a finding */
