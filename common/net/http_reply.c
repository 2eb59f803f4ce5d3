#include "net/http_reply.h"

#include <string.h>

bool http_reply_add_head(struct http_reply *reply, size_t line_bytes) {
    reply->head_bytes += line_bytes;
    if (reply->head_bytes > HTTP_REPLY_MOST_HEAD)
        reply->problem = "the answer's headers are longer than 64 KiB";
    return !reply->problem;
}

/* What an HTTP client would wait for or pass over, and what would then lie in the way of the next
 * answer. */
static const char *problem_of_head(int status, struct http_reply_framing framing) {
    const char *length = framing.content_length;
    switch (status) {
    case 101:
        return "the answer is a 101: it leaves HTTP";
    case 204:
        if (framing.transfer_encoding || (length && length[strspn(length, "0")]))
            return "the answer is a 204 with a body";
        return NULL;
    default:
        return NULL;
    }
}

bool http_reply_end_head(struct http_reply *reply, int status, struct http_reply_framing framing) {
    reply->head_whole = status >= 200;
    if (!reply->problem)
        reply->problem = problem_of_head(status, framing);
    return !reply->problem;
}

bool http_reply_add_body(struct http_reply *reply, struct text piece) {
    size_t room = reply->keep_bytes - reply->body.size;
    if (room)
        string_add(&reply->body, text_slice(piece.data, piece.size < room ? piece.size : room));
    reply->body_bytes += piece.size;
    if (reply->body_bytes > HTTP_REPLY_MOST_BODY)
        reply->problem = "the answer's body is longer than 1 MiB";
    return !reply->problem;
}

void http_reply_finish(struct http_reply *reply) {
    string_finish(&reply->body);
}
