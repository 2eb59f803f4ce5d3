#include "base/config_draft.h"
#include "base/config_table.h"

static void print_note(const struct config_draft *draft, const struct config_note *note,
                       struct string *out) {
    string_addf(out, "%s = %s   # ", note->path, note->value);
    if (note->variable)
        string_add_of(out, "environment");
    else if (note->at.line)
        string_addf(out, "%s:%zu", draft->config.file, note->at.line);
    else
        string_add_of(out, "default");
    string_add_char(out, '\n');
}

void config_print(const struct config *config, struct string *out) {
    /* Every configuration that is handed out is the first thing in its draft. */
    const struct config_draft *draft = (const void *)config;
    for (size_t i = 0; i < draft->note_count; i++)
        if (draft->notes[i].value)
            print_note(draft, &draft->notes[i], out);
}

static void describe_form(const struct config_row *row, struct string *out) {
    if (row->words) {
        string_add_of(out, "   (");
        for (const char *const *word = row->words; *word; word++)
            string_addf(out, "%s%s", word == row->words ? "" : " | ", *word);
        string_addf(out, "%s)", row->type == CONFIG_WHEN ? " | a duration" : "");
    } else if (row->least) {
        string_addf(out, "   (%s to %s)", row->least, row->most);
    }
}

static void describe_row(const struct config_row *row, struct string *out) {
    string_add_of(out, row->path);
    if (row->type == CONFIG_MAP || row->type == CONFIG_MAPS)
        string_add_of(out, ":");
    else if (row->needed)
        string_add_of(out, "   (needed)");
    else
        string_addf(out, " = %s", row->usual ? row->usual : "(none)");
    describe_form(row, out);
    if (row->live)
        string_add_of(out, "   (also at SIGHUP)");
    string_addf(out, "\n    %s\n", row->meaning);
}

void config_describe(struct string *out) {
    for (size_t i = 0; i < config_table_rows; i++)
        describe_row(&config_table[i], out);
}
