#include "net/certificates.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "net/tls.h"

enum { SOON_S = 14 * 24 * 3600, DATE_BYTES = sizeof "2026-11-23 20:00 UTC" + 8 };

struct certificates {
    struct ssl_ctx_st **tls; /* one a listener; NULL: plain HTTP */
    size_t count;
};

static void add_key(struct string *path, size_t listener, const char *key) {
    string_clear(path);
    string_addf(path, "serve.listen[%zu].%s", listener, key);
}

static struct ssl_ctx_st *load(struct config *config, size_t i) {
    const struct config_listener *listener = &config->listeners[i];
    struct string path = {0}, why = {0};
    enum tls_culprit culprit;
    struct ssl_ctx_st *tls =
        tls_server_create(listener->certificate, listener->private_key, &culprit, &why);
    if (!tls) {
        add_key(&path, i, culprit == TLS_PRIVATE_KEY ? "private_key" : "certificate");
        config_mistake(config, path.data, "%s", why.data);
    }
    string_finish(&path);
    string_finish(&why);
    return tls;
}

struct certificates *certificates_load(struct config *config) {
    struct certificates *certificates = memory_new(sizeof *certificates);
    bool whole = true;
    certificates->count = config->listener_count;
    certificates->tls = memory_new(certificates->count * sizeof(struct ssl_ctx_st *));
    for (size_t i = 0; i < certificates->count; i++) {
        /* One without the other is a mistake that has been told. */
        if (!config->listeners[i].certificate || !config->listeners[i].private_key)
            continue;
        certificates->tls[i] = load(config, i);
        whole = whole && certificates->tls[i];
    }
    if (whole)
        return certificates;
    certificates_destroy(certificates);
    return NULL;
}

void certificates_destroy(struct certificates *certificates) {
    if (!certificates)
        return;
    for (size_t i = 0; i < certificates->count; i++)
        tls_destroy(certificates->tls[i]);
    free(certificates->tls);
    free(certificates);
}

struct ssl_ctx_st *certificates_of(const struct certificates *certificates, size_t listener) {
    assert(listener < certificates->count);
    return certificates->tls[listener];
}

/* The files that a client shall use, at "SECTION.KEY". */
static void check_client(struct config *config, const char *section, const char *ca_file,
                         const char *certificate, const char *key) {
    static const char *const keys[] = {[TLS_CERTIFICATE] = "client_certificate",
                                       [TLS_PRIVATE_KEY] = "client_key",
                                       [TLS_CA] = "ca_file"};
    struct string path = {0}, why = {0};
    enum tls_culprit culprit;
    if (!tls_client_check(ca_file, certificate, key, &culprit, &why)) {
        string_addf(&path, "%s.%s", section, keys[culprit]);
        config_mistake(config, path.data, "%s", why.data);
    }
    string_finish(&path);
    string_finish(&why);
}

void certificates_check_services(struct config *config) {
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        char section[64];
        snprintf(section, sizeof section, "services[%zu]", i);
        check_client(config, section, service->ca_file, NULL, NULL);
        /* One without the other is a mistake that has been told. */
        if (service->client_certificate && service->client_key)
            check_client(config, section, NULL, service->client_certificate, service->client_key);
    }
}

void certificates_check_redis(struct config *config) {
    check_client(config, "redis", config->redis.ca_file, NULL, NULL);
}

static void format_date(int64_t unix_s, char text[DATE_BYTES]) {
    time_t time = (time_t)unix_s;
    struct tm calendar;
    if (!gmtime_r(&time, &calendar) || !strftime(text, DATE_BYTES, "%Y-%m-%d %H:%M UTC", &calendar))
        text[0] = '\0';
}

static void add_alarm(const struct config *config, size_t i, struct tls_validity validity,
                      int64_t now_s, struct string *lines) {
    const char *file = config->listeners[i].certificate;
    struct string path = {0};
    char date[DATE_BYTES];
    add_key(&path, i, "certificate");
    if (now_s >= validity.until_s) {
        format_date(validity.until_s, date);
        config_tell(config, path.data, lines,
                    "the certificate in %s ended at %s: senders will not connect; renew it", file,
                    date);
    } else if (now_s < validity.from_s) {
        format_date(validity.from_s, date);
        config_tell(config, path.data, lines,
                    "the certificate in %s is not valid before %s: senders will not connect until "
                    "then; look at this machine's clock, or name another one",
                    file, date);
    } else if (validity.until_s - now_s <= SOON_S) {
        format_date(validity.until_s, date);
        config_tell(config, path.data, lines, "the certificate in %s ends soon, at %s; renew it",
                    file, date);
    }
    string_finish(&path);
}

void certificates_alarms(const struct certificates *certificates, const struct config *config,
                         int64_t now_s, struct string *lines) {
    for (size_t i = 0; i < certificates->count; i++)
        if (certificates->tls[i])
            add_alarm(config, i, tls_validity(certificates->tls[i]), now_s, lines);
}
