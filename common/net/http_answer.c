#include "net/http_answer.h"

#include <string.h>

bool http_answer_add_head(struct http_answer *answer, size_t line_bytes) {
    answer->head_bytes += line_bytes;
    if (answer->head_bytes > HTTP_ANSWER_MOST_HEAD)
        answer->problem = "the answer's headers are longer than 64 KiB";
    return !answer->problem;
}

/* What an HTTP client would wait for or pass over, and what would then lie in the way of the next
 * answer. */
static const char *problem_of_head(int status, struct http_answer_framing framing) {
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

bool http_answer_end_head(struct http_answer *answer, int status,
                          struct http_answer_framing framing) {
    answer->head_whole = status >= 200;
    if (!answer->problem)
        answer->problem = problem_of_head(status, framing);
    return !answer->problem;
}

bool http_answer_add_body(struct http_answer *answer, struct text piece) {
    size_t room = answer->keep_bytes - answer->body.size;
    if (room)
        string_add(&answer->body, text_slice(piece.data, piece.size < room ? piece.size : room));
    answer->body_bytes += piece.size;
    if (answer->body_bytes > HTTP_ANSWER_MOST_BODY)
        answer->problem = "the answer's body is longer than 1 MiB";
    return !answer->problem;
}

void http_answer_finish(struct http_answer *answer) {
    string_finish(&answer->body);
}
