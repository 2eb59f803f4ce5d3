#include "forward/attempt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/random.h"

/* Moves a text to the next free place of the copy. */
static void keep(struct text *text, char **free_at) {
    if (text->size)
        memcpy(*free_at, text->data, text->size);
    text->data = *free_at;
    *free_at += text->size;
}

struct attempt *attempt_create(const struct moves_taken *taken, int64_t now_ms) {
    struct attempt *attempt = memory_new(sizeof *attempt);
    *attempt = (struct attempt){
        .event = taken->event,
        .lease = taken->lease,
        .failed = taken->attempts,
        .first_ms = taken->first_ms,
        .taken_ms = now_ms,
    };
    struct ledger_event *event = &attempt->event;
    struct text *texts[] = {&attempt->lease,  &event->stream_id, &event->id,      &event->type,
                            &event->endpoint, &event->account,   &event->created, &event->trace,
                            &event->to,       &event->origin,    &event->body};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        bytes += texts[i]->size;
    attempt->kept = memory_resize(NULL, bytes);
    char *free_at = attempt->kept;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        keep(texts[i], &free_at);
    return attempt;
}

void attempt_destroy(struct attempt *attempt) {
    free(attempt->kept);
    free(attempt);
}

static bool is_word(struct text text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return text.size > 0 && text.size < 256;
}

bool attempt_sendable(const struct attempt *attempt) {
    return is_word(attempt->event.id) && is_word(attempt->event.type) && attempt->event.body.size;
}

/* Headers as one list of NUL-terminated lines, grown in one string. */
struct headers {
    struct string lines; /* each with its NUL */
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add_header(struct headers *headers,
                                                             const char *format, ...) {
    va_list args;
    va_start(args, format);
    string_vaddf(&headers->lines, format, args);
    va_end(args);
    string_add_char(&headers->lines, '\0');
    headers->count++;
}

static const char **header_list(const struct headers *headers) {
    const char **list = memory_new((headers->count + 1) * sizeof *list);
    const char *line = headers->lines.data;
    for (size_t i = 0; i < headers->count; i++, line += strlen(line) + 1)
        list[i] = line;
    return list;
}

/* W3C trace context: the event's trace id, and a new span for each attempt. */
static void add_traceparent(struct headers *headers, struct text trace) {
    if (trace.size != 32 || !is_word(trace))
        return;
    add_header(headers, "traceparent: 00-%.*s-%016" PRIx64 "-01", TEXT_ARG(trace), random_bits());
}

static void add_headers(struct headers *headers, const struct attempt *attempt,
                        const struct config_service *service) {
    const struct ledger_event *event = &attempt->event;
    add_header(headers, "Content-Type: application/json");
    add_header(headers, "User-Agent: kula-relay/%s", KULA_RELAY_VERSION);
    add_header(headers, "X-Kula-Event: %.*s", TEXT_ARG(event->type));
    add_header(headers, "X-Kula-Event-Id: %.*s", TEXT_ARG(event->id));
    add_header(headers, "Idempotency-Key: %.*s", TEXT_ARG(event->id));
    add_header(headers, "Kula-Relay-Attempt: %u", attempt->failed + 1);
    add_header(headers, "Kula-Relay-Origin: %s", event->to.size ? "replay" : "live");
    add_traceparent(headers, event->trace);
    for (size_t i = 0; i < service->header_count; i++)
        add_header(headers, "%s: %s", service->headers[i].name, service->headers[i].value);
}

void attempt_send(struct attempt *attempt, const struct config_service *service,
                  struct http_client *client, http_done_fn *fn) {
    struct headers headers = {0};
    add_headers(&headers, attempt, service);
    const char **list = header_list(&headers);
    http_client_send(client,
                     &(struct http_call){
                         .method = "POST",
                         .url = service->url,
                         .headers = list,
                         .body = attempt->event.body,
                         .timeout_ms = (int)service->timeout_ms,
                         .connect_timeout_ms = (int)service->connect_timeout_ms,
                         .ca_file = service->ca_file,
                         .client_certificate = service->client_certificate,
                         .client_key = service->client_key,
                     },
                     fn, attempt);
    free(list);
    string_finish(&headers.lines);
}
