#include "net/redis_greeting.h"

#include <assert.h>
#include <event2/buffer.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "net/redis_protocol.h"
#include "net/redis_refusal.h"

enum { WORDS = 3, STEPS_BESIDE_SCRIPTS = 6 };

/* Does nothing, and says nothing of what it does: so Redis takes it for one that writes. */
static const char writing_script[] = "#!lua\nreturn 'taken'";
static const char writes[] = "writes";
static const char mark[] = "mark";

struct step {
    const char *name; /* for people */
    struct text words[WORDS];
    const struct redis_script *script; /* whose digest has to be the reply */
};

struct redis_greeting {
    char *user;
    char *client;
    char database[16];
    char *mark_key, *mark_field, *mark_value; /* NULL: there is none */
    size_t count;
    struct step steps[];
};

/* By its digest Redis knows a script; made here, so that a call can be written down before there
 * is any connection. */
static void fill_in_digest(struct redis_script *script) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int done = EVP_Digest(script->source, strlen(script->source), digest, &size, EVP_sha1(), NULL);
    assert(done == 1 && size * 2 + 1 == sizeof script->sha1);
    for (unsigned i = 0; i < size; i++)
        snprintf(script->sha1 + (size_t)2 * i, 3, "%02x", (unsigned)digest[i]);
}

static void add_step(struct redis_greeting *greeting, struct step step) {
    greeting->steps[greeting->count++] = step;
}

struct redis_greeting *redis_greeting_create(const struct redis_options *options,
                                             unsigned database) {
    const struct secret *password = options->password;
    size_t scripts = 0;
    while (options->scripts && options->scripts[scripts])
        scripts++;
    struct redis_greeting *greeting =
        memory_new(sizeof *greeting + (STEPS_BESIDE_SCRIPTS + scripts) * sizeof(struct step));
    greeting->user = text_copy(text_of(options->user ? options->user : "default"));
    greeting->client = text_copy(text_of(options->name));
    snprintf(greeting->database, sizeof greeting->database, "%u", database);
    if (password && password->size)
        add_step(greeting,
                 (struct step){"AUTH",
                               {text_of("AUTH"), text_of(greeting->user), secret_text(password)},
                               NULL});
    if (database)
        add_step(greeting,
                 (struct step){"SELECT", {text_of("SELECT"), text_of(greeting->database)}});
    if (options->name)
        add_step(greeting,
                 (struct step){"CLIENT SETNAME",
                               {text_of("CLIENT"), text_of("SETNAME"), text_of(greeting->client)}});
    /* Is it there, and not still loading? A PING would be refused by a Redis that takes no writes
     * for the moment (MISCONF), and nobody could look into it. */
    add_step(greeting, (struct step){"ECHO", {text_of("ECHO"), text_of("hello")}});
    for (size_t i = 0; i < scripts; i++) {
        struct redis_script *script = options->scripts[i];
        fill_in_digest(script);
        add_step(greeting,
                 (struct step){"SCRIPT LOAD",
                               {text_of("SCRIPT"), text_of("LOAD"), text_of(script->source)},
                               script});
    }
    if (options->mark.key) {
        greeting->mark_key = text_copy(text_of(options->mark.key));
        greeting->mark_field = text_copy(text_of(options->mark.field));
        greeting->mark_value = text_copy(text_of(options->mark.value));
        add_step(greeting, (struct step){mark,
                                         {text_of("HGET"), text_of(greeting->mark_key),
                                          text_of(greeting->mark_field)},
                                         NULL});
    }
    return greeting;
}

void redis_greeting_ask_for_writes(struct redis_greeting *greeting) {
    if (greeting->steps[greeting->count - 1].name != writes)
        add_step(
            greeting,
            (struct step){writes, {text_of("EVAL"), text_of(writing_script), text_of("0")}, NULL});
}

void redis_greeting_destroy(struct redis_greeting *greeting) {
    if (!greeting)
        return;
    free(greeting->user);
    free(greeting->client);
    free(greeting->mark_key);
    free(greeting->mark_field);
    free(greeting->mark_value);
    free(greeting);
}

void redis_greeting_add(const struct redis_greeting *greeting, struct evbuffer *output) {
    for (size_t i = 0; i < greeting->count; i++) {
        const struct text *words = greeting->steps[i].words;
        size_t count = 1;
        while (count < WORDS && words[count].data)
            count++;
        char *wire = memory_new(redis_command_bytes(words, count));
        char *end = redis_command_add(redis_command_begin(wire, count), words, count);
        evbuffer_add(output, wire, (size_t)(end - wire));
        free(wire);
    }
}

size_t redis_greeting_count(const struct redis_greeting *greeting) {
    return greeting->count;
}

/* Whoever may not read it, or finds something else in its place, is told so by each call. */
static bool check_mark(const struct redis_greeting *greeting, const struct redis_value *reply,
                       struct string *why) {
    if (reply->kind != REDIS_TEXT || text_is(reply->text, greeting->mark_value))
        return true;
    string_addf(why,
                "is another version's: %s says %s %.*s, and this program knows %s. Nothing of it "
                "is touched; start the version that it belongs to, or this one with another Redis "
                "or prefix",
                greeting->mark_key, greeting->mark_field, TEXT_ARG(reply->text),
                greeting->mark_value);
    return false;
}

bool redis_greeting_check(const struct redis_greeting *greeting, size_t i,
                          const struct redis_value *reply, struct string *why) {
    assert(i < greeting->count);
    const struct step *step = &greeting->steps[i];
    /* Any other error, of what this user may do or a full memory, is each call's own affair. */
    if (step->name == writes && redis_refusal_of(reply->text) != REDIS_REFUSAL_RECONNECT)
        return true;
    if (step->name == mark)
        return check_mark(greeting, reply, why);
    if (reply->kind == REDIS_ERROR) {
        /* A server that does not know AUTH repeats what it was given: the password. */
        bool repeats = text_is(step->words[0], "AUTH") && text_starts(reply->text, "ERR unknown");
        string_addf(why, "refuses %s: ", step->name);
        string_add(why, repeats ? text_of("unknown command") : reply->text);
        return false;
    }
    if (step->script && !text_is(redis_text(reply), step->script->sha1)) {
        string_addf(why, "has not loaded the script %s as it was given", step->script->name);
        return false;
    }
    return true;
}
