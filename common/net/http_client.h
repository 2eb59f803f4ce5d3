/* HTTP requests to others, over libcurl's multi interface on the loop.
 *
 * Connections are kept and reused, certificates and host names verified,
 * redirects never followed, "Expect: 100-continue" never sent. Only what the
 * caller asks for is sent; an answer's body is dropped unless the caller wants
 * it. What is no whole answer is none: headers over 64 KiB, a body over 1 MiB,
 * a 204 that has one. The one file that names libcurl. */
#pragma once
#include "base/text.h"
#include "net/loop.h"

struct http_client;
struct http_request; /* one in flight */

enum http_outcome {
    HTTP_ANSWERED,
    HTTP_FAILED,  /* no answer: `error` says why, in libcurl's words and without the body */
    HTTP_STOPPED, /* the client was destroyed */
};

struct http_result {
    enum http_outcome outcome;
    int status;             /* ANSWERED */
    struct text body;       /* ANSWERED, at most keep_bytes of it; until the callback returns */
    const char *error;      /* FAILED */
    int64_t retry_after_ms; /* ANSWERED: from Retry-After, seconds or date; 0 where there is none */
    int64_t took_ms;
    struct http_request *request; /* for http_result_header */
};

/* Of an answer, until the callback returns; empty where there is no such header. */
struct text http_result_header(const struct http_result *, const char *name);
typedef void http_done_fn(void *arg, const struct http_result *);

struct http_call {
    const char *method; /* "POST", "GET" */
    const char *url;    /* http or https, no other scheme; http+unix:///path.sock:/target too */
    const char *const *headers; /* "Name: value", NULL-terminated */
    struct text body;           /* lent until the callback comes */
    int timeout_ms;             /* the whole exchange */
    int connect_timeout_ms;
    size_t keep_bytes;   /* of the answer's body, 1 MiB at most; 0: none */
    const char *ca_file; /* NULL: the system's */
    /* PEM, lent until the callback has returned; empty: none. A connection that was made with
     * other ones is not reused. */
    struct text ca; /* in place of a file */
    struct text client_certificate, client_key;
    bool link_local; /* may go to addresses that address_is_guarded */
    bool once;       /* over a new connection: libcurl sends a second time, by itself, what a kept
                        one turns out to have lost */
};

struct http_client *http_client_create(struct loop *);
void http_client_destroy(struct http_client *); /* ends what is in flight as STOPPED */

/* What is not lent is borrowed until the call returns. */
void http_client_send(struct http_client *, const struct http_call *, http_done_fn *, void *arg);
