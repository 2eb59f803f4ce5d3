#include "base/config_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/config_check.h"
#include "base/pattern.h"
#include "base/values.h"

/* Each in the order of its enum. */
static const char *const switch_words[] = {"false", "true", NULL};
static const char *const stale_words[] = {"accept", "retry", "reject", NULL};
static const char *const unmatched_words[] = {"reject", "retry", "pen", NULL};
static const char *const start_words[] = {"now", "beginning", NULL};
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};
static const char *const format_words[] = {"auto", "text", "json", NULL};
static const char *const durability_words[] = {"spool", "ledger", NULL};
static const char *const sign_words[] = {"none", "kula", "standard-webhooks", NULL};
static const char *const link_local_words[] = {"refuse", "allow", NULL};
static const char *const signed_body_words[] = {"raw", "raw_or_canonical", NULL};

/* A section stands before what is in it, and nothing else has an order. */
const struct config_row config_table[] = {
    {.path = "redis", .type = CONFIG_MAP, .meaning = "Where the ledger is."},
    {.path = "redis.url",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config, redis.url),
     .check = config_check_redis_url,
     .usual = "redis://127.0.0.1:6379/0",
     .meaning = "redis://HOST:PORT/DB, rediss:// for TLS, or unix:///PATH?db=N; "
                "KULA_RELAY_REDIS_URL goes before it."},
    {.path = "redis.user",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config, redis.user),
     .check = config_check_word,
     .meaning = "The user to log in as; left out, Redis' default user."},
    {.path = "redis.password_file",
     .type = CONFIG_FILE,
     .place = offsetof(struct config, redis.password_file),
     .secret = true,
     .read_for = CONFIG_SERVE | CONFIG_FORWARD | CONFIG_LEDGER | CONFIG_PEN | CONFIG_WATCH,
     .meaning = "The file that holds the password; left out, no login."},
    {.path = "redis.ca_file",
     .type = CONFIG_FILE,
     .place = offsetof(struct config, redis.ca_file),
     .read_for = CONFIG_SERVE | CONFIG_FORWARD | CONFIG_LEDGER | CONFIG_PEN | CONFIG_WATCH,
     .meaning = "For rediss://: the certificates to trust; left out, the system's."},
    {.path = "redis.prefix",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config, redis.prefix),
     .check = config_check_prefix,
     .usual = "kula",
     .meaning = "What every key in Redis begins with."},

    {.path = "serve", .type = CONFIG_MAP, .meaning = "How deliveries come in."},
    {.path = "serve.listen",
     .type = CONFIG_MAPS,
     .place = offsetof(struct config, listeners),
     .beside = offsetof(struct config, listener_count),
     .item_bytes = sizeof(struct config_listener),
     .may_be_empty = true,
     .meaning = "The listeners for Kula: HTTPS, or plain HTTP behind a proxy that ends TLS."},
    {.path = "serve.listen[].address",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_listener, address),
     .check = config_check_address,
     .needed = true,
     .meaning = "IPv4:PORT, [IPv6]:PORT or NAME:PORT; port 0 takes a free one and logs it."},
    {.path = "serve.listen[].certificate",
     .type = CONFIG_FILE,
     .place = offsetof(struct config_listener, certificate),
     .read_for = CONFIG_SERVE,
     .live = CONFIG_LIVE_IF_KEPT,
     .meaning = "The certificate and its chain (PEM); left out, plain HTTP."},
    {.path = "serve.listen[].private_key",
     .type = CONFIG_FILE,
     .place = offsetof(struct config_listener, private_key),
     .read_for = CONFIG_SERVE,
     .live = CONFIG_LIVE_IF_KEPT,
     .meaning = "The certificate's key (PEM)."},
    {.path = "serve.listen[].proxy_protocol",
     .type = CONFIG_WORD,
     .place = offsetof(struct config_listener, proxy_protocol),
     .usual = "false",
     .words = switch_words,
     .meaning = "true behind a proxy that begins each connection with the PROXY protocol (1 or 2); "
                "what it says goes into logs."},
    {.path = "serve.trusted_proxies",
     .type = CONFIG_TEXTS,
     .place = offsetof(struct config, trusted_proxies),
     .beside = offsetof(struct config, trusted_proxy_count),
     .check = config_check_network,
     .usual = "[]",
     .may_be_empty = true,
     .meaning = "Networks, as in 10.0.0.0/8, whose X-Forwarded-For is believed; for logs only."},
    {.path = "serve.admin",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config, serve_admin),
     .check = config_check_address,
     .meaning = "Where serve answers /healthz, /readyz and /metrics; left out, nowhere."},
    {.path = "serve.endpoints",
     .type = CONFIG_MAPS,
     .place = offsetof(struct config, endpoints),
     .beside = offsetof(struct config, endpoint_count),
     .item_bytes = sizeof(struct config_endpoint),
     .may_be_empty = true,
     .live = CONFIG_LIVE_YES,
     .meaning = "The URLs that are offered to Kula."},
    {.path = "serve.endpoints[].name",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_endpoint, name),
     .check = config_check_name,
     .needed = true,
     .meaning = "Its name in logs, metrics and the ledger: 1 to 32 of a-z, 0-9 and -."},
    {.path = "serve.endpoints[].path",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_endpoint, path),
     .check = config_check_path,
     .needed = true,
     .meaning = "The path of its URL, as in /webhooks/kula."},
    {.path = "serve.endpoints[].secret_files",
     .type = CONFIG_FILES,
     .place = offsetof(struct config_endpoint, secret_files),
     .beside = offsetof(struct config_endpoint, secret_file_count),
     .secret = true,
     .read_for = CONFIG_SERVE | CONFIG_SEND | CONFIG_PEN,
     .meaning = "Its signing secrets, one a file, the newest first; any may match. With one "
                "endpoint, KULA_WEBHOOK_SECRET_FILE goes before it."},
    {.path = "serve.endpoints[].secret_dir",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_endpoint, secret_dir),
     .check = config_check_word,
     .meaning =
         "A folder in which every file is a secret besides, the newest first; it is watched, "
         "and `webhook rotate-secret` puts the new one there."},
    {.path = "serve.endpoints[].tolerance",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config_endpoint, tolerance_ms),
     .usual = "5m",
     .least = "1s",
     .most = "1d",
     .meaning = "How far a signature's time may be from our clock before it is stale."},
    {.path = "serve.endpoints[].stale",
     .type = CONFIG_WORD,
     .place = offsetof(struct config_endpoint, stale),
     .usual = "accept",
     .words = stale_words,
     .meaning = "Authentic, stale and never seen: accept (503 beyond dedup_window), retry (503) or "
                "reject (401)."},
    {.path = "serve.endpoints[].signed_body",
     .type = CONFIG_WORD,
     .place = offsetof(struct config_endpoint, signed_body),
     .usual = "raw",
     .words = signed_body_words,
     .meaning = "What a signature may cover: the body's bytes as they came, or also what "
                "JSON.stringify(JSON.parse(body)) makes of them, up to 256 KiB."},
    {.path = "serve.endpoints[].unmatched",
     .type = CONFIG_WORD,
     .place = offsetof(struct config_endpoint, unmatched),
     .usual = "reject",
     .words = unmatched_words,
     .meaning =
         "A well-formed signature that no secret makes: reject (401), retry (503), or pen: 200 "
         "and kept, until a secret comes that makes it."},
    {.path = "serve.endpoints[].accounts",
     .type = CONFIG_TEXTS,
     .place = offsetof(struct config_endpoint, accounts),
     .beside = offsetof(struct config_endpoint, account_count),
     .check = config_check_word,
     .usual = "[]",
     .may_be_empty = true,
     .meaning = "Where not empty, deliveries of other account ids go to the pen."},
    {.path = "serve.body_limit",
     .type = CONFIG_SIZE,
     .place = offsetof(struct config, body_limit_bytes),
     .usual = "8MiB",
     .least = "1KiB",
     .most = "64MiB",
     .meaning = "The longest body that is taken; longer ones are answered 413."},
    {.path = "serve.connections",
     .type = CONFIG_COUNT,
     .place = offsetof(struct config, connections),
     .usual = "10000",
     .least = "1",
     .most = "1000000",
     .meaning = "How many connections may be open at once; beyond it, 503."},
    {.path = "serve.bytes_in_flight",
     .type = CONFIG_SIZE,
     .place = offsetof(struct config, bytes_in_flight),
     .usual = "256MiB",
     .least = "1KiB",
     .most = "64GiB",
     .meaning = "How many bytes of bodies may be held at once; beyond it, 503."},
    {.path = "serve.dedup_window",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config, dedup_window_ms),
     .usual = "7d",
     .least = "1s",
     .most = "365d",
     .live = CONFIG_LIVE_YES,
     .meaning = "For how long an event's id is remembered, so that it is stored once."},
    {.path = "serve.pen",
     .type = CONFIG_MAP,
     .live = CONFIG_LIVE_YES,
     .meaning = "How much is kept under unmatched: pen, which anybody can send; beyond it, 503."},
    {.path = "serve.pen.max_size",
     .type = CONFIG_SIZE,
     .place = offsetof(struct config, pen_max_bytes),
     .usual = "64MiB",
     .least = "1KiB",
     .most = "64GiB",
     .live = CONFIG_LIVE_YES,
     .meaning = "Bytes of bodies and signatures, in Redis and on the way there."},
    {.path = "serve.pen.max_events",
     .type = CONFIG_COUNT,
     .place = offsetof(struct config, pen_max_events),
     .usual = "10000",
     .least = "1",
     .most = "10000000",
     .live = CONFIG_LIVE_YES,
     .meaning = "How many deliveries."},
    {.path = "serve.durability",
     .type = CONFIG_WORD,
     .place = offsetof(struct config, durability),
     .usual = "spool",
     .words = durability_words,
     .meaning = "What a 2xx waits for: that the event is on disk in the spool, or that the ledger, "
                "Redis, has it."},
    {.path = "serve.spool",
     .type = CONFIG_MAP,
     .meaning = "Where deliveries are kept on disk until Redis has them."},
    {.path = "serve.spool.directory",
     .type = CONFIG_FOLDER,
     .place = offsetof(struct config, spool_directory),
     .read_for = CONFIG_SERVE,
     .meaning = "A folder on a disk of this machine, made where it is not there; durability: spool "
                "needs one."},
    {.path = "serve.spool.max_size",
     .type = CONFIG_SIZE,
     .place = offsetof(struct config, spool_max_bytes),
     .usual = "1GiB",
     .least = "64MiB",
     .most = "1024GiB",
     .meaning =
         "How large one serve's spools may grow together, those included that earlier starts left; "
         "when that is full, a 2xx waits for the ledger."},
    {.path = "serve.spool.keep",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config, spool_keep_ms),
     .usual = "1h",
     .least = "1m", /* so long serve holds all of it, for what services may be owed */
     .most = "7d",
     .meaning =
         "How long at least an event stays in the spool after Redis has it, for the day when "
         "Redis loses it."},

    {.path = "forward", .type = CONFIG_MAP, .meaning = "How events go out."},
    {.path = "forward.admin",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config, forward_admin),
     .check = config_check_address,
     .meaning = "Where forward answers /healthz, /readyz and /metrics; left out, nowhere."},

    {.path = "forward.retention",
     .type = CONFIG_MAP,
     .live = CONFIG_LIVE_YES,
     .meaning = "For how long Redis keeps what."},
    {.path = "forward.retention.events",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config, retention.events_ms),
     .usual = "7d",
     .least = "1s",
     .most = "365d",
     .meaning = "Events that nobody is owed any more; what a service is owed stays, and becomes a "
                "dead letter so long after its first attempt."},
    {.path = "forward.retention.dead",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config, retention.dead_ms),
     .usual = "30d",
     .least = "1s",
     .most = "3650d",
     .meaning = "Dead letters."},
    {.path = "forward.retention.max_events",
     .type = CONFIG_COUNT,
     .place = offsetof(struct config, retention.max_events),
     .usual = "10000000",
     .least = "1",
     .most = "1000000000",
     .meaning = "Beyond so many the oldest that nobody is owed go before their time."},
    {.path = "forward.retention.foreign",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config, retention.foreign_ms),
     .usual = "7d",
     .least = "1s",
     .most = "365d",
     .meaning = "What a consumer group that is not ours has not had yet; later it is passed over."},

    {.path = "services",
     .type = CONFIG_MAPS,
     .place = offsetof(struct config, services),
     .beside = offsetof(struct config, service_count),
     .item_bytes = sizeof(struct config_service),
     .may_be_empty = true,
     .live = CONFIG_LIVE_YES,
     .meaning = "Who gets the events."},
    {.path = "services[].name",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_service, name),
     .check = config_check_name,
     .needed = true,
     .meaning = "Its name in logs, metrics and the ledger: 1 to 32 of a-z, 0-9 and -."},
    {.path = "services[].url",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_service, url),
     .check = config_check_service_url,
     .needed = true,
     .meaning = "Where events are sent to: http://, https:// or http+unix:///SOCKET:/TARGET."},
    {.path = "services[].events",
     .type = CONFIG_TEXTS,
     .place = offsetof(struct config_service, events),
     .beside = offsetof(struct config_service, event_count),
     .check = pattern_valid,
     .usual = "[\"*\"]",
     .meaning = "Patterns of the event types it wants, as in application.*; a \"!\" in front "
                "excludes."},
    {.path = "services[].endpoints",
     .type = CONFIG_TEXTS,
     .place = offsetof(struct config_service, endpoints),
     .beside = offsetof(struct config_service, endpoint_count),
     .check = config_check_name,
     .usual = "all of them",
     .meaning = "The endpoints whose events it wants."},
    {.path = "services[].start",
     .type = CONFIG_WHEN,
     .place = offsetof(struct config_service, start),
     .beside = offsetof(struct config_service, start_ago_ms),
     .usual = "now",
     .least = "1s",
     .most = "365d",
     .words = start_words,
     .meaning = "Where a service begins that is new to a ledger already in use: now, beginning, or "
                "as far back as a duration says."},
    {.path = "services[].timeout",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config_service, timeout_ms),
     .usual = "15s",
     .least = "10ms",
     .most = "10m",
     .meaning = "How long a whole attempt may take."},
    {.path = "services[].connect_timeout",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config_service, connect_timeout_ms),
     .usual = "5s",
     .least = "10ms",
     .most = "10m",
     .meaning = "How long connecting may take of that."},
    {.path = "services[].concurrency",
     .type = CONFIG_COUNT,
     .place = offsetof(struct config_service, concurrency),
     .usual = "8",
     .least = "1",
     .most = "1000",
     .meaning = "How many attempts each forward process makes at once."},
    {.path = "services[].rate",
     .type = CONFIG_COUNT,
     .place = offsetof(struct config_service, rate),
     .usual = "0",
     .least = "0",
     .most = "100000",
     .meaning = "How many attempts a second each forward process makes; 0 is as many as it can."},
    {.path = "services[].order_by",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_service, order_by),
     .check = config_check_order,
     .usual = "none",
     .meaning = "Whose events go one at a time and in order: none, account, or what stands at a "
                "path in the body, such as data.candidate_id; one forward process at a time "
                "delivers then."},
    {.path = "services[].retry",
     .type = CONFIG_MAP,
     .meaning = "When an attempt that failed is made again."},
    {.path = "services[].retry.first",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config_service, retry_first_ms),
     .usual = "1s",
     .least = "1ms",
     .most = "1d",
     .meaning = "The longest wait after the first failure; it doubles with each one."},
    {.path = "services[].retry.most",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config_service, retry_most_ms),
     .usual = "15m",
     .least = "1ms",
     .most = "7d",
     .meaning = "The longest wait there is."},
    {.path = "services[].retry.give_up",
     .type = CONFIG_DURATION,
     .place = offsetof(struct config_service, retry_give_up_ms),
     .usual = "72h",
     .least = "1ms",
     .most = "365d",
     .meaning = "An event that still fails so long after its first attempt is dead."},
    {.path = "services[].sign",
     .type = CONFIG_MAP,
     .meaning = "How a service may know that a request is ours."},
    {.path = "services[].sign.scheme",
     .type = CONFIG_WORD,
     .place = offsetof(struct config_service, sign),
     .usual = "none",
     .words = sign_words,
     .meaning = "none, kula (X-Kula-Signature, as Kula itself signs) or standard-webhooks "
                "(webhook-signature)."},
    {.path = "services[].sign.secret_files",
     .type = CONFIG_FILES,
     .place = offsetof(struct config_service, sign_secret_files),
     .beside = offsetof(struct config_service, sign_secret_file_count),
     .secret = true,
     .read_for = CONFIG_FORWARD,
     .meaning = "The service's own signing secrets, one a file; each makes a signature, in this "
                "order."},
    {.path = "services[].headers",
     .type = CONFIG_HEADERS,
     .place = offsetof(struct config_service, headers),
     .beside = offsetof(struct config_service, header_count),
     .may_be_empty = true,
     .meaning = "Headers to send along, as in {X-Source: kula}; none that kula-relay sets itself."},
    {.path = "services[].header_files",
     .type = CONFIG_HEADER_FILES,
     .place = offsetof(struct config_service, headers),
     .beside = offsetof(struct config_service, header_count),
     .may_be_empty = true,
     .secret = true,
     .read_for = CONFIG_FORWARD,
     .meaning = "The same with values that are secret, as in {Authorization: FILE}."},
    {.path = "services[].ca_file",
     .type = CONFIG_FILE,
     .place = offsetof(struct config_service, ca_file),
     .secret = true,
     .read_for = CONFIG_FORWARD,
     .meaning = "For https://: the certificates to trust; left out, the system's."},
    {.path = "services[].client_certificate",
     .type = CONFIG_FILE,
     .place = offsetof(struct config_service, client_certificate),
     .secret = true,
     .read_for = CONFIG_FORWARD,
     .meaning = "The certificate to show to the service (PEM)."},
    {.path = "services[].client_key",
     .type = CONFIG_FILE,
     .place = offsetof(struct config_service, client_key),
     .secret = true,
     .read_for = CONFIG_FORWARD,
     .meaning = "That certificate's key (PEM), without a password."},
    {.path = "services[].link_local",
     .type = CONFIG_WORD,
     .place = offsetof(struct config_service, link_local),
     .usual = "refuse",
     .words = link_local_words,
     .meaning = "Whether its name may lead to a link-local address or a cloud's metadata service: "
                "refuse or allow."},

    {.path = "kula", .type = CONFIG_MAP, .meaning = "Kula's management API, for `webhook`."},
    {.path = "kula.api",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config, kula.api),
     .check = config_check_api_url,
     .usual = "https://api.kula.ai/v1",
     .meaning = "Where it is: https://, or http:// on this machine."},
    {.path = "kula.token_file",
     .type = CONFIG_FILE,
     .place = offsetof(struct config, kula.token_file),
     .secret = true,
     .read_for = CONFIG_KULA | CONFIG_WATCH,
     .meaning = "The file that holds the token, a key of the type Application API, for nobody else "
                "to read; KULA_API_TOKEN_FILE goes before it."},
    {.path = "kula.webhooks",
     .type = CONFIG_MAPS,
     .place = offsetof(struct config, kula.webhooks),
     .beside = offsetof(struct config, kula.webhook_count),
     .item_bytes = sizeof(struct config_webhook),
     .may_be_empty = true,
     .meaning = "What Kula should have: `webhook plan` tells the difference, `webhook apply` makes "
                "it so."},
    {.path = "kula.webhooks[].endpoint",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_webhook, endpoint),
     .check = config_check_name,
     .needed = true,
     .meaning =
         "Which of serve.endpoints it delivers to; a new one gets that one's newest secret."},
    {.path = "kula.webhooks[].id",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_webhook, id),
     .check = config_check_word,
     .meaning = "Its id at Kula; left out, it is known by its url."},
    {.path = "kula.webhooks[].url",
     .type = CONFIG_TEXT,
     .place = offsetof(struct config_webhook, url),
     .check = config_check_webhook_url,
     .needed = true,
     .meaning = "Where Kula delivers to, as the internet sees it: https:// only."},
    {.path = "kula.webhooks[].events",
     .type = CONFIG_TEXTS,
     .place = offsetof(struct config_webhook, events),
     .beside = offsetof(struct config_webhook, event_count),
     .check = pattern_valid,
     .usual = "[\"*\"]",
     .meaning = "Patterns of the event types, of those that Kula lists."},

    {.path = "log", .type = CONFIG_MAP, .meaning = "What is logged to stderr."},
    {.path = "log.level",
     .type = CONFIG_WORD,
     .place = offsetof(struct config, log_level),
     .usual = "info",
     .words = level_words,
     .live = CONFIG_LIVE_YES,
     .meaning = "The least important lines that are logged: debug, info, warning or error."},
    {.path = "log.format",
     .type = CONFIG_WORD,
     .place = offsetof(struct config, log_format),
     .usual = "auto",
     .words = format_words,
     .meaning = "text, json, or auto: text on a terminal and JSON elsewhere."},
};
const size_t config_table_rows = sizeof config_table / sizeof *config_table;

const char *config_table_key(const struct config_row *row, const char *section) {
    size_t size = strlen(section);
    const char *key = row->path;
    if (size) {
        if (strncmp(row->path, section, size) != 0 || row->path[size] != '.')
            return NULL;
        key += size + 1;
    }
    return strchr(key, '.') ? NULL : key;
}

const struct config_row *config_table_find(const char *section, const char *key) {
    for (size_t i = 0; i < config_table_rows; i++) {
        const char *known = config_table_key(&config_table[i], section);
        if (known && strcmp(known, key) == 0)
            return &config_table[i];
    }
    return NULL;
}

struct nearest config_table_nearest(const char *section, const char *key) {
    struct nearest nearest = {.word = text_of(key)};
    for (size_t i = 0; i < config_table_rows; i++) {
        const char *known = config_table_key(&config_table[i], section);
        if (known)
            nearest_offer(&nearest, text_of(known));
    }
    return nearest;
}

bool config_table_number(enum config_type type, struct text text, int64_t *number) {
    uint64_t count;
    if (type == CONFIG_DURATION || type == CONFIG_WHEN)
        return values_parse_duration(text, number);
    if (type == CONFIG_SIZE)
        return values_parse_size(text, number);
    if (!text_to_uint(text, INT64_MAX, &count))
        return false;
    *number = (int64_t)count;
    return true;
}

static void free_texts(char **texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_headers(struct config_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(headers[i].name);
        free(headers[i].value);
        free(headers[i].file);
    }
    free(headers);
}

static void finish_section(const char *section, char *base);

static void finish_row(const struct config_row *row, char *base) {
    void *place = base + row->place;
    const size_t *count = (const void *)(base + row->beside);
    switch (row->type) {
    case CONFIG_TEXT:
    case CONFIG_FILE:
    case CONFIG_FOLDER:
        free(*(char **)place);
        break;
    case CONFIG_TEXTS:
    case CONFIG_FILES:
        free_texts(*(char ***)place, *count);
        break;
    case CONFIG_HEADERS:
        free_headers(*(struct config_header **)place, *count);
        break;
    case CONFIG_MAP:
        finish_section(row->path, base);
        break;
    case CONFIG_MAPS: {
        struct string items = {0};
        string_addf(&items, "%s[]", row->path);
        for (size_t i = 0; i < *count; i++)
            finish_section(items.data, *(char **)place + i * row->item_bytes);
        string_finish(&items);
        free(*(char **)place);
        break;
    }
    case CONFIG_HEADER_FILES: /* stand among the headers */
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_COUNT:
    case CONFIG_WORD:
    case CONFIG_WHEN:
        break;
    }
}

static void finish_section(const char *section, char *base) {
    for (size_t i = 0; i < config_table_rows; i++)
        if (config_table_key(&config_table[i], section))
            finish_row(&config_table[i], base);
}

void config_table_finish(struct config *config) {
    finish_section("", (char *)config);
}
