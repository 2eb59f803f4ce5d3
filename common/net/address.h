/* Addresses: to listen on, as "127.0.0.1:8443", "[::1]:8080" and "localhost:0"; and those
 * of others. */
#pragma once
#include "base/text.h"

struct sockaddr;

/* Port 0: whichever is free, so that nobody else knows where it listens. */
bool address_is_anywhere(struct text address);

/* Binds and listens, non-blocking and close-on-exec; an IPv6 socket takes
 * IPv4 too where it is bound to [::]. A descriptor, or -1 with a sentence.
 * Port 0 takes a free one. */
int address_listen(struct text address, struct string *why);

/* The same where other processes of our user may listen on it too, if they also ask for it so: the
 * kernel gives each new connection to one of them. A connection that has not been accepted when
 * its listener is closed is reset, so before that comes address_hide. */
int address_listen_beside(struct text address, struct string *why);
/* From now on the listener hears nobody who begins to connect. Whoever does so hears nothing
 * either, tries again after a second, as TCP does, and by then gets to somebody else. Who has
 * begun already is accepted as before. Where the kernel does not know how, nothing happens. */
void address_hide(int descriptor);
/* Is the descriptor bound to just this address, or one of those that the name has? */
bool address_is_bound(struct text address, int descriptor);

enum { ADDRESS_BYTES = 64 };

/* "10.1.2.3:4567", "[2001:db8::1]:4567"; IPv4 within IPv6 as IPv4. */
void address_format(const struct sockaddr *, char text[ADDRESS_BYTES]);
/* The address a socket is bound to, as it is written above. */
void address_format_bound(int descriptor, struct string *);

/* Link-local, or where a cloud tells a machine about itself, its passwords included: what
 * nobody means when he names a service. Also as such an IPv4 address within IPv6. */
bool address_is_guarded(const struct sockaddr *);
