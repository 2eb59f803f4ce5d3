#include "net/redis_link.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/tls.h"

/* A body of some MiB should not take thousands of turns of the loop. */
enum { READ_AT_ONCE = 64 * 1024, WRITE_AT_ONCE = 256 * 1024 };

struct redis_link {
    struct loop *loop;
    const struct redis_address *address;
    struct ssl_ctx_st *tls;
    struct redis_link_events events;
    unsigned tries;           /* which of several addresses is next */
    struct evdns_base *names; /* made for each resolving, so that it sees resolv.conf as it is */
    struct evdns_getaddrinfo_request *resolving;
    int descriptor; /* connecting; afterwards the stream's. -1: none */
    int connect_error;
    struct event *connecting;
    struct bufferevent *stream;
    struct loop_timer *failing; /* reports `why` in the next turn */
    struct string why;
};

static void go_down(struct redis_link *link) {
    redis_link_close(link);
    link->events.on_down(link->events.arg, string_text(&link->why));
}

static void on_failing(void *arg) {
    go_down(arg);
}

/* "cannot connect to 127.0.0.1:6379: Connection refused" */
static void say(struct redis_link *link, const char *what, const char *reason) {
    string_clear(&link->why);
    string_addf(&link->why, "%s ", what);
    redis_address_format(link->address, &link->why);
    string_addf(&link->why, ": %s", reason);
}

static void fail_later(struct redis_link *link, const char *what, const char *reason) {
    say(link, what, reason);
    loop_timer_set(link->failing, 0);
}

static void fail_now(struct redis_link *link, const char *what, const char *reason) {
    say(link, what, reason);
    go_down(link);
}

/* The stream */

static void on_readable(struct bufferevent *stream, void *arg) {
    struct redis_link *link = arg;
    link->events.on_bytes(link->events.arg, bufferevent_get_input(stream));
}

/* NULL where it was not TLS that failed. */
static const char *tls_words(struct bufferevent *stream) {
    SSL *ssl = bufferevent_openssl_get_ssl(stream);
    if (!ssl)
        return NULL;
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    unsigned long error = bufferevent_get_openssl_error(stream);
    return error ? ERR_reason_error_string(error) : NULL;
}

static void on_stream_event(struct bufferevent *stream, short what, void *arg) {
    struct redis_link *link = arg;
    int error = EVUTIL_SOCKET_ERROR();
    if (what & BEV_EVENT_CONNECTED) {
        link->events.on_up(link->events.arg);
        return;
    }
    const char *words = tls_words(stream);
    if (words)
        fail_now(link, "cannot talk TLS with", words);
    else if (what & BEV_EVENT_EOF)
        fail_now(link, "lost the connection to", "closed by the other side");
    else
        fail_now(link, "lost the connection to", strerror(error));
}

/* The certificate has to be for the host that the URL names. */
static SSL *make_ssl(struct redis_link *link) {
    SSL *ssl = SSL_new(link->tls);
    struct in6_addr unused;
    char *host = link->address->host;
    assert(ssl);
    if (inet_pton(AF_INET, host, &unused) == 1 || inet_pton(AF_INET6, host, &unused) == 1) {
        int set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
        assert(set == 1);
        return ssl;
    }
    long named = SSL_set_tlsext_host_name(ssl, host);
    int set = SSL_set1_host(ssl, host);
    assert(named == 1 && set == 1);
    return ssl;
}

/* A peer that vanished without a word is noticed within half a minute even where nobody waits
 * for a reply. */
static void tune(int descriptor) {
    const struct {
        int level, name, value;
    } rows[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 10}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 15000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        setsockopt(descriptor, rows[i].level, rows[i].name, &rows[i].value, sizeof rows[i].value);
}

static void start_stream(struct redis_link *link) {
    struct event_base *base = loop_base(link->loop);
    if (link->tls) {
        link->stream = bufferevent_openssl_socket_new(
            base, link->descriptor, make_ssl(link), BUFFEREVENT_SSL_CONNECTING,
            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
        bufferevent_openssl_set_allow_dirty_shutdown(link->stream, 1);
    } else {
        link->stream = bufferevent_socket_new(base, link->descriptor, BEV_OPT_CLOSE_ON_FREE);
    }
    assert(link->stream);
    bufferevent_set_max_single_read(link->stream, READ_AT_ONCE);
    bufferevent_set_max_single_write(link->stream, WRITE_AT_ONCE);
    bufferevent_setcb(link->stream, on_readable, NULL, on_stream_event, link);
    bufferevent_enable(link->stream, EV_READ | EV_WRITE);
}

/* Connecting */

static void on_connected(evutil_socket_t descriptor, short what, void *arg) {
    struct redis_link *link = arg;
    int error = link->connect_error;
    socklen_t size = sizeof error;
    (void)what;
    if (!error)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail_now(link, "cannot connect to", strerror(error));
        return;
    }
    event_free(link->connecting);
    link->connecting = NULL;
    start_stream(link);
    if (!link->tls)
        link->events.on_up(link->events.arg);
}

static void start_connecting(struct redis_link *link, const struct sockaddr *to, socklen_t size) {
    link->descriptor = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->descriptor < 0) {
        fail_later(link, "cannot connect to", strerror(errno));
        return;
    }
    if (to->sa_family != AF_UNIX)
        tune(link->descriptor);
    int result = connect(link->descriptor, to, size);
    link->connect_error = result == 0 || errno == EINPROGRESS ? 0 : errno;
    link->connecting =
        event_new(loop_base(link->loop), link->descriptor, EV_WRITE, on_connected, link);
    assert(link->connecting);
    /* What failed at once is told in the next turn, as everything else. */
    if (link->connect_error)
        event_active(link->connecting, EV_WRITE, 0);
    else
        event_add(link->connecting, NULL);
}

static void connect_unix(struct redis_link *link) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, link->address->path, strlen(link->address->path));
    start_connecting(link, (struct sockaddr *)&to, sizeof to);
}

static const struct evutil_addrinfo *pick(const struct evutil_addrinfo *found, unsigned tries) {
    const struct evutil_addrinfo *one = found;
    unsigned count = 0;
    for (; one; one = one->ai_next)
        count++;
    for (one = found, tries %= count; tries; tries--)
        one = one->ai_next;
    return one;
}

static void on_resolved(int error, struct evutil_addrinfo *found, void *arg) {
    /* The link may be gone by the time that a cancelled question ends. */
    if (error == EVUTIL_EAI_CANCEL)
        return;
    struct redis_link *link = arg;
    link->resolving = NULL;
    if (error || !found) {
        fail_later(link, "cannot find", error ? evutil_gai_strerror(error) : "no address");
        return;
    }
    const struct evutil_addrinfo *to = pick(found, link->tries++);
    start_connecting(link, to->ai_addr, (socklen_t)to->ai_addrlen);
    evutil_freeaddrinfo(found);
}

/* Numbers and what stands in the hosts file need no name server, and a
 * machine may have none, so what resolv.conf lacks is no error here. */
static void resolve(struct redis_link *link) {
    const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)link->address->port);
    link->names = evdns_base_new(loop_base(link->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    assert(link->names);
    /* Time for a second name server, unless resolv.conf has its own opinion. */
    evdns_base_set_option(link->names, "timeout:", "1.5");
    evdns_base_resolv_conf_parse(link->names,
                                 DNS_OPTION_NAMESERVERS | DNS_OPTION_SEARCH | DNS_OPTION_MISC,
                                 "/etc/resolv.conf");
    evdns_base_load_hosts(link->names, "/etc/hosts");
    struct evdns_getaddrinfo_request *asked =
        evdns_getaddrinfo(link->names, link->address->host, port, &hints, on_resolved, link);
    /* NULL: on_resolved has been called already. */
    if (asked)
        link->resolving = asked;
}

/* Open and close */

struct redis_link *redis_link_create(struct loop *loop, const struct redis_address *address,
                                     struct ssl_ctx_st *tls,
                                     const struct redis_link_events *events) {
    struct redis_link *link = memory_new(sizeof *link);
    *link = (struct redis_link){
        .loop = loop, .address = address, .tls = tls, .events = *events, .descriptor = -1};
    link->failing = loop_timer_create(loop, on_failing, link);
    return link;
}

void redis_link_open(struct redis_link *link) {
    redis_link_close(link);
    if (link->address->path)
        connect_unix(link);
    else
        resolve(link);
}

void redis_link_close(struct redis_link *link) {
    loop_timer_cancel(link->failing);
    if (link->resolving)
        evdns_getaddrinfo_cancel(link->resolving);
    link->resolving = NULL;
    if (link->names)
        evdns_base_free(link->names, 1);
    link->names = NULL;
    if (link->connecting)
        event_free(link->connecting);
    link->connecting = NULL;
    if (link->stream)
        bufferevent_free(link->stream);
    else if (link->descriptor >= 0)
        close(link->descriptor);
    link->stream = NULL;
    link->descriptor = -1;
}

struct evbuffer *redis_link_output(struct redis_link *link) {
    assert(link->stream);
    return bufferevent_get_output(link->stream);
}

void redis_link_send(struct redis_link *link, struct text bytes) {
    struct evbuffer *output = redis_link_output(link);
    /* At once where nothing goes before it: Redis is at work while this turn of the loop goes on.
     * What fails here fails again, and is told, when the rest is sent. */
    if (!link->tls && evbuffer_get_length(output) == 0) {
        ssize_t sent = send(link->descriptor, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            bytes = text_slice(bytes.data + sent, bytes.size - (size_t)sent);
    }
    evbuffer_add(output, bytes.data, bytes.size);
}

const char *redis_link_wait(const struct redis_link *link) {
    if (link->resolving)
        return "cannot be found: no name server answers";
    return link->connecting ? "cannot be reached" : "does not answer";
}

void redis_link_destroy(struct redis_link *link) {
    if (!link)
        return;
    redis_link_close(link);
    loop_timer_destroy(link->failing);
    tls_destroy(link->tls);
    string_finish(&link->why);
    free(link);
}
