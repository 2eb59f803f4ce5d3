/* What stands before HTTP where there is a proxy: whatever it is, the verdict and the
 * address are the same however it is cut. The first byte says how. */
#include <assert.h>
#include <string.h>

#include "base/network.h"
#include "net/address.h"
#include "net/http_forwarded.h"
#include "net/proxy_protocol.h"

static enum proxy_protocol_verdict feed(struct proxy_protocol *proxy, struct text input,
                                        size_t piece, size_t *left) {
    enum proxy_protocol_verdict verdict = PROXY_PROTOCOL_MORE;
    while (input.size && verdict == PROXY_PROTOCOL_MORE) {
        struct text next = text_slice(input.data, piece < input.size ? piece : input.size);
        size_t given = next.size;
        verdict = proxy_protocol_feed(proxy, &next);
        input = text_slice(input.data + given - next.size, input.size - given + next.size);
        assert(verdict != PROXY_PROTOCOL_MORE || next.size == 0);
    }
    *left = input.size;
    return verdict;
}

static void read_proxy(struct text input, size_t piece) {
    struct proxy_protocol whole = {0}, cut = {0};
    char whole_peer[ADDRESS_BYTES], cut_peer[ADDRESS_BYTES];
    size_t whole_left, cut_left;
    enum proxy_protocol_verdict verdict = feed(&whole, input, input.size, &whole_left);
    enum proxy_protocol_verdict cut_verdict = feed(&cut, input, piece, &cut_left);
    assert(cut_verdict == verdict && whole_left == cut_left);
    address_format((struct sockaddr *)&whole.source, whole_peer);
    address_format((struct sockaddr *)&cut.source, cut_peer);
    assert(strcmp(whole_peer, cut_peer) == 0);
    assert(whole.size <= PROXY_PROTOCOL_MOST);
}

/* What is shown is an address, so nothing else gets into a log by it. */
static void read_forwarded(struct text list) {
    struct network ours;
    struct ip ip;
    bool parsed = network_parse(text_of("10.0.0.0/8"), &ours);
    struct text client = http_forwarded_client(list, &ours, 1);
    assert(parsed && (client.size == 0 || ip_parse_with_port(client, &ip)));
    network_parse(list, &ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct text input = text_slice((const char *)data + 1, size - 1);
    read_proxy(input, data[0] % 16 + 1);
    read_forwarded(input);
    return 0;
}
