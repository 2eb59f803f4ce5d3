/* What of an answer is taken, and what is none: headers over 64 KiB, a body over
 * 1 MiB, a 204 that has one, a 101. Told as its pieces come. */
#pragma once
#include "base/text.h"

enum { HTTP_ANSWER_MOST_HEAD = 64 * 1024, HTTP_ANSWER_MOST_BODY = 1024 * 1024 };

struct http_answer {               /* begins with all but keep_bytes zero */
    size_t keep_bytes;             /* of its body */
    size_t head_bytes, body_bytes; /* so far */
    struct string body;
    bool head_whole;
    const char *problem; /* why it is none; NULL: it may be one */
};

struct http_answer_framing {    /* how its headers say where it ends */
    const char *content_length; /* NULL: there is none */
    bool transfer_encoding;
};

/* A line of its headers; false where there is a problem now, as of the others. */
bool http_answer_add_head(struct http_answer *, size_t line_bytes);
/* The blank line behind them. Those of a 100 Continue come before others. */
bool http_answer_end_head(struct http_answer *, int status, struct http_answer_framing);
bool http_answer_add_body(struct http_answer *, struct text piece);
void http_answer_finish(struct http_answer *);
