#include "forward/attempt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/version.h"
#include "forward/headers.h"
#include "forward/signer.h"

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
                            &event->to,       &event->origin};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        bytes += texts[i]->size;
    attempt->kept = memory_resize(NULL, bytes);
    char *free_at = attempt->kept;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        keep(texts[i], &free_at);
    attempt->kept_body = text_copy(event->body);
    event->body.data = attempt->kept_body;
    return attempt;
}

void attempt_forget_body(struct attempt *attempt) {
    free(attempt->kept_body);
    attempt->kept_body = NULL;
    attempt->event.body = (struct text){0};
}

void attempt_destroy(struct attempt *attempt) {
    free(attempt->after_dead);
    free(attempt->lane);
    free(attempt->kept_body);
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

static bool is_trace(struct text trace) {
    bool any = false;
    for (size_t i = 0; i < trace.size; i++) {
        char c = trace.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        any = any || c != '0';
    }
    return trace.size == 32 && any;
}

/* W3C trace context: the event's trace id, and a new span for each attempt, which is not zero.
 * An event that somebody else wrote may have none. */
static void add_traceparent(struct headers *headers, struct text trace) {
    if (is_trace(trace))
        headers_add(headers, "traceparent: 00-%.*s-%016" PRIx64 "-01", TEXT_ARG(trace),
                    random_bits() | 1);
}

static void add_headers(struct headers *headers, const struct attempt *attempt,
                        const struct config_service *service) {
    const struct ledger_event *event = &attempt->event;
    headers_add(headers, "Content-Type: application/json");
    headers_add(headers, "User-Agent: kula-relay/%s", KULA_RELAY_VERSION);
    headers_add(headers, "X-Kula-Event: %.*s", TEXT_ARG(event->type));
    headers_add(headers, "X-Kula-Event-Id: %.*s", TEXT_ARG(event->id));
    headers_add(headers, "Idempotency-Key: %.*s", TEXT_ARG(event->id));
    headers_add(headers, "Kula-Relay-Attempt: %u", attempt->failed + 1);
    headers_add(headers, "Kula-Relay-Origin: %s", event->to.size ? "replay" : "live");
    if (attempt->after_dead)
        headers_add(headers, "Kula-Relay-After-Dead: %s",
                    is_word(text_of(attempt->after_dead)) ? attempt->after_dead : "unknown");
    add_traceparent(headers, event->trace);
    for (size_t i = 0; i < service->header_count; i++)
        headers_add(headers, "%s: %s", service->headers[i].name, service->headers[i].value);
}

void attempt_send(struct attempt *attempt, const struct config_service *service,
                  struct signer *signer, struct http_client *client, http_done_fn *fn) {
    struct headers headers = {0};
    add_headers(&headers, attempt, service);
    signer_sign(signer, attempt->event.id, attempt->event.body, clock_wall_ms() / 1000, &headers);
    const char **list = headers_list(&headers);
    http_client_send(client,
                     &(struct http_call){
                         .method = "POST",
                         .url = service->url,
                         .headers = list,
                         .body = attempt->event.body,
                         .timeout_ms = (int)service->timeout_ms,
                         .connect_timeout_ms = (int)service->connect_timeout_ms,
                         .ca = secret_text(&service->ca),
                         .client_certificate = secret_text(&service->certificate),
                         .client_key = secret_text(&service->key),
                         .link_local = service->link_local == CONFIG_LINK_LOCAL_ALLOW,
                     },
                     fn, attempt);
    free(list);
    headers_finish(&headers);
}
