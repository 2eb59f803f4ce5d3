#include "forward/edition.h"

#include <stdlib.h>

#include "base/config_watch.h"
#include "base/memory.h"
#include "net/certificates.h"
#include "net/file_watch.h"

static void look(void *arg, struct config *config) {
    (void)arg;
    certificates_check_services(config);
    certificates_check_redis(config);
}

static struct edition *edition_of(struct config *config) {
    if (!config)
        return NULL;
    struct edition *edition = memory_new(sizeof *edition);
    edition->config = config;
    return edition;
}

struct edition *edition_load(const char *file, struct string *problems) {
    return edition_of(config_load_with(file, CONFIG_FOR_FORWARD, look, NULL, problems));
}

struct edition *edition_again(const struct edition *was, struct string *problems) {
    return edition_of(config_again_with(was->config, look, NULL, problems));
}

void edition_destroy(struct edition *edition) {
    if (!edition)
        return;
    config_destroy(edition->config);
    free(edition);
}

const struct config *edition_config(const struct edition *edition) {
    return edition->config;
}

void edition_compare(const struct edition *was, const struct edition *is, enum config_change wanted,
                     struct string *names) {
    config_compare(was->config, is->config, CONFIG_FOR_FORWARD, wanted, names);
}

static void add_file(void *watch, const char *path) {
    file_watch_add(watch, path);
}

void edition_add_files(const struct edition *edition, struct file_watch *watch) {
    config_each_watched(edition->config, CONFIG_FOR_FORWARD, add_file, watch);
}
