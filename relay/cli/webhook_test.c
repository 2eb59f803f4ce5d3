/* webhook test: Kula sends a ping, and says how it was answered. */
#include <stdlib.h>

#include "cli/webhook_verbs.h"
#include "cli/webhook_view.h"

enum { FIRST_LOOK_MS = 300, LOOK_EVERY_MS = 2000, LOOKS_MOST = 16 };

static void test_json(struct cli *cli, const struct kula_test *test) {
    json_open(cli->json, '{');
    cli_json_text(cli, "test_id", test->id);
    cli_json_text(cli, "status", test->status);
    cli_json_number(cli, "response_code", test->response_code < 0 ? 0 : test->response_code);
    cli_json_number(cli, "response_time_ms",
                    test->response_time_ms < 0 ? 0 : test->response_time_ms);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print_test(const struct kula_test *test) {
    webhook_view_text(test->status, 0);
    if (test->response_code > 0)
        printf(": answered %lld", (long long)test->response_code);
    if (test->response_code > 0 && test->response_time_ms >= 0)
        printf(" in %lld ms", (long long)test->response_time_ms);
    printf(" (");
    webhook_view_text(test->id, 0);
    printf(")\n");
}

static bool judge_test(struct webhook_desk *desk) {
    const struct kula_test *test = &desk->answer->test;
    if (desk->cli.options.json)
        test_json(&desk->cli, test);
    else
        print_test(test);
    if (text_is(test->status, "pending"))
        return cli_fail(&desk->cli, CLI_FAILED, "Kula has not told within 30 s how the test went");
    if (!text_is(test->status, "delivered"))
        return cli_fail(
            &desk->cli, CLI_FAILED,
            "Kula's delivery was not taken: 401 is a wrong secret, 404 a wrong path, no code "
            "that Kula cannot reach the URL or does not trust its certificate");
    return true;
}

bool webhook_test_proves(struct webhook_desk *desk) {
    kula_api_test(desk->api, desk->subject, webhook_desk_on_answer, desk);
    if (!webhook_desk_wait(desk))
        return false;
    char *id = text_copy(desk->answer->test.id);
    bool fine = true;
    for (int i = 0; fine && i < LOOKS_MOST && text_is(desk->answer->test.status, "pending"); i++) {
        cli_pause(&desk->cli, i ? LOOK_EVERY_MS : FIRST_LOOK_MS);
        kula_api_test_result(desk->api, desk->subject, id, webhook_desk_on_answer, desk);
        fine = webhook_desk_wait(desk);
    }
    free(id);
    return fine && judge_test(desk);
}

void webhook_test_send(struct webhook_desk *desk) {
    if (desk->dry_run)
        printf("would have Kula send a ping by %s\n", desk->subject);
    else if (webhook_desk_open(desk))
        webhook_test_proves(desk);
}
