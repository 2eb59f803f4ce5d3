#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"

enum {
    SECRET_MOST = 64 * 1024,
    BUFFER_BYTES = SECRET_MOST + 3, /* a CRLF after it, and one byte that says "too long" */
};

static size_t without_newline(const unsigned char *buffer, size_t size) {
    if (size && buffer[size - 1] == '\n')
        size -= size > 1 && buffer[size - 2] == '\r' ? 2 : 1;
    return size;
}

static bool take(const char *path, const unsigned char *buffer, ssize_t got, struct secret *secret,
                 struct string *why) {
    if (got < 0) {
        int error = errno;
        string_addf(why, "cannot read the secret file %s: ", path);
        file_add_reason(error, path, "read it", why);
        if (error == ENOENT || error == ENOTDIR)
            string_add_of(why, "; create it, or name the right file");
        return false;
    }
    size_t size = without_newline(buffer, (size_t)got);
    if (size == 0) {
        string_addf(why, "the secret file %s is empty; put the secret into it", path);
        return false;
    }
    if (size > SECRET_MOST) {
        string_addf(why, "the secret file %s is over 64 KiB; it should hold a secret only", path);
        return false;
    }
    *secret = (struct secret){(unsigned char *)memory_copy(buffer, size), size};
    return true;
}

bool secret_read(const char *path, struct secret *secret, struct string *why) {
    unsigned char *buffer = memory_new(BUFFER_BYTES);
    *secret = (struct secret){0};
    bool taken = take(path, buffer, file_read(path, buffer, BUFFER_BYTES), secret, why);
    explicit_bzero(buffer, BUFFER_BYTES);
    free(buffer);
    return taken;
}

bool secret_decode(struct secret *secret, struct string *why) {
    static const char prefix[] = "whsec_";
    enum { LEAST = 24, MOST = 64 };
    struct text text = text_slice((const char *)secret->data, secret->size);
    if (text_starts(text, prefix))
        text = text_slice(text.data + strlen(prefix), text.size - strlen(prefix));
    struct secret key = {.data = memory_new(BASE64_ROOM(text.size) + 1)};
    bool fine = base64_decode(text, key.data, &key.size) && key.size >= LEAST && key.size <= MOST;
    if (fine) {
        secret_finish(secret);
        *secret = key;
        return true;
    }
    secret_finish(&key);
    string_add_of(why, "is not a Standard Webhooks secret: base64 of 24 to 64 bytes, with whsec_ "
                       "before it; `openssl rand -base64 32` makes one");
    return false;
}

bool secret_is_text(const struct secret *secret, struct string *why) {
    bool fine = utf8_valid(secret_text(secret));
    if (!fine)
        string_add_of(why, "is no text (UTF-8), and Kula takes a secret as text: `openssl rand "
                           "-hex 32` makes one");
    return fine;
}

struct text secret_text(const struct secret *secret) {
    return text_slice((const char *)secret->data, secret->size);
}

void secret_finish(struct secret *secret) {
    if (secret->data)
        explicit_bzero(secret->data, secret->size);
    free(secret->data);
    *secret = (struct secret){0};
}
