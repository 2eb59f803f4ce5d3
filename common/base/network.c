#include "base/network.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_BITS = 32, ALL_BITS = 128, V4_BEGINS = 96 };

static const unsigned char v4_prefix[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ip_parse(struct text t, struct ip *ip) {
    char text[INET6_ADDRSTRLEN];
    if (t.size == 0 || t.size >= sizeof text || memchr(t.data, '\0', t.size))
        return false;
    memcpy(text, t.data, t.size);
    text[t.size] = '\0';
    memcpy(ip->bytes, v4_prefix, sizeof v4_prefix);
    return inet_pton(AF_INET, text, ip->bytes + sizeof v4_prefix) == 1 ||
           inet_pton(AF_INET6, text, ip->bytes) == 1;
}

static bool is_port(struct text t) {
    uint64_t port;
    return text_to_uint(t, 65535, &port);
}

bool ip_parse_with_port(struct text t, struct ip *ip) {
    struct text rest = t;
    if (text_starts(t, "[")) {
        rest = text_slice(t.data + 1, t.size - 1);
        struct text host = text_cut(&rest, ']');
        if (host.size + 1 == t.size) /* no bracket at its end */
            return false;
        bool good_rest = rest.size == 0 || (text_starts(rest, ":") &&
                                            is_port(text_slice(rest.data + 1, rest.size - 1)));
        return good_rest && memchr(host.data, ':', host.size) && ip_parse(host, ip);
    }
    struct text host = text_cut(&rest, ':');
    if (host.size + 1 + rest.size == t.size && is_port(rest))
        return memchr(host.data, '.', host.size) && ip_parse(host, ip);
    return ip_parse(t, ip);
}

static bool is_set(const struct ip *ip, unsigned bit) {
    return ip->bytes[bit / 8] & (0x80 >> bit % 8);
}

bool network_parse(struct text t, struct network *network) {
    struct text bits = t;
    struct text address = text_cut(&bits, '/');
    bool is_v4 = address.size == 0 || !memchr(address.data, ':', address.size);
    uint64_t number = is_v4 ? V4_BITS : ALL_BITS;
    if (!ip_parse(address, &network->ip))
        return false;
    if (address.size != t.size && !text_to_uint(bits, number, &number))
        return false;
    network->bits = (unsigned)number + (is_v4 ? V4_BEGINS : 0);
    for (unsigned bit = network->bits; bit < ALL_BITS; bit++)
        if (is_set(&network->ip, bit))
            return false;
    return true;
}

bool network_holds(const struct network *network, const struct ip *ip) {
    for (unsigned bit = 0; bit < network->bits; bit++)
        if (is_set(&network->ip, bit) != is_set(ip, bit))
            return false;
    return true;
}
