#include "cli/balance.h"

#include "ledger/audit.h"

struct balance {
    struct cli *cli;
    enum ledger_outcome outcome;
    size_t findings;
};

static void service_json(struct cli *cli, const struct audit_service *service) {
    json_open(cli->json, '{');
    cli_json_text(cli, "service", text_of(service->name));
    cli_json_number(cli, "given", service->given);
    cli_json_number(cli, "filtered", service->filtered);
    cli_json_number(cli, "done", service->done);
    cli_json_number(cli, "dead", service->dead);
    cli_json_number(cli, "dropped", service->dropped);
    cli_json_number(cli, "owed", service->owed);
    cli_json_known(cli, "unread", service->unread);
    cli_json_bool(cli, "balances", service->balances);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void report_json(struct cli *cli, const struct audit_report *report) {
    for (size_t i = 0; i < report->service_count; i++)
        service_json(cli, &report->services[i]);
    json_open(cli->json, '{');
    cli_json_bool(cli, "balances", report->finding_count == 0);
    cli_json_number(cli, "appended", report->appended);
    cli_json_number(cli, "revived", report->revived);
    cli_json_number(cli, "added", report->added);
    cli_json_number(cli, "trimmed", report->trimmed);
    cli_json_number(cli, "length", report->length);
    json_key(cli->json, "findings");
    json_open(cli->json, '[');
    for (size_t i = 0; i < report->finding_count; i++)
        json_string(cli->json, text_of(report->findings[i]));
    json_close(cli->json, ']');
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print_service(const struct audit_service *service) {
    char unread[24] = "?";
    if (service->unread >= 0)
        snprintf(unread, sizeof unread, "%lld", (long long)service->unread);
    printf("%-20s %9lld = %9lld + %9lld + %6lld + %7lld + %6lld  %7s  %s%s%s\n", service->name,
           (long long)service->given, (long long)service->filtered, (long long)service->done,
           (long long)service->dead, (long long)service->dropped, (long long)service->owed, unread,
           cli_colour(service->balances ? CLI_GREEN : CLI_RED), service->balances ? "yes" : "NO",
           cli_colour(CLI_PLAIN));
}

static void print_report(const struct audit_report *report) {
    printf(
        "stream: %lld appended + %lld sent again = %lld added = %lld trimmed + %lld that stand in "
        "it\n\n",
        (long long)report->appended, (long long)report->revived, (long long)report->added,
        (long long)report->trimmed, (long long)report->length);
    printf("%s%-20s %9s   %9s   %9s   %6s   %7s   %6s  %7s  %s%s\n", cli_colour(CLI_BOLD),
           "service", "given", "filtered", "done", "dead", "dropped", "owed", "unread", "balances",
           cli_colour(CLI_PLAIN));
    for (size_t i = 0; i < report->service_count; i++)
        print_service(&report->services[i]);
    if (report->finding_count)
        printf("\n");
    for (size_t i = 0; i < report->finding_count; i++)
        printf("%s%s%s\n", cli_colour(CLI_RED), report->findings[i], cli_colour(CLI_PLAIN));
}

static void on_report(void *arg, const struct audit_report *report) {
    struct balance *balance = arg;
    balance->outcome = report->outcome;
    balance->findings = report->outcome == LEDGER_DONE ? report->finding_count : 0;
    if (report->outcome == LEDGER_DONE && balance->cli->options.json)
        report_json(balance->cli, report);
    else if (report->outcome == LEDGER_DONE)
        print_report(report);
    cli_wake(balance->cli);
}

bool balance_print(struct cli *cli) {
    struct balance balance = {.cli = cli};
    audit_run(cli->ledger, on_report, &balance);
    cli_wait(cli);
    if (!cli_fine(cli, balance.outcome))
        return false;
    if (balance.findings)
        return cli_fail(cli, CLI_FAILED, "it does not balance: %zu %s", balance.findings,
                        balance.findings == 1 ? "finding" : "findings");
    return true;
}
