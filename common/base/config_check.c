#include "base/config_check.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "base/network.h"

enum {
    QUOTED_MOST = 80,
    NAME_MOST = 32,
    WORD_MOST = 255,
    HOST_MOST = 253,
    PREFIX_MOST = 64,
    ORDER_PARTS_MOST = 8,
    DATABASE_MOST = 1000000
};

struct text config_check_quoted(struct text value) {
    if (value.size <= QUOTED_MOST)
        return value;
    value.size = QUOTED_MOST;
    while (value.size && ((unsigned char)value.data[value.size] & 0xc0) == 0x80)
        value.size--;
    return value;
}

static bool no(struct string *why, struct text value, const char *sentence) {
    string_addf(why, "\"%.*s\" %s", TEXT_ARG(config_check_quoted(value)), sentence);
    return false;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* All of it letters, digits, or characters of `others`. */
static bool is_made_of(struct text t, const char *others) {
    for (size_t i = 0; i < t.size; i++)
        if (!is_letter(t.data[i]) && !is_digit(t.data[i]) &&
            (t.data[i] == '\0' || !strchr(others, t.data[i])))
            return false;
    return true;
}

static bool is_printable(struct text t) {
    for (size_t i = 0; i < t.size; i++)
        if (t.data[i] <= ' ' || t.data[i] > '~')
            return false;
    return true;
}

bool config_check_name(struct text value, struct string *why) {
    bool fine = value.size >= 1 && value.size <= NAME_MOST && is_made_of(value, "-");
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] >= 'A' && value.data[i] <= 'Z')
            fine = false;
    return fine || no(why, value, "is not a name: 1 to 32 characters of a-z, 0-9 and - are");
}

bool config_check_word(struct text value, struct string *why) {
    if (value.size >= 1 && value.size <= WORD_MOST && is_printable(value))
        return true;
    return no(why, value, "should be 1 to 255 printable ASCII characters without blanks");
}

bool config_check_prefix(struct text value, struct string *why) {
    if (value.size >= 1 && value.size <= PREFIX_MOST && is_made_of(value, "-_.:{}"))
        return true;
    return no(why, value, "should be 1 to 64 characters of a-z, A-Z, 0-9 and -_.:{}");
}

/* A path has a dot: so "acount" is a mistake, and not a member that no body has. */
bool config_check_order(struct text value, struct string *why) {
    struct text rest = value;
    size_t parts = 0, empty = 0;
    if (text_is(value, "none") || text_is(value, "account"))
        return true;
    for (bool more = true; more; parts++) {
        more = value.size && memchr(rest.data, '.', rest.size);
        empty += text_cut(&rest, '.').size == 0;
    }
    if (parts >= 2 && parts <= ORDER_PARTS_MOST && !empty && value.size <= WORD_MOST &&
        is_printable(value))
        return true;
    return no(why, value,
              "is no order: write none, account, or the path of a member in the body, with 2 to 8 "
              "parts, as in data.candidate_id");
}

bool config_check_path(struct text value, struct string *why) {
    if (!text_starts(value, "/"))
        return no(why, value, "should begin with \"/\"");
    if (text_is(value, "/healthz"))
        return no(why, value, "is taken: every listener answers it to load balancers");
    if (value.size > WORD_MOST || !is_printable(value) || memchr(value.data, '?', value.size) ||
        memchr(value.data, '#', value.size))
        return no(why, value, "should be printable ASCII without blanks, \"?\" and \"#\"");
    return true;
}

/* Hosts and ports ---------------------------------------------------------- */

static bool is_ip(int family, struct text t) {
    char text[64], address[sizeof(struct in6_addr)];
    if (t.size >= sizeof text)
        return false;
    memcpy(text, t.data, t.size);
    text[t.size] = '\0';
    return inet_pton(family, text, address) == 1;
}

static bool is_host(struct text t) {
    bool numeric = true;
    if (t.size < 1 || t.size > HOST_MOST || !is_made_of(t, "-_."))
        return false;
    for (size_t i = 0; i < t.size; i++)
        numeric = numeric && (is_digit(t.data[i]) || t.data[i] == '.');
    /* What looks like an IPv4 address has to be one: 127.0.0.256 is no host's name. */
    return !numeric || is_ip(AF_INET, t);
}

/* HOST, HOST:PORT, [IPv6] or [IPv6]:PORT. */
static bool is_authority(struct text t, bool needs_port, uint64_t least_port) {
    uint64_t port;
    struct text rest = t, host;
    if (text_starts(t, "[")) {
        if (!memchr(t.data, ']', t.size))
            return false;
        host = text_cut(&rest, ']');
        if (!is_ip(AF_INET6, text_slice(host.data + 1, host.size - 1)))
            return false;
        if (rest.size == 0)
            return !needs_port;
        if (rest.data[0] != ':')
            return false;
        rest = text_slice(rest.data + 1, rest.size - 1);
    } else {
        host = text_cut(&rest, ':');
        if (!is_host(host))
            return false;
        if (host.size == t.size)
            return !needs_port;
    }
    return text_to_uint(rest, 65535, &port) && port >= least_port;
}

bool config_check_address(struct text value, struct string *why) {
    return is_authority(value, true, 0) ||
           no(why, value,
              "is not an address: write IPv4:PORT, [IPv6]:PORT or NAME:PORT, with a port "
              "from 0 to 65535");
}

bool config_check_network(struct text value, struct string *why) {
    struct network network;
    return network_parse(value, &network) ||
           no(why, value,
              "is not a network: write an address, as in 192.0.2.7 or ::1, or one with the bits "
              "that all of it shares, as in 10.0.0.0/8 or 2001:db8::/32");
}

/* URLs --------------------------------------------------------------------- */

/* Cuts "scheme://" off. False where there is none. */
static bool cut_scheme(struct text *url, struct text *scheme) {
    const char *mark = memmem(url->data, url->size, "://", 3);
    if (!mark)
        return false;
    *scheme = text_slice(url->data, (size_t)(mark - url->data));
    *url = text_slice(mark + 3, url->size - scheme->size - 3);
    return true;
}

static bool holds(struct text t, char c) {
    return t.size && memchr(t.data, c, t.size);
}

static bool is_socket_path(struct text path) {
    struct sockaddr_un limits;
    return path.size >= 2 && path.size < sizeof limits.sun_path && path.data[0] == '/';
}

static bool is_database(struct text number, struct string *why) {
    uint64_t database;
    return text_to_uint(number, DATABASE_MOST, &database) ||
           no(why, number,
              "is not a database: write its number, as in redis://HOST:PORT/0 or "
              "unix:///PATH?db=0");
}

static bool is_socket_url(struct text rest, struct string *why) {
    bool has_query = holds(rest, '?');
    if (!is_socket_path(text_cut(&rest, '?'))) {
        string_add_of(
            why, "unix:// wants the absolute path of a socket, of 107 bytes at most: unix:///PATH");
        return false;
    }
    if (has_query && !text_starts(rest, "db="))
        return no(why, rest, "stands behind the \"?\", where only db=NUMBER may");
    return !has_query || is_database(text_slice(rest.data + 3, rest.size - 3), why);
}

static bool is_redis_authority(struct text rest, struct string *why) {
    bool has_database = holds(rest, '/');
    struct text authority = text_cut(&rest, '/');
    if (!is_authority(authority, false, 1))
        return no(why, authority, "is not a host: write redis://HOST:PORT/DB");
    return !has_database || is_database(rest, why);
}

/* No URL with an "@" is quoted, for there may be a password in it. */
bool config_check_redis_url(struct text value, struct string *why) {
    struct text rest = value, scheme;
    if (!is_printable(value) || !cut_scheme(&rest, &scheme)) {
        string_add_of(why, "not a URL: write redis://HOST:PORT/DB, rediss:// or unix:///PATH");
        return false;
    }
    if (memmem(scheme.data, scheme.size, "cluster", 7) ||
        memmem(scheme.data, scheme.size, "sentinel", 8))
        return no(why, scheme, "is not supported: redis://, rediss:// and unix:// are");
    bool is_socket = text_is(scheme, "unix");
    if (!is_socket && !text_is(scheme, "redis") && !text_is(scheme, "rediss"))
        return no(why, scheme, "is none of redis://, rediss:// and unix://");
    if (is_socket)
        return is_socket_url(rest, why);
    if (holds(rest, '@')) {
        string_add_of(why, "user and password do not belong into the URL: name the user in "
                           "redis.user and the password's file in redis.password_file");
        return false;
    }
    return is_redis_authority(rest, why);
}

static bool is_http_socket_url(struct text rest, struct string *why) {
    if (is_socket_path(text_cut(&rest, ':')) && (rest.size == 0 || text_starts(rest, "/")))
        return true;
    string_add_of(
        why, "http+unix:// wants a socket's absolute path, of 107 bytes at most, and a target: "
             "http+unix:///SOCKET:/TARGET");
    return false;
}

/* What stands behind "http://" or "https://". `no_user` says where a user's name belongs. */
static bool is_http_target(struct text rest, const char *no_user, struct string *why) {
    size_t size = 0;
    if (holds(rest, '#')) {
        string_add_of(why, "a URL to send to has no \"#\"");
        return false;
    }
    while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?')
        size++;
    struct text authority = text_slice(rest.data, size);
    if (holds(authority, '@')) {
        string_addf(why, "user and password do not belong into the URL: %s", no_user);
        return false;
    }
    return is_authority(authority, false, 1) ||
           no(why, authority, "is not a host: write http://HOST/PATH or http://HOST:PORT/PATH");
}

bool config_check_service_url(struct text value, struct string *why) {
    struct text rest = value, scheme;
    if (!is_printable(value) || !cut_scheme(&rest, &scheme)) {
        string_add_of(why, "not a URL: write http://HOST/PATH, https://HOST/PATH or "
                           "http+unix:///SOCKET:/TARGET, without blanks");
        return false;
    }
    if (text_is(scheme, "http+unix"))
        return is_http_socket_url(rest, why);
    if (!text_is(scheme, "http") && !text_is(scheme, "https"))
        return no(why, scheme, "is none of http://, https:// and http+unix://");
    return is_http_target(rest, "name a file with the Authorization header in header_files", why);
}

bool config_check_webhook_url(struct text value, struct string *why) {
    struct text rest = value, scheme;
    if (!is_printable(value) || !cut_scheme(&rest, &scheme) || !text_is(scheme, "https"))
        return no(why, value,
                  "is not for Kula, which delivers to https:// only: write "
                  "https://HOST/PATH, without blanks");
    return is_http_target(rest, "Kula signs its deliveries instead", why);
}

static bool is_this_machine(struct text rest) {
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]);
        if (text_starts(rest, names[i]) && (rest.size == size || strchr(":/", rest.data[size])))
            return true;
    }
    return false;
}

bool config_check_api_url(struct text value, struct string *why) {
    struct text rest = value, scheme;
    if (!is_printable(value) || !cut_scheme(&rest, &scheme) ||
        !(text_is(scheme, "https") || (text_is(scheme, "http") && is_this_machine(rest))))
        return no(why, value,
                  "is not for a token, which must not go over a net unencrypted: write "
                  "https://HOST/PATH");
    if (holds(rest, '?')) {
        string_add_of(why, "paths are put behind it, so it has no \"?\"");
        return false;
    }
    return is_http_target(rest, "the token's file is named in kula.token_file", why);
}

/* Headers ------------------------------------------------------------------ */

/* Set by kula-relay or by HTTP itself; a "*" at the end is any ending. */
static const char *const own_headers[] = {
    "Connection",   "Content-Length", "Content-Type",
    "Expect",       "Host",           "Idempotency-Key",
    "Kula-Relay-*", "traceparent",    "Transfer-Encoding",
    "User-Agent",   "webhook-*",      "X-Kula-*",
    NULL,
};

static bool is_own_header(struct text name) {
    for (const char *const *own = own_headers; *own; own++) {
        size_t size = strlen(*own);
        bool open_ended = (*own)[size - 1] == '*';
        if (text_is_nocase(name, *own))
            return true;
        if (open_ended && name.size >= size - 1 && strncasecmp(name.data, *own, size - 1) == 0)
            return true;
    }
    return false;
}

bool config_check_header_name(struct text value, struct string *why) {
    if (value.size < 1 || value.size > WORD_MOST || !is_made_of(value, "!#$%&'*+-.^_`|~"))
        return no(why, value, "is not the name of a header");
    if (is_own_header(value))
        return no(why, value, "is a header that kula-relay sets itself");
    return true;
}

bool config_check_header_value(struct text value, struct string *why) {
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            string_add_of(why, "holds a line break or another control character, which no header "
                               "may");
            return false;
        }
    }
    return true;
}
