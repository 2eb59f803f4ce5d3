/* demo is a tour: it sets up everything in a temporary folder, sends signed
 * deliveries, shows each one's way, and expects of each what is promised. A
 * broken promise ends it with exit 1 and the sentence. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/balance.h"
#include "cli/commands.h"
#include "cli/stage.h"
#include "cli/way.h"

static bool expect(struct stage *stage, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A promise, told as kept or as broken. */
static bool expect(struct stage *stage, bool holds, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("   %s%s%s ", cli_colour(holds ? CLI_GREEN : CLI_RED),
           holds ? "✓" : "✗ broken:", cli_colour(CLI_PLAIN));
    vprintf(format, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    if (!holds)
        stage->cli.options.exit = CLI_FAILED;
    return holds;
}

static void deliver(struct stage *stage, const char *type, const char *id,
                    const struct secret *secret) {
    printf("   Kula     sends %s %s", type, id);
    fflush(stdout);
    stage_send(stage, type, id, secret);
    printf(" and is told %d %s\n", stage->status, stage->answer.data ? stage->answer.data : "");
    fflush(stdout);
}

static bool answered(struct stage *stage, int status, const char *word) {
    return stage->status == status && stage->answer.data && strstr(stage->answer.data, word);
}

static bool has_taken(const struct stage_service *service, const char *id, const char *attempt) {
    return strcmp(service->last_id, id) == 0 && strcmp(service->last_attempt, attempt) == 0;
}

static bool show_way(struct stage *stage, const char *id) {
    printf("   its way, as `kula-relay show %s` tells it:\n", id);
    bool fine = way_print(&stage->cli, text_of(id));
    fflush(stdout);
    return fine;
}

static bool show_good(struct stage *stage) {
    deliver(stage, "candidate.created", "evt_demo_1", &stage->secret);
    return expect(stage, answered(stage, 200, "accepted"), "signed and new: 200 accepted") &&
           expect(stage, stage_wait_quiet(stage), "delivered to who wants it") &&
           expect(stage, has_taken(&stage->crm, "evt_demo_1", "1"), "crm has it, at once") &&
           expect(stage, stage->payroll.delivered == 0,
                  "payroll, which wants hired and rejected only, was spared") &&
           show_way(stage, "evt_demo_1");
}

static bool show_duplicate(struct stage *stage) {
    int64_t length = stage->length;
    deliver(stage, "candidate.created", "evt_demo_1", &stage->secret);
    /* The spool does not ask Redis whether it was seen before: that is found out on the way. */
    return expect(stage, stage->status == 200, "the same again: 200") &&
           expect(stage, stage_wait_quiet(stage) && stage->length == length, "stored once") &&
           expect(stage, stage->crm.delivered == 1, "delivered once");
}

static bool show_forged(struct stage *stage) {
    int64_t length = stage->length;
    deliver(stage, "candidate.created", "evt_demo_forged", &stage->wrong_secret);
    return expect(stage, stage->status == 401, "signed with another secret: 401") &&
           expect(stage, stage_wait_quiet(stage) && stage->length == length, "nothing stored");
}

static bool show_recovery(struct stage *stage) {
    stage->payroll.fail_status = 503;
    stage->payroll.failures_left = 2;
    deliver(stage, "application.hired", "evt_demo_2", &stage->secret);
    return expect(stage, answered(stage, 200, "accepted"), "Kula need not know: 200 accepted") &&
           expect(stage, stage_wait_quiet(stage), "delivered in the end") &&
           expect(stage, has_taken(&stage->crm, "evt_demo_2", "1"), "crm was not held up") &&
           expect(stage, has_taken(&stage->payroll, "evt_demo_2", "3"),
                  "payroll has it with its third attempt") &&
           show_way(stage, "evt_demo_2");
}

static bool show_dead(struct stage *stage) {
    stage->payroll.fail_status = 422;
    stage->payroll.failures_left = 1;
    deliver(stage, "application.rejected", "evt_demo_3", &stage->secret);
    if (!expect(stage, stage_wait_quiet(stage), "422 gets no better by trying again") ||
        !expect(stage, stage_find_dead(stage, &stage->payroll),
                "so it is a dead letter of payroll"))
        return false;
    printf("   payroll is mended: kula-relay dead replay payroll evt_demo_3\n");
    return expect(stage, stage_revive(stage, &stage->payroll) && stage_wait_quiet(stage),
                  "sent again to payroll") &&
           expect(stage, has_taken(&stage->payroll, "evt_demo_3", "1"), "with the same event id") &&
           expect(stage, strcmp(stage->payroll.last_origin, "replay") == 0,
                  "and told as a replay") &&
           show_way(stage, "evt_demo_3");
}

static bool show_balance(struct stage *stage) {
    bool balances = balance_print(&stage->cli);
    return expect(stage, balances, "what was accepted is delivered, filtered or dead: it balances");
}

static const struct {
    const char *title;
    bool (*show)(struct stage *);
} steps[] = {
    {"A good delivery", show_good},
    {"The same delivery again", show_duplicate},
    {"A forged delivery", show_forged},
    {"A service that fails twice and recovers", show_recovery},
    {"A dead letter, and its replay", show_dead},
    {"The audit", show_balance},
};
enum { STEPS = sizeof steps / sizeof *steps };

static bool tour(struct stage *stage) {
    int64_t since_ms = clock_steady_ms();
    for (size_t i = 0; i < STEPS; i++) {
        printf("\n%s%zu. %s%s\n", cli_colour(CLI_BOLD), i + 1, steps[i].title,
               cli_colour(CLI_PLAIN));
        if (!steps[i].show(stage))
            return false;
    }
    int64_t took_ms = clock_steady_ms() - since_ms;
    printf("\n%sAll %d steps went as promised%s, in %lld.%lld s.\n", cli_colour(CLI_GREEN), STEPS,
           cli_colour(CLI_PLAIN), (long long)took_ms / 1000, (long long)took_ms % 1000 / 100);
    return true;
}

static bool never(void *arg) {
    (void)arg;
    return false;
}

static void stay(struct stage *stage) {
    const char *folder = stage->folder.data;
    printf("\nIt goes on until Ctrl-C. In another window:\n"
           "  kula-relay send --url %s --secret-file %s/secret --ca-file %s/tls.crt\n"
           "  kula-relay tail -f --config %s\n"
           "  redis-cli -s %s/redis.sock XRANGE kula:events - +\n"
           "Logs: %s %s\n",
           stage->url.data, folder, folder, stage->config_file.data, folder, stage->serve_log.data,
           stage->forward_log.data);
    fflush(stdout);
    installation_wait(&stage->installation, never, NULL, INT64_MAX / 2);
}

static void perform(struct stage *stage, bool keep) {
    bool fine = stage_open(stage);
    if (fine) {
        printf("Two services, crm and payroll; serve on %s; everything in %s\n", stage->url.data,
               stage->folder.data);
        fine = tour(stage);
    }
    if (keep && fine)
        stay(stage);
    if (stage->installation.died)
        cli_fail(&stage->cli, CLI_FAILED, "%s", stage->installation.died);
    if (!fine && stage->cli.options.exit == CLI_DONE)
        stage->cli.options.exit = CLI_FAILED;
    fine = stage->cli.options.exit == CLI_DONE;
    if (!fine && stage->folder.data)
        cli_say("the tour has ended early; what there is to look at: %s", stage->folder.data);
    stage_close(stage, !fine);
}

int demo_main(int argc, char **argv) {
    struct stage stage = {0};
    bool keep = false;
    const struct cli_option options[] = {
        {"keep", 'k', NULL, "stays up after the tour, until Ctrl-C", .flag = &keep}, {0}};
    const struct cli_manual manual = {
        .about =
            "A tour: sets up everything in a temporary folder, with two services of which one\n"
            "fails first; sends a good delivery, a duplicate and a forged one; shows each one's\n"
            "way, a dead letter and its replay, and the audit. Exit 1 where one of them did not\n"
            "go as promised.",
        .example = "kula-relay demo",
        .options = options,
        .notes = "Exit codes: 0 done, 1 failed, 2 usage.\n",
    };
    if (cli_start(&stage.cli, &manual, argc, argv)) {
        if (stage.cli.options.operand_count)
            options_wrong(&stage.cli.options, "takes no operands");
        else
            perform(&stage, keep);
    }
    return cli_close(&stage.cli);
}
