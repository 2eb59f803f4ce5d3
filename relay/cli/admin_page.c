#include "cli/admin_page.h"

#include <string.h>

#include "net/http_client.h"

/* Below the few seconds that whoever asks again and again gives it. */
enum { PATIENCE_MS = 2000, BYTES_MOST = 1024 * 1024 };

struct asking {
    struct cli *cli;
    struct admin_page *page;
};

static void on_answer(void *arg, const struct http_result *result) {
    struct asking *asking = arg;
    if (result->outcome == HTTP_ANSWERED) {
        asking->page->status = result->status;
        string_add(&asking->page->body, result->body);
    } else {
        string_add_of(&asking->page->body,
                      result->outcome == HTTP_FAILED ? result->error : "no answer");
    }
    cli_wake(asking->cli);
}

static void format_url(const char *address, const char *path, struct string *url) {
    static const char *const all[][2] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
    const char *host = "", *rest = address;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (text_starts(text_of(address), all[i][0])) {
            host = all[i][1];
            rest = address + strlen(all[i][0]);
        }
    string_addf(url, "http://%s%s%s", host, rest, path);
}

bool admin_page_get(struct cli *cli, const char *address, const char *path,
                    struct admin_page *page) {
    struct asking asking = {.cli = cli, .page = page};
    if (!cli->loop)
        cli->loop = loop_create();
    struct http_client *client = http_client_create(cli->loop);
    admin_page_finish(page);
    format_url(address, path, &page->url);
    const struct http_call call = {.method = "GET",
                                   .url = page->url.data,
                                   .timeout_ms = PATIENCE_MS,
                                   .connect_timeout_ms = PATIENCE_MS,
                                   .keep_bytes = BYTES_MOST,
                                   .link_local = true}; /* a person named it */
    http_client_send(client, &call, on_answer, &asking);
    cli_wait(cli);
    http_client_destroy(client);
    return page->status != 0;
}

void admin_page_finish(struct admin_page *page) {
    string_finish(&page->url);
    string_finish(&page->body);
    *page = (struct admin_page){0};
}

int64_t admin_page_number(const struct admin_page *page, const char *series) {
    struct text rest = string_text(&page->body);
    uint64_t number;
    while (rest.size) {
        struct text value = text_cut(&rest, '\n');
        if (!text_starts(value, series) || value.data[strlen(series)] != ' ')
            continue;
        size_t passed = strlen(series) + 1;
        return text_to_uint(text_slice(value.data + passed, value.size - passed), INT64_MAX,
                            &number)
                   ? (int64_t)number
                   : -1;
    }
    return -1;
}
