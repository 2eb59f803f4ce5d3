#include "cli/webhook_endpoint.h"

#include <string.h>

/* As kula.webhooks has it ------------------------------------------------------ */

static bool is_meant(const struct config_webhook *known, const struct kula_webhook *webhook) {
    return known->id ? text_is(webhook->id, known->id) : text_is(webhook->url, known->url);
}

static bool is_listed(const struct config *config, const struct kula_webhook *webhook) {
    for (size_t i = 0; i < config->kula.webhook_count; i++)
        if (is_meant(&config->kula.webhooks[i], webhook))
            return true;
    return false;
}

static bool is_listed_for(const struct config *config, const struct kula_webhook *webhook,
                          const struct config_endpoint *endpoint) {
    for (size_t i = 0; i < config->kula.webhook_count; i++)
        if (is_meant(&config->kula.webhooks[i], webhook) &&
            strcmp(config->kula.webhooks[i].endpoint, endpoint->name) == 0)
            return true;
    return false;
}

/* By the URL --------------------------------------------------------------------- */

/* What stands behind the "/" that begins it. */
static struct text path_of(struct text url) {
    struct text path = text_cut(&url, '?');
    text_cut(&path, '/'); /* https: */
    text_cut(&path, '/');
    text_cut(&path, '/'); /* the host */
    return path;
}

static bool is_whole(struct text path, const struct config_endpoint *endpoint) {
    return text_is(path, endpoint->path + strlen("/"));
}

/* Whole segments, since each endpoint's path begins with "/". */
static bool ends_with(struct text path, const struct config_endpoint *endpoint) {
    size_t size = strlen(endpoint->path);
    return path.size >= size && memcmp(path.data + path.size - size, endpoint->path, size) == 0;
}

static bool is_any_whole(const struct config *config, struct text path) {
    for (size_t i = 0; i < config->endpoint_count; i++)
        if (is_whole(path, &config->endpoints[i]))
            return true;
    return false;
}

/* ---------------------------------------------------------------------------------- */

bool webhook_endpoint_possible(const struct config *config, const struct kula_webhook *webhook,
                               const struct config_endpoint *endpoint) {
    struct text path = path_of(webhook->url);
    if (is_listed(config, webhook))
        return is_listed_for(config, webhook, endpoint);
    if (!webhook->url.size)
        return false;
    if (is_any_whole(config, path))
        return is_whole(path, endpoint);
    return ends_with(path, endpoint);
}

const struct config_endpoint *webhook_endpoint_likeliest(const struct config *config,
                                                         const struct kula_webhook *webhook) {
    const struct config_endpoint *likeliest = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < config->endpoint_count; i++) {
        const struct config_endpoint *endpoint = &config->endpoints[i];
        size_t size = strlen(endpoint->path);
        if (size > longest && webhook_endpoint_possible(config, webhook, endpoint)) {
            likeliest = endpoint;
            longest = size;
        }
    }
    return likeliest;
}

const struct config_endpoint *webhook_endpoint_certain(const struct config *config,
                                                       const struct kula_webhook *webhook) {
    const struct config_endpoint *only = NULL;
    for (size_t i = 0; i < config->endpoint_count; i++) {
        if (!webhook_endpoint_possible(config, webhook, &config->endpoints[i]))
            continue;
        if (only)
            return NULL;
        only = &config->endpoints[i];
    }
    return only;
}
