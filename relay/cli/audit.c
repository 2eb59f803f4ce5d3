/* audit asks whether the counts balance: what was accepted is delivered,
 * filtered, owed or dead, service by service. */
#include "cli/balance.h"
#include "cli/commands.h"

int audit_main(int argc, char **argv) {
    struct cli cli = {0};
    const struct cli_manual manual = {
        .about =
            "Asks whether the counts balance: of each service, what it was given is delivered,\n"
            "filtered, owed, dead or dropped; and nothing was taken out of the ledger by hand.\n"
            "Exit 1 where something does not balance; each finding names the key to look at.\n"
            "Best asked while nothing is under way: it looks at one key after the other.",
        .example = "kula-relay audit",
        .takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
        .json = "  service: service given filtered done dead dropped owed unread balances\n"
                "  total: balances appended revived added trimmed length findings",
        .notes = "Exit codes: 0 it balances, 1 not, 2 usage, 4 Redis unreachable,\n"
                 "78 configuration invalid.\n",
    };
    if (!cli_start(&cli, &manual, argc, argv))
        return cli_close(&cli);
    if (cli.options.operand_count)
        options_wrong(&cli.options, "takes no operands");
    else if (cli_load(&cli, CONFIG_FOR_LEDGER) && cli_connect(&cli))
        balance_print(&cli);
    return cli_close(&cli);
}
