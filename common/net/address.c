#include "net/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/network.h"

/* Who waits until we accept: a burst, but no more than a full server gets through in a few seconds,
 * for a sender does not wait longer. */
enum { QUEUE = 2048 };

/* "HOST:PORT", the host in brackets where it is IPv6. */
static bool split(struct text address, struct text *host, struct text *port) {
    if (text_starts(address, "[")) {
        *port = text_slice(address.data + 1, address.size - 1);
        *host = text_cut(port, ']');
        if (!text_starts(*port, ":"))
            return false;
        *port = text_slice(port->data + 1, port->size - 1);
    } else {
        *port = address;
        *host = text_cut(port, ':');
        if (memchr(port->data ? port->data : "", ':', port->size))
            return false; /* IPv6 without brackets: where would the port begin? */
    }
    uint64_t number;
    return host->size > 0 && text_to_uint(*port, 65535, &number);
}

bool address_is_anywhere(struct text address) {
    struct text host, port;
    uint64_t number;
    return split(address, &host, &port) && text_to_uint(port, 65535, &number) && number == 0;
}

/* The descriptor, or -1 with errno. */
static int listen_on(const struct addrinfo *place, bool beside) {
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    int off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (beside)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* inherited by what is accepted */
    if (place->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, place->ai_addr, place->ai_addrlen) == 0 && listen(fd, QUEUE) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A name may have several addresses: the first that can be bound is taken. */
static int listen_on_first(const struct addrinfo *places, bool beside) {
    int fd = -1;
    for (const struct addrinfo *place = places; place && fd < 0; place = place->ai_next)
        fd = listen_on(place, beside);
    return fd;
}

static struct addrinfo *resolve(struct text host, struct text port, const char **trouble) {
    struct addrinfo wanted = {.ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *places = NULL;
    char *host_name = text_copy(host);
    char *service = text_copy(port);
    int error = getaddrinfo(host_name, service, &wanted, &places);
    *trouble = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
    free(host_name);
    free(service);
    return error ? NULL : places;
}

static struct addrinfo *places_of(struct text address, struct string *why) {
    struct text host, port;
    if (!split(address, &host, &port)) {
        string_addf(
            why, "%.*s is not an address: expected HOST:PORT, such as 127.0.0.1:8443 or [::1]:8443",
            TEXT_ARG(address));
        return NULL;
    }
    const char *trouble;
    struct addrinfo *places = resolve(host, port, &trouble);
    if (!places)
        string_addf(why, "cannot listen on %.*s: %s", TEXT_ARG(address), trouble);
    return places;
}

/* What can be done about it; NULL: nothing that we know of. */
static const char *remedy(int error, bool beside) {
    switch (error) {
    case EADDRINUSE:
        return beside ? "another program, or this one of another user, has it; `ss -ltnp` shows "
                        "which"
                      : "another program has it; `ss -ltnp` shows which";
    case EADDRNOTAVAIL:
        return "no network interface of this machine has that address; `ip address` lists theirs";
    case EACCES:
        return "a port below 1024 needs the capability CAP_NET_BIND_SERVICE; write a higher one";
    default:
        return NULL;
    }
}

static int listen_at(struct text address, bool beside, struct string *why) {
    struct addrinfo *places = places_of(address, why);
    if (!places)
        return -1;
    int fd = listen_on_first(places, beside);
    if (fd < 0) {
        const char *advice = remedy(errno, beside);
        string_addf(why, "cannot listen on %.*s: %s%s%s", TEXT_ARG(address), strerror(errno),
                    advice ? "; " : "", advice ? advice : "");
    }
    freeaddrinfo(places);
    return fd;
}

int address_listen(struct text address, struct string *why) {
    return listen_at(address, false, why);
}

int address_listen_beside(struct text address, struct string *why) {
    return listen_at(address, true, why);
}

/* What stands at the beginning of a packet here is its TCP header. */
void address_hide(int descriptor) {
    enum { FLAGS = 13, SYN = 0x02, ACK = 0x10, DROP = 0, WHOLE = 0xffff };
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, DROP),
        BPF_STMT(BPF_RET | BPF_K, WHOLE),
    };
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

bool address_is_bound(struct text address, int descriptor) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    struct string ignored = {0};
    struct addrinfo *places = places_of(address, &ignored);
    bool is = false;
    getsockname(descriptor, (struct sockaddr *)&bound, &size);
    for (const struct addrinfo *place = places; place && !is; place = place->ai_next) {
        char wanted[ADDRESS_BYTES], is_at[ADDRESS_BYTES];
        address_format(place->ai_addr, wanted);
        address_format((struct sockaddr *)&bound, is_at);
        is = place->ai_family == bound.ss_family && strcmp(wanted, is_at) == 0;
    }
    if (places)
        freeaddrinfo(places);
    string_finish(&ignored);
    return is;
}

static void format_v6(const struct sockaddr_in6 *in, char text[ADDRESS_BYTES]) {
    char host[INET6_ADDRSTRLEN] = "";
    bool v4 = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
    if (v4)
        inet_ntop(AF_INET, in->sin6_addr.s6_addr + 12, host, sizeof host);
    else
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    snprintf(text, ADDRESS_BYTES, v4 ? "%s:%u" : "[%s]:%u", host, ntohs(in->sin6_port));
}

static void format_v4(const struct sockaddr_in *in, char text[ADDRESS_BYTES]) {
    char host[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    snprintf(text, ADDRESS_BYTES, "%s:%u", host, ntohs(in->sin_port));
}

void address_format(const struct sockaddr *address, char text[ADDRESS_BYTES]) {
    /* Copied, because a sockaddr need not be aligned for what it really is. */
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    snprintf(text, ADDRESS_BYTES, "unknown");
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        format_v4(&v4, text);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        format_v6(&v6, text);
    }
}

void address_format_bound(int descriptor, struct string *s) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char text[ADDRESS_BYTES];
    getsockname(descriptor, (struct sockaddr *)&bound, &size);
    address_format((struct sockaddr *)&bound, text);
    string_add_of(s, text);
}

/* ---- What is guarded ---- */

static const char *const guarded[] = {
    "169.254.0.0/16",  /* link-local, and the metadata service of most clouds */
    "100.100.100.200", /* Alibaba Cloud */
    "168.63.129.16",   /* Azure */
    "192.0.0.192",     /* Oracle Cloud */
    "fe80::/10",       /* link-local */
    "fd00:ec2::/32",   /* AWS */
    "fd20:ce::254",    /* Google Cloud */
    "fd00:42::42",     /* Scaleway */
};
static const char nat64[] = "64:ff9b::/96"; /* IPv4 within IPv6, as its last four bytes */

static bool is_within(const struct ip *ip, const char *where) {
    struct network network;
    bool parsed = network_parse(text_of(where), &network);
    assert(parsed);
    return network_holds(&network, ip);
}

static void take_v4_out(struct ip *ip) {
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, ip->bytes + sizeof ip->bytes - sizeof(struct in_addr), text, sizeof text);
    bool parsed = ip_parse(text_of(text), ip);
    assert(parsed);
}

bool address_is_guarded(const struct sockaddr *address) {
    char text[ADDRESS_BYTES];
    struct ip ip;
    address_format(address, text);
    if (!ip_parse_with_port(text_of(text), &ip))
        return false; /* a unix socket */
    if (is_within(&ip, nat64))
        take_v4_out(&ip);
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        if (is_within(&ip, guarded[i]))
            return true;
    return false;
}
