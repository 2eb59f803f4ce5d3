#include "net/redis_url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "net/redis.h"

enum { DEFAULT_PORT = 6379, MOST_DATABASES = 1000000 };

static bool wrong(struct string *why, const char *sentence) {
    string_add_of(why, sentence);
    return false;
}

static bool parse_database(struct text digits, struct redis_address *address, struct string *why) {
    uint64_t database;
    if (!text_to_uint(digits, MOST_DATABASES, &database))
        return wrong(why, "the database has to be a number, as in redis://127.0.0.1:6379/0 or "
                          "unix:///run/redis.sock?db=0");
    address->database = (unsigned)database;
    return true;
}

static bool parse_port(struct text digits, struct redis_address *address, struct string *why) {
    uint64_t port;
    if (!text_to_uint(digits, UINT16_MAX, &port) || port == 0)
        return wrong(why, "the port has to be a number from 1 to 65535");
    address->port = (uint16_t)port;
    return true;
}

static bool is_host_name(struct text host) {
    for (size_t i = 0; i < host.size; i++) {
        char c = host.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_';
        if (!good)
            return false;
    }
    return host.size > 0 && host.size < 254;
}

/* "[::1]:6380": what stands in brackets, the rest left behind. */
static bool parse_ipv6(struct text *rest, struct redis_address *address, struct string *why) {
    struct in6_addr unused;
    struct text inside = text_slice(rest->data + 1, rest->size - 1);
    const char *end = memchr(inside.data, ']', inside.size);
    if (!end)
        return wrong(why, "an IPv6 address stands in brackets, as in redis://[::1]:6379");
    inside.size = (size_t)(end - inside.data);
    address->host = text_copy(inside);
    if (inet_pton(AF_INET6, address->host, &unused) != 1)
        return wrong(why, "what stands in brackets is not an IPv6 address");
    size_t passed = inside.size + 2;
    *rest = text_slice(rest->data + passed, rest->size - passed);
    return true;
}

static bool parse_name(struct text *rest, struct redis_address *address, struct string *why) {
    const char *colon = memchr(rest->data, ':', rest->size);
    struct text name = text_slice(rest->data, colon ? (size_t)(colon - rest->data) : rest->size);
    if (!is_host_name(name))
        return wrong(why, "the host has to be a name, an IPv4 address or an [IPv6] address");
    address->host = text_copy(name);
    *rest = text_slice(rest->data + name.size, rest->size - name.size);
    return true;
}

static bool parse_tcp(struct text rest, struct redis_address *address, struct string *why) {
    if (memchr(rest.data, '@', rest.size))
        return wrong(why, "user and password do not belong into the URL: use redis.user and "
                          "redis.password_file");
    bool has_database = memchr(rest.data, '/', rest.size) != NULL;
    struct text place = text_cut(&rest, '/');
    address->port = DEFAULT_PORT;
    bool good = text_starts(place, "[") ? parse_ipv6(&place, address, why)
                                        : parse_name(&place, address, why);
    if (!good)
        return false;
    if (place.size && place.data[0] != ':')
        return wrong(why, "between host and port stands a colon");
    if (place.size && !parse_port(text_slice(place.data + 1, place.size - 1), address, why))
        return false;
    return !has_database || parse_database(rest, address, why);
}

static bool parse_unix(struct text rest, struct redis_address *address, struct string *why) {
    struct sockaddr_un limits;
    bool has_query = memchr(rest.data, '?', rest.size) != NULL;
    struct text path = text_cut(&rest, '?');
    if (path.size < 2 || path.data[0] != '/')
        return wrong(why, "a unix socket is written with its whole path: unix:///run/redis.sock");
    if (path.size >= sizeof limits.sun_path)
        return wrong(why, "the path of a unix socket has at most 107 bytes");
    address->path = text_copy(path);
    if (!has_query)
        return true;
    if (!text_starts(rest, "db="))
        return wrong(why, "after the path only ?db=NUMBER may stand");
    return parse_database(text_slice(rest.data + 3, rest.size - 3), address, why);
}

bool redis_url_parse(const char *url, struct redis_address *address, struct string *why) {
    static const struct {
        const char *scheme;
        bool tls;
        bool (*parse)(struct text, struct redis_address *, struct string *);
    } rows[] = {
        {"redis://", false, parse_tcp},
        {"rediss://", true, parse_tcp},
        {"unix://", false, parse_unix},
    };
    struct text whole = text_of(url);
    *address = (struct redis_address){0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!text_starts(whole, rows[i].scheme))
            continue;
        size_t scheme = strlen(rows[i].scheme);
        address->tls = rows[i].tls;
        if (rows[i].parse(text_slice(whole.data + scheme, whole.size - scheme), address, why))
            return true;
        redis_address_finish(address);
        return false;
    }
    return wrong(why, "a Redis URL begins with redis://, rediss:// or unix://");
}

void redis_address_finish(struct redis_address *address) {
    free(address->path);
    free(address->host);
    *address = (struct redis_address){0};
}

void redis_address_format(const struct redis_address *address, struct string *out) {
    if (address->path)
        string_add_of(out, address->path);
    else if (strchr(address->host, ':'))
        string_addf(out, "[%s]:%u", address->host, (unsigned)address->port);
    else
        string_addf(out, "%s:%u", address->host, (unsigned)address->port);
}

bool redis_url_valid(const char *url, struct string *why) {
    struct redis_address address;
    if (!redis_url_parse(url, &address, why))
        return false;
    redis_address_finish(&address);
    return true;
}
