#include "cli/stage.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sample_service.h"
#include "cli/sender.h"
#include "cli/setup.h"
#include "cli/target.h"
#include "ledger/audit.h"
#include "ledger/dead.h"
#include "spool/spool.h"

enum { FACT_MS = 15000, LOG_MOST = 65536 };

/* A text in room of a fixed size; what is too long is cut. */
static void keep(char *room, size_t size, struct text text) {
    size_t kept = text.size < size ? text.size : size - 1;
    if (kept)
        memcpy(room, text.data, kept);
    room[kept] = '\0';
}

/* ---- the two services ---- */

static int on_request(void *arg, const struct sample_request *request) {
    struct stage_service *service = arg;
    bool fails = service->failures_left > 0;
    int status = fails ? service->fail_status : 200;
    printf("   %s%-8s%s gets %.*s, attempt %.*s%s, and answers %d\n", cli_colour(CLI_BOLD),
           service->name, cli_colour(CLI_PLAIN), TEXT_ARG(request->event_id),
           TEXT_ARG(request->attempt), text_is(request->origin, "replay") ? " (replay)" : "",
           status);
    fflush(stdout);
    if (fails) {
        service->failures_left--;
        return status;
    }
    service->delivered++;
    keep(service->last_id, sizeof service->last_id, request->event_id);
    keep(service->last_attempt, sizeof service->last_attempt, request->attempt);
    keep(service->last_origin, sizeof service->last_origin, request->origin);
    return status;
}

static bool start_service(struct stage *stage, struct stage_service *service, const char *name,
                          struct string *why) {
    service->stage = stage;
    service->name = name;
    service->sample = sample_service_start(stage->cli.loop, on_request, service, why);
    return service->sample;
}

/* ---- up and down ---- */

static bool make_folder(struct stage *stage, struct string *why) {
    const char *base = getenv("TMPDIR");
    string_addf(&stage->folder, "%s/kula-relay-demo-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(stage->folder.data)) {
        string_addf(why, "%s cannot be made: %s", stage->folder.data, strerror(errno));
        return false;
    }
    string_addf(&stage->config_file, "%s/kula-relay.yaml", stage->folder.data);
    string_addf(&stage->serve_log, "%s/serve.log", stage->folder.data);
    string_addf(&stage->forward_log, "%s/forward.log", stage->folder.data);
    return true;
}

static bool write_files(struct stage *stage, struct string *why) {
    const char *directory = stage->installation.directory;
    /* Short waits: a tour has no 15 minutes. */
    const char *retry = "{first: 200ms, most: 1s}";
    const struct setup_service services[] = {
        {"crm", sample_service_url(stage->crm.sample), "[\"candidate.*\", \"application.*\"]",
         retry},
        {"payroll", sample_service_url(stage->payroll.sample),
         "[\"application.hired\", \"application.rejected\"]", retry},
    };
    const struct setup setup = {
        .directory = directory,
        .listen = "127.0.0.1:0",
        .log_format = "text",
        .services = services,
        .service_count = 2,
    };
    char *secret = setup_path(directory, "secret");
    bool fine = setup_secret(directory, why) && setup_certificate(directory, why) &&
                setup_configuration(stage->config_file.data, &setup, why) &&
                secret_read(secret, &stage->secret, why);
    free(secret);
    return fine;
}

static bool read_log(const char *file, struct string *log) {
    char block[LOG_MOST];
    FILE *stream = fopen(file, "re");
    if (!stream)
        return false;
    string_add(log, text_slice(block, fread(block, 1, sizeof block, stream)));
    fclose(stream);
    return true;
}

/* serve takes a free port and logs which. */
static bool finds_port(void *arg) {
    static const char mark[] = "listening address=";
    struct stage *stage = arg;
    struct string log = {0};
    const char *at =
        read_log(stage->serve_log.data, &log) && log.data ? strstr(log.data, mark) : NULL;
    if (at && strchr(at, '\n')) {
        struct text rest = text_of(at + strlen(mark));
        char *address = text_copy(text_cut(&rest, ' '));
        char certificate[] = "yes";
        target_format_url(&(struct config_listener){address, certificate, certificate},
                          "/webhooks/kula", &stage->url);
        free(address);
    }
    string_finish(&log);
    return stage->url.size;
}

static bool start_all(struct stage *stage, struct string *why) {
    struct installation *installation = &stage->installation;
    if (!make_folder(stage, why) ||
        !installation_open(installation, stage->cli.loop, stage->folder.data, why) ||
        !start_service(stage, &stage->crm, "crm", why) ||
        !start_service(stage, &stage->payroll, "payroll", why) || !write_files(stage, why) ||
        !installation_start_redis(installation, CONFIG_DURABILITY_SPOOL, why) ||
        !installation_start(installation, "forward", stage->config_file.data,
                            stage->forward_log.data, why) ||
        !installation_start(installation, "serve", stage->config_file.data, stage->serve_log.data,
                            why))
        return false;
    if (installation_wait(installation, finds_port, stage, FACT_MS))
        return true;
    string_addf(why, "serve does not listen; %s says why", stage->serve_log.data);
    return false;
}

bool stage_open(struct stage *stage) {
    static unsigned char wrong[] = "not-the-secret";
    struct string why = {0};
    stage->cli.loop = loop_create();
    stage->wrong_secret = (struct secret){wrong, sizeof wrong - 1};
    bool fine = start_all(stage, &why);
    if (!fine)
        cli_fail(&stage->cli, CLI_FAILED, "%s", why.data ? why.data : "ended before it began");
    string_finish(&why);
    stage->cli.options.config_file = stage->config_file.data;
    return fine && cli_load(&stage->cli, CONFIG_FOR_LEDGER) && cli_connect(&stage->cli);
}

static int on_file(const char *path, const struct stat *about, int kind, struct FTW *place) {
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

void stage_close(struct stage *stage, bool keep_folder) {
    installation_close(&stage->installation);
    sample_service_stop(stage->crm.sample);
    sample_service_stop(stage->payroll.sample);
    if (stage->config_file.size && !keep_folder)
        nftw(stage->folder.data, on_file, 16, FTW_DEPTH | FTW_PHYS);
    secret_finish(&stage->secret);
    string_finish(&stage->folder);
    string_finish(&stage->url);
    string_finish(&stage->config_file);
    string_finish(&stage->serve_log);
    string_finish(&stage->forward_log);
    string_finish(&stage->answer);
}

/* ---- what Kula does ---- */

static void on_answer(void *arg, const char *id, const struct http_result *result) {
    struct stage *stage = arg;
    (void)id;
    if (result->outcome != HTTP_ANSWERED) {
        string_addf(&stage->answer, "no answer: %s", result->error);
        return;
    }
    stage->status = result->status;
    struct text rest = result->body;
    string_add(&stage->answer, text_cut(&rest, '\n'));
}

static void on_end(void *arg) {
    struct stage *stage = arg;
    stage->answered = true;
}

static bool has_answer(void *arg) {
    struct stage *stage = arg;
    return stage->answered;
}

bool stage_send(struct stage *stage, const char *type, const char *id,
                const struct secret *secret) {
    char *certificate = setup_path(stage->installation.directory, "tls.crt");
    const struct sender_plan plan = {
        .url = stage->url.data,
        .ca_file = certificate,
        .secret = secret,
        .type = type,
        .id = id,
        .count = 1,
        .concurrency = 1,
    };
    stage->answered = false;
    stage->status = 0;
    string_clear(&stage->answer);
    struct sender *sender = sender_start(stage->cli.loop, &plan, on_answer, on_end, stage);
    installation_wait(&stage->installation, has_answer, stage, FACT_MS);
    sender_destroy(sender);
    free(certificate);
    return stage->answered && stage->status;
}

/* ---- what the ledger says ---- */

static void on_report(void *arg, const struct audit_report *report) {
    struct stage *stage = arg;
    stage->asking = false;
    /* Before forward has made both groups there is nobody to owe anything to. */
    stage->quiet = report->outcome == LEDGER_DONE && report->service_count == 2;
    if (report->outcome != LEDGER_DONE)
        return;
    stage->length = report->length;
    for (size_t i = 0; i < report->service_count; i++)
        if (report->services[i].owed || report->services[i].unread)
            stage->quiet = false;
}

static void on_looked(void *arg, const struct ledger_look *look) {
    struct stage *stage = arg;
    stage->asking = false;
    stage->drained = look->outcome == LEDGER_DONE && look->last >= stage->spooled;
}

/* What was answered 2xx stands in serve's spool, the only one here; has the ledger all of it? */
static void look_at_spool(struct stage *stage) {
    struct spool_survey *survey = NULL;
    struct string why = {0};
    char *directory = setup_path(stage->installation.directory, "spool");
    int count = spool_survey(directory, &survey, &why);
    if (count == 1) {
        stage->asking = true;
        stage->spooled = survey->last;
        ledger_look_at_spool(stage->cli.ledger, survey->id, FACT_MS, on_looked, stage);
    }
    spool_survey_free(survey, count);
    free(directory);
    string_finish(&why);
}

static bool is_quiet(void *arg) {
    struct stage *stage = arg;
    if (stage->quiet || stage->asking)
        return stage->quiet;
    if (!stage->drained) {
        look_at_spool(stage);
        return false;
    }
    stage->asking = true;
    audit_run(stage->cli.ledger, on_report, stage);
    return false;
}

bool stage_wait_quiet(struct stage *stage) {
    stage->drained = stage->quiet = false;
    return installation_wait(&stage->installation, is_quiet, stage, FACT_MS);
}

static void on_dead(void *arg, const struct dead_page *page) {
    struct stage *stage = arg;
    stage->dead_id[0] = '\0';
    if (page->outcome == LEDGER_DONE && page->count == 1)
        keep(stage->dead_id, sizeof stage->dead_id, page->items[0].dead_id);
    cli_wake(&stage->cli);
}

bool stage_find_dead(struct stage *stage, const struct stage_service *service) {
    dead_after(stage->cli.ledger, service->name, text_of("0-0"), 2, on_dead, stage);
    cli_wait(&stage->cli);
    return stage->dead_id[0];
}

static void on_revived(void *arg, enum ledger_outcome outcome, bool found) {
    struct stage *stage = arg;
    stage->revived = outcome == LEDGER_DONE && found;
    cli_wake(&stage->cli);
}

bool stage_revive(struct stage *stage, const struct stage_service *service) {
    dead_revive(stage->cli.ledger, service->name, text_of(stage->dead_id), on_revived, stage);
    cli_wait(&stage->cli);
    return stage->revived;
}
