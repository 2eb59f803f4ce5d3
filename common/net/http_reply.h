/* A reply is what a server answers us; what we answer others is an http_answer.
 * What of one is taken, and what is none: headers over 64 KiB, a body over 1 MiB,
 * a 204 that has one, a 101. Told as its pieces come. */
#pragma once
#include "base/text.h"

enum { HTTP_REPLY_MOST_HEAD = 64 * 1024, HTTP_REPLY_MOST_BODY = 1024 * 1024 };

struct http_reply {                /* begins with all but keep_bytes zero */
    size_t keep_bytes;             /* of its body */
    size_t head_bytes, body_bytes; /* so far */
    struct string body;
    bool head_whole;
    const char *problem; /* why it is none; NULL: it may be one */
};

struct http_reply_framing {     /* how its headers say where it ends */
    const char *content_length; /* NULL: there is none */
    bool transfer_encoding;
};

/* A line of its headers; false where there is a problem now, as of the others. */
bool http_reply_add_head(struct http_reply *, size_t line_bytes);
/* The blank line behind them. Those of a 100 Continue come before others. */
bool http_reply_end_head(struct http_reply *, int status, struct http_reply_framing);
bool http_reply_add_body(struct http_reply *, struct text piece);
void http_reply_finish(struct http_reply *);
