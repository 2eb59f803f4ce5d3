/* A server that does as it is told: it reads whole requests, remembers them,
 * and gives each the next of the answers it was given, bytes as they are. */
#pragma once
#include "base/text.h"
#include "net/loop.h"

struct scripted;
struct ssl_ctx_st;

enum scripted_then {
    SCRIPTED_KEEP,  /* the connection stays for the next request */
    SCRIPTED_CLOSE, /* hangs up after the answer */
};

struct scripted_answer {
    const char *bytes; /* "" stays silent */
    enum scripted_then then;
    const char *flood; /* NULL, or what follows again and again, as long as somebody reads */
};

/* Listens on loopback, or, with a path, on a unix socket; speaks TLS where it is given a
 * context (borrowed). */
struct scripted *scripted_start(struct loop *, const char *path, struct ssl_ctx_st *);
void scripted_stop(struct scripted *);
unsigned scripted_port(const struct scripted *);

/* Borrowed; the last answer stays for all that follow. */
void scripted_script(struct scripted *, const struct scripted_answer *, size_t count);

size_t scripted_connections(const struct scripted *); /* accepted so far */
size_t scripted_requests(const struct scripted *);    /* read so far */
struct text scripted_last(const struct scripted *);   /* the last one, head and body */
