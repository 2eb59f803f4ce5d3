/* Where Redis is: redis://HOST[:PORT][/DB], rediss:// for TLS, and
 * unix:///PATH[?db=N]. Strict, for a URL half understood is a wrong database. */
#pragma once
#include "base/text.h"

struct redis_address {
    bool tls;
    char *path; /* of the unix socket; NULL: host and port */
    char *host; /* a name, IPv4, or IPv6 without brackets */
    uint16_t port;
    unsigned database;
};

/* False with a sentence, which never repeats the URL: it might hold a password. */
bool redis_url_parse(const char *url, struct redis_address *, struct string *why);
void redis_address_finish(struct redis_address *);
void redis_address_format(const struct redis_address *,
                          struct string *); /* "[::1]:6379", "/run/redis.sock" */
