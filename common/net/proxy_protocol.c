#include "net/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* proxy-protocol.txt, HAProxy, sections 2.1 and 2.2. */
static const char v1_mark[] = "PROXY ";
static const char v2_mark[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V1_MARK = sizeof v1_mark - 1,
    V2_MARK = sizeof v2_mark - 1,
    V1_MOST = 107,
    V2_HEAD = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_TCP4_BYTES = 12,
    V2_TCP6_BYTES = 36,
};
_Static_assert(V1_MOST <= (int)PROXY_PROTOCOL_KEPT, "a line of version 1 is kept whole");
_Static_assert(V2_HEAD + V2_TCP6_BYTES <= (int)PROXY_PROTOCOL_KEPT, "and so are addresses");

static void set_v4(struct sockaddr_storage *source, const void *address, uint16_t port_be) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port_be};
    memcpy(&in.sin_addr, address, sizeof in.sin_addr);
    memcpy(source, &in, sizeof in);
}

static void set_v6(struct sockaddr_storage *source, const void *address, uint16_t port_be) {
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = port_be};
    memcpy(&in.sin6_addr, address, sizeof in.sin6_addr);
    memcpy(source, &in, sizeof in);
}

/* ---- Version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 4567 8443" CRLF ---- */

static bool read_address(int family, struct text t, void *address) {
    char text[INET6_ADDRSTRLEN];
    if (t.size == 0 || t.size >= sizeof text || memchr(t.data, '\0', t.size))
        return false;
    memcpy(text, t.data, t.size);
    text[t.size] = '\0';
    return inet_pton(family, text, address) == 1;
}

static bool read_v1_line(struct proxy_protocol *proxy, struct text line) {
    struct text family = text_cut(&line, ' ');
    if (text_is(family, "UNKNOWN"))
        return true; /* whatever follows */
    bool v6 = text_is(family, "TCP6");
    if (!v6 && !text_is(family, "TCP4"))
        return false;
    unsigned char source[16], target[16];
    uint64_t source_port, target_port;
    int kind = v6 ? AF_INET6 : AF_INET;
    if (!read_address(kind, text_cut(&line, ' '), source) ||
        !read_address(kind, text_cut(&line, ' '), target) ||
        !text_to_uint(text_cut(&line, ' '), 65535, &source_port) ||
        !text_to_uint(line, 65535, &target_port))
        return false;
    (v6 ? set_v6 : set_v4)(&proxy->source, source, htons((uint16_t)source_port));
    return true;
}

static enum proxy_protocol_verdict judge_v1(struct proxy_protocol *proxy) {
    size_t known = proxy->size < V1_MARK ? proxy->size : V1_MARK;
    if (memcmp(proxy->bytes, v1_mark, known) != 0)
        return PROXY_PROTOCOL_BROKEN;
    if (proxy->bytes[proxy->size - 1] != '\n')
        return proxy->size < V1_MOST ? PROXY_PROTOCOL_MORE : PROXY_PROTOCOL_BROKEN;
    if (proxy->size < V1_MARK + 2 || proxy->bytes[proxy->size - 2] != '\r')
        return PROXY_PROTOCOL_BROKEN;
    struct text line = text_slice(proxy->bytes + V1_MARK, proxy->size - V1_MARK - 2);
    return read_v1_line(proxy, line) ? PROXY_PROTOCOL_WHOLE : PROXY_PROTOCOL_BROKEN;
}

/* ---- Version 2 ---- */

/* Families but these, as of a unix socket, say nothing that we could show. */
static void read_v2_addresses(struct proxy_protocol *proxy, size_t length) {
    const char *addresses = proxy->bytes + V2_HEAD;
    uint16_t port;
    if (proxy->bytes[13] == V2_TCP4 && length >= V2_TCP4_BYTES) {
        memcpy(&port, addresses + 8, sizeof port);
        set_v4(&proxy->source, addresses, port);
    } else if (proxy->bytes[13] == V2_TCP6 && length >= V2_TCP6_BYTES) {
        memcpy(&port, addresses + 32, sizeof port);
        set_v6(&proxy->source, addresses, port);
    }
}

static enum proxy_protocol_verdict judge_v2(struct proxy_protocol *proxy) {
    const unsigned char *bytes = (const unsigned char *)proxy->bytes;
    if (proxy->size < V2_HEAD)
        return PROXY_PROTOCOL_MORE;
    size_t length = (size_t)bytes[14] << 8 | bytes[15];
    if ((bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY) || V2_HEAD + length > PROXY_PROTOCOL_MOST)
        return PROXY_PROTOCOL_BROKEN;
    if (proxy->size < V2_HEAD + length)
        return PROXY_PROTOCOL_MORE;
    if (bytes[12] == V2_PROXY) /* else a health check of the proxy's own */
        read_v2_addresses(proxy, length);
    return PROXY_PROTOCOL_WHOLE;
}

static enum proxy_protocol_verdict judge(struct proxy_protocol *proxy) {
    size_t known = proxy->size < V2_MARK ? proxy->size : V2_MARK;
    if (memcmp(proxy->bytes, v2_mark, known) != 0)
        return judge_v1(proxy);
    return proxy->size < V2_MARK ? PROXY_PROTOCOL_MORE : judge_v2(proxy);
}

enum proxy_protocol_verdict proxy_protocol_feed(struct proxy_protocol *proxy, struct text *input) {
    enum proxy_protocol_verdict verdict = PROXY_PROTOCOL_MORE;
    while (input->size && verdict == PROXY_PROTOCOL_MORE) {
        if (proxy->size < PROXY_PROTOCOL_KEPT)
            proxy->bytes[proxy->size] = input->data[0];
        proxy->size++;
        *input = text_slice(input->data + 1, input->size - 1);
        verdict = judge(proxy);
    }
    return verdict;
}
