#include "cli/sample_service.h"

#include <stdlib.h>

#include "base/memory.h"
#include "net/address.h"
#include "net/http_server.h"

enum { BODY_MOST = 64 * 1024 * 1024 };

struct sample_service {
    struct http_server *server;
    sample_service_fn *decide;
    void *arg;
    struct string url;
};

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    *refusal = (struct http_answer){.status = 405, .allow = "POST"};
    return text_is(head->method, "POST");
}

static void on_request(void *arg, struct http_exchange *exchange) {
    struct sample_service *service = arg;
    const struct sample_request request = {
        .event_id = http_exchange_header(exchange, "X-Kula-Event-Id"),
        .type = http_exchange_header(exchange, "X-Kula-Event"),
        .body = http_exchange_body(exchange),
        .attempt = http_exchange_header(exchange, "Kula-Relay-Attempt"),
        .origin = http_exchange_header(exchange, "Kula-Relay-Origin"),
    };
    const struct http_answer answer = {.status = service->decide(service->arg, &request)};
    http_exchange_answer(&exchange, &answer);
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *answer) {
    (void)exchange;
    (void)peer;
    (void)arg;
    (void)fault;
    *answer = (struct http_answer){.status = 400, .close = true};
}

struct sample_service *sample_service_start(struct loop *loop, sample_service_fn *decide, void *arg,
                                            struct string *why) {
    int descriptor = address_listen(text_of("127.0.0.1:0"), why);
    if (descriptor < 0)
        return NULL;
    struct sample_service *service = memory_new(sizeof *service);
    service->decide = decide;
    service->arg = arg;
    string_add_of(&service->url, "http://");
    address_format_bound(descriptor, &service->url);
    string_add_of(&service->url, "/events");
    service->server = http_server_create(
        loop,
        &(struct http_handler){
            .arg = service, .on_head = on_head, .on_request = on_request, .on_fault = on_fault},
        &(struct http_limits){.body_bytes = BODY_MOST});
    http_server_listen(service->server, descriptor, NULL);
    return service;
}

const char *sample_service_url(const struct sample_service *service) {
    return service->url.data;
}

void sample_service_stop(struct sample_service *service) {
    if (!service)
        return;
    http_server_destroy(service->server);
    string_finish(&service->url);
    free(service);
}
