#include "net/http_forwarded.h"

static bool is_trusted(const struct ip *ip, const struct network *trusted, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (network_holds(&trusted[i], ip))
            return true;
    return false;
}

bool http_forwarded_trusts(struct text peer, const struct network *trusted, size_t count) {
    struct ip ip;
    return count && ip_parse_with_port(peer, &ip) && is_trusted(&ip, trusted, count);
}

/* What stands behind the list's last comma; the list is cut before it. */
static struct text cut_last(struct text *list) {
    size_t at = list->size;
    while (at > 0 && list->data[at - 1] != ',')
        at--;
    struct text last = text_slice(list->data + at, list->size - at);
    *list = text_slice(list->data, at > 0 ? at - 1 : 0);
    return text_trim(last);
}

struct text http_forwarded_client(struct text list, const struct network *trusted, size_t count) {
    struct text client = {0};
    while (list.size) {
        struct ip ip;
        struct text last = cut_last(&list);
        if (!ip_parse_with_port(last, &ip))
            break;
        client = last;
        if (!is_trusted(&ip, trusted, count))
            break;
    }
    return client;
}
