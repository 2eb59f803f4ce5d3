/* show tells one event's way: accepted, every attempt at every service, where
 * it stands. */
#include "cli/commands.h"
#include "cli/way.h"

int show_main(int argc, char **argv) {
    struct cli cli = {0};
    const struct cli_manual manual = {
        .about =
            "Shows one event's way: when it was accepted, every attempt at every service as far\n"
            "back as the log goes, and where it stands now. Exit 3 where nothing is known of it.",
        .example = "kula-relay show evt_abc123",
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  line: [event attempt standing]\n"
                "  in event: stream_id id type endpoint account created received trace [to\n"
                "      origin]\n"
                "  in attempt: at service stream_id id attempt outcome reason status took_ms\n"
                "  in standing: service stream_id standing attempts outcome [due_in_ms]",
    };
    if (!cli_start(&cli, &manual, argc, argv))
        return cli_close(&cli);
    if (cli.options.operand_count != 1)
        options_wrong(&cli.options, "takes one event id");
    else if (cli_load(&cli, CONFIG_FOR_LEDGER) && cli_connect(&cli))
        way_print(&cli, text_of(cli.options.operands[0]));
    return cli_close(&cli);
}
