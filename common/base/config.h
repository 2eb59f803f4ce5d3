/* The configuration: one YAML file against one strict table.
 *
 * All mistakes are told at once, each with file:line:column: an unknown key
 * (with the nearest known one), a key given twice, a wrong unit, a value out of
 * range, two services of one name, a file that cannot be read. Anchors,
 * aliases, tags and several documents are refused. What is left out has the
 * default that the table shows. */
#pragma once
#include "base/log.h"
#include "base/secret.h"

struct config_redis {
    char *url;
    char *user;          /* NULL: none */
    char *password_file; /* NULL: none */
    char *ca_file;       /* NULL: the system's */
    char *prefix;
};

enum config_switch { CONFIG_FALSE, CONFIG_TRUE };

struct config_listener {
    char *address;
    char *certificate; /* both or neither; neither is plain HTTP */
    char *private_key;
    enum config_switch proxy_protocol;
};

enum config_stale { CONFIG_STALE_ACCEPT, CONFIG_STALE_RETRY, CONFIG_STALE_REJECT };
enum config_unmatched { CONFIG_UNMATCHED_REJECT, CONFIG_UNMATCHED_RETRY, CONFIG_UNMATCHED_PEN };
enum config_signed_body { CONFIG_SIGNED_BODY_RAW, CONFIG_SIGNED_BODY_RAW_OR_CANONICAL };
enum config_durability { CONFIG_DURABILITY_SPOOL, CONFIG_DURABILITY_LEDGER };
enum config_start { CONFIG_START_NOW, CONFIG_START_BEGINNING, CONFIG_START_AGO };

struct config_endpoint {
    char *name; /* [a-z0-9-]{1,32} */
    char *path;
    char **secret_files; /* newest first; those in secret_dir before those that were named */
    size_t secret_file_count;
    size_t dir_file_count;  /* so many of them stand in secret_dir */
    char *secret_dir;       /* NULL: none; its files are looked up only where secrets are read */
    struct secret *secrets; /* as many, in the same order; read only where asked (config_secrets) */
    int64_t tolerance_ms;
    enum config_stale stale;
    enum config_signed_body signed_body;
    enum config_unmatched unmatched;
    char **accounts; /* empty: all */
    size_t account_count;
};

enum config_sign { CONFIG_SIGN_NONE, CONFIG_SIGN_KULA, CONFIG_SIGN_STANDARD_WEBHOOKS };
enum config_link_local { CONFIG_LINK_LOCAL_REFUSE, CONFIG_LINK_LOCAL_ALLOW };

struct config_header {
    char *name;
    char *value; /* from `headers`, or read from its file of `header_files` */
    char *file;  /* NULL for `headers` */
};

struct config_service {
    char *name; /* [a-z0-9-]{1,32} */
    char *url;
    char **events; /* patterns; empty: all */
    size_t event_count;
    char **endpoints; /* empty: all */
    size_t endpoint_count;
    enum config_start start;
    int64_t start_ago_ms; /* with CONFIG_START_AGO */
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    int64_t concurrency;
    int64_t rate;   /* attempts a second; 0: no limit */
    char *order_by; /* none, account or a path into the body; NULL: none */
    int64_t retry_first_ms;
    int64_t retry_most_ms;
    int64_t retry_give_up_ms;
    enum config_sign sign;
    char **sign_secret_files; /* at least one, but for CONFIG_SIGN_NONE */
    size_t sign_secret_file_count;
    struct secret *sign_keys; /* as many, in the same order, decoded where the scheme says so;
                                 read only where asked */
    struct config_header *headers;
    size_t header_count;
    char *ca_file; /* NULL: the system's */
    char *client_certificate;
    char *client_key;
    struct secret ca, certificate, key; /* what is in these three; read only where asked */
    enum config_link_local link_local;
};

struct config_retention {
    int64_t events_ms, dead_ms;
    int64_t max_events;
    int64_t foreign_ms; /* for how long somebody else's group may hold trimming back */
};

/* A webhook that Kula should have. */
struct config_webhook {
    char *endpoint; /* of ours, whose deliveries it makes */
    char *id;       /* Kula's; NULL: known by its url */
    char *url;
    char **events; /* patterns, of the types that Kula lists; empty: all */
    size_t event_count;
};

struct config_kula {
    char *api;
    char *token_file;    /* NULL: none */
    struct secret token; /* read only where asked */
    struct config_webhook *webhooks;
    size_t webhook_count;
};

struct config {
    char *file; /* as it was found; for messages */
    struct config_redis redis;
    struct secret redis_password; /* empty: none */
    struct config_listener *listeners;
    size_t listener_count;
    char **trusted_proxies; /* networks; empty: none */
    size_t trusted_proxy_count;
    char *serve_admin; /* NULL: none */
    struct config_endpoint *endpoints;
    size_t endpoint_count;
    int64_t body_limit_bytes;
    int64_t connections;
    int64_t bytes_in_flight;
    int64_t dedup_window_ms;
    int64_t pen_max_bytes, pen_max_events; /* of what no secret matched */
    enum config_durability durability;
    char *spool_directory; /* NULL: none; never with CONFIG_DURABILITY_SPOOL and CONFIG_FOR_SERVE */
    int64_t spool_max_bytes;
    int64_t spool_keep_ms;
    char *forward_admin; /* NULL: none */
    struct config_retention retention;
    struct config_service *services;
    size_t service_count;
    struct config_kula kula;
    enum log_level log_level;
    enum log_format log_format;
};

/* Whose needs are checked, and whose secret files are read. */
enum config_for {
    CONFIG_FOR_ALL,     /* every file is read; `serve` and `forward` need not both be there */
    CONFIG_FOR_SERVE,   /* needs an endpoint with a secret, a listener, and a folder for the spool
                           where there is one; reads secrets and Redis' password */
    CONFIG_FOR_FORWARD, /* needs a service; reads header files, its signing secrets, its
                           certificates and Redis' password */
    CONFIG_FOR_LEDGER,  /* reads Redis' password only */
    CONFIG_FOR_SEND,    /* needs an endpoint with a secret, and reads it */
    CONFIG_FOR_PEN,     /* needs an endpoint with a secret, and reads it and Redis' password */
    CONFIG_FOR_SPOOL,   /* reads no file at all */
    CONFIG_FOR_KULA,    /* needs the token of Kula's API, and reads nothing else */
    CONFIG_FOR_WATCH,   /* needs that, and reads Redis' password besides */
};

/* `file` NULL: $KULA_RELAY_CONFIG, else ./kula-relay.yaml, else
 * /etc/kula-relay/kula-relay.yaml. NULL with one line for each mistake in
 * `problems`, in the order of the file. */
struct config *config_load(const char *file, enum config_for, struct string *problems);
/* From memory, for tests and fuzzing; `name` stands in messages. */
struct config *config_parse(struct text yaml, const char *name, enum config_for,
                            struct string *problems);
void config_destroy(struct config *);

/* The same, and `look` looks into what config_load does not understand, before any mistake is told:
 * what it finds it tells by config_mistake, and all stands in the order of the file. Where
 * something is wrong already it looks all the same, so what should be there may be NULL; and a
 * configuration that it has seen may never be handed out. */
typedef void config_look_fn(void *arg, struct config *);
struct config *config_load_with(const char *file, enum config_for, config_look_fn *look, void *arg,
                                struct string *problems);
/* The same configuration once more: from the text that it was read from, whatever the file holds by
 * now, and with what is in the files that it names. */
struct config *config_again_with(const struct config *, config_look_fn *look, void *arg,
                                 struct string *problems);
struct config *config_parse_with(struct text yaml, const char *name, enum config_for,
                                 config_look_fn *look, void *arg, struct string *problems);
/* From within a config_look_fn. The path is as in config_print; what has a mistake already gets no
 * second one. */
void config_mistake(struct config *, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What somebody above finds out about a key, told as our own mistakes are:
 * "FILE:LINE:COLUMN: PATH: sentence", a line more. The path is as in config_print. */
void config_tell(const struct config *, const char *path, struct string *lines, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* What is bad, and works: it is told, a line each, and refused nowhere, because a
 * refusal at a restart is an outage. Now: secrets that are short enough to be guessed. */
void config_alarms(const struct config *, struct string *lines);

/* Adds the key by which an endpoint has that secret, as in config_print. */
void config_secret_key(const struct config *, size_t endpoint, size_t secret, struct string *);

/* Every key with its effective value and where it came from (file:line, default,
 * environment), one a line; secrets by file only. */
void config_print(const struct config *, struct string *);
/* Every key with its default and meaning: for --help and the manual. */
void config_describe(struct string *);
