/* The queue of calls, and what becomes of each when the connection comes and
 * goes.
 *
 *              redis_call          connected             reply
 *   (nothing) ────────────▶ waiting ────────▶ sent ──────────────▶ done
 *                              ▲  ▲            │ │ "not now"
 *                              │  └─ resting ◀─│─┘
 *                              └───────────────┘ connection lost: to the front, in order
 *
 * Replies come in the order of the calls, so `sent` is a queue. A sent call whose
 * deadline passes ends as unknown and stays in its place, with nobody waiting for
 * it. Whatever the deadlines are, a Redis that owes a reply and has said nothing at
 * all for a while is taken for dead: the connection is dropped and made again, and
 * what may be sent again is. */
#include "net/redis.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "net/redis_greeting.h"
#include "net/redis_link.h"
#include "net/redis_protocol.h"
#include "net/redis_refusal.h"
#include "net/redis_url.h"
#include "net/tls.h"

enum {
    PATIENCE_MS = 5000, /* from the first try to connect until all is set up */
    SILENCE_MS = 5000,  /* with a reply owed: then the connection is dead */
    REST_MS = 100,      /* until what was refused for the moment is tried again */
    BACKOFF_FIRST_MS = 50,
    BACKOFF_MOST_MS = 1000,
    BACKOFF_REFUSED_MS = 2000, /* it answers, so nothing is gained by asking it often */
    STEADY_AFTER_MS = 1000,    /* a connection that held so long starts the backoff anew */
};

enum call_place {
    CALL_WAITING,
    CALL_SENT,
    CALL_RESTING,
    CALL_LOST,
    CALL_NOWHERE,
    CALL_PLACES = CALL_NOWHERE
};

struct call {
    TAILQ_ENTRY(call) entry;
    enum call_place place;
    struct redis *redis;
    redis_done_fn *done; /* NULL: nobody waits any more */
    void *arg;
    struct event deadline;
    int64_t until_ms; /* the same, as a time */
    int64_t sent_ms;
    int64_t sent_elapsed_ms; /* the same moment, by the clock for `fresh_ms` */
    int64_t fresh_ms;
    int64_t block_ms; /* for so long it may rightly be without a reply */
    bool repeatable;
    bool nothing_ran;            /* sent, and refused before anything happened */
    bool maybe_ran;              /* sent once before, on a connection that was lost */
    struct redis_value *refusal; /* the last "not now" */
    size_t wire_bytes;
    char wire[];
};
TAILQ_HEAD(calls, call);

enum redis_state { STATE_AWAY, STATE_CONNECTING, STATE_GREETING, STATE_CONNECTED };

struct redis {
    struct loop *loop;
    void (*on_state)(void *arg, bool connected);
    void (*on_refusal)(void *arg, struct text words);
    void *arg;
    struct redis_address address;
    struct redis_link *link;
    struct redis_reader *reader; /* one for each connection */
    enum redis_state state;
    int64_t since_ms; /* connected */
    int64_t heard_ms; /* the last bytes */
    unsigned tries;
    bool refuses; /* so it did when it was last connected to: it is a replica now, or loads */
    struct redis_greeting *greeting;
    size_t greeted; /* replies to it so far */
    struct calls calls[CALL_PLACES];
    struct loop_timer *again, *patience, *silence, *resting;
    struct string trouble;
    unsigned inside; /* callbacks of ours that are running: freeing waits for them */
    bool destroyed;
};

static const struct redis_value nil = {.kind = REDIS_NIL};

/* A callback may destroy the connection it is called for. */
static void enter(struct redis *redis) {
    redis->inside++;
}

static void leave(struct redis *redis);

/* Calls */

static void move(struct call *call, enum call_place place) {
    struct calls *lists = call->redis->calls;
    if (call->place != CALL_NOWHERE)
        TAILQ_REMOVE(&lists[call->place], call, entry);
    call->place = place;
    if (place != CALL_NOWHERE)
        TAILQ_INSERT_TAIL(&lists[place], call, entry);
}

static void move_to_front(struct call *call, enum call_place place) {
    move(call, CALL_NOWHERE);
    call->place = place;
    TAILQ_INSERT_HEAD(&call->redis->calls[place], call, entry);
}

static void call_destroy(struct call *call) {
    move(call, CALL_NOWHERE);
    event_del(&call->deadline);
    redis_value_destroy(call->refusal);
    free(call);
}

static void end(struct call *call, enum redis_outcome outcome, const struct redis_value *value) {
    redis_done_fn *done = call->done;
    /* On no list, so that it outlives a callback that destroys the connection. */
    move(call, CALL_NOWHERE);
    event_del(&call->deadline);
    if (done)
        done(call->arg, outcome, value ? value : &nil);
    call_destroy(call);
}

static void abandon(struct call *call) {
    redis_done_fn *done = call->done;
    call->done = NULL;
    done(call->arg, REDIS_UNKNOWN, &nil);
}

static void drop(struct redis *, const char *what, struct text why);

static void on_silence(void *arg) {
    struct redis *redis = arg;
    enter(redis);
    drop(redis, "does not answer", (struct text){0});
    leave(redis);
}

/* Whenever something was sent or heard. */
static void expect_reply(struct redis *redis) {
    const struct call *first = TAILQ_FIRST(&redis->calls[CALL_SENT]);
    if (!first) {
        loop_timer_cancel(redis->silence);
        return;
    }
    int64_t since_ms = first->sent_ms > redis->heard_ms ? first->sent_ms : redis->heard_ms;
    int64_t left_ms = since_ms + first->block_ms + SILENCE_MS - clock_steady_ms();
    loop_timer_set(redis->silence, left_ms > 0 ? left_ms : 0);
}

static void on_deadline(evutil_socket_t nothing, short what, void *arg) {
    struct call *call = arg;
    struct redis *redis = call->redis;
    (void)nothing;
    (void)what;
    enter(redis);
    if (call->place == CALL_SENT) {
        abandon(call);
    } else if (call->maybe_ran) {
        end(call, REDIS_UNKNOWN, NULL);
    } else if (call->refusal) {
        end(call, REDIS_REFUSED, call->refusal);
    } else {
        end(call, REDIS_UNSENT, NULL);
    }
    leave(redis);
}

static struct call *call_create(struct redis *redis, const struct redis_call *asked) {
    char keys[24];
    const char *digest = asked->script ? asked->script->sha1 : NULL;
    snprintf(keys, sizeof keys, "%zu", asked->key_count);
    const struct text front[] = {text_of("EVALSHA"), text_of(digest), text_of(keys)};
    size_t fronts = asked->script ? 3 : 0;
    assert(!asked->script || (digest[0] && asked->key_count <= asked->count));
    size_t most =
        redis_command_bytes(front, fronts) + redis_command_bytes(asked->args, asked->count);
    struct call *call = memory_new(sizeof *call + most);
    char *to = redis_command_begin(call->wire, fronts + asked->count);
    to = redis_command_add(to, front, fronts);
    to = redis_command_add(to, asked->args, asked->count);
    call->wire_bytes = (size_t)(to - call->wire);
    call->place = CALL_NOWHERE;
    call->redis = redis;
    call->repeatable = asked->repeatable;
    call->block_ms = asked->block_ms;
    call->fresh_ms = asked->fresh_ms;
    evtimer_assign(&call->deadline, loop_base(redis->loop), on_deadline, call);
    return call;
}

static void send_waiting(struct redis *redis) {
    struct call *call;
    if (redis->state != STATE_CONNECTED)
        return;
    while ((call = TAILQ_FIRST(&redis->calls[CALL_WAITING]))) {
        redis_link_send(redis->link, text_slice(call->wire, call->wire_bytes));
        call->nothing_ran = false;
        call->sent_ms = clock_steady_ms();
        call->sent_elapsed_ms = clock_elapsed_ms();
        move(call, CALL_SENT);
    }
    expect_reply(redis);
}

void redis_call(struct redis *redis, const struct redis_call *asked, redis_done_fn *done,
                void *arg) {
    assert(!redis->destroyed && asked->deadline_ms > 0 && done);
    assert(asked->script || asked->count > 0);
    struct call *call = call_create(redis, asked);
    call->done = done;
    call->arg = arg;
    call->until_ms = clock_steady_ms() + asked->deadline_ms;
    event_add(&call->deadline,
              &(struct timeval){asked->deadline_ms / 1000, asked->deadline_ms % 1000 * 1000});
    move(call, CALL_WAITING);
    send_waiting(redis);
}

/* Out of the way of the others; it comes back behind those that wait. */
static void rest(struct call *call) {
    move(call, CALL_RESTING);
    if (!loop_timer_is_set(call->redis->resting))
        loop_timer_set(call->redis->resting, REST_MS);
}

/* A last try right before the deadline could only turn a clear no into "unknown". */
static void on_rested(void *arg) {
    struct redis *redis = arg;
    struct call *call, *next;
    int64_t late_ms = clock_steady_ms() + REST_MS;
    for (call = TAILQ_FIRST(&redis->calls[CALL_RESTING]); call; call = next) {
        next = TAILQ_NEXT(call, entry);
        if (call->until_ms > late_ms)
            move(call, CALL_WAITING);
    }
    send_waiting(redis);
}

/* Losing the connection, and finding it again */

static void on_again(void *arg) {
    struct redis *redis = arg;
    redis->state = STATE_CONNECTING;
    redis->reader = redis_reader_create();
    loop_timer_set(redis->patience, PATIENCE_MS);
    redis_link_open(redis->link);
}

/* Full jitter, so that programs which lost Redis together do not come back together. */
static int64_t backoff_ms(unsigned tries, unsigned most_ms) {
    unsigned ms = tries < 6 ? (unsigned)BACKOFF_FIRST_MS << tries : most_ms;
    return 1 + (int64_t)(random_bits() % (ms < most_ms ? ms : most_ms));
}

/* What was sent and may be sent again stands first in line, in its old order. */
static void take_back_sent(struct redis *redis) {
    struct call *call;
    while ((call = TAILQ_LAST(&redis->calls[CALL_SENT], calls))) {
        bool again = call->done && (call->repeatable || call->nothing_ran);
        call->maybe_ran = call->maybe_ran || !call->nothing_ran;
        move_to_front(call, again ? CALL_WAITING : CALL_LOST);
    }
}

static void set_trouble(struct redis *redis, const char *what, struct text why) {
    string_clear(&redis->trouble);
    if (what) {
        string_add_of(&redis->trouble, "Redis at ");
        redis_address_format(&redis->address, &redis->trouble);
        string_addf(&redis->trouble, " %s", what);
    }
    string_add(&redis->trouble, why);
}

static void tell_state(struct redis *redis, bool connected) {
    if (redis->on_state)
        redis->on_state(redis->arg, connected);
}

static void drop(struct redis *redis, const char *what, struct text why) {
    bool was_connected = redis->state == STATE_CONNECTED;
    struct call *call;
    set_trouble(redis, what, why);
    if (was_connected && clock_steady_ms() - redis->since_ms >= STEADY_AFTER_MS)
        redis->tries = 0;
    redis->state = STATE_AWAY;
    redis_link_close(redis->link);
    redis_reader_destroy(redis->reader);
    redis->reader = NULL;
    loop_timer_cancel(redis->patience);
    loop_timer_cancel(redis->silence);
    loop_timer_set(redis->again, backoff_ms(redis->tries++,
                                            redis->refuses ? BACKOFF_REFUSED_MS : BACKOFF_MOST_MS));
    take_back_sent(redis);
    if (was_connected)
        tell_state(redis, false);
    while ((call = TAILQ_FIRST(&redis->calls[CALL_LOST])))
        end(call, REDIS_UNKNOWN, NULL);
}

static void on_link_down(void *arg, struct text why) {
    struct redis *redis = arg;
    enter(redis);
    drop(redis, NULL, why);
    leave(redis);
}

static void on_patience(void *arg) {
    struct redis *redis = arg;
    enter(redis);
    drop(redis, redis_link_wait(redis->link), (struct text){0});
    leave(redis);
}

/* Coming back */

static void on_link_up(void *arg) {
    struct redis *redis = arg;
    redis->state = STATE_GREETING;
    redis->greeted = 0;
    redis_greeting_add(redis->greeting, redis_link_output(redis->link));
}

static void settle_in(struct redis *redis) {
    loop_timer_cancel(redis->patience);
    redis->state = STATE_CONNECTED;
    redis->refuses = false;
    redis->since_ms = clock_steady_ms();
    string_clear(&redis->trouble);
    tell_state(redis, true);
    send_waiting(redis);
}

static void on_greeting_reply(struct redis *redis, const struct redis_value *reply) {
    struct string why = {0};
    if (!redis_greeting_check(redis->greeting, redis->greeted++, reply, &why))
        drop(redis, "", string_text(&why));
    else if (redis->greeted == redis_greeting_count(redis->greeting))
        settle_in(redis);
    string_finish(&why);
}

/* Replies */

static void on_refused(struct redis *redis, struct call *call, struct redis_value **reply) {
    struct text words = (*reply)->text;
    enum redis_refusal refusal = redis_refusal_of(words);
    bool may_again = call->repeatable || refusal == REDIS_REFUSAL_NO_SCRIPT;
    if (refusal == REDIS_REFUSAL_FINAL || !call->done || !may_again) {
        end(call, REDIS_REFUSED, *reply);
    } else {
        redis_value_destroy(call->refusal);
        call->refusal = *reply;
        *reply = NULL;
        call->nothing_ran = true;
        if (refusal == REDIS_REFUSAL_REST)
            rest(call);
        if (refusal == REDIS_REFUSAL_REST && redis->on_refusal)
            redis->on_refusal(redis->arg, words);
    }
    bool reconnect = refusal == REDIS_REFUSAL_RECONNECT || refusal == REDIS_REFUSAL_NO_SCRIPT;
    /* A call that stays is still the first of the sent: with the others it goes to the front. */
    if (!reconnect || redis->state != STATE_CONNECTED)
        return;
    if (refusal == REDIS_REFUSAL_RECONNECT) {
        redis->refuses = true;
        redis_greeting_ask_for_writes(redis->greeting);
    }
    drop(redis, "says: ", words);
}

/* It may have lain in the socket while this process was frozen. */
static bool is_stale(const struct call *call) {
    return call->fresh_ms && clock_elapsed_ms() - call->sent_elapsed_ms > call->fresh_ms;
}

static void on_reply(struct redis *redis, struct redis_value **reply) {
    struct call *call = TAILQ_FIRST(&redis->calls[CALL_SENT]);
    if (redis->state == STATE_GREETING)
        on_greeting_reply(redis, *reply);
    else if (!call)
        drop(redis, "sends what nobody asked for", (struct text){0});
    else if ((*reply)->kind == REDIS_ERROR)
        on_refused(redis, call, reply);
    else if (is_stale(call))
        end(call, REDIS_UNKNOWN, NULL);
    else
        end(call, REDIS_REPLIED, *reply);
}

/* Dropping or destroying the connection takes the reader away. */
static void take_replies(struct redis *redis) {
    while (redis->reader) {
        struct redis_value *reply = NULL;
        enum redis_read read = redis_reader_next(redis->reader, &reply);
        if (read == REDIS_READ_MORE)
            return;
        if (read == REDIS_READ_BROKEN)
            drop(redis, "does not speak Redis' protocol", (struct text){0});
        else
            on_reply(redis, &reply);
        redis_value_destroy(reply);
    }
}

static void on_link_bytes(void *arg, struct evbuffer *input) {
    struct redis *redis = arg;
    enter(redis);
    redis->heard_ms = clock_steady_ms();
    while (redis->reader && evbuffer_get_length(input)) {
        size_t size = evbuffer_get_contiguous_space(input);
        if (size > REDIS_READ_PIECE)
            size = REDIS_READ_PIECE;
        redis_reader_feed(redis->reader,
                          text_slice((const char *)evbuffer_pullup(input, (ev_ssize_t)size), size));
        evbuffer_drain(input, size);
        take_replies(redis);
    }
    expect_reply(redis);
    leave(redis);
}

/* Create and destroy */

bool redis_connected(const struct redis *redis) {
    return redis->state == STATE_CONNECTED;
}

struct text redis_trouble(const struct redis *redis) {
    return string_text(&redis->trouble);
}

struct redis *redis_create(struct loop *loop, const struct redis_options *options,
                           struct string *why) {
    struct redis_address address;
    struct ssl_ctx_st *tls = NULL;
    if (!redis_url_parse(options->url, &address, why))
        return NULL;
    if (address.tls && !(tls = tls_client_create(options->ca_file, why))) {
        redis_address_finish(&address);
        return NULL;
    }
    struct redis *redis = memory_new(sizeof *redis);
    *redis = (struct redis){.loop = loop,
                            .address = address,
                            .on_state = options->on_state,
                            .on_refusal = options->on_refusal,
                            .arg = options->arg};
    for (size_t i = 0; i < CALL_PLACES; i++)
        TAILQ_INIT(&redis->calls[i]);
    redis->greeting = redis_greeting_create(options, address.database);
    redis->link = redis_link_create(
        loop, &redis->address, tls,
        &(struct redis_link_events){
            .arg = redis, .on_up = on_link_up, .on_bytes = on_link_bytes, .on_down = on_link_down});
    redis->again = loop_timer_create(loop, on_again, redis);
    redis->patience = loop_timer_create(loop, on_patience, redis);
    redis->silence = loop_timer_create(loop, on_silence, redis);
    redis->resting = loop_timer_create(loop, on_rested, redis);
    set_trouble(redis, "is not connected yet", (struct text){0});
    on_again(redis);
    return redis;
}

static void finish(struct redis *redis) {
    redis_link_destroy(redis->link);
    loop_timer_destroy(redis->again);
    loop_timer_destroy(redis->patience);
    loop_timer_destroy(redis->silence);
    loop_timer_destroy(redis->resting);
    redis_greeting_destroy(redis->greeting);
    redis_address_finish(&redis->address);
    string_finish(&redis->trouble);
    free(redis);
}

static void leave(struct redis *redis) {
    if (--redis->inside == 0 && redis->destroyed)
        finish(redis);
}

void redis_destroy(struct redis *redis) {
    struct call *call;
    if (!redis)
        return;
    for (size_t i = 0; i < CALL_PLACES; i++)
        while ((call = TAILQ_FIRST(&redis->calls[i])))
            call_destroy(call);
    redis->state = STATE_AWAY;
    redis_link_close(redis->link);
    redis_reader_destroy(redis->reader);
    redis->reader = NULL;
    loop_timer_cancel(redis->again);
    loop_timer_cancel(redis->patience);
    loop_timer_cancel(redis->silence);
    loop_timer_cancel(redis->resting);
    redis->destroyed = true;
    if (redis->inside == 0)
        finish(redis);
}
