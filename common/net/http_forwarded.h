/* X-Forwarded-For: the client that a proxy of ours speaks for. For logs only,
 * since anybody can write one. */
#pragma once
#include "base/network.h"

/* Of the header's list, which each proxy adds to at its end, the last address that is
 * none of the trusted proxies'; empty where that is no address. */
struct text http_forwarded_client(struct text list, const struct network *trusted, size_t count);

/* Is the peer, "10.1.2.3:4567", one of the trusted? */
bool http_forwarded_trusts(struct text peer, const struct network *trusted, size_t count);
