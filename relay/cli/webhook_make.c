/* webhook create and update: what Kula is told, and the secret that it tells. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config_check.h"
#include "base/file.h"
#include "cli/webhook_types.h"
#include "cli/webhook_verbs.h"
#include "cli/webhook_view.h"

struct making {
    struct webhook_desk *desk;
    struct kula_api_fields fields;
    struct webhook_types types;
    struct secret secret;
    int secret_out; /* -1: none */
};

/* No pattern at all would be every event: who gives none has a variable that was not set. */
static bool names_events(struct webhook_desk *desk) {
    return !desk->events || text_trim(text_of(desk->events)).size ||
           options_wrong(&desk->cli.options,
                         "--events is empty: name event types, or \"*\" for all of them");
}

static bool fits_kula(struct webhook_desk *desk) {
    struct string why = {0};
    bool fine = !desk->url || config_check_webhook_url(text_of(desk->url), &why);
    if (!fine)
        options_wrong(&desk->cli.options, "--url: %s", why.data);
    string_finish(&why);
    return fine;
}

static bool choose_events(struct making *making) {
    struct webhook_desk *desk = making->desk;
    if (!desk->events)
        return true;
    if (!webhook_types_ask(desk, &making->types) ||
        !webhook_types_choose_listed(desk, &making->types, desk->events))
        return false;
    making->fields.events = making->types.chosen;
    making->fields.event_count = making->types.count;
    return true;
}

static void finish(struct making *making) {
    webhook_types_finish(&making->types);
    secret_finish(&making->secret);
    if (making->secret_out >= 0)
        close(making->secret_out);
}

static void tell_dry(const struct making *making) {
    const struct kula_api_fields *fields = &making->fields;
    const struct {
        const char *name, *value;
    } rows[] = {{"url", fields->url}, {"name", fields->name}, {"description", fields->description}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value)
            printf("  %-12s%s\n", rows[i].name, rows[i].value);
    for (size_t i = 0; i < fields->event_count; i++) {
        printf("  %-12s", i ? "" : "events");
        webhook_view_text(fields->events[i], 0);
        putchar('\n');
    }
    if (fields->secret)
        printf("  %-12sthe one in %s\n", "secret", making->desk->secret_file);
}

/* The secret ----------------------------------------------------------------- */

static bool read_secret(struct making *making) {
    struct webhook_desk *desk = making->desk;
    struct string why = {0};
    if (!desk->secret_file)
        return true;
    if (!secret_read(desk->secret_file, &making->secret, &why))
        cli_fail(&desk->cli, CLI_FAILED, "%s", why.data);
    else if (!secret_is_text(&making->secret, &why))
        cli_fail(&desk->cli, CLI_FAILED, "what is in %s %s", desk->secret_file, why.data);
    else
        making->fields.secret = &making->secret;
    string_finish(&why);
    return making->fields.secret;
}

/* Before Kula is asked: a secret that cannot be kept must not be made. Never over an old one. */
static bool open_secret_out(struct making *making) {
    const char *file = making->desk->secret_out;
    if (!file)
        return true;
    making->secret_out = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return making->secret_out >= 0 ||
           cli_fail(&making->desk->cli, CLI_FAILED, "--secret-out: cannot make %s: %s%s", file,
                    strerror(errno),
                    errno == EEXIST ? "; a secret is never written over: name another file" : "");
}

static bool sync_name(const char *file) {
    char *path = text_copy(text_of(file));
    bool synced = file_sync_folder(dirname(path));
    free(path);
    return synced;
}

static bool write_secret(struct making *making, struct text secret) {
    struct string line = {0};
    string_addf(&line, "%.*s\n", TEXT_ARG(secret));
    bool written =
        file_write(making->secret_out, string_text(&line)) && sync_name(making->desk->secret_out);
    string_wipe(&line);
    return written;
}

/* Whatever else went wrong, a secret that Kula has told is told only once. */
static void keep_secret(struct making *making) {
    struct webhook_desk *desk = making->desk;
    struct text secret = string_text(&desk->answer->secret);
    if (making->secret_out < 0)
        return;
    if (!secret.size)
        unlink(desk->secret_out);
    else if (write_secret(making, secret))
        cli_say("the secret is in %s; serve takes it from secret_files of its endpoint",
                desk->secret_out);
    else
        cli_fail(&desk->cli, CLI_FAILED,
                 "%s cannot be written: %s; Kula has the webhook with a secret that nobody kept: "
                 "delete it and make it again",
                 desk->secret_out, strerror(errno));
}

static void tell_about_secret(const struct making *making) {
    const struct webhook_desk *desk = making->desk;
    if (desk->secret_file)
        return;
    if (!desk->answer->secret.size)
        cli_say("Kula did not tell the secret: see Settings > Webhooks there");
    else if (!desk->secret_out)
        cli_say(
            "the secret is shown this once: put it into a file of secret_files of its endpoint");
}

/* create --------------------------------------------------------------------- */

static bool is_other_url(struct webhook_desk *desk, const struct kula_webhook *webhook, void *arg) {
    (void)arg;
    return !text_is(webhook->url, desk->url) ||
           cli_fail(&desk->cli, CLI_FAILED,
                    "Kula has a webhook for this URL, %.*s: a second one would deliver everything "
                    "twice; `kula-relay webhook update` changes it",
                    TEXT_ARG(webhook->id));
}

static bool may_create(struct webhook_desk *desk) {
    if (!desk->url || !desk->events)
        return options_wrong(&desk->cli.options, "create takes --url and --events");
    if (desk->secret_file && desk->secret_out)
        return options_wrong(
            &desk->cli.options,
            "--secret-file gives Kula a secret, --secret-out takes the one that it "
            "makes: only one of them");
    return names_events(desk) && fits_kula(desk);
}

static void tell_made(const struct making *making) {
    struct webhook_desk *desk = making->desk;
    struct text secret = string_text(&desk->answer->secret);
    bool shown = !desk->secret_file && !desk->secret_out;
    if (desk->answer->webhook_count)
        webhook_view(desk, desk->answer->webhooks, shown ? secret : text_of(NULL));
    tell_about_secret(making);
}

static void create(struct making *making) {
    struct webhook_desk *desk = making->desk;
    if (desk->dry_run) {
        printf("would create a webhook:\n");
        tell_dry(making);
        return;
    }
    if (!open_secret_out(making))
        return;
    kula_api_make(desk->api, &making->fields, webhook_desk_on_answer, desk);
    bool fine = webhook_desk_try(desk);
    keep_secret(making);
    /* One that was made and did not come to its events has told its secret all the same. */
    if (fine || desk->answer->webhook_count)
        tell_made(making);
    if (!fine)
        webhook_desk_fail(desk);
}

void webhook_make_create(struct webhook_desk *desk) {
    struct making making = {
        .desk = desk,
        .fields = {.url = desk->url,
                   .name = desk->name ? desk->name : "kula-relay",
                   .description = desk->description},
        .secret_out = -1,
    };
    if (may_create(desk) && webhook_desk_open(desk) && read_secret(&making) &&
        choose_events(&making) && webhook_desk_each(desk, is_other_url, NULL))
        create(&making);
    finish(&making);
}

/* update --------------------------------------------------------------------- */

static bool may_update(struct webhook_desk *desk) {
    if (desk->secret_file || desk->secret_out)
        return options_wrong(&desk->cli.options,
                             "Kula changes no secret by an update: see rotate-secret");
    if (!desk->url && !desk->name && !desk->description && !desk->events)
        return options_wrong(&desk->cli.options,
                             "update takes --url, --name, --description or --events");
    return names_events(desk) && fits_kula(desk);
}

static void update(struct making *making) {
    struct webhook_desk *desk = making->desk;
    if (desk->dry_run) {
        printf("would change %s to:\n", desk->subject);
        tell_dry(making);
        return;
    }
    kula_api_update(desk->api, desk->subject, &making->fields, webhook_desk_on_answer, desk);
    if (!webhook_desk_wait(desk))
        return;
    /* What it looks like now; Kula may have answered with nothing. */
    kula_api_show(desk->api, desk->subject, webhook_desk_on_answer, desk);
    if (webhook_desk_wait(desk))
        webhook_view(desk, desk->answer->webhooks, text_of(NULL));
}

void webhook_make_update(struct webhook_desk *desk) {
    struct making making = {
        .desk = desk,
        .fields = {.url = desk->url, .name = desk->name, .description = desk->description},
        .secret_out = -1,
    };
    if (may_update(desk) && webhook_desk_open(desk)) {
        /* So that an id that is not there is told before anything else, and Kula's spelling known.
         */
        kula_api_show(desk->api, desk->subject, webhook_desk_on_answer, desk);
        if (webhook_desk_wait(desk) && choose_events(&making))
            update(&making);
    }
    finish(&making);
}
