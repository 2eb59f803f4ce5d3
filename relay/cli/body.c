#include "cli/body.h"

#include <errno.h>
#include <string.h>

bool body_read(struct cli *cli, const char *file, struct string *body) {
    bool from_stdin = strcmp(file, "-") == 0;
    FILE *stream = from_stdin ? stdin : fopen(file, "re");
    char block[65536];
    size_t size;
    if (!stream)
        return cli_fail(cli, CLI_FAILED, "%s: %s", file, strerror(errno));
    while ((size = fread(block, 1, sizeof block, stream)) > 0)
        string_add(body, text_slice(block, size));
    bool failed = ferror(stream);
    if (!from_stdin)
        fclose(stream);
    if (failed)
        return cli_fail(cli, CLI_FAILED, "%s cannot be read", file);
    string_add_of(body, ""); /* so that an empty file is a body too */
    return true;
}
