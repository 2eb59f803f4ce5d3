/* verify says whether a delivery would be accepted and, asked to explain, why not and what to do.
 */
#include <string.h>

#include "base/clock.h"
#include "base/values.h"
#include "cli/body.h"
#include "cli/commands.h"
#include "cli/diagnosis.h"
#include "cli/view.h"
#include "kula/canonical.h"

enum { NOW = -1, FOUND_MOST = DIAGNOSIS_MOST + 1 };

/* Unix seconds reach this in the year 5138, and milliseconds did in 1973. */
static const int64_t milliseconds_from = 100000000000;

static const char header_name[] = "X-Kula-Signature:";

struct verify {
    struct cli cli;
    const char *secret_file, *header, *other_time, *body_file, *tolerance, *signed_body;
    int64_t at_s;
    int64_t tolerance_ms;
    bool canonical_too;
    bool explain;
    struct secret secret;
    struct string body;
    struct text value; /* the header's */
    struct signature signature;
    enum signature_verdict verdict;
    enum signature_reading reading;
    struct diagnosis found[FOUND_MOST];
    size_t found_count;
};

static bool valid(struct verify *verify) {
    struct options *options = &verify->cli.options;
    if (options->operand_count)
        return options_wrong(options, "takes no operands");
    if (!verify->secret_file || !verify->header)
        return options_wrong(options, "needs --secret-file and --signature");
    if (!values_parse_duration(text_of(verify->tolerance), &verify->tolerance_ms))
        return options_wrong(options, "--tolerance takes a duration as in 5m, not \"%s\"",
                             verify->tolerance);
    verify->canonical_too = strcmp(verify->signed_body, "raw_or_canonical") == 0;
    if (!verify->canonical_too && strcmp(verify->signed_body, "raw") != 0)
        return options_wrong(options, "--signed-body takes raw or raw_or_canonical, not \"%s\"",
                             verify->signed_body);
    return true;
}

static bool read_secret(struct verify *verify) {
    struct string why = {0};
    bool read = secret_read(verify->secret_file, &verify->secret, &why);
    if (!read)
        cli_fail(&verify->cli, CLI_FAILED, "%s", why.data);
    string_finish(&why);
    return read;
}

/* The whole line may be given, as it stands in a log. */
static struct text header_value(const char *header) {
    size_t size = strlen(header_name);
    if (strncasecmp(header, header_name, size) == 0)
        header += size;
    return text_trim(text_of(header));
}

/* In whole seconds as serve has it; but no part of one becomes 0, which would be any age. */
static int64_t tolerance_s(const struct verify *verify) {
    int64_t whole_s = verify->tolerance_ms / 1000;
    return whole_s == 0 && verify->tolerance_ms ? 1 : whole_s;
}

/* As serve does, in its order. */
static void judge(struct verify *verify) {
    struct hmac *key = hmac_create(&verify->secret);
    struct text body = string_text(&verify->body);
    int64_t within_s = tolerance_s(verify);
    size_t matched;
    verify->verdict = signature_parse(verify->value, &verify->signature);
    if (verify->verdict == SIGNATURE_GOOD)
        verify->verdict =
            signature_check(&verify->signature, &key, 1, body, verify->at_s, within_s, &matched);
    if (verify->verdict == SIGNATURE_UNMATCHED && verify->canonical_too) {
        verify->reading = SIGNATURE_CANONICAL;
        verify->verdict =
            canonical_check(&verify->signature, &key, 1, body, verify->at_s, within_s, &matched);
    }
    hmac_destroy(key);
}

/* ---- Why ---- */

static void add_found(struct verify *verify, const char *word, const char *advice) {
    verify->found[verify->found_count++] = (struct diagnosis){word, advice};
}

static void explain_time(struct verify *verify) {
    if (signature_fresh(&verify->signature, verify->at_s, tolerance_s(verify)))
        return;
    if (verify->signature.t_s >= milliseconds_from)
        add_found(verify, "milliseconds", "t is in milliseconds: it has to be in Unix seconds.");
    else if (verify->signature.t_s < verify->at_s)
        add_found(verify, "behind",
                  "It was signed long ago: a replay, something that holds deliveries up, or one of "
                  "the two clocks is wrong. To judge one from a log give its time with --at; an "
                  "endpoint with `stale: accept` takes it all the same, within `dedup_window`.");
    else
        add_found(verify, "ahead",
                  "It was signed in the future: one of the two clocks is wrong (`timedatectl`). An "
                  "endpoint with `stale: accept` takes it all the same, within `dedup_window`.");
}

static void explain_unmatched(struct verify *verify) {
    struct diagnosis_case given = {.signature = &verify->signature,
                                   .secret = secret_text(&verify->secret),
                                   .body = string_text(&verify->body),
                                   .other_time = text_of(verify->other_time)};
    verify->found_count = diagnosis_make(&given, verify->found);
    if (verify->found_count == 0)
        add_found(
            verify, "other_secret",
            "Nothing else fits: it was signed with another secret, or the body was changed in "
            "a way that cannot be guessed. Compare the secret's mark with that of another "
            "file, and take the body where it comes in, byte for byte.");
}

static void explain(struct verify *verify) {
    switch (verify->verdict) {
    case SIGNATURE_MISSING:
        add_found(verify, "missing",
                  "Kula signs each delivery: this is none, or something on the way drops "
                  "X-Kula-Signature.");
        return;
    case SIGNATURE_MALFORMED:
        add_found(
            verify, "malformed",
            "Kula sends t=SECONDS,v1=HEX: give the header's value whole and as it came; where "
            "it came so, whoever signs does not do it as Kula does.");
        return;
    case SIGNATURE_UNMATCHED:
        explain_unmatched(verify);
        explain_time(verify);
        return;
    case SIGNATURE_STALE:
        explain_time(verify);
        return;
    case SIGNATURE_GOOD:
        return;
    }
}

/* ---- How it is told ---- */

/* "signed 400 s (6 min) ago, read as canonical" */
static void print_when(const struct verify *verify) {
    int64_t ahead_s = verify->signature.t_s - verify->at_s;
    int64_t apart_s = ahead_s < 0 ? -ahead_s : ahead_s;
    struct string age = {0};
    view_age(apart_s * 1000, &age);
    printf("signed %lld s (%s) %s%s", (long long)apart_s, age.data,
           ahead_s > 0 ? "in the future" : "ago",
           verify->reading == SIGNATURE_CANONICAL ? ", read as canonical" : "");
    string_finish(&age);
}

static void print_verdict(const struct verify *verify) {
    char mark[HMAC_MARK + 1];
    size_t at = 0;
    const char *expected = signature_expected(verify->value, &at);
    switch (verify->verdict) {
    case SIGNATURE_GOOD:
        printf("accepted: ");
        print_when(verify);
        printf("\n");
        return;
    case SIGNATURE_STALE:
        printf("refused, stale: ");
        print_when(verify);
        printf("; the tolerance is %s\n", verify->tolerance);
        return;
    case SIGNATURE_UNMATCHED:
        hmac_mark(&verify->secret, mark);
        printf("refused, unmatched: the secret, whose mark is %s, does not make this signature of "
               "this body\n",
               mark);
        return;
    case SIGNATURE_MALFORMED:
        printf("refused, malformed: column %zu of the header's value: expected %s\n", at + 1,
               expected);
        return;
    case SIGNATURE_MISSING:
        printf("refused, missing: there is no signature\n");
        return;
    }
}

static void print_found_json(struct verify *verify) {
    struct cli *cli = &verify->cli;
    json_key(cli->json, "found");
    json_open(cli->json, '[');
    for (size_t i = 0; i < verify->found_count; i++) {
        json_open(cli->json, '{');
        cli_json_text(cli, "what", text_of(verify->found[i].word));
        cli_json_text(cli, "advice", text_of(verify->found[i].advice));
        json_close(cli->json, '}');
    }
    json_close(cli->json, ']');
}

static void print_json(struct verify *verify) {
    struct cli *cli = &verify->cli;
    char mark[HMAC_MARK + 1];
    size_t at = 0;
    hmac_mark(&verify->secret, mark);
    json_open(cli->json, '{');
    cli_json_bool(cli, "accepted", verify->verdict == SIGNATURE_GOOD);
    cli_json_text(cli, "verdict", text_of(signature_verdict_name(verify->verdict)));
    cli_json_text(cli, "secret", text_of(mark));
    if (verify->verdict == SIGNATURE_GOOD || verify->verdict == SIGNATURE_STALE)
        cli_json_text(cli, "reading", text_of(signature_reading_name(verify->reading)));
    if (verify->verdict == SIGNATURE_MALFORMED) {
        cli_json_text(cli, "expected", text_of(signature_expected(verify->value, &at)));
        cli_json_number(cli, "column", (int64_t)at + 1);
    } else if (verify->verdict != SIGNATURE_MISSING) {
        cli_json_number(cli, "ahead_s", verify->signature.t_s - verify->at_s);
    }
    if (verify->explain)
        print_found_json(verify);
    json_close(cli->json, '}');
    cli_json_line(cli);
}

static void print(struct verify *verify) {
    if (verify->cli.options.json) {
        print_json(verify);
        return;
    }
    print_verdict(verify);
    for (size_t i = 0; i < verify->found_count; i++)
        printf("%s\n", verify->found[i].advice);
}

static void run(struct verify *verify) {
    if (verify->at_s == NOW)
        verify->at_s = clock_wall_ms() / 1000;
    verify->value = header_value(verify->header);
    judge(verify);
    if (verify->explain)
        explain(verify);
    print(verify);
    if (verify->verdict != SIGNATURE_GOOD)
        verify->cli.options.exit = CLI_FAILED;
}

int verify_main(int argc, char **argv) {
    struct verify verify = {.body_file = "-", .tolerance = "5m", .signed_body = "raw", .at_s = NOW};
    const struct cli_option options[] = {
        {"secret-file", 's', "FILE", "the endpoint's secret", .text = &verify.secret_file},
        {"signature", 0, "HEADER", "what X-Kula-Signature holds", .text = &verify.header},
        {"body", 'b', "FILE|-", "the body, byte for byte (standard input)",
         .text = &verify.body_file},
        {"at", 0, "UNIX", "the time to judge it at, in seconds (now)", .count = &verify.at_s,
         .most = 999999999999},
        {"tolerance", 0, "DURATION", "how far t may be from that (5m), 1s at least; 0s: any",
         .text = &verify.tolerance},
        {"signed-body", 0, "WORD", "raw, or raw_or_canonical as the endpoint may have it",
         .text = &verify.signed_body},
        {"timestamp", 0, "VALUE", "what X-Kula-Timestamp holds; for --explain",
         .text = &verify.other_time},
        {"explain", 'x', NULL, "why not, and what to do", .flag = &verify.explain},
        {0}};
    const struct cli_manual manual = {
        .about =
            "Would this delivery be accepted? Exit 0 where it would, 1 where not. Needs no\n"
            "configuration. --explain tries what goes wrong between whoever signs and here: a\n"
            "body that was changed on the way, a secret that was written down differently,\n"
            "clocks that disagree. It shows neither secret nor body nor signature.",
        .example =
            "kula-relay verify --explain --secret-file secret --signature \"$header\" --body "
            "body.json",
        .options = options,
        .takes = CLI_TAKES_JSON,
        .json = "  verdict: accepted verdict secret [reading expected column ahead_s found]\n"
                "  in found: what advice",
        .notes = "Exit codes: 0 accepted, 1 not, 2 usage.\n",
    };
    if (cli_start(&verify.cli, &manual, argc, argv) && valid(&verify) && read_secret(&verify) &&
        body_read(&verify.cli, verify.body_file, &verify.body))
        run(&verify);
    secret_finish(&verify.secret);
    string_finish(&verify.body);
    return cli_close(&verify.cli);
}
