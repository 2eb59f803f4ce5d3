#include "base/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config_check.h"
#include "base/config_table.h"
#include "base/file.h"
#include "base/memory.h"

static void add_problem(struct string *why, const char *what, const char *path, int error,
                        const char *wish) {
    string_addf(why, "%s %s: ", what, path);
    file_add_reason(error, path, wish, why);
}

bool config_files_readable(const char *path, struct string *why) {
    struct stat stat = {0};
    /* Not blocking, for somebody may name a pipe. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = file < 0 || fstat(file, &stat) < 0 ? errno : S_ISDIR(stat.st_mode) ? EISDIR : 0;
    if (file >= 0)
        close(file);
    if (error)
        add_problem(why, "cannot read the file", path, error, "read it");
    else if (S_ISREG(stat.st_mode) && stat.st_size == 0)
        string_addf(why, "the file %s is empty", path);
    return why->size == 0;
}

static bool is_folder_open_to_us(const char *path) {
    struct stat about;
    if (stat(path, &about) < 0)
        return false;
    errno = S_ISDIR(about.st_mode) ? 0 : ENOTDIR;
    return errno == 0 && faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

/* Of the folder that this one is in. */
static bool is_parent_open_to_us(const char *folder) {
    struct text rest = text_of(folder);
    while (rest.size > 1 && rest.data[rest.size - 1] == '/')
        rest.size--;
    while (rest.size && rest.data[rest.size - 1] != '/')
        rest.size--;
    char *parent = text_copy(rest.size ? rest : text_of("."));
    bool open_to_us = is_folder_open_to_us(parent);
    int error = errno;
    free(parent);
    errno = error;
    return open_to_us;
}

static bool holds_something(const char *path) {
    DIR *folder = opendir(path);
    int names = 0;
    if (!folder)
        return false;
    while (names <= 2 && readdir(folder)) /* "." and ".." are always there */
        names++;
    closedir(folder);
    return names > 2;
}

bool config_files_writable(const char *folder, struct string *why) {
    if (is_folder_open_to_us(folder))
        return true;
    /* It was written before: no mistake of whoever named it, but a disk that Linux has made
     * read-only because it failed. */
    int error = errno;
    if (error == EROFS && holds_something(folder))
        return true;
    if (error != ENOENT)
        add_problem(why, "cannot write into the folder", folder, error, "write there");
    else if (!is_parent_open_to_us(folder))
        add_problem(why, "cannot make the folder", folder, errno, "write where it stands");
    return why->size == 0;
}

enum {
    SECRET_BYTES_LEAST = 16, /* shorter: can be guessed by who has seen one signed delivery */
    DIR_FILES_MOST = 16,
    PEM_MOST = 1 << 20, /* the system's own bundle has a quarter of that */
};

/* A place that already had a problem holds an empty name. */
static void read_secret(struct config_draft *draft, const char *key, const char *file,
                        struct secret *secret) {
    struct string why = {0};
    if (file && *file && !secret_read(file, secret, &why))
        config_draft_problem_of(draft, key, "%s", why.data);
    string_finish(&why);
}

void config_secret_key(const struct config *config, size_t i, size_t k, struct string *key) {
    size_t first_named = config->endpoints[i].dir_file_count;
    string_addf(key, "serve.endpoints[%zu].", i);
    if (k < first_named)
        string_add_of(key, "secret_dir");
    else
        string_addf(key, "secret_files[%zu]", k - first_named);
}

static void read_endpoint(struct config_draft *draft, size_t i) {
    const struct config_endpoint *endpoint = &draft->config.endpoints[i];
    struct string key = {0};
    for (size_t k = 0; k < endpoint->secret_file_count; k++) {
        string_clear(&key);
        config_secret_key(&draft->config, i, k, &key);
        read_secret(draft, key.data, endpoint->secret_files[k], &endpoint->secrets[k]);
    }
    string_finish(&key);
}

static void read_sign_key(struct config_draft *draft, const char *key, const char *file,
                          enum config_sign sign, struct secret *secret) {
    struct string why = {0};
    read_secret(draft, key, file, secret);
    if (secret->size && sign == CONFIG_SIGN_STANDARD_WEBHOOKS && !secret_decode(secret, &why))
        config_draft_problem_of(draft, key, "what is in %s %s", file, why.data);
    string_finish(&why);
}

static void read_sign_keys(struct config_draft *draft, size_t i) {
    const struct config_service *service = &draft->config.services[i];
    struct string key = {0};
    for (size_t k = 0; k < service->sign_secret_file_count; k++) {
        string_clear(&key);
        string_addf(&key, "services[%zu].sign.secret_files[%zu]", i, k);
        read_sign_key(draft, key.data, service->sign_secret_files[k], service->sign,
                      &service->sign_keys[k]);
    }
    string_finish(&key);
}

static void read_header(struct config_draft *draft, const char *key, struct config_header *header) {
    struct secret secret = {0};
    struct string why = {0};
    read_secret(draft, key, header->file, &secret);
    struct text value = secret_text(&secret);
    if (secret.size && !config_check_header_value(value, &why))
        config_draft_problem_of(draft, key, "what is in %s %s", header->file, why.data);
    else if (secret.size)
        header->value = text_copy(value);
    secret_finish(&secret);
    string_finish(&why);
}

static void read_headers(struct config_draft *draft, size_t i) {
    const struct config_service *service = &draft->config.services[i];
    struct string key = {0};
    for (size_t k = 0; k < service->header_count; k++) {
        struct config_header *header = &service->headers[k];
        if (!header->file)
            continue;
        string_clear(&key);
        string_addf(&key, "services[%zu].header_files.%s", i, header->name);
        read_header(draft, key.data, header);
    }
    string_finish(&key);
}

/* A bundle of certificates, or a key: as it is, for whoever understands PEM. */
static bool read_pem(const char *file, struct secret *pem, struct string *why) {
    if (!config_files_readable(file, why))
        return false;
    unsigned char *buffer = memory_new(PEM_MOST + 1);
    ssize_t size = file_read(file, buffer, PEM_MOST + 1);
    if (size < 0)
        add_problem(why, "cannot read the file", file, errno, "read it");
    else if (size == 0)
        string_addf(why, "the file %s is empty", file);
    else if (size > PEM_MOST)
        string_addf(why, "the file %s is over 1 MiB; it should hold certificates or a key only",
                    file);
    else
        *pem = (struct secret){(unsigned char *)memory_copy(buffer, (size_t)size), (size_t)size};
    explicit_bzero(buffer, PEM_MOST + 1);
    free(buffer);
    return why->size == 0;
}

static void read_pems(struct config_draft *draft, size_t i) {
    struct config_service *service = &draft->config.services[i];
    const struct {
        const char *key, *file;
        struct secret *pem;
    } rows[] = {{"ca_file", service->ca_file, &service->ca},
                {"client_certificate", service->client_certificate, &service->certificate},
                {"client_key", service->client_key, &service->key}};
    struct string key = {0}, why = {0};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        string_clear(&key);
        string_clear(&why);
        string_addf(&key, "services[%zu].%s", i, rows[k].key);
        if (rows[k].file && *rows[k].file && !read_pem(rows[k].file, rows[k].pem, &why))
            config_draft_problem_of(draft, key.data, "%s", why.data);
    }
    string_finish(&key);
    string_finish(&why);
}

/* Whoever has it can read and change all of the account's data. */
static bool is_kept_to_oneself(const char *file, struct string *why) {
    struct stat about;
    if (stat(file, &about) < 0 || !S_ISREG(about.st_mode) || !(about.st_mode & S_IROTH))
        return true;
    string_addf(why, "the file %s can be read by everybody on this machine: chmod o-r %s", file,
                file);
    return false;
}

static void read_token(struct config_draft *draft) {
    static const char key[] = "kula.token_file";
    struct config_kula *kula = &draft->config.kula;
    struct string why = {0};
    read_secret(draft, key, kula->token_file, &kula->token);
    struct text token = text_slice((const char *)kula->token.data, kula->token.size);
    if (token.size && !config_check_header_value(token, &why))
        config_draft_problem_of(draft, key, "what is in %s %s", kula->token_file, why.data);
    else if (token.size && !is_kept_to_oneself(kula->token_file, &why))
        config_draft_problem_of(draft, key, "%s", why.data);
    string_finish(&why);
}

static bool opens(const struct config_draft *draft, const char *section, const char *key) {
    return draft->needs == CONFIG_FOR_ALL ||
           (config_table_find(section, key)->read_for & 1U << draft->needs);
}

/* A folder of secrets --------------------------------------------------------- */

struct found {
    char *path;
    struct timespec written;
};

static int newest_first(const void *a, const void *b) {
    const struct found *one = a, *other = b;
    if (one->written.tv_sec != other->written.tv_sec)
        return one->written.tv_sec < other->written.tv_sec ? 1 : -1;
    if (one->written.tv_nsec != other->written.tv_nsec)
        return one->written.tv_nsec < other->written.tv_nsec ? 1 : -1;
    return strcmp(other->path, one->path);
}

/* What begins with a dot is not there yet, or is Kubernetes' own. */
static size_t find_files(const char *folder, DIR *open, struct found *found) {
    size_t count = 0;
    const struct dirent *entry;
    while (count < DIR_FILES_MOST + 1 && (entry = readdir(open))) {
        struct string path = {0};
        struct stat about;
        string_addf(&path, "%s/%s", folder, entry->d_name);
        bool is_file =
            entry->d_name[0] != '.' && stat(path.data, &about) == 0 && S_ISREG(about.st_mode);
        if (is_file)
            found[count++] = (struct found){path.data, about.st_mtim};
        else
            string_finish(&path);
    }
    qsort(found, count, sizeof *found, newest_first);
    return count;
}

static void put_before(struct config_endpoint *endpoint, const struct found *found, size_t count) {
    size_t named = endpoint->secret_file_count;
    char **files = memory_new((count + named) * sizeof *files);
    for (size_t i = 0; i < count; i++)
        files[i] = found[i].path;
    for (size_t i = 0; i < named; i++)
        files[count + i] = endpoint->secret_files[i];
    free(endpoint->secret_files);
    endpoint->secret_files = files;
    endpoint->secret_file_count = count + named;
    endpoint->dir_file_count = count;
}

static void list_folder(struct config_draft *draft, size_t i) {
    struct config_endpoint *endpoint = &draft->config.endpoints[i];
    struct found found[DIR_FILES_MOST + 1] = {0};
    struct string key = {0}, why = {0};
    DIR *folder = opendir(endpoint->secret_dir);
    string_addf(&key, "serve.endpoints[%zu].secret_dir", i);
    if (!folder) {
        add_problem(&why, "cannot read the folder", endpoint->secret_dir, errno, "read it");
        config_draft_problem_of(draft, key.data, "%s", why.data);
    } else {
        put_before(endpoint, found, find_files(endpoint->secret_dir, folder, found));
        closedir(folder);
    }
    if (endpoint->dir_file_count > DIR_FILES_MOST)
        config_draft_problem_of(draft, key.data,
                                "%s holds more than %d files: each of them is tried on a signature "
                                "that does not match; remove those that Kula uses no more",
                                endpoint->secret_dir, DIR_FILES_MOST);
    string_finish(&key);
    string_finish(&why);
}

void config_files_list(struct config_draft *draft) {
    if (!opens(draft, "serve.endpoints[]", "secret_files"))
        return;
    for (size_t i = 0; i < draft->config.endpoint_count; i++)
        if (draft->config.endpoints[i].secret_dir)
            list_folder(draft, i);
}

/* All of them ------------------------------------------------------------------ */

void config_files_read(struct config_draft *draft) {
    struct config *config = &draft->config;
    if (opens(draft, "redis", "password_file"))
        read_secret(draft, "redis.password_file", config->redis.password_file,
                    &config->redis_password);
    if (opens(draft, "serve.endpoints[]", "secret_files"))
        for (size_t i = 0; i < config->endpoint_count; i++)
            read_endpoint(draft, i);
    if (opens(draft, "services[]", "header_files"))
        for (size_t i = 0; i < config->service_count; i++)
            read_headers(draft, i);
    if (opens(draft, "services[].sign", "secret_files"))
        for (size_t i = 0; i < config->service_count; i++)
            read_sign_keys(draft, i);
    if (opens(draft, "services[]", "ca_file"))
        for (size_t i = 0; i < config->service_count; i++)
            read_pems(draft, i);
    if (opens(draft, "kula", "token_file"))
        read_token(draft);
}

static void alarm_of_endpoint(const struct config *config, size_t i, struct string *lines) {
    const struct config_endpoint *endpoint = &config->endpoints[i];
    struct string path = {0};
    for (size_t k = 0; k < endpoint->secret_file_count; k++) {
        size_t bytes = endpoint->secrets[k].size;
        if (bytes == 0 || bytes >= SECRET_BYTES_LEAST) /* 0: not read, for it is not asked for */
            continue;
        string_clear(&path);
        config_secret_key(config, i, k, &path);
        config_tell(config, path.data, lines,
                    "the secret in %s has fewer than %d bytes and could be guessed; have Kula make "
                    "a new one",
                    endpoint->secret_files[k], SECRET_BYTES_LEAST);
    }
    string_finish(&path);
}

void config_alarms(const struct config *config, struct string *lines) {
    for (size_t i = 0; i < config->endpoint_count; i++)
        alarm_of_endpoint(config, i, lines);
}
