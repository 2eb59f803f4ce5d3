/* Addresses and networks of IPv4 and IPv6 as values: "10.0.0.0/8", "2001:db8::/32",
 * "::1". IPv4 within IPv6 is IPv4. */
#pragma once
#include "base/text.h"

struct ip {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct network {
    struct ip ip;
    unsigned bits; /* of the sixteen bytes that are the same for all of it */
};

/* "192.0.2.1" or "2001:db8::1". */
bool ip_parse(struct text, struct ip *);
/* The same, perhaps with its port: "192.0.2.1:4567", "[2001:db8::1]", "[2001:db8::1]:4567". */
bool ip_parse_with_port(struct text, struct ip *);

/* Without "/BITS" it is that address alone. Bits beyond the network's may not be set. */
bool network_parse(struct text, struct network *);
bool network_holds(const struct network *, const struct ip *);
