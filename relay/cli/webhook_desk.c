#include "cli/webhook_desk.h"

#include "cli/webhook_endpoint.h"

/* Against an API that gives the same page for ever: as many as Kula answers requests in an hour. */
enum { PAGES_MOST = 1000 };

bool webhook_desk_open(struct webhook_desk *desk) {
    return webhook_desk_open_for(desk, CONFIG_FOR_KULA);
}

bool webhook_desk_open_for(struct webhook_desk *desk, enum config_for whose) {
    if (!cli_load(&desk->cli, whose))
        return false;
    const struct config_kula *kula = &desk->cli.config->kula;
    const struct kula_api_settings settings = {
        .url = kula->api, .token = &kula->token, .timeout_ms = desk->timeout_s * 1000};
    desk->cli.loop = loop_create();
    desk->api = kula_api_create(desk->cli.loop, &settings);
    return true;
}

void webhook_desk_close(struct webhook_desk *desk) {
    kula_api_destroy(desk->api);
    kula_answer_destroy(desk->answer);
}

struct config *webhook_desk_load_secrets(struct webhook_desk *desk) {
    struct string problems = {0};
    struct config *config = config_load(desk->cli.config->file, CONFIG_FOR_SEND, &problems);
    if (!config) {
        fprintf(stderr, "%s", problems.data);
        desk->cli.options.exit = CLI_BAD_CONFIG;
    }
    string_finish(&problems);
    return config;
}

void webhook_desk_on_answer(void *arg, struct kula_answer **answer) {
    struct webhook_desk *desk = arg;
    kula_answer_destroy(desk->answer);
    desk->answer = *answer;
    *answer = NULL;
    cli_wake(&desk->cli);
}

bool webhook_desk_fail(struct webhook_desk *desk) {
    const struct kula_answer *answer = desk->answer;
    if (answer->outcome == KULA_MISSING)
        return cli_fail(&desk->cli, CLI_NOT_FOUND,
                        "%s%s%s; `kula-relay webhook list` shows the webhooks, and `events` the "
                        "event types",
                        desk->subject ? desk->subject : "", desk->subject ? ": " : "",
                        answer->problem.data);
    return cli_fail(&desk->cli, CLI_FAILED, "%s", answer->problem.data);
}

bool webhook_desk_try(struct webhook_desk *desk) {
    cli_wait(&desk->cli);
    return desk->answer->outcome == KULA_DONE;
}

bool webhook_desk_wait(struct webhook_desk *desk) {
    return webhook_desk_try(desk) || webhook_desk_fail(desk);
}

struct kula_answer *webhook_desk_take(struct webhook_desk *desk) {
    struct kula_answer *answer = desk->answer;
    desk->answer = NULL;
    return answer;
}

bool webhook_desk_more(struct webhook_desk *desk, int64_t page) {
    if (!desk->answer->more || page < PAGES_MOST)
        return desk->answer->more;
    return cli_fail(&desk->cli, CLI_FAILED,
                    "Kula has more than %d pages, or the same one for ever: the rest is not read",
                    PAGES_MOST);
}

bool webhook_desk_each(struct webhook_desk *desk, webhook_desk_visit_fn *visit, void *arg) {
    bool more = true;
    for (int64_t page = 1; more; page++) {
        kula_api_list(desk->api, page, webhook_desk_on_answer, desk);
        if (!webhook_desk_wait(desk))
            return false;
        for (size_t i = 0; i < desk->answer->webhook_count; i++)
            if (!visit(desk, &desk->answer->webhooks[i], arg))
                return false;
        more = webhook_desk_more(desk, page);
    }
    return !desk->answer->more;
}

const struct config_endpoint *webhook_desk_endpoint(struct webhook_desk *desk) {
    const struct config *config = desk->cli.config;
    kula_api_show(desk->api, desk->subject, webhook_desk_on_answer, desk);
    if (!webhook_desk_wait(desk))
        return NULL;
    const struct config_endpoint *endpoint =
        webhook_endpoint_certain(config, desk->answer->webhooks);
    if (endpoint)
        return endpoint;
    cli_fail(&desk->cli, CLI_BAD_CONFIG,
             "%s does not say which endpoint %s delivers to: add it to kula.webhooks", config->file,
             desk->subject);
    return NULL;
}
