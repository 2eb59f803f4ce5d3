/* A connection to Redis that keeps coming back.
 *
 * Calls made while it is away wait for it, in order, each for as long as its
 * deadline allows. hiredis' reader understands the replies (redis_protocol.c,
 * the one file that names it); the socket, TLS and reconnecting are libevent's
 * and ours, because hiredis' own asynchronous layer has neither time-outs nor
 * safe lifetimes in the versions that Debian 12 and 13 carry. */
#pragma once
#include "base/secret.h"
#include "net/loop.h"

struct redis;

enum redis_kind { REDIS_NIL, REDIS_INTEGER, REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_ARRAY };

/* A reply, with its inside; borrowed until the callback returns. */
struct redis_value {
    enum redis_kind kind;
    int64_t integer;
    struct text text; /* TEXT, STATUS, ERROR */
    const struct redis_value *items;
    size_t count;
};

/* Item i of an array; a NIL where there is none, so that readers need not count. */
const struct redis_value *redis_item(const struct redis_value *, size_t i);
struct text redis_text(const struct redis_value *); /* empty unless it is one */
int64_t redis_integer(const struct redis_value *);  /* also of a text of digits; else 0 */

enum redis_outcome {
    REDIS_REPLIED, /* anything but an error */
    REDIS_REFUSED, /* an error reply: the value says which */
    REDIS_UNSENT,  /* the deadline passed before it could be sent: it did not happen */
    REDIS_UNKNOWN, /* sent, and no reply: it may have happened */
};
typedef void redis_done_fn(void *arg, enum redis_outcome, const struct redis_value *);

/* A Lua script, run by its digest. Every connection loads all scripts before
 * anything else is sent. Static; redis fills in the digest. */
struct redis_script {
    const char *name;
    const char *source;
    char sha1[41];
};

struct redis_call {
    struct redis_script *script; /* NULL: a command, args[0] is its name */
    size_t key_count;            /* of a script's args, how many are keys */
    const struct text *args;     /* borrowed until the call returns */
    size_t count;
    int64_t deadline_ms; /* from now; must be > 0 */
    /* Of a command that blocks, how long; else 0. Beyond that a Redis that owes a reply and is
     * silent for seconds is taken for dead, and the connection made again. */
    int64_t block_ms;
    /* For so long after it was sent its reply is worth something: one that is read later ends as
     * UNKNOWN. By a clock that goes on while the machine is suspended. 0: always. */
    int64_t fresh_ms;
    /* May be sent again when the connection is lost before the reply, or the
     * server says that it cannot for the moment (redis_refusal.c has the words): then it never ends
     * as UNKNOWN before its deadline, and there as REFUSED with the last such error, unless it is
     * on its way once more. A script that the server does not know never ran: it is sent again in
     * any case. */
    bool repeatable;
};

/* A field of a hash by which programs of different versions know each other. */
struct redis_mark {
    const char *key, *field; /* NULL: there is none */
    const char *value;       /* what it has to hold, where it holds anything */
};

struct redis_options {
    const char *url;                     /* redis://HOST:PORT/DB rediss://... unix:///PATH?db=N */
    const char *user;                    /* NULL: none */
    const struct secret *password;       /* NULL: none; must live as long as the connection */
    const char *ca_file;                 /* for rediss */
    const char *name;                    /* CLIENT SETNAME */
    struct redis_script *const *scripts; /* NULL-terminated, or NULL */
    struct redis_mark mark;              /* where that has another value, Redis counts as away */
    void (*on_state)(void *arg, bool connected); /* NULL, or told at each change */
    /* NULL, or told why a call has to wait though Redis is there. */
    void (*on_refusal)(void *arg, struct text words);
    void *arg;
};

/* Is this a URL that redis_create takes? False with a sentence. */
bool redis_url_valid(const char *url, struct string *why);

/* Starts to connect at once; being away is not an error. NULL, with a sentence,
 * only for what no retry can mend: a bad URL, a CA file that cannot be read. */
struct redis *redis_create(struct loop *, const struct redis_options *, struct string *why);
void redis_call(struct redis *, const struct redis_call *, redis_done_fn *, void *arg);
bool redis_connected(const struct redis *);
struct text
redis_trouble(const struct redis *); /* why it is away, for people; empty when connected */
void redis_destroy(struct redis *);  /* callbacks of what is open do not come */
