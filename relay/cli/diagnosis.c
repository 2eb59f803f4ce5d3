#include "cli/diagnosis.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "kula/canonical.h"

/* Makes another text of one; false where it makes none, or the same. */
typedef bool remake_fn(struct text, struct string *);

struct remake {
    remake_fn *make; /* NULL: as it is */
    struct diagnosis diagnosis;
};

static const char bom[] = "\xef\xbb\xbf";
static const char prefix[] = "whsec_";

static bool with_tail(struct text t, const char *tail, struct string *out) {
    string_add(out, t);
    string_add_of(out, tail);
    return true;
}

static bool add_lf(struct text t, struct string *out) {
    return with_tail(t, "\n", out);
}

static bool add_crlf(struct text t, struct string *out) {
    return with_tail(t, "\r\n", out);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool drop_blanks(struct text t, struct string *out) {
    size_t size = t.size;
    while (t.size && is_blank(t.data[t.size - 1]))
        t.size--;
    while (t.size && is_blank(t.data[0]))
        t = text_slice(t.data + 1, t.size - 1);
    string_add(out, t);
    return t.size < size;
}

static bool drop_newline(struct text t, struct string *out) {
    size_t size = t.size;
    if (size && t.data[size - 1] == '\n')
        size -= size > 1 && t.data[size - 2] == '\r' ? 2 : 1;
    string_add(out, text_slice(t.data, size));
    return size < t.size;
}

static bool drop_cr(struct text t, struct string *out) {
    for (size_t i = 0; i < t.size; i++)
        if (t.data[i] != '\r' || i + 1 == t.size || t.data[i + 1] != '\n')
            string_add_char(out, t.data[i]);
    return out->size < t.size;
}

static bool lf_to_crlf(struct text t, struct string *out) {
    for (size_t i = 0; i < t.size; i++) {
        if (t.data[i] == '\n' && (i == 0 || t.data[i - 1] != '\r'))
            string_add_char(out, '\r');
        string_add_char(out, t.data[i]);
    }
    return out->size > t.size;
}

static bool drop_bom(struct text t, struct string *out) {
    bool has = text_starts(t, bom);
    string_add(out, has ? text_slice(t.data + strlen(bom), t.size - strlen(bom)) : t);
    return has;
}

static bool add_bom(struct text t, struct string *out) {
    string_add_of(out, bom);
    string_add(out, t);
    return true;
}

static bool drop_all(struct text t, struct string *out) {
    (void)out;
    return t.size > 0;
}

static bool drop_prefix(struct text t, struct string *out) {
    if (!text_starts(t, prefix))
        return false;
    string_add(out, text_slice(t.data + strlen(prefix), t.size - strlen(prefix)));
    return true;
}

static bool add_prefix(struct text t, struct string *out) {
    string_add_of(out, prefix);
    string_add(out, t);
    return !text_starts(t, prefix);
}

static bool decode_base64(struct text t, struct string *out) {
    if (text_starts(t, prefix))
        t = text_slice(t.data + strlen(prefix), t.size - strlen(prefix));
    unsigned char *bytes = memory_new(BASE64_ROOM(t.size) + 1);
    size_t size = 0;
    bool decoded = base64_decode(t, bytes, &size) && size > 0;
    if (decoded)
        string_add(out, text_slice((const char *)bytes, size));
    explicit_bzero(bytes, BASE64_ROOM(t.size) + 1);
    free(bytes);
    return decoded;
}

/* What was signed, of the body that is there; the second reading, which hides blanks too, after
 * what says more. */
static const struct remake bodies[] = {
    {NULL, {0}},
    {drop_newline,
     {"newline_added",
      "A newline was added at the body's end, by a proxy, an editor or `echo`: pass the body on "
      "byte for byte."}},
    {add_lf,
     {"newline_lost",
      "A newline at the body's end was lost on the way (`curl --data` drops it, `--data-binary` "
      "does not; so does `$(...)`): pass the body on byte for byte."}},
    {add_crlf,
     {"newline_lost",
      "A line end (CR LF) at the body's end was lost on the way: pass the body on byte for byte."}},
    {drop_cr,
     {"line_ends_changed",
      "LF became CR LF in the body, as an editor or a transfer in text mode does: pass the body on "
      "byte for byte."}},
    {lf_to_crlf,
     {"line_ends_changed",
      "CR LF became LF in the body, as an editor or a transfer in text mode does: pass the body on "
      "byte for byte."}},
    {drop_bom,
     {"bom_added", "A byte order mark was put before the body: save it as UTF-8 without one."}},
    {add_bom, {"bom_lost", "A byte order mark before the body was lost on the way."}},
    {drop_blanks,
     {"blanks_added",
      "Blanks or lines were added around the body: pass the body on byte for byte."}},
    {canonical_format,
     {"body_reencoded",
      "The signature covers JSON.stringify(JSON.parse(body)) and not the body's bytes. Where Kula "
      "signs so, write `signed_body: raw_or_canonical` at the endpoint; where something on the way "
      "writes the JSON anew, have it pass the body on byte for byte."}},
    {drop_all,
     {"empty_signed",
      "The signature covers an empty body: whoever signed had not read the body, or had read it "
      "away before."}},
};

/* What whoever signed took for the secret, of the one that is there. */
static const struct remake secrets[] = {
    {NULL, {0}},
    {add_lf,
     {"secret_newline",
      "Whoever signed has a newline at the secret's end: take it away there (`printf %s`, not "
      "`echo`)."}},
    {add_crlf,
     {"secret_newline", "Whoever signed has CR LF at the secret's end: take it away there."}},
    {drop_blanks,
     {"secret_blanks",
      "The secret file has blanks or lines around the secret: write it anew, as in `printf %s "
      "'...' > FILE`."}},
    {drop_prefix,
     {"secret_prefix",
      "It was signed with the secret without its `whsec_`; Kula uses all of it. Whoever signed "
      "takes the prefix off."}},
    {add_prefix,
     {"secret_prefix", "It was signed with `whsec_` before the secret: the secret file lacks it."}},
    {decode_base64,
     {"secret_decoded",
      "It was signed with what the secret is in base64, as Standard Webhooks does; Kula uses the "
      "text as it is. Whoever signed decodes it."}},
};

static const struct diagnosis other_time = {
    "other_time",
    "It was signed with the time in X-Kula-Timestamp, and t in X-Kula-Signature is another: "
    "something has changed one of the two headers."};

enum {
    BODIES = sizeof bodies / sizeof *bodies,
    SECRETS = sizeof secrets / sizeof *secrets,
    TIMES = 2
};

struct search {
    const struct signature *signature;
    struct string bodies[BODIES]; /* as they are remade */
    bool has_body[BODIES];
    struct hmac *keys[SECRETS]; /* NULL: none */
    struct text times[TIMES];   /* empty: none */
};

static struct hmac *make_key(struct text secret) {
    struct secret copy = {(unsigned char *)memory_copy(secret.data, secret.size), secret.size};
    struct hmac *key = hmac_create(&copy);
    secret_finish(&copy);
    return key;
}

static void begin(struct search *search, const struct diagnosis_case *given) {
    search->signature = given->signature;
    search->times[0] = given->signature->t_digits;
    search->times[1] = given->other_time;
    for (size_t i = 0; i < BODIES; i++) {
        struct string *body = &search->bodies[i];
        search->has_body[i] = !bodies[i].make || bodies[i].make(given->body, body);
        if (!bodies[i].make)
            string_add(body, given->body);
    }
    for (size_t i = 0; i < SECRETS; i++) {
        struct string secret = {0};
        if (!secrets[i].make)
            search->keys[i] = make_key(given->secret);
        else if (secrets[i].make(given->secret, &secret) && secret.size)
            search->keys[i] = make_key(string_text(&secret));
        string_wipe(&secret);
    }
}

static void end(struct search *search) {
    for (size_t i = 0; i < BODIES; i++)
        string_finish(&search->bodies[i]);
    for (size_t i = 0; i < SECRETS; i++)
        hmac_destroy(search->keys[i]);
}

static bool fits(const struct search *search, size_t body, size_t secret, size_t time) {
    struct signature signature = *search->signature;
    size_t matched;
    if (!search->has_body[body] || !search->keys[secret] || search->times[time].size == 0)
        return false;
    signature.t_digits = search->times[time];
    return signature_check(&signature, &search->keys[secret], 1, string_text(&search->bodies[body]),
                           0, 0, &matched) != SIGNATURE_UNMATCHED;
}

/* With just so many things otherwise. */
static bool find(const struct search *search, size_t wanted, size_t at[DIAGNOSIS_MOST]) {
    for (size_t body = 0; body < BODIES; body++)
        for (size_t secret = 0; secret < SECRETS; secret++)
            for (size_t time = 0; time < TIMES; time++) {
                if ((body > 0) + (secret > 0) + (time > 0) != (int)wanted ||
                    !fits(search, body, secret, time))
                    continue;
                memcpy(at, (size_t[]){body, secret, time}, sizeof(size_t) * DIAGNOSIS_MOST);
                return true;
            }
    return false;
}

size_t diagnosis_make(const struct diagnosis_case *given, struct diagnosis found[DIAGNOSIS_MOST]) {
    struct search search = {0};
    size_t at[DIAGNOSIS_MOST] = {0}, count = 0;
    begin(&search, given);
    for (size_t wanted = 1; wanted <= DIAGNOSIS_MOST && !find(&search, wanted, at); wanted++)
        ;
    end(&search);
    if (at[0])
        found[count++] = bodies[at[0]].diagnosis;
    if (at[1])
        found[count++] = secrets[at[1]].diagnosis;
    if (at[2])
        found[count++] = other_time;
    return count;
}
