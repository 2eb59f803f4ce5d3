#include "cli/webhook_serve.h"

#include "cli/admin_page.h"

static bool ask(struct webhook_desk *desk, struct webhook_serve *serve, const char *address) {
    struct admin_page *page = &serve->metrics;
    if (admin_page_get(&desk->cli, address, "/metrics", page) && page->status == 200)
        return true;
    char answer[32];
    snprintf(answer, sizeof answer, "it answers %d", page->status);
    return cli_fail(&desk->cli, CLI_FAILED,
                    "serve does not say at %s which secrets it has: %s; is it running, and is "
                    "--serve (else serve.admin) right?",
                    page->url.data, page->status ? answer : page->body.data);
}

bool webhook_serve_ask(struct webhook_desk *desk, struct webhook_serve *serve) {
    const char *address = desk->serve ? desk->serve : desk->cli.config->serve_admin;
    if (!address)
        return cli_fail(&desk->cli, CLI_BAD_CONFIG,
                        "%s: serve.admin is missing: without it nobody sees which secrets serve "
                        "has; set it, or name the address with --serve",
                        desk->cli.config->file);
    return ask(desk, serve, address);
}

void webhook_serve_finish(struct webhook_serve *serve) {
    admin_page_finish(&serve->metrics);
}

static int64_t number_of_secret(const struct webhook_serve *serve, const char *name,
                                const char *endpoint, const char *mark) {
    struct string series = {0};
    string_addf(&series, "%s{endpoint=\"%s\",secret=\"%s\"}", name, endpoint, mark);
    int64_t number = admin_page_number(&serve->metrics, series.data);
    string_finish(&series);
    return number;
}

bool webhook_serve_knows(const struct webhook_serve *serve, const char *endpoint,
                         const char *mark) {
    return number_of_secret(serve, "kula_relay_secret_position", endpoint, mark) > 0;
}

int64_t webhook_serve_matched_s(const struct webhook_serve *serve, const char *endpoint,
                                const char *mark) {
    int64_t when_s =
        number_of_secret(serve, "kula_relay_secret_matched_timestamp_seconds", endpoint, mark);
    return when_s > 0 ? when_s : 0;
}

bool webhook_serve_pen_checked(const struct webhook_serve *serve) {
    return admin_page_number(&serve->metrics, "kula_relay_pen_checked") == 1;
}

int64_t webhook_serve_started_s(const struct webhook_serve *serve) {
    return admin_page_number(&serve->metrics, "kula_relay_started_timestamp_seconds");
}
