/* webhook rotate-secret: the whole dance. Kula's new secret holds at once, so from its answer
 * until serve has it every delivery is one that no secret matches. That is why everything that
 * could go wrong is looked at before Kula is asked. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hmac.h"
#include "base/random.h"
#include "cli/view.h"
#include "cli/webhook_endpoint.h"
#include "cli/webhook_serve.h"
#include "cli/webhook_verbs.h"

enum {
    TAKEN_WITHIN_MS = 30000,
    LOOK_EVERY_MS = 250,
    REHEARSAL_DIGITS = 64,
    IDLE_S = 24 * 3600, /* until nothing that Kula signed with the old one can still come */
};

struct rotation {
    struct webhook_desk *desk;
    const struct config_endpoint *endpoint;
    struct webhook_serve serve;
    int folder;           /* locked, until we end; -1: not open */
    struct string coming; /* the file while it is written: serve passes over a name with a dot */
    struct string file;
    int descriptor; /* of `coming`; -1: not open */
    char mark[HMAC_MARK + 1];
    struct string others; /* webhooks that may sign with the same secrets; empty: none */
};

/* Before anything is changed --------------------------------------------------- */

static bool find_endpoint(struct rotation *rotation) {
    struct webhook_desk *desk = rotation->desk;
    rotation->endpoint = webhook_desk_endpoint(desk);
    if (!rotation->endpoint)
        return false;
    return rotation->endpoint->secret_dir ||
           cli_fail(&desk->cli, CLI_BAD_CONFIG,
                    "%s: the endpoint %s has no secret_dir, the folder where serve finds a new "
                    "secret: name one, and SIGHUP serve",
                    desk->cli.config->file, rotation->endpoint->name);
}

static bool loses_nothing(const struct rotation *rotation) {
    struct webhook_desk *desk = rotation->desk;
    return rotation->endpoint->unmatched != CONFIG_UNMATCHED_REJECT ||
           cli_fail(&desk->cli, CLI_BAD_CONFIG,
                    "%s: what Kula signs with the new secret before serve has it would be answered "
                    "401 and lost: write unmatched: pen (or retry) for the endpoint %s, and SIGHUP "
                    "serve",
                    desk->cli.config->file, rotation->endpoint->name);
}

/* Two at once would write to the same file. The kernel unlocks it however we end, and for other
 * containers on the same volume, too. */
static bool is_alone(struct rotation *rotation) {
    struct cli *cli = &rotation->desk->cli;
    const char *folder = rotation->endpoint->secret_dir;
    rotation->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rotation->folder >= 0 && flock(rotation->folder, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (rotation->folder >= 0 && errno == EWOULDBLOCK)
        return cli_fail(cli, CLI_FAILED,
                        "another rotation of the endpoint %s is under way; nothing was changed at "
                        "Kula",
                        rotation->endpoint->name);
    return cli_fail(cli, CLI_FAILED, "cannot lock %s: %s; nothing was changed at Kula", folder,
                    strerror(errno));
}

/* Of one that was broken off, a secret may be left that Kula signs with and nobody else has. */
static bool nothing_is_left_behind(struct rotation *rotation) {
    struct stat about;
    string_addf(&rotation->coming, "%s/.coming", rotation->endpoint->secret_dir);
    bool is_left =
        lstat(rotation->coming.data, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0;
    return !is_left ||
           cli_fail(&rotation->desk->cli, CLI_FAILED,
                    "%s was left behind by a rotation, and Kula may sign with the secret in it: "
                    "name it without the dot, so that serve takes it, or remove it where it is "
                    "worthless, and rotate again; nothing was changed at Kula",
                    rotation->coming.data);
}

/* For whom the folder is, for serve may be another user than we are. */
static bool open_coming(struct rotation *rotation) {
    const char *folder = rotation->endpoint->secret_dir;
    struct stat about;
    unlink(rotation->coming.data); /* empty: of one that was broken off before it had a secret */
    rotation->descriptor =
        open(rotation->coming.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool fine = rotation->descriptor >= 0 && stat(folder, &about) == 0;
    if (fine && geteuid() == 0)
        fine = fchown(rotation->descriptor, about.st_uid, about.st_gid) == 0;
    return fine || cli_fail(&rotation->desk->cli, CLI_FAILED,
                            "cannot make %s: %s; nothing was changed at Kula",
                            rotation->coming.data, strerror(errno));
}

/* Into the folder, and to serve ------------------------------------------------- */

static void name_file(struct rotation *rotation) {
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm parts = {0};
    char when[32];
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &parts);
    string_clear(&rotation->file);
    string_addf(&rotation->file, "%s/%s-%s", rotation->endpoint->secret_dir, when, rotation->mark);
}

/* What was opened becomes a secret, whole, under its own name. False with errno. */
static bool put_secret(struct rotation *rotation, struct text secret) {
    int file = rotation->descriptor;
    struct secret key = {(unsigned char *)text_copy(secret), secret.size};
    hmac_mark(&key, rotation->mark);
    secret_finish(&key);
    name_file(rotation);
    bool fine = file_write(file, secret) &&
                rename(rotation->coming.data, rotation->file.data) == 0 &&
                file_sync_folder(rotation->endpoint->secret_dir);
    int error = errno;
    close(file);
    rotation->descriptor = -1;
    errno = error;
    return fine;
}

static bool has_taken(const struct rotation *rotation) {
    return webhook_serve_knows(&rotation->serve, rotation->endpoint->name, rotation->mark);
}

/* With the new secret among those in force. */
static bool has_looked_through_pen(const struct rotation *rotation) {
    return has_taken(rotation) && webhook_serve_pen_checked(&rotation->serve);
}

static bool wait_until(struct rotation *rotation, bool (*is_so)(const struct rotation *),
                       const char *otherwise) {
    struct webhook_desk *desk = rotation->desk;
    int64_t until_ms = clock_steady_ms() + TAKEN_WITHIN_MS;
    while (webhook_serve_ask(desk, &rotation->serve)) {
        if (is_so(rotation))
            return true;
        if (clock_steady_ms() >= until_ms)
            return cli_fail(&desk->cli, CLI_FAILED, "%s: %s", rotation->file.data, otherwise);
        cli_pause(&desk->cli, LOOK_EVERY_MS);
    }
    return false;
}

static bool wait_until_taken(struct rotation *rotation) {
    return wait_until(rotation, has_taken,
                      "serve has not taken it within 30 s: its log tells why; has it read this "
                      "configuration (SIGHUP)?");
}

/* serve does it by itself; what is still in its spool then, it releases as soon as that is penned.
 */
static bool wait_until_released(struct rotation *rotation) {
    if (rotation->endpoint->unmatched != CONFIG_UNMATCHED_PEN)
        return true;
    return wait_until(rotation, has_looked_through_pen,
                      "serve has it, and is still looking through the pen for what was penned "
                      "meanwhile: its log tells when that is done");
}

static bool rehearsal_failed(struct rotation *rotation, int error) {
    unlink(rotation->coming.data);
    unlink(rotation->file.data); /* where only its folder could not be synced */
    return cli_fail(&rotation->desk->cli, CLI_FAILED,
                    "%s cannot be written: %s; nothing was changed at Kula", rotation->file.data,
                    strerror(error));
}

/* With a secret that nobody has: will serve take the one that comes? */
static bool rehearse(struct rotation *rotation) {
    char secret[REHEARSAL_DIGITS + 1];
    random_hex(secret, REHEARSAL_DIGITS);
    if (!open_coming(rotation))
        return false;
    if (!put_secret(rotation, text_of(secret)))
        return rehearsal_failed(rotation, errno);
    bool taken = wait_until_taken(rotation);
    unlink(rotation->file.data);
    if (!taken)
        cli_say("nothing was changed at Kula");
    return taken;
}

/* The new one ------------------------------------------------------------------ */

/* Kula has forgotten the old one by now: this must be kept whatever happens, be it in a file that
 * could not be given its name. */
static bool keep_secret(struct rotation *rotation) {
    struct webhook_desk *desk = rotation->desk;
    return put_secret(rotation, string_text(&desk->answer->secret)) ||
           cli_fail(&desk->cli, CLI_FAILED,
                    "%s cannot be written: %s; Kula signs with a secret that nobody has, unless "
                    "%s has all of it: then name that without the dot, else remove it and rotate "
                    "again, at once",
                    rotation->file.data, strerror(errno), rotation->coming.data);
}

static bool have_a_new_one_made(struct rotation *rotation) {
    struct webhook_desk *desk = rotation->desk;
    kula_api_renew_secret(desk->api, desk->subject, webhook_desk_on_answer, desk);
    if (webhook_desk_wait(desk))
        return true;
    if (desk->answer->perhaps)
        cli_say("where Kula has made a new secret all the same, rotate again: the last one counts");
    return false;
}

static void rotate(struct rotation *rotation) {
    struct webhook_desk *desk = rotation->desk;
    if (desk->dry_run) {
        printf("would have Kula make a new secret for %s, and put it into %s\n", desk->subject,
               rotation->endpoint->secret_dir);
        return;
    }
    if (!rehearse(rotation) || !open_coming(rotation) || !have_a_new_one_made(rotation) ||
        !keep_secret(rotation))
        return;
    cli_say("Kula signs with a new secret; it is in %s", rotation->file.data);
    if (!wait_until_taken(rotation))
        return;
    cli_say("serve has it, by the mark %s", rotation->mark);
    if (wait_until_released(rotation) && webhook_test_proves(desk))
        cli_say("proved; what came meanwhile %s. The old secret stays for what Kula still sends of "
                "before: `rotate-secret %s --finish --yes`, a day from now, removes it",
                rotation->endpoint->unmatched == CONFIG_UNMATCHED_PEN
                    ? "was penned and is released"
                    : "was answered 503 and comes again",
                desk->subject);
}

/* The old ones ----------------------------------------------------------------- */

/* Whose secret a file is nobody knows, and another webhook may have been quiet for a day. */
static bool on_webhook(struct webhook_desk *desk, const struct kula_webhook *webhook, void *arg) {
    struct rotation *rotation = arg;
    if (!text_is(webhook->id, desk->subject) &&
        webhook_endpoint_possible(desk->cli.config, webhook, rotation->endpoint))
        string_addf(&rotation->others, "%s%.*s", rotation->others.size ? " and " : "",
                    TEXT_ARG(webhook->id));
    return true;
}

static bool is_of_no_other(struct rotation *rotation, const char *file) {
    return !rotation->others.size ||
           cli_fail(&rotation->desk->cli, CLI_FAILED,
                    "%s stays: Kula may sign with it for %s, of the same endpoint", file,
                    rotation->others.data);
}

static bool is_idle(struct rotation *rotation, const char *file, const char *mark) {
    struct webhook_desk *desk = rotation->desk;
    int64_t started_s = webhook_serve_started_s(&rotation->serve);
    int64_t used_s = webhook_serve_matched_s(&rotation->serve, rotation->endpoint->name, mark);
    int64_t idle_s = clock_wall_ms() / 1000 - (used_s > started_s ? used_s : started_s);
    struct string age = {0};
    if (idle_s >= IDLE_S)
        return true;
    view_age((idle_s > 0 ? idle_s : 0) * 1000, &age);
    cli_fail(&desk->cli, CLI_FAILED, "%s stays: serve %s %s ago, and a day has to pass", file,
             used_s > started_s ? "took a delivery that was signed with it" : "was started",
             age.data);
    string_finish(&age);
    return false;
}

static void retire(struct rotation *rotation, const struct config_endpoint *endpoint, size_t k) {
    struct webhook_desk *desk = rotation->desk;
    const char *file = endpoint->secret_files[k];
    char mark[HMAC_MARK + 1];
    hmac_mark(&endpoint->secrets[k], mark);
    if (!is_idle(rotation, file, mark) || !is_of_no_other(rotation, file))
        return;
    if (k >= endpoint->dir_file_count)
        cli_say("%s is used no more: take it out of secret_files in %s", file,
                desk->cli.config->file);
    else if (desk->dry_run)
        printf("would remove %s\n", file);
    else if (unlink(file) == 0)
        cli_say("removed %s", file);
    else
        cli_fail(&desk->cli, CLI_FAILED, "cannot remove %s: %s", file, strerror(errno));
}

static void retire_older(struct rotation *rotation, const struct config_endpoint *endpoint) {
    for (size_t k = 1; k < endpoint->secret_file_count; k++)
        retire(rotation, endpoint, k);
    if (rotation->others.size)
        cli_say("give each webhook an endpoint of its own; or have `kula-relay webhook test` prove "
                "%s and %s, and then remove by hand what serve took nothing with for a day, by "
                "kula_relay_secret_matched_timestamp_seconds",
                rotation->desk->subject, rotation->others.data);
}

static void retire_all(struct rotation *rotation, const struct config_endpoint *endpoint) {
    struct webhook_desk *desk = rotation->desk;
    char mark[HMAC_MARK + 1];
    if (!webhook_serve_ask(desk, &rotation->serve))
        return;
    hmac_mark(&endpoint->secrets[0], mark);
    if (!webhook_serve_matched_s(&rotation->serve, endpoint->name, mark)) {
        cli_fail(&desk->cli, CLI_FAILED,
                 "nothing was signed with the newest secret, %s, since serve was started: "
                 "`kula-relay webhook test %s` proves it",
                 endpoint->secret_files[0], desk->subject);
        return;
    }
    if (endpoint->secret_file_count == 1)
        cli_say("there is one secret, and it is in use: nothing to remove");
    else if (webhook_desk_each(desk, on_webhook, rotation))
        retire_older(rotation, endpoint);
}

/* Only here are the secrets themselves looked at, for their marks. */
static void finish_rotation(struct rotation *rotation) {
    struct config *config = webhook_desk_load_secrets(rotation->desk);
    for (size_t i = 0; config && i < config->endpoint_count; i++)
        if (strcmp(config->endpoints[i].name, rotation->endpoint->name) == 0)
            retire_all(rotation, &config->endpoints[i]);
    config_destroy(config);
}

void webhook_rotate_secret(struct webhook_desk *desk) {
    struct rotation rotation = {.desk = desk, .folder = -1, .descriptor = -1};
    if (webhook_desk_open(desk) && find_endpoint(&rotation)) {
        if (desk->finish)
            finish_rotation(&rotation);
        else if (loses_nothing(&rotation) && is_alone(&rotation) &&
                 nothing_is_left_behind(&rotation) && webhook_serve_ask(desk, &rotation.serve))
            rotate(&rotation);
    }
    if (rotation.descriptor >= 0) {
        close(rotation.descriptor);
        unlink(rotation.coming.data);
    }
    if (rotation.folder >= 0)
        close(rotation.folder);
    webhook_serve_finish(&rotation.serve);
    string_finish(&rotation.others);
    string_finish(&rotation.coming);
    string_finish(&rotation.file);
}
