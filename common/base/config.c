#include "base/config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/config_cross.h"
#include "base/config_draft.h"
#include "base/config_files.h"
#include "base/config_read.h"
#include "base/config_table.h"
#include "base/config_value.h"
#include "base/file.h"
#include "base/memory.h"

static const char *const usual_files[] = {
    "./kula-relay.yaml",
    "/etc/kula-relay/kula-relay.yaml",
    NULL,
};

/* Set and not empty: an empty variable is how compose files and unit files say "no". */
static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void take_redis_url(struct config_draft *draft) {
    static const char name[] = "KULA_RELAY_REDIS_URL";
    const char *url = variable(name);
    struct string why = {0};
    if (!url)
        return;
    config_draft_override(draft, "redis.url", url, name);
    if (!config_value_set(config_table_find("redis", "url"), &draft->config, text_of(url), &why))
        config_draft_problem_of(draft, "redis.url", "%s", why.data);
    string_finish(&why);
}

/* Only where it is clear which endpoint is meant. */
static void take_secret_file(struct config_draft *draft) {
    static const char name[] = "KULA_WEBHOOK_SECRET_FILE";
    const char *file = variable(name);
    struct config_endpoint *endpoint = draft->config.endpoints;
    if (!file || draft->config.endpoint_count != 1)
        return;
    for (size_t i = 0; i < endpoint->secret_file_count; i++)
        free(endpoint->secret_files[i]);
    endpoint->secret_files = memory_resize(endpoint->secret_files, sizeof(*endpoint->secret_files));
    endpoint->secret_files[0] = text_copy(text_of(file));
    endpoint->secret_file_count = 1;
    config_draft_override(draft, "serve.endpoints[0].secret_files", file, name);
}

static void take_token_file(struct config_draft *draft) {
    static const char name[] = "KULA_API_TOKEN_FILE";
    const char *file = variable(name);
    char **place = &draft->config.kula.token_file;
    if (!file)
        return;
    free(*place);
    *place = text_copy(text_of(file));
    config_draft_override(draft, "kula.token_file", file, name);
}

static void make_room_for_secrets(struct config *config) {
    for (size_t i = 0; i < config->endpoint_count; i++) {
        struct config_endpoint *endpoint = &config->endpoints[i];
        endpoint->secrets = memory_new(endpoint->secret_file_count * sizeof(*endpoint->secrets));
    }
    for (size_t i = 0; i < config->service_count; i++) {
        struct config_service *service = &config->services[i];
        size_t count = service->sign_secret_file_count;
        service->sign_keys = memory_new(count * sizeof(*service->sign_keys));
    }
}

static void on_refused(void *arg, struct yaml_place at, const char *sentence) {
    config_draft_problem(arg, at, "%s", sentence);
}

static void read_tree(struct config_draft *draft, const struct yaml_node *root) {
    config_read(draft, root);
    if (root->kind != YAML_MAP)
        return;
    take_redis_url(draft);
    take_secret_file(draft);
    take_token_file(draft);
    config_files_list(draft);
    make_room_for_secrets(&draft->config);
    config_cross_check(draft);
    config_files_read(draft);
}

static void look_nowhere(void *arg, struct config *config) {
    (void)arg;
    (void)config;
}

struct config *config_parse_with(struct text yaml, const char *name, enum config_for needs,
                                 config_look_fn *look, void *arg, struct string *problems) {
    struct config_draft *draft = config_draft_create(name, needs);
    string_add(&draft->yaml, yaml);
    struct yaml_node *root = yaml_read(yaml, on_refused, draft);
    if (root) {
        read_tree(draft, root);
        look(arg, &draft->config);
    }
    yaml_destroy(root);
    if (draft->problem_count == 0)
        return &draft->config;
    config_draft_tell(draft, problems);
    config_draft_destroy(draft);
    return NULL;
}

struct config *config_parse(struct text yaml, const char *name, enum config_for needs,
                            struct string *problems) {
    return config_parse_with(yaml, name, needs, look_nowhere, NULL, problems);
}

static const char *find_file(void) {
    const char *named = variable("KULA_RELAY_CONFIG");
    if (named)
        return named;
    for (const char *const *file = usual_files; *file; file++)
        if (access(*file, F_OK) == 0)
            return *file;
    return NULL;
}

static bool read_file(const char *path, struct string *content) {
    enum { ROOM = YAML_MOST_BYTES + 1 }; /* so that a longer file is seen to be one */
    char *buffer = memory_new(ROOM);
    ssize_t size = file_read(path, buffer, ROOM);
    int error = errno;
    if (size > 0)
        string_add(content, text_slice(buffer, (size_t)size));
    free(buffer);
    errno = error;
    return size >= 0;
}

static void add_unreadable(const char *path, int error, struct string *problems) {
    string_addf(problems, "%s: cannot read it: ", path);
    file_add_reason(error, path, "read it", problems);
    string_add_char(problems, '\n');
}

struct config *config_load_with(const char *file, enum config_for needs, config_look_fn *look,
                                void *arg, struct string *problems) {
    struct string content = {0};
    struct config *config = NULL;
    const char *found = file ? file : find_file();
    if (!found)
        string_addf(problems,
                    "no configuration: neither %s nor %s is there; name one with --config FILE or "
                    "KULA_RELAY_CONFIG\n",
                    usual_files[0], usual_files[1]);
    else if (!read_file(found, &content))
        add_unreadable(found, errno, problems);
    else
        config = config_parse_with(string_text(&content), found, needs, look, arg, problems);
    string_finish(&content);
    return config;
}

struct config *config_load(const char *file, enum config_for needs, struct string *problems) {
    return config_load_with(file, needs, look_nowhere, NULL, problems);
}

struct config *config_again_with(const struct config *config, config_look_fn *look, void *arg,
                                 struct string *problems) {
    const struct config_draft *draft = (const void *)config;
    return config_parse_with(string_text(&draft->yaml), config->file, draft->needs, look, arg,
                             problems);
}

void config_destroy(struct config *config) {
    config_draft_destroy((void *)config);
}
