#include "cli/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Whom an own certificate is made for, and where a socket bound to all can be reached. */
static bool is_this_machine(struct text host) {
    return text_is(host, "127.0.0.1") || text_is(host, "0.0.0.0") || text_is(host, "[::]") ||
           text_is(host, "[::1]");
}

void target_format_url(const struct config_listener *listener, const char *path,
                       struct string *url) {
    const char *colon = strrchr(listener->address, ':');
    size_t host_size = colon ? (size_t)(colon - listener->address) : strlen(listener->address);
    struct text host = text_slice(listener->address, host_size);
    string_add_of(url, listener->certificate ? "https://" : "http://");
    string_add(url, is_this_machine(host) ? text_of("localhost") : host);
    string_add_of(url, colon ? colon : "");
    string_add_of(url, path);
}

static bool takes_any_port(const struct config_listener *listener) {
    const char *colon = strrchr(listener->address, ':');
    return colon && strcmp(colon, ":0") == 0;
}

static bool from_configuration(struct cli *cli, struct target *target) {
    struct string url = {0};
    if (!cli_load(cli, CONFIG_FOR_SEND))
        return false;
    const struct config_endpoint *endpoint = &cli->config->endpoints[0];
    if (!target->url && !cli->config->listener_count)
        return cli_fail(cli, CLI_BAD_CONFIG, "%s has no listener: give --url", cli->config->file);
    if (!target->url) {
        const struct config_listener *listener = &cli->config->listeners[0];
        if (takes_any_port(listener))
            return cli_fail(cli, CLI_FAILED, "%s takes any free port; serve logs which: give --url",
                            listener->address);
        target_format_url(listener, endpoint->path, &url);
        target->url = url.data;
        if (!target->ca_file && listener->certificate)
            target->ca_file = text_copy(text_of(listener->certificate));
    }
    if (!target->secret.data)
        target->secret = (struct secret){
            (unsigned char *)memory_copy(endpoint->secrets[0].data, endpoint->secrets[0].size),
            endpoint->secrets[0].size};
    return true;
}

bool target_find(struct cli *cli, const struct target_options *options, struct target *target) {
    struct string why = {0};
    if (options->url)
        target->url = text_copy(text_of(options->url));
    if (options->ca_file)
        target->ca_file = text_copy(text_of(options->ca_file));
    if (options->secret_file && !secret_read(options->secret_file, &target->secret, &why)) {
        cli_fail(cli, CLI_FAILED, "%s", why.data);
        string_finish(&why);
        return false;
    }
    return (target->url && target->secret.data) || from_configuration(cli, target);
}

void target_finish(struct target *target) {
    free(target->url);
    free(target->ca_file);
    secret_finish(&target->secret);
}
