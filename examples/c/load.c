/* Loads the purse of a card: an account of the program's own is debited and the card credited, and neither ever without the other.
 *
 *   cc -std=c99 -D_POSIX_C_SOURCE=200809L load.c -lcardwright -lcardwright_testcard -o load
 *   ./load JOURNAL [CUT [EXECUTED]]
 *
 * The card is one in memory (testcard.h), issued by the script of the FMCOS 2.0 manual with the keys printed there. CUT tears it out
 * before that command, or with EXECUTED 1 after it; the program then puts it back and goes on with the same transaction. */
#include "journal.h"
#include "reader.h"

/* The keeper of one account. It books each id once, and remembers what it answered; yours asks a bank. */
typedef struct {
    char booking[8][81];
    size_t count;
    long taken;
} bank;

static cw_status CW_CALL ask_account(void *user, const cw_account_request *request, cw_booking *answer)
{
    bank *keeper = user;
    size_t i = 0;
    while (i < keeper->count && strcmp(keeper->booking[i], request->booking) != 0)
        i++;
    if (i == keeper->count) {
        if (request->operation == CW_ACCOUNT_QUERY) {
            answer->status = CW_BOOKING_NOT_SEEN;
            return CW_OK;
        }
        if (i == sizeof keeper->booking / sizeof *keeper->booking)
            return CW_TIMEOUT;
        snprintf(keeper->booking[keeper->count++], sizeof *keeper->booking, "%s", request->booking);
        keeper->taken += request->operation == CW_ACCOUNT_DEBIT ? (long)request->amount : -(long)request->amount;
    }
    answer->status = CW_BOOKING_BOOKED;
    snprintf(answer->reference, sizeof answer->reference, "B%u", (unsigned)i + 1);
    return CW_OK;
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
    if (event->kind == CW_EVENT_STEP)
        printf("  %s: %s\n", event->text, event->outcome);
    return 0;
}

static cw_process *new_load(void)
{
    static const cw_purse_terminal terminal = {
        .struct_size = sizeof terminal,
        .flags = CW_PURSE_KEYS_AS_IS,
        .application = {9, {0xA0, 0x00, 0x00, 0x00, 0x03, 0x86, 0x98, 0x07, 0x01}},
        .load_kid = 1,
        .number = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55},
        .time = {0x20, 0x24, 0x05, 0x06, 0x07, 0x08, 0x09},
        .algorithm = CW_PURSE_DES,
        .tac = CW_TAC_FOLDED,
        .prove = CW_PROVE_BOTH,
        .rules_version = 1,
        .max_amount = 100000,
        .max_balance = 1000000,
        .now_ms = 1714979289000,
        .load_key = "load",
        .tac_key = "tac",
    };
    const cw_purse_load load = {
        .struct_size = sizeof load,
        .purse = CW_PURSE_WALLET,
        .id = "T-1",
        .account = "holder",
        .amount = 200,
        .terminal = &terminal,
    };
    cw_process *process = NULL;
    check(cw_process_new_load(&load, &process), "load");
    return process;
}

static cw_keys *purse_keys(void)
{
    uint8_t load[8], tac[16];
    cw_keys *keys = NULL;
    for (size_t i = 0; i < sizeof load; i++)
        load[i] = i % 2 == 0 ? 0x3F : 0x01;
    memset(tac, 0x34, sizeof tac);
    check(cw_keys_new(&keys), "keys");
    check(cw_keys_add(keys, "load", CW_KEY_TDES, load, sizeof load), "load key");
    check(cw_keys_add(keys, "tac", CW_KEY_TDES, tac, sizeof tac), "TAC key");
    return keys;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s JOURNAL [CUT [EXECUTED]]\n", argv[0]);
        return 2;
    }
    journal_file file = {argv[1], 0};
    bank keeper = {.count = 0};
    void *card = cw_test_card_new_purse(argc > 2 ? (uint64_t)atoi(argv[2]) : 0, argc > 3 ? (uint32_t)atoi(argv[3]) : 0);
    cw_transport transport = {sizeof transport, 0, reader_transmit, reader_reset, card};
    cw_store store = {sizeof store, 0, history, commit, &file};
    cw_ports ports = {.struct_size = sizeof ports, .event = on_event, .user = &keeper, .account = ask_account};
    uint8_t atr[33];
    size_t atr_len;
    cw_purse_load_report report = {.struct_size = sizeof report};
    ports.keys = purse_keys();
    check(cw_session_new(&transport, &ports.session), "session");
    check(cw_journal_new_store(&store, &ports.journal), "journal");

    cw_process *process = new_load();
    cw_status status = cw_process_run(process, &ports);
    if (status == CW_INTERRUPTED) {
        printf("interrupted; the card is put back, and a new process takes up\n");
        check(cw_process_free(process), "free");
        check(cw_session_reset(ports.session, atr, sizeof atr, &atr_len), "reset");
        process = new_load();
        status = cw_process_run(process, &ports);
    }
    if (status != CW_OK && status != CW_NOT_LOADED)
        check(status, "load");
    check(cw_process_load_report(process, &report), "report");
    printf("%s: %u, balance %u and then %u; debited %ld in %u bookings\n",
           report.state == CW_LOADING_LOADED ? "loaded" : "not loaded", (unsigned)report.amount,
           (unsigned)report.balance_before, (unsigned)report.balance_after, keeper.taken, (unsigned)keeper.count);

    check(cw_process_free(process), "free");
    check(cw_journal_free(ports.journal), "free");
    check(cw_keys_free(ports.keys), "free");
    check(cw_session_free(ports.session), "free");
    cw_test_card_free(card);
    return status != CW_OK;
}
