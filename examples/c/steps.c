/* Issues a card question by question: the library decides, the program does. For programs that have a loop of their own, a reader on
 * another machine, or a database transaction around each step.
 *
 *   cc -std=c99 -D_POSIX_C_SOURCE=200809L steps.c -lcardwright -lcardwright_testcard -o steps
 *   ./steps CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]
 *
 * Arguments as for issue.c. */
#include "demo.h"
#include "reader.h"

/* The records of one entity, as cw_process_answer_history takes them. */
typedef struct {
    const char *entity;
    cw_record *all;
    size_t count;
} records;

static cw_status CW_CALL keep(void *taker, const cw_record *record)
{
    records *kept = taker;
    uint8_t *body = malloc(record->body_len + 1);
    kept->all = realloc(kept->all, (kept->count + 1) * sizeof *kept->all);
    if (body == NULL || kept->all == NULL)
        abort();
    memcpy(body, record->body, record->body_len);
    kept->all[kept->count] = *record;
    kept->all[kept->count].entity = kept->entity;
    kept->all[kept->count++].body = body;
    return CW_OK;
}

/* Drives one process to its end; its status. */
static cw_status drive(cw_process *process, void *card, cw_keys *hsm, journal_file *file, FILE *trace)
{
    static uint8_t bytes[CW_ANSWER_CAPACITY];
    for (;;) {
        cw_question question = {.struct_size = sizeof question};
        cw_answer answer = {sizeof answer, CW_DELIVERY_UNKNOWN, bytes, sizeof bytes, 0};
        cw_status status = cw_process_next(process, &question);
        if (status != CW_OK)
            return status;
        switch (question.kind) {
        case CW_ASK_DONE:
            return CW_OK;
        case CW_ASK_NOTHING:
            if (question.event->kind == CW_EVENT_STEP)
                printf("  %s: %s\n", question.event->text, question.event->outcome);
            break;
        case CW_ASK_TRANSMIT:
        case CW_ASK_RESET:
            if (question.kind == CW_ASK_RESET) {
                status = reader_reset(card, &answer);
            } else {
                status = reader_transmit(card, question.bytes, question.length, &answer);
                print_hex(trace, question.bytes, question.length);
            }
            fprintf(trace, " ");
            print_hex(trace, bytes, answer.length);
            fprintf(trace, "\n");
            if (status == CW_OK)
                check(cw_process_answer_bytes(process, bytes, answer.length, 0), "answer");
            else
                check(cw_process_answer_failure(process, status, answer.delivery, NULL), "failure");
            break;
        case CW_ASK_KEYS: {
            cw_key_answer keys = {.struct_size = sizeof keys};
            status = cw_keys_answer(hsm, question.keys, &keys);
            if (status == CW_OK)
                check(cw_process_answer_keys(process, &keys), "answer");
            else
                check(cw_process_answer_failure(process, status, 0, "the test keys do not do this"), "failure");
            memset(&keys, 0, sizeof keys);
            break;
        }
        case CW_ASK_HISTORY: {
            records kept = {question.entity, NULL, 0};
            uint64_t last;
            journal_read(file, question.entity, keep, &kept, &last);
            check(cw_process_answer_history(process, kept.all, kept.count), "answer");
            for (size_t i = 0; i < kept.count; i++)
                free((void *)kept.all[i].body);
            free(kept.all);
            break;
        }
        case CW_ASK_COMMIT: {
            uint64_t first_seq = 0;
            status = journal_commit(file, question.transaction, &first_seq);
            if (status == CW_OK)
                check(cw_process_answer_committed(process, first_seq), "answer");
            else
                check(cw_process_answer_failure(process, status, 0, NULL), "failure");
            break;
        }
        case CW_ASK_RANDOM:
            not_random(bytes, 8);
            check(cw_process_answer_bytes(process, bytes, 8, 0), "answer");
            break;
        default:
            fprintf(stderr, "question %u is not known\n", (unsigned)question.kind);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]\n", argv[0]);
        return 2;
    }
    FILE *trace = fopen(argv[3], "w");
    if (trace == NULL) {
        perror(argv[3]);
        return 1;
    }
    journal_file file = {argv[2], 0};
    void *card = cw_test_card_new_scp(argc > 4 ? (uint32_t)atoi(argv[4]) : 3, argc > 5 ? (uint64_t)atoi(argv[5]) : 0,
                                      argc > 6 ? (uint32_t)atoi(argv[6]) : 0);
    cw_keys *hsm = test_keys();
    cw_load_file *load_file = read_cap(argv[1]);

    cw_process *process = new_issue(load_file);
    cw_status status = drive(process, card, hsm, &file, trace);
    if (status == CW_INTERRUPTED) {
        printf("interrupted; the card is put back, and a new process takes up\n");
        check(cw_process_free(process), "free");
        process = new_issue(load_file);
        status = drive(process, card, hsm, &file, trace);
    }
    check(status, "issue");
    print_report(process);

    check(cw_process_free(process), "free");
    check(cw_keys_free(hsm), "free");
    check(cw_load_file_free(load_file), "free");
    cw_test_card_free(card);
    return fclose(trace) != 0;
}
