#include "spool/batch.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

enum { PIECE = 256 * 1024 }; /* copied together up to this; longer ones go out by themselves */

struct piece {
    struct shelf *shelf;
    struct string bytes;
    int64_t at; /* where they go */
};

static bool put_out(struct shelf *shelf, const char *data, size_t size, int64_t at) {
    while (size) {
        ssize_t put = shelf->disk->write(shelf->disk->arg, shelf->current.file, data, size, at);
        if (put <= 0) {
            errno = put < 0 ? errno : ENOSPC;
            return false;
        }
        data += put;
        size -= (size_t)put;
        at += put;
    }
    return true;
}

static bool flush(struct piece *piece) {
    if (!put_out(piece->shelf, piece->bytes.data, piece->bytes.size, piece->at))
        return false;
    piece->at += (int64_t)piece->bytes.size;
    string_clear(&piece->bytes);
    return true;
}

static bool add(struct piece *piece, const char *data, size_t size) {
    if (piece->bytes.size + size <= PIECE) {
        string_add(&piece->bytes, text_slice(data, size));
        return true;
    }
    if (!flush(piece) || !put_out(piece->shelf, data, size, piece->at))
        return false;
    piece->at += (int64_t)size;
    return true;
}

static bool add_all(struct batch *batch, struct piece *piece) {
    char header[SEGMENT_HEADER];
    struct put *put;
    segment_header_encode(&batch->header, batch->shelf->spool, header);
    if (!batch->shelf->current.used && !add(piece, header, sizeof header))
        return false;
    STAILQ_FOREACH (put, batch->puts, puts) {
        put->key = segment_key(batch->shelf->spool, batch->shelf->current.number);
        record_seal(put->data, put->key);
        if (!add(piece, put->data, put->bytes))
            return false;
        batch->last = put->record.sequence;
        if (put->record.received_ms > batch->newest_ms)
            batch->newest_ms = put->record.received_ms;
    }
    return flush(piece);
}

bool batch_write(struct batch *batch, struct string *why) {
    struct shelf_file *current = &batch->shelf->current;
    const struct disk *disk = batch->shelf->disk;
    struct piece piece = {.shelf = batch->shelf, .at = current->used};
    batch->header = (struct segment_header){
        .number = current->number,
        .first = STAILQ_FIRST(batch->puts)->record.sequence,
        .after = batch->after,
        .opened_ms = clock_wall_ms(),
        .bytes = current->bytes,
    };
    const char *what = "write";
    bool good = add_all(batch, &piece);
    string_finish(&piece.bytes);
    int64_t from_us = clock_steady_us();
    if (good) {
        what = "sync";
        good = disk->sync_data(disk->arg, current->file) == 0;
    }
    if (!good) {
        string_clear(why);
        string_addf(why, "cannot %s segment %llu: %s", what, (unsigned long long)current->number,
                    strerror(errno));
        return false;
    }
    batch->sync_us = clock_steady_us() - from_us;
    current->used = piece.at;
    return true;
}
