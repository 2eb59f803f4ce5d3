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

struct edition *edition_load(const char *file, struct string *problems) {
    struct edition *edition = memory_new(sizeof *edition);
    edition->config = config_load_with(file, CONFIG_FOR_SERVE, look, edition, problems);
    if (!edition->config) {
        edition_destroy(edition);
        return NULL;
    }
    edition->endpoints = endpoints_create(edition->config);
    return edition;
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

/* Where only the content of the file is another one: names are compared elsewhere. */
static bool is_renewed(const struct edition *was, const struct edition *is, size_t i) {
    const struct ssl_ctx_st *old = certificates_of(was->certificates, i);
    const struct ssl_ctx_st *now = certificates_of(is->certificates, i);
    return old && now && !same_chain(old, now) &&
           strcmp(was->config->listeners[i].certificate, is->config->listeners[i].certificate) == 0;
}

void edition_compare(const struct edition *was, const struct edition *is, enum config_change wanted,
                     struct string *names) {
    config_compare(was->config, is->config, CONFIG_FOR_SERVE, wanted, names);
    if (wanted != CONFIG_CHANGE_LIVE)
        return;
    for (size_t i = 0; i < was->config->listener_count && i < is->config->listener_count; i++)
        if (is_renewed(was, is, i))
            string_addf(names, "%sserve.listen[%zu].certificate", names->size ? ", " : "", i);
}
