/* Addresses to listen on: "127.0.0.1:8443", "[::1]:8080", "localhost:0". */
#pragma once
#include "base/text.h"

/* Binds and listens, non-blocking and close-on-exec; an IPv6 socket takes
 * IPv4 too where it is bound to [::]. A descriptor, or -1 with a sentence.
 * Port 0 takes a free one. */
int address_listen(struct text address, struct string *why);

/* The address a socket is bound to, as it is written above. */
void address_format_bound(int descriptor, struct string *);
