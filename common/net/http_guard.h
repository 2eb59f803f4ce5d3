/* The guard judges one request as it arrives: bytes in, verdicts out, no loop.
 *
 * What it lets through has one meaning only (RFC 9112, read strictly): nothing
 * behind or before us can see another request in the same bytes. It keeps what
 * it read, so a byte is looked at once however the net cuts the stream, and
 * the verdict is the same for every cut. */
#pragma once
#include "net/http_server.h"

enum {
    HTTP_GUARD_HEAD_BYTES = 16 * 1024, /* from the request line to the empty line */
    HTTP_GUARD_HEADERS = 100,
    HTTP_GUARD_EMPTY_LINES = 2, /* before a request line: some clients end a body with CRLF */
};

enum http_guard_verdict {
    HTTP_GUARD_MORE,    /* all bytes are taken, the request is not whole */
    HTTP_GUARD_HEAD,    /* once a request: the head is there; feed the rest to go on */
    HTTP_GUARD_WHOLE,   /* what was not taken belongs to the next request */
    HTTP_GUARD_REFUSED, /* `fault` says why; nothing more may be fed */
};

/* From HEAD on `chunked`, `length`, `close` and `expects_continue` may be read, and
 * `fault` once it has refused; the rest is its own. */
struct http_guard {
    enum http_guard_stage {
        HTTP_GUARD_IN_HEAD,
        HTTP_GUARD_IN_BODY,       /* told by Content-Length */
        HTTP_GUARD_IN_CHUNK_SIZE, /* the line before a chunk */
        HTTP_GUARD_IN_CHUNK,
        HTTP_GUARD_IN_CHUNK_END, /* the CRLF after it */
        HTTP_GUARD_IN_LAST,      /* the empty line that ends a chunked body */
        HTTP_GUARD_DONE,
        HTTP_GUARD_FAULTY,
    } stage;
    enum http_fault fault;
    size_t body_limit;

    struct string head;
    size_t line_at; /* where in `head` the line begins that is still arriving */
    size_t method_size;
    size_t path_size; /* without the query */
    size_t headers_at;
    unsigned header_count;
    unsigned host_count;
    unsigned empty_lines;
    bool version_1_1;
    bool has_length;
    bool chunked;
    bool close; /* HTTP/1.0, or "Connection: close" */
    bool expects_continue;

    struct string body;
    uint64_t length;   /* what Content-Length says */
    uint64_t left;     /* of the body, or of the chunk */
    char line[16 + 2]; /* of the chunked coding, as far as it has arrived */
    size_t line_size;
};

void http_guard_init(struct http_guard *, size_t body_limit);
void http_guard_finish(struct http_guard *);

/* Takes bytes off the front of `input`: to its end, or to where a verdict falls. */
enum http_guard_verdict http_guard_feed(struct http_guard *, struct text *input);

/* Whether anything but empty lines has arrived. */
bool http_guard_begun(const struct http_guard *);

/* From HEAD on; texts live until the guard is finished. */
struct text http_guard_method(const struct http_guard *);
struct text http_guard_path(const struct http_guard *);
/* How many headers there are of that name; *first and *last are empty where there are none. */
size_t http_guard_header(const struct http_guard *, const char *name, struct text *first,
                         struct text *last);

/* What has come of it so far; all of it from WHOLE on. */
struct text http_guard_body(const struct http_guard *);
