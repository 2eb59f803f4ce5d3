/* version says what this program is made of. */
#include <stdio.h>

#include "base/version.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/commit.h"

int version_main(int argc, char **argv) {
    struct options options = {0};
    const struct cli_manual manual = {
        .about = "Prints the version, the commit it was built from, and the libraries it was built "
                 "with.",
        .takes = CLI_TAKES_JSON,
        .json = "  version: version commit libraries",
        .notes = "Exit codes: 0 done, 2 usage.\n",
    };
    if (!options_parse(&options, &manual, argc, argv))
        return options.exit;
    if (options.json)
        printf("{\"version\":\"%s\",\"commit\":\"%s\",\"libraries\":\"%s\"}\n", KULA_RELAY_VERSION,
               COMMIT, KULA_RELAY_LIBRARIES);
    else
        printf("kula-relay %s (%s)\n%s\n", KULA_RELAY_VERSION, COMMIT, KULA_RELAY_LIBRARIES);
    return CLI_DONE;
}
