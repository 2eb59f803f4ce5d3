#include "cli/sample_event.h"

#include <string.h>
#include <time.h>

#include "base/json.h"

struct sample {
    struct json_writer *out;
    uint64_t n;
};

static const char *const people[][2] = {
    {"Ada Beispiel", "ada@example.org"},    {"Bo Ejemplo", "bo@example.net"},
    {"Chidi Exemple", "chidi@example.com"}, {"Dóra Példa", "dora@example.org"},
    {"Eiko 見本", "eiko@example.net"},      {"Farid Mithal", "farid@example.com"},
};
static const char *const jobs[] = {"Site Reliability Engineer", "Recruiter", "R&D Lead",
                                   "Nurse <part time>"};
static const char *const stages[] = {"Applied", "Screening", "On-site", "Offer"};

static void put(struct sample *sample, const char *key, const char *value) {
    json_key(sample->out, key);
    json_string(sample->out, text_of(value));
}

static void put_number(struct sample *sample, const char *key, uint64_t value) {
    json_key(sample->out, key);
    json_number(sample->out, (int64_t)value);
}

static void put_named(struct sample *sample, const char *key, uint64_t id, const char *name) {
    json_key(sample->out, key);
    json_open(sample->out, '{');
    put_number(sample, "id", id);
    put(sample, "name", name);
    json_close(sample->out, '}');
}

static void put_person(struct sample *sample, const char *key, uint64_t which) {
    const char *const *person = people[which % (sizeof people / sizeof *people)];
    json_key(sample->out, key);
    json_open(sample->out, '{');
    put_number(sample, "id", 5000 + which);
    put(sample, "name", person[0]);
    put(sample, "email", person[1]);
    json_close(sample->out, '}');
}

static void put_job(struct sample *sample) {
    put_named(sample, "job", 700 + sample->n % 4, jobs[sample->n % 4]);
}

static void fill_ping(struct sample *sample) {
    put(sample, "message", "Webhook test");
}

static void fill_candidate(struct sample *sample) {
    put_number(sample, "id", 5000 + sample->n);
    put_person(sample, "candidate", sample->n);
    json_key(sample->out, "location");
    json_open(sample->out, '{');
    put_named(sample, "city", 11, "Bengaluru");
    put_named(sample, "state", 12, "Karnataka");
    put_named(sample, "country", 13, "India");
    json_close(sample->out, '}');
}

static void fill_application(struct sample *sample) {
    put_number(sample, "id", 90000 + sample->n);
    put_number(sample, "candidate_id", 5000 + sample->n);
    put_person(sample, "candidate", sample->n);
    put_job(sample);
    put_named(sample, "stage", sample->n % 4 + 1, stages[sample->n % 4]);
    put_person(sample, "recruiter", sample->n + 1);
}

static void fill_job(struct sample *sample) {
    put_number(sample, "id", 700 + sample->n % 4);
    put(sample, "title", jobs[sample->n % 4]);
    put_named(sample, "department", 3, "Engineering");
    put_person(sample, "hiring_manager", sample->n + 2);
}

static void fill_offer(struct sample *sample) {
    put_number(sample, "id", 300 + sample->n);
    put_number(sample, "application_id", 90000 + sample->n);
    put_person(sample, "candidate", sample->n);
    put_job(sample);
    put_number(sample, "salary", 120000);
}

static void fill_interview(struct sample *sample) {
    put_number(sample, "id", 8000 + sample->n);
    put_number(sample, "application_id", 90000 + sample->n);
    put(sample, "kind", "panel");
    put(sample, "location", "zoom");
    put_person(sample, "interviewer", sample->n + 3);
}

static void fill_other(struct sample *sample) {
    put_number(sample, "id", sample->n + 1);
}

/* By the type's first segment. */
static const struct {
    const char *resource;
    void (*fill)(struct sample *);
} resources[] = {
    {"application", fill_application},
    {"candidate", fill_candidate},
    {"interview", fill_interview},
    {"job", fill_job},
    {"job_posting", fill_job},
    {"offer", fill_offer},
    {"ping", fill_ping},
    {"requisition", fill_job},
};

static void fill(struct sample *sample, const char *type) {
    struct text rest = text_of(type), resource = text_cut(&rest, '.');
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (text_is(resource, resources[i].resource)) {
            resources[i].fill(sample);
            return;
        }
    fill_other(sample);
}

static void format_time(int64_t now_ms, char out[32]) {
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts))
        strcpy(out, "1970-01-01T00:00:00Z");
}

void sample_event_write(const char *type, const char *id, int64_t now_ms, uint64_t n,
                        struct string *body) {
    struct sample sample = {json_writer_create(), n};
    char created[32];
    format_time(now_ms, created);
    json_open(sample.out, '{');
    put(&sample, "event", type);
    put(&sample, "event_id", id);
    put(&sample, "created_at", created);
    put_number(&sample, "account_id", 12345);
    json_key(sample.out, "data");
    json_open(sample.out, '{');
    fill(&sample, type);
    json_close(sample.out, '}');
    json_close(sample.out, '}');
    string_add(body, json_writer_text(sample.out));
    json_writer_destroy(sample.out);
}
