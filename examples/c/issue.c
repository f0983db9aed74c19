/* Issues a card with a reader, a key service and a journal of the program's own, as callbacks.
 *
 *   cc -std=c99 -D_POSIX_C_SOURCE=200809L issue.c -lcardwright -lcardwright_testcard -o issue
 *   ./issue CAP JOURNAL TRACE [SCP [CUT [EXECUTED]]]
 *
 * The card is one in memory (reader.h), with published test keys and SCP03; with SCP 1, 2 or 16 it speaks SCP01, SCP02 or SCP03 with
 * challenges of 16 bytes. CUT tears it out before that command, or with EXECUTED 1 after it; the program then puts it back and goes
 * on. */
#include "demo.h"
#include "reader.h"

/* What the key service of the program stands for: here another one of the library; yours asks an HSM. */
static cw_status CW_CALL answer_keys(void *user, const cw_key_request *request, cw_key_answer *answer)
{
    return cw_keys_answer(user, request, answer);
}

static cw_status CW_CALL history(void *user, const char *entity, cw_take_record_fn take, void *taker)
{
    uint64_t last;
    return journal_read(user, entity, take, taker, &last);
}

static cw_status CW_CALL commit(void *user, const cw_transaction *transaction, uint64_t *first_seq)
{
    return journal_commit(user, transaction, first_seq);
}

static int32_t CW_CALL on_event(void *user, const cw_event *event)
{
    (void)user;
    switch (event->kind) {
    case CW_EVENT_STAGE:
        printf("%s ..\n", event->text);
        break;
    case CW_EVENT_STEP:
        printf("  %s: %s\n", event->text, event->outcome);
        break;
    case CW_EVENT_LOADING:
        if (event->done == event->total)
            printf("  %u blocks\n", (unsigned)event->total);
        break;
    default:
        break;
    }
    return 0; /* anything else stops between two commands */
}

static int32_t CW_CALL fill(void *user, uint8_t *out, size_t length)
{
    (void)user;
    not_random(out, length);
    return 0;
}

static void CW_CALL on_command(void *user, const cw_trace *trace)
{
    if (trace->command != NULL)
        print_hex(user, trace->command, trace->command_len);
    fprintf(user, " ");
    print_hex(user, trace->response, trace->response_len);
    fprintf(user, "\n");
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
    cw_transport transport = {sizeof transport, 0, reader_transmit, reader_reset, card};
    cw_keys *hsm = test_keys();
    cw_key_service service = {sizeof service, 0, answer_keys, hsm};
    cw_store store = {sizeof store, 0, history, commit, &file};
    cw_load_file *load_file = read_cap(argv[1]);
    cw_ports ports = {.struct_size = sizeof ports, .event = on_event, .random = fill};
    check(cw_session_new(&transport, &ports.session), "session");
    check(cw_session_set_trace(ports.session, on_command, trace, CW_TRACE_BYTES), "trace");
    check(cw_keys_new_service(&service, &ports.keys), "key service");
    check(cw_journal_new_store(&store, &ports.journal), "journal");

    cw_process *process = new_issue(load_file);
    cw_status status = cw_process_run(process, &ports);
    if (status == CW_INTERRUPTED) {
        printf("interrupted; the card is put back, and a new process takes up\n");
        check(cw_process_free(process), "free");
        process = new_issue(load_file);
        status = cw_process_run(process, &ports);
    }
    check(status, "issue");
    print_report(process);

    check(cw_process_free(process), "free");
    check(cw_journal_free(ports.journal), "free");
    check(cw_keys_free(ports.keys), "free");
    check(cw_keys_free(hsm), "free");
    check(cw_session_free(ports.session), "free");
    check(cw_load_file_free(load_file), "free");
    cw_test_card_free(card);
    return fclose(trace) != 0;
}
