#include "base/config_watch.h"

struct visit {
    config_file_fn *each;
    void *arg;
};

static void visit(const struct visit *visit, const char *path) {
    if (path)
        visit->each(visit->arg, path);
}

static void visit_listener(const struct visit *v, const struct config_listener *listener) {
    visit(v, listener->certificate);
    visit(v, listener->private_key);
}

static void visit_endpoint(const struct visit *v, const struct config_endpoint *endpoint) {
    visit(v, endpoint->secret_dir);
    for (size_t i = 0; i < endpoint->secret_file_count; i++)
        visit(v, endpoint->secret_files[i]);
}

static void visit_service(const struct visit *v, const struct config_service *service) {
    visit(v, service->ca_file);
    visit(v, service->client_certificate);
    visit(v, service->client_key);
    for (size_t i = 0; i < service->header_count; i++)
        visit(v, service->headers[i].file);
    for (size_t i = 0; i < service->sign_secret_file_count; i++)
        visit(v, service->sign_secret_files[i]);
}

void config_each_watched(const struct config *config, enum config_for whose, config_file_fn *each,
                         void *arg) {
    const struct visit v = {each, arg};
    for (size_t i = 0; whose == CONFIG_FOR_SERVE && i < config->listener_count; i++)
        visit_listener(&v, &config->listeners[i]);
    for (size_t i = 0; whose == CONFIG_FOR_SERVE && i < config->endpoint_count; i++)
        visit_endpoint(&v, &config->endpoints[i]);
    for (size_t i = 0; whose == CONFIG_FOR_FORWARD && i < config->service_count; i++)
        visit_service(&v, &config->services[i]);
}
