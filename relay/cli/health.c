/* health asks the serve and the forward that run on this machine how they are: for Docker's
 * health check, and for whoever restarts what does not answer. */
#include <string.h>

#include "cli/admin_page.h"
#include "cli/commands.h"
#include "cli/view.h"

struct health {
    struct cli cli;
    bool ready;           /* which page is asked for */
    bool well;            /* somebody said so */
    struct string silent; /* a sentence for each that did not answer */
};

static void ask(struct health *this, const char *name, const char *address) {
    struct admin_page page = {0};
    if (admin_page_get(&this->cli, address, this->ready ? "/readyz" : "/healthz", &page)) {
        struct text body = string_text(&page.body);
        struct string line = {0};
        view_clean(text_cut(&body, '\n'), &line); /* whoever listens there may say anything */
        printf("%s: %s\n", name, line.size ? line.data : "");
        string_finish(&line);
        this->well = this->well || page.status == 200;
        if (page.status != 200)
            cli_fail(&this->cli, CLI_FAILED, "%s answers %d at %s", name, page.status,
                     page.url.data);
    } else {
        string_addf(&this->silent, "%s%s does not answer at %s: %s", this->silent.size ? "; " : "",
                    name, page.url.data, page.body.data);
    }
    admin_page_finish(&page);
}

/* The one that is meant; without a word each that the configuration has an address of, and then it
 * is enough that one of them runs here: but whoever runs has to be well. */
static void ask_all(struct health *this, const char *word) {
    const struct config *config = this->cli.config;
    const struct {
        const char *name, *address;
    } rows[] = {{"serve", config->serve_admin}, {"forward", config->forward_admin}};
    bool asked = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].address && (!word || strcmp(word, rows[i].name) == 0)) {
            ask(this, rows[i].name, rows[i].address);
            asked = true;
        }
    if (!asked)
        cli_fail(&this->cli, CLI_BAD_CONFIG, "%s: %s.admin is missing: there is nowhere to ask",
                 config->file, word ? word : "serve.admin or forward");
    else if (!this->well && this->silent.size)
        cli_fail(&this->cli, CLI_FAILED, "%s", this->silent.data);
}

static bool is_known(const struct options *options) {
    return !options->operand_count ||
           (options->operand_count == 1 && (strcmp(options->operands[0], "serve") == 0 ||
                                            strcmp(options->operands[0], "forward") == 0));
}

int health_main(int argc, char **argv) {
    struct health this = {0};
    const struct cli_option rows[] = {
        {"ready", 0, NULL, "whether it can do its work too: /readyz", .flag = &this.ready}, {0}};
    const struct cli_manual manual = {
        .about =
            "Asks the serve or forward that runs on this machine, at its admin address in\n"
            "the configuration, whether it is well (/healthz). Without a word each that has\n"
            "an address is asked: one that does not answer is passed over where the other is\n"
            "well, and one that answers that it is not well (503) fails. Exit 0: well; 1: not,\n"
            "or nobody answers within two seconds. No secret is read. For Docker's health\n"
            "checks.",
        .example = "kula-relay health serve",
        .options = rows,
        .takes = CLI_TAKES_CONFIG,
        .notes = "Exit codes: 0 well, 1 not, 2 usage, 78 configuration invalid.\n",
    };
    struct options *options = &this.cli.options;
    if (cli_start(&this.cli, &manual, argc, argv)) {
        if (!is_known(options))
            options_wrong(options, "takes serve or forward");
        else if (cli_load(&this.cli, CONFIG_FOR_SPOOL))
            ask_all(&this, options->operand_count ? options->operands[0] : NULL);
    }
    string_finish(&this.silent);
    return cli_close(&this.cli);
}
