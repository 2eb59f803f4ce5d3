/* up runs all of kula-relay on this machine: a private redis-server, serve and
 * forward, and where no service is configured one that prints what it receives. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "cli/commands.h"
#include "cli/installation.h"
#include "cli/sample_service.h"
#include "cli/setup.h"
#include "cli/target.h"
#include "cli/view.h"
#include "net/http_client.h"
#include "spool/spool.h"

enum { READY_MS = 15000, PROBE_MS = 1000 };

struct up {
    struct cli cli;
    const char *directory, *listen;
    struct installation installation;
    struct sample_service *sample;
    char *config_file;
    char *forward_file;        /* the configuration of `forward` where that is another */
    bool own;                  /* the configuration is one that `up` made */
    struct http_client *probe; /* asks serve whether it is there yet */
    bool probing, ready;
};

static int on_sample_request(void *arg, const struct sample_request *request) {
    (void)arg;
    struct string line = {0};
    view_clean(request->type, &line);
    string_add_char(&line, ' ');
    view_clean(request->event_id, &line);
    printf("%ssample service received%s %s (attempt %.*s, %zu bytes)\n", cli_colour(CLI_GREEN),
           cli_colour(CLI_PLAIN), line.data, TEXT_ARG(request->attempt), request->body.size);
    view_body(request->body, false);
    fflush(stdout);
    string_finish(&line);
    return 200;
}

/* Where config_load looks; up's own is used only where there is none of these. */
static bool somewhere_configured(const struct up *up) {
    const char *named = getenv("KULA_RELAY_CONFIG");
    return up->cli.options.config_file || (named && *named) ||
           access("kula-relay.yaml", F_OK) == 0 ||
           access("/etc/kula-relay/kula-relay.yaml", F_OK) == 0;
}

static bool make_configuration(struct up *up, struct string *why) {
    const char *directory = up->installation.directory;
    const struct setup setup = {
        .directory = directory,
        .listen = up->listen ? up->listen : "127.0.0.1:8443",
        .serve_admin = "127.0.0.1:9464",
        .forward_admin = "127.0.0.1:9465",
    };
    up->own = true;
    up->config_file = setup_path(directory, "kula-relay.yaml");
    up->cli.options.config_file = up->config_file;
    if (!setup_secret(directory, why) || !setup_certificate(directory, why))
        return false;
    if (access(up->config_file, F_OK) != 0)
        return setup_configuration(up->config_file, &setup, why);
    if (up->listen)
        string_addf(why, "%s has its listeners already: change them there", up->config_file);
    return !up->listen;
}

/* `forward` needs a service; where none is configured, ours, from a file of its own. */
static bool start_sample(struct up *up, struct string *why) {
    const struct config *config = up->cli.config;
    if (config->service_count)
        return true;
    up->sample = sample_service_start(up->cli.loop, on_sample_request, up, why);
    if (!up->sample)
        return false;
    up->forward_file = setup_path(up->installation.directory, "sample-service.yaml");
    const struct setup_service service = {"sample", sample_service_url(up->sample), "[\"*\"]",
                                          NULL};
    const struct setup setup = {
        .directory = up->installation.directory,
        .prefix = config->redis.prefix,
        .forward_admin = config->forward_admin,
        .services = &service,
        .service_count = 1,
    };
    return setup_configuration(up->forward_file, &setup, why);
}

static void on_probed(void *arg, const struct http_result *result) {
    struct up *up = arg;
    up->probing = false;
    up->ready = result->outcome == HTTP_ANSWERED && result->status == 200;
}

static bool serve_answers(void *arg) {
    struct up *up = arg;
    const struct config_listener *listener = &up->cli.config->listeners[0];
    struct string url = {0};
    if (up->ready || up->probing)
        return up->ready;
    target_format_url(listener, "/healthz", &url);
    up->probing = true;
    http_client_send(up->probe,
                     &(struct http_call){.method = "GET",
                                         .url = url.data,
                                         .timeout_ms = PROBE_MS,
                                         .connect_timeout_ms = PROBE_MS,
                                         .ca_file = listener->certificate},
                     on_probed, up);
    string_finish(&url);
    return false;
}

static void print_first_delivery(const struct up *up, const char *url) {
    printf(
        "\nA first delivery, signed as Kula signs it, with nothing but openssl and curl:\n\n"
        "  cd %s\n"
        "  body='{\"event\":\"application.hired\",\"event_id\":\"evt_1\","
        "\"created_at\":\"2026-01-15T10:30:00Z\",\"account_id\":12345,\"data\":{\"id\":7}}'\n"
        "  t=$(date +%%s)\n"
        "  v1=$(printf '%%s.%%s' \"$t\" \"$body\" | openssl dgst -sha256 -hmac \"$(cat secret)\" "
        "-r | "
        "cut -d' ' -f1)\n"
        "  curl --cacert tls.crt -H \"X-Kula-Signature: t=$t,v1=$v1\" --data-binary \"$body\" %s\n",
        up->installation.directory, url);
}

static void print_hints(const struct up *up) {
    const struct config *config = up->cli.config;
    struct string url = {0};
    target_format_url(&config->listeners[0], config->endpoints[0].path, &url);
    printf("%skula-relay is up%s: %s\n", cli_colour(CLI_BOLD), cli_colour(CLI_PLAIN), url.data);
    if (up->own)
        print_first_delivery(up, url.data);
    printf("\nIn another window:\n");
    if (!up->own) /* the file need not name this Redis */
        printf("  export KULA_RELAY_REDIS_URL=%s\n", up->installation.redis_url);
    printf("  kula-relay send --config %s\n"
           "  kula-relay tail -f --config %s\n"
           "  redis-cli -s %s/redis.sock XRANGE %s:events - +\n"
           "Ctrl-C ends it all, in order.\n\n",
           config->file, config->file, up->installation.directory, config->redis.prefix);
    fflush(stdout);
    string_finish(&url);
}

static bool never(void *arg) {
    (void)arg;
    return false;
}

static bool start_relay(struct up *up, struct string *why) {
    const char *file = up->cli.config->file;
    return installation_start_redis(&up->installation, up->cli.config->durability, why) &&
           start_sample(up, why) &&
           installation_start(&up->installation, "forward",
                              up->forward_file ? up->forward_file : file, NULL, why) &&
           installation_start(&up->installation, "serve", file, NULL, why);
}

/* Until somebody asks for the end (true) or a child dies. */
static bool run(struct up *up, struct string *why) {
    if (!start_relay(up, why))
        return false;
    /* A certificate for the world's names cannot be asked for at localhost: then nobody waits. */
    if (!up->own || installation_wait(&up->installation, serve_answers, up, READY_MS))
        print_hints(up);
    installation_wait(&up->installation, never, NULL, INT64_MAX / 2);
    if (up->installation.died)
        string_addf(why, "%s: everything is ended", up->installation.died);
    return !up->installation.died;
}

/* The Redis that is started here knows nobody: whoever logs in there is turned away. */
static bool logs_in_nowhere(struct cli *cli) {
    const struct config_redis *redis = &cli->config->redis;
    struct string line = {0};
    if (!redis->user && !redis->password_file)
        return true;
    config_tell(cli->config, redis->user ? "redis.user" : "redis.password_file", &line,
                "`up` starts a Redis of its own, where nobody logs in; leave it out of the "
                "configuration for `up`, or run serve and forward by themselves");
    fputs(line.data, stderr);
    string_finish(&line);
    cli->options.exit = CLI_BAD_CONFIG;
    return false;
}

static bool is_below(const char *path, const char *directory) {
    char *real = realpath(path, NULL);
    size_t size = strlen(directory);
    bool below = real && strncmp(real, directory, size) == 0 && real[size] == '/';
    free(real);
    return below;
}

static bool is_somebodys(const struct spool_survey *survey) {
    return survey->held || survey->undrained || survey->broken.size;
}

/* What waits in a spool is for another Redis, unless it was we who left it: the one here would be
 * given it, and when it is drained, its own would never get it. */
static bool takes_nobodys_spool(struct up *up) {
    const char *directory = up->cli.config->spool_directory;
    struct spool_survey *surveys = NULL;
    struct string line = {0}, why = {0};
    if (!directory || is_below(directory, up->installation.directory))
        return true;
    int count = spool_survey(directory, &surveys, &why);
    bool somebodys = count < 0;
    for (int i = 0; i < count; i++)
        somebodys = somebodys || is_somebodys(&surveys[i]);
    spool_survey_free(surveys, count < 0 ? 0 : count);
    if (somebodys) {
        config_tell(up->cli.config, "serve.spool.directory", &line,
                    "deliveries wait in %s, or a serve works there, and `up` would drain them into "
                    "a Redis of its own; give a configuration that names another folder",
                    directory);
        fputs(line.data, stderr);
        up->cli.options.exit = CLI_BAD_CONFIG;
    }
    string_finish(&line);
    string_finish(&why);
    return !somebodys;
}

static void up_run(struct up *up) {
    struct cli *cli = &up->cli;
    struct string why = {0};
    cli->loop = loop_create();
    up->probe = http_client_create(cli->loop);
    bool fine = installation_open(&up->installation, cli->loop, up->directory, &why) &&
                (somewhere_configured(up) || make_configuration(up, &why));
    /* What is wrong with the configuration is told there, with its exit code. */
    if (fine && cli_load(cli, CONFIG_FOR_SERVE) && logs_in_nowhere(cli) && takes_nobodys_spool(up))
        fine = run(up, &why);
    if (!fine && !up->installation.asked_to_end)
        cli_fail(cli, CLI_FAILED, "%s", why.data ? why.data : "failed");
    installation_close(&up->installation);
    http_client_destroy(up->probe);
    sample_service_stop(up->sample);
    string_finish(&why);
    free(up->config_file);
    free(up->forward_file);
}

int up_main(int argc, char **argv) {
    struct up up = {.directory = "./kula-relay-data"};
    const struct cli_option options[] = {
        {"data", 'd', "DIR", "where it keeps everything (./kula-relay-data)",
         .text = &up.directory},
        {"listen", 'l', "ADDRESS", "for a new configuration (127.0.0.1:8443)", .text = &up.listen},
        {0}};
    const struct cli_manual manual = {
        .about =
            "Runs all of kula-relay on this machine, until Ctrl-C: a redis-server of its own with\n"
            "its data in DIR, serve and forward, and, where no service is configured, one that\n"
            "prints what it receives. Where there is no configuration, it writes one to DIR, with\n"
            "a secret and a certificate, and says how to send a first delivery. When one of its\n"
            "processes dies, it says so and ends the others (exit 1).",
        .example = "kula-relay up",
        .options = options,
        .takes = CLI_TAKES_CONFIG,
        .notes = "Exit codes: 0 done, 1 failed, 2 usage, 78 configuration invalid.\n",
    };
    if (cli_start(&up.cli, &manual, argc, argv)) {
        if (up.cli.options.operand_count)
            options_wrong(&up.cli.options, "takes no operands");
        else if (up.listen && somewhere_configured(&up))
            options_wrong(&up.cli.options, "the configuration says where to listen, not --listen");
        else
            up_run(&up);
    }
    return cli_close(&up.cli);
}
