#include "net/confine.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_watch.h"
#include "base/sandbox.h"
#include "net/redis_url.h"

static const struct metric_family sandbox_family = {
    .name = "kula_relay_sandbox",
    .kind = METRIC_GAUGE,
    .help = "What keeps this process in: landlock (the version of its interface), no_new_privs "
            "and call_filter (1); 0: it is not in force.",
    .labels = {"kind"},
};

/* ---- Hosts by name ---- */

static struct text host_of(const char *address, uint16_t *port) {
    const char *colon = strrchr(address, ':');
    *port = colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
    return text_slice(address, colon ? (size_t)(colon - address) : strlen(address));
}

static bool is_name(struct text host) {
    struct in_addr unused;
    char *copy = text_copy(host);
    bool name = !strchr(copy, ':') && inet_pton(AF_INET, copy, &unused) != 1;
    free(copy);
    return name;
}

/* These two change while we run. */
static void allow_hosts(struct sandbox *sandbox) {
    sandbox_read(sandbox, "/etc/hosts");
    sandbox_read(sandbox, "/etc/resolv.conf");
}

/* What the C library opens besides, when it is asked and not Redis' own resolver. */
static void allow_name_services(struct sandbox *sandbox) {
    static const char *const places[] = {
        "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/ld.so.cache",
        "/usr/lib",           "/lib",           "/lib64",
    };
    allow_hosts(sandbox);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        sandbox_read_as_it_is(sandbox, places[i]);
}

/* The system's authorities, as OpenSSL and libcurl find them. */
static void allow_trust(struct sandbox *sandbox) {
    static const char *const places[] = {
        "/etc/ssl/certs",
        "/usr/lib/ssl",
        "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
    };
    const char *named[] = {getenv("SSL_CERT_FILE"), getenv("SSL_CERT_DIR")};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        sandbox_read_as_it_is(sandbox, places[i]);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i])
            sandbox_read(sandbox, named[i]);
}

/* ---- By the configuration ---- */

static void allow_file(void *sandbox, const char *path) {
    sandbox_read(sandbox, path);
}

static void allow_redis(struct sandbox *sandbox, const struct config *config) {
    struct redis_address address;
    struct string why = {0};
    if (redis_url_parse(config->redis.url, &address, &why)) {
        if (address.host)
            sandbox_connect(sandbox, address.port);
        if (address.host && is_name(text_of(address.host)))
            allow_hosts(sandbox);
        if (address.tls && !config->redis.ca_file)
            allow_trust(sandbox);
        redis_address_finish(&address);
    }
    string_finish(&why);
}

static void allow_address(struct sandbox *sandbox, const char *address) {
    uint16_t port;
    if (!address)
        return;
    if (is_name(host_of(address, &port)))
        allow_name_services(sandbox);
    sandbox_bind(sandbox, port);
}

static void allow_serve(struct sandbox *sandbox, const struct config *config) {
    for (size_t i = 0; i < config->listener_count; i++)
        allow_address(sandbox, config->listeners[i].address);
    allow_address(sandbox, config->serve_admin);
    if (config->spool_directory)
        sandbox_write(sandbox, config->spool_directory);
}

/* Services may be anywhere, and come and go. */
static void allow_forward(struct sandbox *sandbox) {
    allow_name_services(sandbox);
    allow_trust(sandbox);
}

static void tell(struct metrics *metrics, struct sandbox_state state) {
    const struct {
        const char *kind;
        int value;
    } rows[] = {{"landlock", state.landlock},
                {"no_new_privs", state.no_new_privs},
                {"call_filter", state.call_filter}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        metric_set(metrics_series(metrics, &sandbox_family, rows[i].kind, NULL), rows[i].value);
    const char *privs = state.no_new_privs ? "yes" : "no",
               *calls = state.call_filter ? "yes" : "no";
    if (state.landlock)
        log_info("sandbox landlock=%d no_new_privs=%s call_filter=%s", state.landlock, privs,
                 calls);
    else
        log_info("sandbox without landlock no_new_privs=%s call_filter=%s reason=%s", privs, calls,
                 strerror(state.error));
}

void confine(const struct config *config, enum config_for whose, struct metrics *metrics) {
    struct sandbox *sandbox = sandbox_create(whose == CONFIG_FOR_SERVE);
    sandbox_read(sandbox, config->file);
    if (config->redis.password_file)
        sandbox_read(sandbox, config->redis.password_file);
    if (config->redis.ca_file)
        sandbox_read(sandbox, config->redis.ca_file);
    config_each_watched(config, whose, allow_file, sandbox);
    sandbox_read_as_it_is(sandbox, "/dev/urandom");
    allow_redis(sandbox, config);
    if (whose == CONFIG_FOR_SERVE)
        allow_serve(sandbox, config);
    else
        allow_forward(sandbox);
    tell(metrics, sandbox_enter(&sandbox));
}
