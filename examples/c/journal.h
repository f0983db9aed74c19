/* What all programs here share: how an error ends them, and a journal of the program's own in a file. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <cardwright.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(cw_status status, const char *what)
{
    cw_error error = {.struct_size = sizeof error};
    if (status == CW_OK)
        return;
    cw_last_error(&error);
    fprintf(stderr, "%s: %s: %s\n", what, cw_status_name(status), error.message);
    exit(1);
}

static void print_hex(FILE *out, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        fprintf(out, "%02X", bytes[i]);
}

/* The program's own journal: one line a record, with number, entity and body. A database does better; what counts is that
 * a record is on the disk before `journal_commit` says so. */
typedef struct {
    const char *path;
    uint64_t last;
} journal_file;

static int next_line(FILE *file, uint64_t *seq, char entity[201], uint8_t *body, size_t *length)
{
    unsigned long long number;
    unsigned byte;
    *length = 0;
    if (fscanf(file, "%llu %200s ", &number, entity) != 2)
        return 0;
    while (fscanf(file, "%2x", &byte) == 1 && *length < 4096)
        body[(*length)++] = (uint8_t)byte;
    *seq = number;
    /* A line without its end was not written wholly: a crash came between, and nobody was told that it is there. */
    return fgetc(file) == '.';
}

/* Number of the last record of an entity, and with `take` all of them. */
static cw_status journal_read(journal_file *journal, const char *entity, cw_take_record_fn take, void *taker, uint64_t *last)
{
    char name[201];
    uint8_t body[4096];
    cw_record record = {.struct_size = sizeof record, .entity = name, .body = body};
    FILE *file = fopen(journal->path, "r");
    *last = 0;
    while (file != NULL && next_line(file, &record.seq, name, body, &record.body_len)) {
        journal->last = record.seq;
        if (strcmp(name, entity) != 0)
            continue;
        *last = record.seq;
        if (take != NULL && take(taker, &record) != CW_OK)
            break;
    }
    if (file != NULL)
        fclose(file);
    return CW_OK;
}

static cw_status journal_commit(journal_file *journal, const cw_transaction *transaction, uint64_t *first_seq)
{
    for (size_t i = 0; i < transaction->expectation_count; i++) {
        uint64_t last;
        journal_read(journal, transaction->expectations[i].entity, NULL, NULL, &last);
        if (last != transaction->expectations[i].last_seq)
            return CW_STORE_CONFLICT;
    }
    FILE *file = fopen(journal->path, "a");
    if (file == NULL)
        return CW_STORE_FAILED;
    *first_seq = journal->last + 1;
    for (size_t i = 0; i < transaction->entry_count; i++) {
        fprintf(file, "%llu %s ", (unsigned long long)++journal->last, transaction->entries[i].entity);
        print_hex(file, transaction->entries[i].body, transaction->entries[i].body_len);
        fprintf(file, ".\n");
    }
    int failed = fflush(file) != 0 || fsync(fileno(file)) != 0;
    return fclose(file) != 0 || failed ? CW_STORE_IN_DOUBT : CW_OK;
}

#endif
