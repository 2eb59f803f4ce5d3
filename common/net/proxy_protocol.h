/* What a proxy says first about whom it speaks for: the PROXY protocol, version
 * 1 (a line of text) and 2 (binary). Bytes in, verdict out, however they are cut.
 *
 * What it says is believed where a listener is told to believe it, and only for
 * logs. A version 2 header longer than PROXY_PROTOCOL_MOST is none. */
#pragma once
#include <sys/socket.h>

#include "base/text.h"

enum { PROXY_PROTOCOL_MOST = 4096, PROXY_PROTOCOL_KEPT = 108 };

enum proxy_protocol_verdict {
    PROXY_PROTOCOL_MORE,   /* all bytes are taken, it is not whole */
    PROXY_PROTOCOL_WHOLE,  /* what was not taken is the client's */
    PROXY_PROTOCOL_BROKEN, /* not this protocol; nothing more may be fed */
};

/* Begins as {0}. */
struct proxy_protocol {
    char bytes[PROXY_PROTOCOL_KEPT]; /* the first of them, as they came */
    size_t size;                     /* that were taken */
    /* From WHOLE on; family AF_UNSPEC: it does not say, or speaks for itself. */
    struct sockaddr_storage source;
};

/* Takes bytes off the front of `input`: to its end, or to where a verdict falls. */
enum proxy_protocol_verdict proxy_protocol_feed(struct proxy_protocol *, struct text *input);
