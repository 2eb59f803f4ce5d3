#include "base/config_cross.h"

#include <stdio.h>
#include <string.h>

#include "base/config_check.h"
#include "base/pattern.h"

/* A problem at "LIST[i].KEY". */
__attribute__((format(printf, 5, 6))) static void tell(struct config_draft *draft, const char *list,
                                                       size_t i, const char *key,
                                                       const char *format, ...) {
    struct string path = {0}, sentence = {0};
    va_list args;
    va_start(args, format);
    string_vaddf(&sentence, format, args);
    va_end(args);
    string_addf(&path, "%s[%zu]%s%s", list, i, *key ? "." : "", key);
    config_draft_problem_of(draft, path.data, "%s", sentence.data);
    string_finish(&path);
    string_finish(&sentence);
}

/* Names and paths ---------------------------------------------------------- */

typedef const char *pick_fn(const struct config *, size_t i);

static const char *endpoint_name(const struct config *config, size_t i) {
    return config->endpoints[i].name;
}

static const char *endpoint_path(const struct config *config, size_t i) {
    return config->endpoints[i].path;
}

static const char *service_name(const struct config *config, size_t i) {
    return config->services[i].name;
}

/* The value at `path` stands at OWNER.KEY already. */
static void tell_taken(struct config_draft *draft, const char *path, const char *value,
                       const char *owner, const char *key) {
    struct string first = {0};
    string_addf(&first, "%s.%s", owner, key);
    struct yaml_place at = config_draft_place(draft, first.data);
    config_draft_problem_of(draft, path, "\"%s\" is taken by %s, in line %zu, column %zu", value,
                            owner, at.line, at.column);
    string_finish(&first);
}

/* The first of the list, before `end`, that has the value; else `end`. */
static size_t find_first(const struct config *config, pick_fn *pick, size_t end,
                         const char *value) {
    size_t k = 0;
    while (k < end && !(pick(config, k) && strcmp(value, pick(config, k)) == 0))
        k++;
    return k;
}

static void check_unique(struct config_draft *draft, const char *list, size_t count,
                         const char *key, pick_fn *pick) {
    struct string path = {0}, owner = {0};
    for (size_t i = 1; i < count; i++) {
        const char *value = pick(&draft->config, i);
        size_t first = value ? find_first(&draft->config, pick, i, value) : i;
        if (first == i)
            continue;
        string_clear(&path);
        string_clear(&owner);
        string_addf(&path, "%s[%zu].%s", list, i, key);
        string_addf(&owner, "%s[%zu]", list, first);
        tell_taken(draft, path.data, value, owner.data, key);
    }
    string_finish(&path);
    string_finish(&owner);
}

/* Two files that only make sense together. */
static void check_pair(struct config_draft *draft, const char *list, size_t i,
                       const char *const keys[2], const char *a, const char *b) {
    if (a && !b)
        tell(draft, list, i, keys[0], "needs %s beside it", keys[1]);
    if (b && !a)
        tell(draft, list, i, keys[1], "needs %s beside it", keys[0]);
}

/* Patterns ----------------------------------------------------------------- */

struct patterns { /* of LIST[i].events */
    const char *list;
    size_t i;
    char *const *events;
    size_t count;
};

/* A pattern that another one takes away again, and a "!*", can only be a mistake. */
static void check_pattern(struct config_draft *draft, const struct patterns *patterns, size_t k) {
    struct text pattern = text_of(patterns->events[k]);
    char key[64];
    snprintf(key, sizeof key, "events[%zu]", k);
    if (text_is(pattern, "!*"))
        tell(draft, patterns->list, patterns->i, key, "\"!*\" excludes everything");
    if (!pattern.size || text_starts(pattern, "!"))
        return;
    for (size_t n = 0; n < patterns->count; n++) {
        const char *other = patterns->events[n];
        if (*other != '!' || !pattern_covers(text_of(other + 1), pattern))
            continue;
        tell(draft, patterns->list, patterns->i, key,
             "\"%.*s\" takes nothing, for \"%.*s\" excludes it",
             TEXT_ARG(config_check_quoted(pattern)), TEXT_ARG(config_check_quoted(text_of(other))));
        return;
    }
}

static void check_patterns(struct config_draft *draft, const struct patterns *patterns) {
    for (size_t k = 0; k < patterns->count; k++)
        check_pattern(draft, patterns, k);
}

/* Serve -------------------------------------------------------------------- */

/* NULL for port 0: each that asks for it gets a port of its own. */
static const char *unless_any_port(const char *address) {
    const char *port = address ? strrchr(address, ':') : NULL;
    uint64_t number;
    return port && text_to_uint(text_of(port + 1), UINT16_MAX, &number) && number ? address : NULL;
}

static const char *listener_address(const struct config *config, size_t i) {
    return unless_any_port(config->listeners[i].address);
}

static void check_admin(struct config_draft *draft) {
    const struct config *config = &draft->config;
    const char *address = unless_any_port(config->serve_admin);
    size_t count = config->listener_count;
    size_t first = address ? find_first(config, listener_address, count, address) : count;
    char owner[64];
    if (first == count)
        return;
    snprintf(owner, sizeof owner, "serve.listen[%zu]", first);
    tell_taken(draft, "serve.admin", address, owner, "address");
}

static void check_listeners(struct config_draft *draft) {
    static const char *const keys[2] = {"certificate", "private_key"};
    check_unique(draft, "serve.listen", draft->config.listener_count, "address", listener_address);
    check_admin(draft);
    for (size_t i = 0; i < draft->config.listener_count; i++) {
        const struct config_listener *listener = &draft->config.listeners[i];
        check_pair(draft, "serve.listen", i, keys, listener->certificate, listener->private_key);
    }
}

static bool needs_secrets(enum config_for needs) {
    return needs == CONFIG_FOR_ALL || needs == CONFIG_FOR_SERVE || needs == CONFIG_FOR_SEND ||
           needs == CONFIG_FOR_PEN;
}

/* Where it was given and is wrong, that has been told. */
static bool is_given(const struct config_draft *draft, const char *list, size_t i,
                     const char *key) {
    struct string path = {0};
    string_addf(&path, "%s[%zu].%s", list, i, key);
    bool given = config_draft_place(draft, path.data).line != 0;
    string_finish(&path);
    return given;
}

static void check_endpoint(struct config_draft *draft, size_t i) {
    const struct config *config = &draft->config;
    const struct config_endpoint *endpoint = &config->endpoints[i];
    /* Signed up to the tolerance ahead, a delivery stays fresh for twice that long. */
    if (endpoint->tolerance_ms > config->dedup_window_ms / 2)
        tell(draft, "serve.endpoints", i, "tolerance",
             "is more than half of serve.dedup_window: a delivery could be repeated after it was "
             "forgotten");
    if (needs_secrets(draft->needs) && endpoint->secret_file_count == 0 &&
        !is_given(draft, "serve.endpoints", i, "secret_files"))
        tell(draft, "serve.endpoints", i, "secret_files",
             "is missing: without a secret no delivery can be verified%s%s",
             endpoint->secret_dir ? ", and secret_dir has no file" : "",
             config->endpoint_count == 1 ? " (KULA_WEBHOOK_SECRET_FILE may name it too)" : "");
}

static void check_spool(struct config_draft *draft) {
    const struct config *config = &draft->config;
    if (config->durability == CONFIG_DURABILITY_SPOOL &&
        config->spool_max_bytes / 2 < config->body_limit_bytes)
        config_draft_problem_of(draft, "serve.spool.max_size",
                                "is less than twice serve.body_limit: the longest body would "
                                "hardly ever find room");
}

static void check_serve(struct config_draft *draft) {
    const struct config *config = &draft->config;
    check_listeners(draft);
    for (size_t i = 0; i < config->endpoint_count; i++)
        check_endpoint(draft, i);
    check_unique(draft, "serve.endpoints", config->endpoint_count, "name", endpoint_name);
    check_unique(draft, "serve.endpoints", config->endpoint_count, "path", endpoint_path);
    if (config->bytes_in_flight < config->body_limit_bytes)
        config_draft_problem_of(draft, "serve.bytes_in_flight",
                                "is less than serve.body_limit: the longest body would never be "
                                "taken");
    check_spool(draft);
}

/* Services ----------------------------------------------------------------- */

static bool has_endpoint(const struct config *config, const char *wanted) {
    for (size_t i = 0; i < config->endpoint_count; i++)
        if (config->endpoints[i].name && strcmp(config->endpoints[i].name, wanted) == 0)
            return true;
    return false;
}

static void check_service_endpoints(struct config_draft *draft, size_t i) {
    const struct config *config = &draft->config;
    const struct config_service *service = &config->services[i];
    for (size_t k = 0; config->endpoint_count && k < service->endpoint_count; k++) {
        const char *wanted = service->endpoints[k];
        char key[64];
        snprintf(key, sizeof key, "endpoints[%zu]", k);
        if (*wanted && !has_endpoint(config, wanted))
            tell(draft, "services", i, key, "there is no endpoint \"%s\" in serve.endpoints",
                 wanted);
    }
}

static void check_service_sign(struct config_draft *draft, size_t i) {
    static const char key[] = "sign.secret_files";
    const struct config_service *service = &draft->config.services[i];
    bool signs = service->sign != CONFIG_SIGN_NONE, given = is_given(draft, "services", i, key);
    if (signs && !given)
        tell(draft, "services", i, key, "is missing: nothing can be signed without a secret");
    /* Where the scheme is given and wrong, that has been told. */
    if (!signs && given && !is_given(draft, "services", i, "sign.scheme"))
        tell(draft, "services", i, key,
             "needs sign.scheme beside it: kula or standard-webhooks; nothing is signed without");
}

static void check_services(struct config_draft *draft) {
    static const char *const keys[2] = {"client_certificate", "client_key"};
    const struct config *config = &draft->config;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        check_pair(draft, "services", i, keys, service->client_certificate, service->client_key);
        check_service_endpoints(draft, i);
        check_patterns(draft,
                       &(struct patterns){"services", i, service->events, service->event_count});
        check_service_sign(draft, i);
        if (service->retry_first_ms > service->retry_most_ms)
            tell(draft, "services", i, "retry.first", "is longer than retry.most");
    }
    check_unique(draft, "services", config->service_count, "name", service_name);
}

/* Kula --------------------------------------------------------------------- */

static const char *webhook_id(const struct config *config, size_t i) {
    return config->kula.webhooks[i].id;
}

static const char *webhook_url(const struct config *config, size_t i) {
    return config->kula.webhooks[i].url;
}

static void check_webhooks(struct config_draft *draft) {
    static const char list[] = "kula.webhooks";
    const struct config *config = &draft->config;
    size_t count = config->kula.webhook_count;
    for (size_t i = 0; i < count; i++) {
        const struct config_webhook *webhook = &config->kula.webhooks[i];
        const char *wanted = webhook->endpoint;
        if (config->endpoint_count && wanted && !has_endpoint(config, wanted))
            tell(draft, list, i, "endpoint", "there is no endpoint \"%s\" in serve.endpoints",
                 wanted);
        check_patterns(draft, &(struct patterns){list, i, webhook->events, webhook->event_count});
    }
    check_unique(draft, list, count, "id", webhook_id);
    check_unique(draft, list, count, "url", webhook_url);
}

/* What a command cannot do without ----------------------------------------- */

static void check_needs(struct config_draft *draft) {
    const struct config *config = &draft->config;
    bool any_serve = config->endpoint_count || config->listener_count;
    bool serves = draft->needs == CONFIG_FOR_SERVE || (draft->needs == CONFIG_FOR_ALL && any_serve);
    if (draft->needs == CONFIG_FOR_ALL && !any_serve && !config->service_count &&
        !config->kula.token_file)
        config_draft_problem_of(draft, "serve",
                                "there is nothing to do: neither an endpoint under "
                                "serve.endpoints nor a service under services");
    bool signs = draft->needs == CONFIG_FOR_SEND || draft->needs == CONFIG_FOR_PEN;
    if ((serves || signs) && !config->endpoint_count)
        config_draft_problem_of(draft, "serve.endpoints", "an endpoint is needed here");
    if (serves && !config->listener_count)
        config_draft_problem_of(draft, "serve.listen", "a listener is needed here");
    if (serves && config->durability == CONFIG_DURABILITY_SPOOL && !config->spool_directory &&
        !config_draft_place(draft, "serve.spool.directory").line)
        config_draft_problem_of(draft, "serve.spool.directory",
                                "is missing: a 2xx waits until the delivery is on disk, in the "
                                "folder that is named here; name one, or write durability: ledger "
                                "under serve to wait for Redis instead");
    if (draft->needs == CONFIG_FOR_FORWARD && !config->service_count)
        config_draft_problem_of(draft, "services", "a service is needed here");
    bool asks_kula = draft->needs == CONFIG_FOR_KULA || draft->needs == CONFIG_FOR_WATCH;
    if (asks_kula && !config->kula.token_file && !config_draft_place(draft, "kula.token_file").line)
        config_draft_problem_of(draft, "kula.token_file",
                                "is missing: make a key of the type Application API at Kula, under "
                                "Settings > API Management, put it into a file that only you can "
                                "read, and name the file here (KULA_API_TOKEN_FILE may name it "
                                "too)");
}

void config_cross_check(struct config_draft *draft) {
    check_needs(draft);
    check_serve(draft);
    check_services(draft);
    check_webhooks(draft);
}
