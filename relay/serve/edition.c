#include "serve/edition.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/certificates.h"
#include "net/tls.h"
#include "serve/endpoints.h"

static void look(void *arg, struct config *config) {
    struct edition *edition = arg;
    edition->certificates = certificates_load(config);
    certificates_check_redis(config);
}

static struct edition *complete(struct edition *edition) {
    if (!edition->config) {
        edition_destroy(edition);
        return NULL;
    }
    edition->endpoints = endpoints_create(edition->config);
    return edition;
}

struct edition *edition_load(const char *file, struct string *problems) {
    struct edition *edition = memory_new(sizeof *edition);
    edition->config = config_load_with(file, CONFIG_FOR_SERVE, look, edition, problems);
    return complete(edition);
}

struct edition *edition_again(const struct edition *was, struct string *problems) {
    struct edition *edition = memory_new(sizeof *edition);
    edition->config = config_again_with(was->config, look, edition, problems);
    return complete(edition);
}

void edition_destroy(struct edition *edition) {
    if (!edition)
        return;
    endpoints_destroy(edition->endpoints);
    certificates_destroy(edition->certificates);
    config_destroy(edition->config);
    free(edition);
}

void edition_alarms(const struct edition *edition, struct string *lines) {
    certificates_alarms(edition->certificates, edition->config, clock_wall_ms() / 1000, lines);
    config_alarms(edition->config, lines);
}

static bool same_chain(const struct ssl_ctx_st *a, const struct ssl_ctx_st *b) {
    unsigned char digest_a[TLS_DIGEST_BYTES], digest_b[TLS_DIGEST_BYTES];
    tls_digest(a, digest_a);
    tls_digest(b, digest_b);
    return memcmp(digest_a, digest_b, TLS_DIGEST_BYTES) == 0;
}

/* Several may have one address: each has a port of its own, where any that is free was asked for.
 */
static size_t find_listener(const struct config *config, const char *address, size_t nth) {
    size_t i = 0;
    for (; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].address, address) == 0 && nth-- == 0)
            break;
    return i;
}

static size_t find_same_listener(const struct config *config, const struct config *other,
                                 size_t n) {
    const char *address = other->listeners[n].address;
    size_t before = 0;
    for (size_t i = 0; i < n; i++)
        before += strcmp(other->listeners[i].address, address) == 0;
    return find_listener(config, address, before);
}

struct ssl_ctx_st *edition_certificate(const struct edition *edition, const struct config *other,
                                       size_t n) {
    size_t i = find_same_listener(edition->config, other, n);
    return i < edition->config->listener_count ? certificates_of(edition->certificates, i) : NULL;
}

/* Where only the content of the file is another one: names are compared elsewhere. */
static bool is_renewed(const struct edition *was, const struct edition *is, size_t i) {
    const struct ssl_ctx_st *old = edition_certificate(was, is->config, i);
    const struct ssl_ctx_st *now = certificates_of(is->certificates, i);
    size_t before = find_same_listener(was->config, is->config, i);
    return old && now && !same_chain(old, now) &&
           strcmp(was->config->listeners[before].certificate,
                  is->config->listeners[i].certificate) == 0;
}

void edition_compare(const struct edition *was, const struct edition *is, enum config_change wanted,
                     struct string *names) {
    config_compare(was->config, is->config, CONFIG_FOR_SERVE, wanted, names);
    if (wanted != CONFIG_CHANGE_LIVE)
        return;
    for (size_t i = 0; i < is->config->listener_count; i++)
        if (is_renewed(was, is, i))
            string_addf(names, "%sserve.listen[%zu].certificate", names->size ? ", " : "", i);
}
