#include "cli/view.h"

#include <time.h>

#include "base/utf8.h"
#include "cli/redact.h"

enum { REDACTED_MOST = 1200 };

void view_time(int64_t ms, char out[VIEW_TIME]) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || !strftime(out, VIEW_TIME, "%Y-%m-%d %H:%M:%SZ", &parts))
        snprintf(out, VIEW_TIME, "%lld ms", (long long)ms);
}

void view_clean(struct text text, struct string *out) {
    while (text.size) {
        uint32_t character;
        size_t size = utf8_read(text, &character);
        if (size && !utf8_steers(character))
            string_add(out, text_slice(text.data, size));
        else if (size)
            string_addf(out, "\\u%04x", (unsigned)character);
        else
            string_addf(out, "\\x%02x", (unsigned char)*text.data);
        text = text_slice(text.data + (size ? size : 1), text.size - (size ? size : 1));
    }
}

void view_size(int64_t bytes, struct string *out) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", NULL};
    const char *const *unit = units;
    for (; bytes >= 10240 && unit[1]; unit++)
        bytes /= 1024;
    string_addf(out, "%lld %s", (long long)bytes, *unit);
}

void view_age(int64_t ms, struct string *out) {
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    size_t i = 0;
    while (i < sizeof units / sizeof *units - 1 && ms < 2 * units[i].ms)
        i++;
    string_addf(out, "%lld %s", (long long)(ms > 0 ? ms / units[i].ms : 0), units[i].unit);
}

void view_event(const struct ledger_event *event) {
    struct string line = {0};
    char when[VIEW_TIME];
    view_time(event->received_ms, when);
    string_addf(&line, "%s%s%s  %s", cli_colour(CLI_DIM), when, cli_colour(CLI_PLAIN),
                cli_colour(CLI_BOLD));
    view_clean(event->type, &line);
    string_addf(&line, "%s  ", cli_colour(CLI_PLAIN));
    view_clean(event->id, &line);
    if (event->account.size) {
        string_add_of(&line, "  account ");
        view_clean(event->account, &line);
    }
    string_addf(&line, "  %s", cli_colour(CLI_DIM));
    view_size((int64_t)event->body.size, &line);
    string_add_of(&line, "  ");
    view_clean(event->stream_id, &line);
    if (event->to.size) {
        string_add_of(&line, "  again, to ");
        view_clean(event->to, &line);
    }
    printf("%s%s\n", line.data, cli_colour(CLI_PLAIN));
    string_finish(&line);
}

void view_event_json(struct cli *cli, const struct ledger_event *event, bool reveal) {
    cli_json_text(cli, "stream_id", event->stream_id);
    cli_json_text(cli, "id", event->id);
    cli_json_text(cli, "type", event->type);
    cli_json_text(cli, "endpoint", event->endpoint);
    cli_json_text(cli, "account", event->account);
    cli_json_text(cli, "created", event->created);
    cli_json_number(cli, "received", event->received_ms);
    cli_json_text(cli, "trace", event->trace);
    if (event->to.size)
        cli_json_text(cli, "to", event->to);
    if (event->origin.size)
        cli_json_text(cli, "origin", event->origin);
    if (reveal)
        cli_json_text(cli, "body", event->body);
}

/* At most so many bytes, and no character of UTF-8 cut in two. */
static struct text beginning(struct text text, size_t most) {
    if (text.size <= most)
        return text;
    while (most && ((unsigned char)text.data[most] & 0xc0) == 0x80)
        most--;
    return text_slice(text.data, most);
}

static void print_lines(struct text text, const char *indent) {
    while (text.size) {
        struct string clean = {0};
        view_clean(text_cut(&text, '\n'), &clean);
        printf("%s%s\n", indent, clean.data ? clean.data : "");
        string_finish(&clean);
    }
}

void view_body(struct text body, bool reveal) {
    struct string redacted = {0};
    if (reveal) {
        print_lines(body, "    ");
        return;
    }
    if (!redact_body(body, &redacted)) {
        printf("    (not JSON, %zu bytes)\n", body.size);
        return;
    }
    struct text shown = beginning(string_text(&redacted), REDACTED_MOST);
    print_lines(shown, "    ");
    if (shown.size < redacted.size)
        printf("    … and %zu bytes more\n", redacted.size - shown.size);
    string_finish(&redacted);
}
