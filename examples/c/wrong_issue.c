/* What goes wrong when sessions, key services, journals and issuing processes are used wrongly: each misuse has its status, nothing
 * else happens, and the card is issued all the same in the end.
 *
 *   wrong_issue CAP [FOLDER]
 *
 * FOLDER, by default the present one, holds no journal. Ends with 0 when every status is the documented one. */
#include "demo.h"
#include "expect.h"
#include "reader.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

static cw_load_file *load_file;
static const char *folder, *this_program;

static const char *in_folder(const char *name)
{
    static char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *last_message(void)
{
    static cw_error error;
    error.struct_size = sizeof error;
    cw_last_error(&error);
    return error.message;
}

/* The program's side of everything, which misbehaves on request. */
typedef enum {
    WELL,
    /* The reader. */
    GET_RESPONSE_NOT_SENT,
    /* The key service. */
    SESSION_KEYS_OF_7,
    SESSION_KEYS_OF_33,
    ANSWER_NOTHING,
    UNKNOWN_KEY_STATUS,
    KEYS_REFUSED,
    REASON_IS_NO_TEXT,
    KEYS_UNAVAILABLE,
    KEYS_CALL_SESSION,
    KEYS_CALL_THEMSELVES,
    KEYS_FREE_THEMSELVES,
    OUTPUT_TOO_LONG,
    NONSENSE_KCV,
    OTHER_SESSION_KEYS,
    /* The store. */
    UNKNOWN_COMMIT_STATUS,
    COMMIT_FULL,
    COMMIT_CONFLICT,
    SEQ_0,
    SEQ_LOWER,
    SEQ_MAX,
    FORGETS,
    HISTORY_BUSY,
    HISTORY_REVERSED,
    HISTORY_SEQ_0,
    HISTORY_NULL,
    HISTORY_NO_SIZE,
    HISTORY_HUGE_BODY,
    HISTORY_GARBAGE,
    HISTORY_OF_OTHERS,
    HISTORY_CALLS_ITSELF,
    COMMIT_CALLS_PROCESS
} mode;

#define MAX_RECORDS 4096

struct program {
    mode mode;
    void *card;
    cw_session *session;
    cw_keys *hsm, *keys;
    cw_journal *journal;
    cw_process *process;
    cw_status inner;
    int calls, events;
    /* Commands that went to the card. */
    int commands;
    uint8_t last_command[300];
    size_t last_length;
    struct {
        char entity[201];
        uint8_t *body;
        size_t length;
    } records[MAX_RECORDS];
    size_t count, forgotten;
    cw_take_record_fn take;
    void *taker;
};

static struct program program;

static cw_status CW_CALL transmit(void *user, const uint8_t *command, size_t length, cw_answer *answer)
{
    struct program *self = user;
    self->commands++;
    self->last_length = length < sizeof self->last_command ? length : sizeof self->last_command;
    memcpy(self->last_command, command, self->last_length);
    if (self->mode == GET_RESPONSE_NOT_SENT) {
        if (command[1] == 0xC0) {
            answer->delivery = CW_DELIVERY_NOT_SENT;
            return CW_CARD_REMOVED;
        }
        memcpy(answer->bytes, "\x61\x05", 2);
        answer->length = 2;
        return CW_OK;
    }
    return reader_transmit(self->card, command, length, answer);
}

static cw_status CW_CALL reset(void *user, cw_answer *answer)
{
    return reader_reset(((struct program *)user)->card, answer);
}

static cw_status CW_CALL answer_keys(void *user, const cw_key_request *request, cw_key_answer *answer)
{
    struct program *self = user;
    self->calls++;
    switch (self->mode) {
    case ANSWER_NOTHING:
        return CW_OK;
    case UNKNOWN_KEY_STATUS:
        return 12345;
    case KEYS_REFUSED:
        strcpy(answer->reason, "not on a Sunday");
        return CW_KEY_REFUSED;
    case REASON_IS_NO_TEXT:
        memset(answer->reason, 0xFF, sizeof answer->reason);
        return CW_KEY_REFUSED;
    case KEYS_UNAVAILABLE:
        return CW_KEY_UNAVAILABLE;
    case KEYS_CALL_SESSION:
        self->inner = cw_session_close(self->session);
        break;
    case KEYS_CALL_THEMSELVES:
        self->inner = cw_keys_answer(self->keys, request, answer);
        break;
    case KEYS_FREE_THEMSELVES:
        self->inner = cw_keys_free(self->keys);
        self->mode = WELL;
        break;
    default:
        break;
    }
    cw_status status = cw_keys_answer(self->hsm, request, answer);
    if (self->mode == SESSION_KEYS_OF_7)
        answer->session_key_len = 7;
    if (self->mode == SESSION_KEYS_OF_33)
        answer->session_key_len = 33;
    if (self->mode == OUTPUT_TOO_LONG)
        answer->output_len = 257;
    if (self->mode == NONSENSE_KCV)
        memset(answer->kcv, 0xEE, sizeof answer->kcv);
    if (self->mode == OTHER_SESSION_KEYS)
        memset(answer->session_mac, 0xEE, sizeof answer->session_mac);
    return status;
}

static cw_status CW_CALL history(void *user, const char *entity, cw_take_record_fn take, void *taker)
{
    struct program *self = user;
    self->take = take;
    self->taker = taker;
    if (self->mode == HISTORY_BUSY)
        return CW_STORE_BUSY;
    if (self->mode == HISTORY_CALLS_ITSELF) {
        cw_lockout lockout = {.struct_size = sizeof lockout};
        self->inner = cw_journal_lockout(self->journal, "x", &lockout);
    }
    if (self->mode == HISTORY_NULL)
        take(taker, NULL);
    for (size_t n = 0; n < self->count; n++) {
        size_t i = self->mode == HISTORY_REVERSED ? self->count - 1 - n : n;
        cw_record record = {sizeof record, 0, i + 1, self->records[i].entity, self->records[i].body, self->records[i].length};
        if (strcmp(self->records[i].entity, entity) != 0 && self->mode != HISTORY_OF_OTHERS)
            continue;
        if (self->mode == HISTORY_SEQ_0)
            record.seq = 0;
        if (self->mode == HISTORY_NO_SIZE)
            record.struct_size = 0;
        if (self->mode == HISTORY_HUGE_BODY)
            record.body_len = (size_t)-1;
        if (self->mode == HISTORY_GARBAGE)
            record.body = (const uint8_t *)entity, record.body_len = strlen(entity);
        take(taker, &record);
    }
    return CW_OK;
}

static cw_status CW_CALL commit(void *user, const cw_transaction *transaction, uint64_t *first_seq)
{
    struct program *self = user;
    switch (self->mode) {
    case UNKNOWN_COMMIT_STATUS:
        return -1;
    case COMMIT_FULL:
        return CW_STORE_FULL;
    case COMMIT_CONFLICT:
        return CW_STORE_CONFLICT;
    case SEQ_0:
        return CW_OK;
    case SEQ_MAX:
        *first_seq = UINT64_MAX;
        return CW_OK;
    case SEQ_LOWER:
        *first_seq = transaction->expectations[0].last_seq;
        return CW_OK;
    case COMMIT_CALLS_PROCESS:
        self->inner = cw_process_free(self->process);
        break;
    default:
        break;
    }
    if (self->mode == FORGETS) {
        *first_seq = ++self->forgotten;
        return CW_OK;
    }
    *first_seq = self->count + 1;
    for (size_t i = 0; i < transaction->entry_count && self->count < MAX_RECORDS; i++) {
        const cw_entry *entry = &transaction->entries[i];
        strcpy(self->records[self->count].entity, entry->entity);
        self->records[self->count].body = malloc(entry->body_len + 1);
        memcpy(self->records[self->count].body, entry->body, entry->body_len);
        self->records[self->count++].length = entry->body_len;
    }
    return CW_OK;
}

/* A program with a new card and an empty journal. */
static void begin(mode how)
{
    memset(&program, 0, sizeof program);
    program.mode = how;
    program.card = cw_test_card_new(0);
    program.hsm = test_keys();
    cw_transport transport = {sizeof transport, 0, transmit, reset, &program};
    cw_key_service service = {sizeof service, 0, answer_keys, &program};
    cw_store store = {sizeof store, 0, history, commit, &program};
    check(cw_session_new(&transport, &program.session), "session");
    check(cw_keys_new_service(&service, &program.keys), "key service");
    check(cw_journal_new_store(&store, &program.journal), "journal");
}

static void end(void)
{
    check(cw_session_free(program.session), "free");
    cw_keys_free(program.keys);
    check(cw_keys_free(program.hsm), "free");
    check(cw_journal_free(program.journal), "free");
    cw_test_card_free(program.card);
    for (size_t i = 0; i < program.count; i++)
        free(program.records[i].body);
}

static cw_status run_with(cw_event_fn event, cw_random_fn random)
{
    cw_ports ports = {.struct_size = sizeof ports, .session = program.session, .keys = program.keys,
                      .journal = program.journal, .event = event, .random = random, .user = &program};
    program.process = new_issue(load_file);
    cw_status status = cw_process_run(program.process, &ports);
    check(cw_process_free(program.process), "free");
    return status;
}

static cw_status run(void)
{
    return run_with(NULL, NULL);
}

static cw_open_options options_for(const cw_key_candidate *candidate)
{
    cw_open_options options = {.struct_size = sizeof options, .security_level = CW_SECURITY_C_DECRYPTION,
                               .candidates = candidate, .candidate_count = 1};
    return options;
}

static const cw_key_candidate test_aes = {sizeof test_aes, CW_KEY_AES, CW_SCHEME_AS_IS, 0, "test-aes"};

static cw_status open_channel(void)
{
    cw_open_options options = options_for(&test_aes);
    return cw_session_open(program.session, program.keys, &options, NULL);
}

static void CW_CALL trace_calls_back(void *user, const cw_trace *trace)
{
    struct program *self = user;
    self->calls++;
    self->inner = cw_session_set_trace(self->session, NULL, NULL, 0);
    if (trace->command != NULL || trace->response != NULL || trace->command_text == NULL)
        self->inner = -1;
}

static int32_t CW_CALL no_reader(void *user, const char *reader)
{
    (void)reader;
    ++*(int *)user;
    return 1;
}

static void sessions(void)
{
    begin(WELL);
    cw_session *session = program.session, *foreign = (cw_session *)program.keys;
    cw_aid aid = {7, {0xA0, 0, 0, 3, 0x86, 0x98, 7}}, none = {0, {0}}, short_aid = {4, {1}}, long_aid = {17, {1}};
    cw_command_apdu command = {.struct_size = sizeof command, .cla = 0x80, .ins = 0xCA, .p1 = 0x9F, .p2 = 0x7F, .ne = 256};
    cw_store_data data = {.struct_size = sizeof data};
    cw_key_candidate candidate = {sizeof candidate, CW_KEY_AES, CW_SCHEME_AS_IS, 0, "domain-aes"};
    cw_card_data card = {.struct_size = sizeof card};
    uint8_t response[300];
    size_t length = 77;
    int32_t found = 77;

    expect(cw_session_close(NULL), CW_NULL, "close NULL");
    expect(cw_session_close(foreign), CW_BAD_HANDLE, "close keys");
    expect(cw_session_close(session), CW_OK, "close what is not open");
    expect(cw_session_set_trace(session, trace_calls_back, &program, 2), CW_BAD_VALUE, "unknown trace flags");
    expect(cw_session_set_trace(foreign, NULL, NULL, 0), CW_BAD_HANDLE, "trace keys");

    expect(cw_session_exchange(session, NULL, 0, response, 300, &length), CW_NULL, "exchange nothing");
    expect(cw_session_exchange(session, &command, 0, NULL, 300, &length), CW_NULL, "no response buffer");
    expect(cw_session_exchange(session, &command, 0, response, 300, NULL), CW_NULL, "no length");
    expect(cw_session_exchange(session, &command, 0, response, 257, &length), CW_BUFFER_TOO_SMALL, "a small buffer");
    expect_true(length == 258, "the length that is needed");
    expect(cw_session_exchange(session, &command, 2, response, 300, &length), CW_BAD_VALUE, "unknown flags");
    expect(cw_session_exchange(session, &command, 1, response, 300, &length), CW_NOT_OPEN, "no channel");
    expect(cw_session_exchange(session, &command, 0, response, 300, (size_t *)(response + 1)), CW_BAD_VALUE, "misaligned");
    command.extended = 1;
    expect(cw_session_exchange(session, &command, 0, response, 300, &length), CW_BAD_VALUE, "extended does not pass");
    command.extended = 0;
    command.nc = 3;
    expect(cw_session_exchange(session, &command, 0, response, 300, &length), CW_NULL, "data of 3 bytes that is NULL");
    command.data = response;
    command.nc = (size_t)-1;
    expect(cw_session_exchange(session, &command, 0, response, 300, &length), CW_BAD_VALUE, "huge data");
    command.nc = 0;
    command.struct_size = 0xCCCCCCCC;
    expect(cw_session_exchange(session, &command, 0, response, 300, &length), CW_STRUCT_SIZE, "struct_size never set");
    command.struct_size = sizeof command;
    expect(cw_session_read_card_data(session, NULL, NULL), CW_NULL, "card data to nowhere");
    expect(cw_session_read_card_data(session, &short_aid, &card), CW_BAD_VALUE, "a domain of 4 bytes");
    card.struct_size = 3;
    expect(cw_session_read_card_data(session, NULL, &card), CW_STRUCT_SIZE, "card data of 3 bytes");

    expect(cw_session_delete(session, NULL, 0, &found), CW_NULL, "delete nothing");
    expect(cw_session_delete(session, &none, 0, &found), CW_BAD_VALUE, "delete an empty AID");
    expect(cw_session_delete(session, &aid, 0x80, &found), CW_BAD_VALUE, "unknown delete flags");
    expect(cw_session_delete(session, &aid, 0, (int32_t *)(response + 1)), CW_BAD_VALUE, "misaligned");
    expect(cw_session_delete(session, &aid, 0, &found), CW_NOT_OPEN, "delete without a channel");
    expect(cw_session_set_status(session, 0, &aid, 7, 0), CW_BAD_VALUE, "unknown target");
    expect(cw_session_set_status(session, CW_TARGET_CARD, &aid, 7, 0), CW_BAD_VALUE, "the card with an AID");
    expect(cw_session_set_status(session, CW_TARGET_APPLICATION, NULL, 7, 0), CW_NULL, "an application without AID");
    expect(cw_session_set_status(session, CW_TARGET_APPLICATION, &long_aid, 7, 0), CW_BAD_VALUE, "an AID of 17 bytes");
    expect(cw_session_set_status(session, CW_TARGET_APPLICATION, &aid, 7, 1), CW_BAD_VALUE, "unknown flags");
    expect(cw_session_store_data(session, NULL, NULL, 0, NULL), CW_NULL, "store nothing");
    expect(cw_session_store_data(session, &data, response, 255, &length), CW_BUFFER_TOO_SMALL, "a small buffer");
    expect(cw_session_store_data(session, &data, response, 256, NULL), CW_NULL, "no length");
    data.data_len = (size_t)-1 / 2;
    expect(cw_session_store_data(session, &data, NULL, 0, NULL), CW_NULL, "much data that is NULL");
    data.data = response;
    expect(cw_session_store_data(session, &data, NULL, 0, NULL), CW_BAD_VALUE, "huge data");
    data.data_len = 10;
    data.structure = 1;
    expect(cw_session_store_data(session, &data, NULL, 0, NULL), CW_BAD_VALUE, "unknown structure");
    data.structure = CW_STRUCTURE_DGI;
    data.encryption = 0x40;
    expect(cw_session_store_data(session, &data, NULL, 0, NULL), CW_BAD_VALUE, "unknown encryption");
    expect(cw_session_put_keys(session, NULL, &candidate, 0), CW_NULL, "put keys of nobody");
    expect(cw_session_put_keys(session, program.keys, NULL, 0), CW_NULL, "put no keys");
    expect(cw_session_put_keys(session, program.keys, &candidate, 2), CW_BAD_VALUE, "unknown flags");
    expect(cw_session_put_keys(session, (cw_keys *)session, &candidate, 0), CW_BAD_HANDLE, "keys of a session");
    expect(cw_session_put_keys(session, program.keys, &candidate, 0), CW_NOT_OPEN, "put keys without a channel");
    expect_true(program.commands == 0 && found == 77, "nothing went to the card");

    program.mode = GET_RESPONSE_NOT_SENT;
    expect(cw_session_exchange(session, &command, 0, response, 300, &length), CW_CARD_REMOVED, "GET RESPONSE is not sent");
    cw_error error = {.struct_size = sizeof error};
    cw_last_error(&error);
    expect_true(error.in_doubt == 1, "the card executed the command before it");
    program.mode = WELL;

    expect(cw_session_set_trace(session, trace_calls_back, &program, 0), CW_OK, "a trace that calls back");
    expect(open_channel(), CW_OK, "opened");
    expect_true(program.inner == CW_REENTRANT, "CW_REENTRANT inside, and no bytes");
    expect(cw_session_set_trace(session, NULL, NULL, 0), CW_OK, "no trace");
    int before = program.commands;
    expect(cw_session_set_status(session, CW_TARGET_CARD, NULL, 0xFF, 0), CW_BAD_VALUE, "terminate without saying so");
    candidate.key_kind = CW_KEY_TDES;
    expect(cw_session_put_keys(session, program.keys, &candidate, 0), CW_BAD_VALUE, "keys of another protocol");
    candidate.key_kind = CW_KEY_AES;
    expect(cw_session_put_keys(session, program.keys, &candidate, CW_PUT_KEYS_ADD), CW_BAD_VALUE, "added without a version");
    program.mode = OUTPUT_TOO_LONG;
    expect(cw_session_put_keys(session, program.keys, &candidate, 0), CW_KEY_SERVICE, "output of 257 bytes");
    program.mode = ANSWER_NOTHING;
    expect(cw_session_put_keys(session, program.keys, &candidate, 0), CW_KEY_SERVICE, "an empty answer");
    data.encryption = 0;
    memset(response, 0xFF, sizeof response);
    expect(cw_session_store_data(session, &data, NULL, 0, NULL), CW_BAD_VALUE, "data groups that are none");
    expect_true(program.commands == before, "nothing went to the card");
    program.mode = NONSENSE_KCV;
    expect(cw_session_put_keys(session, program.keys, &candidate, 0), CW_REFUSED, "check values of other keys, as the card sees");
    end();

    cw_transport wide = {sizeof wide, CW_TRANSPORT_EXTENDED, transmit, reset, &program};
    begin(WELL);
    check(cw_session_free(program.session), "free");
    check(cw_session_new(&wide, &program.session), "session");
    command.extended = 1;
    expect(cw_session_exchange(program.session, &command, 0, response, 300, &length), CW_OK, "extended length fields");
    expect_true(program.last_length == 7 && program.last_command[5] == 1, "they are what was asked for");
    end();
}

static void readers(void)
{
    cw_reader_watcher *watcher = NULL;
    cw_reader_event event = {.struct_size = sizeof event};
    cw_reader_options options = {.struct_size = 1};
    cw_session *session = NULL;
    int calls = 0;
    expect(cw_reader_list(NULL, NULL), CW_NULL, "readers to nobody");
    cw_status status = cw_reader_list(no_reader, &calls);
    expect_true(status == CW_UNSUPPORTED || status == CW_NO_SERVICE || calls <= 1, "no reader twice after a stop");
    expect(cw_session_new_reader(NULL, NULL, &session), CW_NULL, "a reader without a name");
    expect(cw_session_new_reader("x", NULL, NULL), CW_NULL, "a session to nowhere");
    expect(cw_session_new_reader("\xC3", NULL, &session), CW_BAD_UTF8, "half a character");
    expect(cw_session_new_reader("x", &options, &session), CW_STRUCT_SIZE, "a struct_size of 1");
    expect(cw_reader_watcher_new(NULL), CW_NULL, "a watcher to nowhere");
    expect(cw_reader_watcher_next(NULL, 0, &event), CW_NULL, "wait with NULL");
    expect(cw_reader_watcher_next((cw_reader_watcher *)&event, 0, &event), CW_BAD_HANDLE, "wait with something else");
    expect(cw_reader_watcher_free(watcher), CW_OK, "NULL freed");
    expect(cw_reader_watcher_free((cw_reader_watcher *)&event), CW_BAD_HANDLE, "something else freed");
}

static void key_services(void)
{
    static const struct {
        mode mode;
        cw_status status;
        const char *what;
    } all[] = {
        {SESSION_KEYS_OF_7, CW_KEY_SERVICE, "session keys of 7 bytes"},
        {SESSION_KEYS_OF_33, CW_KEY_SERVICE, "session keys of 33 bytes"},
        {ANSWER_NOTHING, CW_KEY_SERVICE, "an empty answer"},
        {UNKNOWN_KEY_STATUS, CW_KEY_SERVICE, "a status that is none"},
        {KEYS_REFUSED, CW_KEY_REFUSED, "a refusal"},
        {REASON_IS_NO_TEXT, CW_KEY_REFUSED, "a reason that is no text"},
        {KEYS_UNAVAILABLE, CW_KEY_UNAVAILABLE, "not there now"},
    };
    begin(WELL);
    cw_key_service service = {.struct_size = sizeof service};
    cw_key_request request = {.struct_size = sizeof request};
    cw_key_answer answer = {.struct_size = sizeof answer};
    cw_key_derivation step = {sizeof step, CW_SCHEME_EMV, 9, 10, {0}};
    cw_key_ref ref = {.struct_size = sizeof ref};
    cw_keys *keys = NULL;
    uint8_t value[16] = {0};
    expect(cw_keys_new_service(NULL, &keys), CW_NULL, "no service");
    expect(cw_keys_new_service(&service, &keys), CW_NULL, "no callback");
    service.answer = answer_keys;
    expect(cw_keys_new_service(&service, NULL), CW_NULL, "to nowhere");
    service.flags = 1;
    expect(cw_keys_new_service(&service, &keys), CW_BAD_VALUE, "unknown flags");
    expect(cw_keys_add(program.keys, "x", CW_KEY_AES, value, 16), CW_BAD_VALUE, "a key for the program's own service");

    expect(cw_keys_answer(NULL, &request, &answer), CW_NULL, "no keys");
    expect(cw_keys_answer(program.hsm, NULL, &answer), CW_NULL, "no request");
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_VALUE, "operation 0");
    request.operation = CW_KEYS_MAC;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_VALUE, "no key");
    request.key_count = 4;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_VALUE, "four keys");
    request.key_count = 1;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_NULL, "a key that is NULL");
    request.keys = &ref;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_NULL, "a key without a name");
    ref.name = "\xFF";
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_UTF8, "a name that is not UTF-8");
    ref.name = "test-aes";
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_KEY_MISFIT, "an AES key for a MAC of triple DES");
    ref.name = "test-des";
    ref.step_count = 9;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_VALUE, "nine steps");
    ref.step_count = 1;
    ref.steps = &step;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_VALUE, "a purpose of 9");
    step.purpose = 1;
    step.factor_len = 17;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_BAD_VALUE, "a factor of 17 bytes");
    step.factor_len = 10;
    request.data_len = 1;
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_NULL, "data that is NULL");
    request.data_len = 0;
    expect(cw_keys_answer(program.hsm, &request, NULL), CW_NULL, "an answer to nowhere");
    expect(cw_keys_answer(program.hsm, &request, &answer), CW_OK, "a MAC over nothing");
    expect_true(answer.output_len == 4, "4 bytes");

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        program.mode = all[i].mode;
        expect(open_channel(), all[i].status, all[i].what);
    }
    program.mode = KEYS_REFUSED;
    open_channel();
    expect_true(strstr(last_message(), "not on a Sunday") != NULL, "the reason is in the message");
    program.mode = OTHER_SESSION_KEYS;
    expect(open_channel(), CW_WRONG_KEYS, "session keys that are not the card's");
    program.mode = KEYS_CALL_SESSION;
    expect(open_channel(), CW_OK, "the key service closes the session that it serves");
    expect_true(program.inner == CW_REENTRANT, "CW_REENTRANT inside");
    program.mode = KEYS_CALL_THEMSELVES;
    expect(open_channel(), CW_OK, "the key service asks itself");
    expect_true(program.inner == CW_REENTRANT, "CW_REENTRANT inside");
    program.mode = KEYS_FREE_THEMSELVES;
    expect(open_channel(), CW_OK, "the key service frees itself");
    expect_true(program.inner == CW_OK, "which lets the call go on");
    expect(open_channel(), CW_BAD_HANDLE, "and is over then");
    end();

    begin(KEYS_UNAVAILABLE);
    for (int i = 0; i < 20; i++)
        if (run() != CW_KEY_UNAVAILABLE)
            expect_true(0, "not there now");
    program.mode = WELL;
    expect(run(), CW_OK, "keys that come back after twenty attempts");
    end();
}

/* What another program does with the journal that this one has open. */
static int other_program(const char *path)
{
    cw_journal *journal = NULL;
    cw_lockout lockout = {.struct_size = sizeof lockout};
    cw_status status = cw_journal_open(path, &journal);
    if (status == CW_OK)
        status = cw_journal_lockout(journal, "nobody", &lockout);
    cw_journal_free(journal);
    return status != CW_OK;
}

static void journals(void)
{
    cw_journal *journal = NULL, *second = NULL;
    cw_store store = {.struct_size = sizeof store};
    cw_lockout lockout = {.struct_size = sizeof lockout};
    char long_name[300];
    memset(long_name, 'x', 299);
    long_name[299] = 0;
    expect(cw_journal_open(NULL, &journal), CW_NULL, "no path");
    expect(cw_journal_open("x", NULL), CW_NULL, "to nowhere");
    expect(cw_journal_open("\xFF", &journal), CW_BAD_UTF8, "a path that is not UTF-8");
    expect(cw_journal_open("", &journal), CW_STORE_FILE, "an empty path");
    expect(cw_journal_open(folder, &journal), CW_STORE_FILE, "a folder");
    expect(cw_journal_open(in_folder("no/such/folder"), &journal), CW_STORE_FILE, "in no folder");
    FILE *file = fopen(in_folder("text"), "w");
    fprintf(file, "this is no journal, and is left as it is");
    fclose(file);
    expect(cw_journal_open(in_folder("text"), &journal), CW_STORE_FILE, "a text");

    expect(cw_journal_open(in_folder("journal"), &journal), CW_OK, "a journal");
    expect(cw_journal_lockout(NULL, "x", &lockout), CW_NULL, "no journal");
    expect(cw_journal_lockout(journal, NULL, &lockout), CW_NULL, "no card");
    expect(cw_journal_lockout(journal, "x", NULL), CW_NULL, "to nowhere");
    expect(cw_journal_lockout(journal, "\x01", &lockout), CW_BAD_VALUE, "a card that is not printable");
    expect(cw_journal_lockout(journal, long_name, &lockout), CW_BAD_VALUE, "a card of 299 bytes");
    expect(cw_journal_lockout(journal, "nobody", &lockout), CW_OK, "a card that is not known");
    expect_true(lockout.failures == 0 && lockout.locked_out == 0, "without failures");
    expect(cw_journal_open(in_folder("journal"), &second), CW_OK, "the same journal a second time");

    /* Both handles, and another program, work on the same file: the one that has not seen the other's records is told. */
    begin(WELL);
    check(cw_journal_free(program.journal), "free");
    program.journal = second;
    expect(run(), CW_OK, "issued with the second handle");
    program.journal = journal;
    expect(run(), CW_OK, "and again with the first one");
    pid_t child = fork();
    if (child == 0) {
        execl(this_program, this_program, "another", in_folder("journal"), (char *)NULL);
        _exit(99);
    }
    int code = 1;
    waitpid(child, &code, 0);
    expect_true(code == 0, "another program opens it, too");
    expect(run(), CW_OK, "and again");
    expect(cw_journal_free(second), CW_OK, "freed");
    expect(cw_journal_free(second), CW_BAD_HANDLE, "freed twice");
    end();
    expect(cw_journal_lockout(journal, "nobody", &lockout), CW_BAD_HANDLE, "freed");
    expect(cw_journal_free(NULL), CW_OK, "NULL freed");

    expect_true(truncate(in_folder("journal"), 5000) == 0, "cut off");
    cw_status status = cw_journal_open(in_folder("journal"), &journal);
    expect(status, CW_STORE_DAMAGED, "a journal that was cut off");
    expect_true(truncate(in_folder("journal"), 50) == 0, "cut off");
    expect(cw_journal_open(in_folder("journal"), &journal), CW_STORE_DAMAGED, "a journal of 50 bytes");
    if (geteuid() != 0) {
        expect(cw_journal_open(in_folder("fixed"), &journal), CW_OK, "another journal");
        check(cw_journal_free(journal), "free");
        chmod(in_folder("fixed"), 0400);
        expect(cw_journal_open(in_folder("fixed"), &journal), CW_STORE_FILE, "one that must not be written");
    }

    expect(cw_journal_new_store(NULL, &journal), CW_NULL, "no store");
    expect(cw_journal_new_store(&store, &journal), CW_NULL, "no callbacks");
    store.history = history;
    expect(cw_journal_new_store(&store, &journal), CW_NULL, "no commit");
    store.commit = commit;
    store.flags = 1;
    expect(cw_journal_new_store(&store, &journal), CW_BAD_VALUE, "unknown flags");
    store.struct_size = 8;
    expect(cw_journal_new_store(&store, &journal), CW_STRUCT_SIZE, "a struct_size of 8");
}

static void stores(void)
{
    static const struct {
        mode mode;
        cw_status status;
        const char *what;
    } all[] = {
        {UNKNOWN_COMMIT_STATUS, CW_STORE_IN_DOUBT, "a commit with a status that is none"},
        {COMMIT_FULL, CW_STORE_FULL, "no room"},
        {COMMIT_CONFLICT, CW_STORE_CONFLICT, "a conflict"},
        {SEQ_0, CW_STORE_IN_DOUBT, "number 0"},
        {SEQ_LOWER, CW_STORE_IN_DOUBT, "a number that was given before"},
        {SEQ_MAX, CW_STORE_IN_DOUBT, "a number with none above it"},
        {HISTORY_BUSY, CW_STORE_BUSY, "a store that is busy"},
        {HISTORY_REVERSED, CW_STORE_DAMAGED, "records from last to first"},
        {HISTORY_SEQ_0, CW_STORE_DAMAGED, "records with number 0"},
        {HISTORY_NULL, CW_STORE_DAMAGED, "a record that is NULL"},
        {HISTORY_NO_SIZE, CW_STORE_DAMAGED, "a record without struct_size"},
        {HISTORY_HUGE_BODY, CW_STORE_DAMAGED, "a record of endless length"},
        {HISTORY_GARBAGE, CW_STORE_DAMAGED, "records that are none"},
        {HISTORY_OF_OTHERS, CW_STORE_DAMAGED, "records of others"},
    };
    begin(WELL);
    expect(run(), CW_OK, "issued");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        program.mode = all[i].mode;
        expect(run(), all[i].status, all[i].what);
    }
    program.mode = HISTORY_CALLS_ITSELF;
    expect(run(), CW_OK, "a store that asks itself");
    expect_true(program.inner == CW_REENTRANT, "CW_REENTRANT inside");
    program.mode = COMMIT_CALLS_PROCESS;
    expect(run(), CW_OK, "a store that frees the process that it serves");
    expect_true(program.inner == CW_REENTRANT, "CW_REENTRANT inside");
    cw_record late = {sizeof late, 0, 1, "card/x", NULL, 0};
    expect(program.take(program.taker, &late), CW_BAD_HANDLE, "a record that comes too late");
    expect(program.take(NULL, &late), CW_NULL, "a record for nobody");
    expect(run(), CW_OK, "a record that comes too late is nobody's");
    program.mode = WELL;
    expect(run(), CW_OK, "issued");
    end();

    begin(FORGETS);
    expect(run(), CW_OK, "a store that forgets: the card tells what is on it");
    expect(run(), CW_OK, "once more");
    end();
}

static void orders(void)
{
    cw_key_candidate keys[2] = {test_aes, test_aes};
    cw_application_order applications[2] = {{.struct_size = sizeof *applications, .load_file = load_file,
                                             .initial_master_key = "a", .master_key = "b", .maintenance_key = "c"}};
    cw_order order = {.struct_size = sizeof order, .security_level = CW_SECURITY_C_MAC, .current_keys = keys,
                      .current_key_count = 1, .new_keys = keys, .new_key_count = 1,
                      .applications = applications, .application_count = 1};
    cw_order good = order;
    cw_aid aid = {5, {1, 2, 3, 4, 5}}, bad = {3, {1}};
    cw_process *process = NULL;
    expect(cw_process_new_issue(NULL, &process), CW_NULL, "no order");
    expect(cw_process_new_issue(&order, NULL), CW_NULL, "to nowhere");
#define REFUSED(change, status, what) \
    order = good; \
    change; \
    expect(cw_process_new_issue(&order, &process), status, what)
    REFUSED(order.struct_size = 8, CW_STRUCT_SIZE, "an order of 8 bytes");
    REFUSED(order.flags = 0x80, CW_BAD_VALUE, "unknown flags");
    REFUSED(order.security_level = 2, CW_BAD_SECURITY_LEVEL, "unknown level");
    REFUSED(order.challenge_policy = 9, CW_BAD_VALUE, "unknown policy");
    REFUSED(order.domain.length = 4, CW_BAD_VALUE, "a domain of 4 bytes");
    REFUSED(order.current_key_count = 0, CW_BAD_VALUE, "no keys");
    REFUSED(order.new_key_count = 0, CW_BAD_VALUE, "no new keys");
    REFUSED(order.new_key_count = 65, CW_BAD_VALUE, "65 keys");
    REFUSED(order.new_key_count = (size_t)-1, CW_BAD_VALUE, "endless keys");
    REFUSED(order.new_keys = NULL, CW_NULL, "keys that are NULL");
    REFUSED(order.application_count = 65, CW_BAD_VALUE, "65 applications");
    REFUSED(order.applications = NULL, CW_NULL, "applications that are NULL");
    REFUSED(order.applications = (void *)((char *)applications + 1), CW_BAD_VALUE, "misaligned");
    applications[1] = applications[0];
    REFUSED(order.application_count = 2, CW_BAD_VALUE, "two applications of the same AID");
    applications[1].struct_size -= 8;
    REFUSED(order.application_count = 2, CW_STRUCT_SIZE, "two of which one is too short");
    keys[1].struct_size += 8;
    REFUSED(order.current_key_count = 2, CW_BAD_VALUE, "keys of several sizes");
    keys[1] = test_aes;
    keys[1].kvn = 0x30;
    REFUSED(order.new_keys = &keys[1], CW_BAD_VALUE, "new keys with a version that the card will not give them");
    applications[0].flags = 0x80;
    REFUSED((void)0, CW_BAD_VALUE, "unknown flags");
    applications[0].flags = 0;
    applications[0].load_file = NULL;
    REFUSED((void)0, CW_NULL, "no load file");
    applications[0].load_file = (cw_load_file *)&order;
    REFUSED((void)0, CW_BAD_HANDLE, "a load file that is none");
    applications[0].load_file = load_file;
    applications[0].master_key = "";
    REFUSED((void)0, CW_KEY_NOT_FOUND, "an empty name");
    applications[0].master_key = "\xED\xA0\x80";
    REFUSED((void)0, CW_BAD_UTF8, "a name that is not UTF-8");
    applications[0].master_key = NULL;
    REFUSED((void)0, CW_NULL, "no master key");
    applications[0].master_key = "b";
    applications[0].parameters_len = 256;
    REFUSED((void)0, CW_NULL, "parameters that are NULL");
    applications[0].parameters = (const uint8_t *)&order;
    REFUSED((void)0, CW_BAD_VALUE, "256 bytes of parameters");
    applications[0].parameters_len = 0;
    applications[0].instance.length = 17;
    REFUSED((void)0, CW_BAD_VALUE, "an AID of 17 bytes");
    applications[0].instance.length = 0;
    keys[0].scheme = CW_SCHEME_KDF3;
    keys[0].key_kind = CW_KEY_TDES;
    REFUSED((void)0, CW_KEY_MISFIT, "KDF3 with a DES key");
    keys[0] = test_aes;

    struct {
        cw_order order;
        uint64_t later[4];
    } newer = {good, {1, 2, 3, 4}};
    newer.order.struct_size = sizeof newer;
    expect(cw_process_new_issue(&newer.order, &process), CW_OK, "the order of a newer program");
    check(cw_process_free(process), "free");
    expect(cw_process_free(process), CW_BAD_HANDLE, "freed twice");
    expect(cw_process_new_delete(&good, NULL, 0, &process), CW_NULL, "delete nothing");
    expect(cw_process_new_delete(&good, &bad, 0, &process), CW_BAD_VALUE, "an AID of 3 bytes");
    expect(cw_process_new_delete(&good, &aid, CW_DELETE_RELATED, &process), CW_BAD_VALUE, "unknown flags");
    expect(cw_process_new_delete(NULL, &aid, 0, &process), CW_NULL, "no order");
    expect(cw_process_new_use(NULL, &process), CW_NULL, "use nothing");
    expect(cw_process_new_use(&bad, &process), CW_BAD_VALUE, "an AID of 3 bytes");

    begin(WELL);
    cw_ports ports = {.struct_size = sizeof ports, .session = program.session, .keys = program.keys, .journal = program.journal};
    check(cw_process_new_use(&aid, &process), "use");
    expect(cw_process_run(process, &ports), CW_NOT_FOUND, "use of what was never issued");
    check(cw_process_free(process), "free");
    check(cw_process_new_delete(&good, &aid, 0, &process), "delete");
    ports.keys = NULL;
    expect(cw_process_run(process, &ports), CW_KEY_REFUSED, "delete without keys");
    check(cw_process_free(process), "free");
    end();
}

static int32_t CW_CALL event_calls_back(void *user, const cw_event *event)
{
    struct program *self = user;
    cw_ports ports = {.struct_size = sizeof ports, .session = self->session, .keys = self->keys, .journal = self->journal};
    cw_report report = {.struct_size = sizeof report};
    cw_process *other = new_issue(load_file);
    (void)event;
    self->events++;
    if (cw_process_free(self->process) != CW_REENTRANT || cw_session_free(self->session) != CW_REENTRANT ||
        cw_process_run(self->process, &ports) != CW_REENTRANT || cw_process_run(other, &ports) != CW_REENTRANT ||
        cw_process_report(self->process, &report) != CW_REENTRANT || cw_session_close(self->session) != CW_REENTRANT)
        self->inner = -1;
    check(cw_process_free(other), "free");
    return 0;
}

static void *other_thread(void *user)
{
    struct program *self = user;
    cw_question question = {.struct_size = sizeof question};
    if (cw_process_next(self->process, &question) != CW_BUSY || cw_process_free(self->process) != CW_BUSY ||
        cw_session_close(self->session) != CW_BUSY)
        self->inner = -1;
    return NULL;
}

static int32_t CW_CALL event_from_thread(void *user, const cw_event *event)
{
    pthread_t thread;
    (void)event;
    ((struct program *)user)->events++;
    pthread_create(&thread, NULL, other_thread, user);
    pthread_join(thread, NULL);
    return 0;
}

static int stop_at;

static int32_t CW_CALL stop(void *user, const cw_event *event)
{
    (void)event;
    return ++((struct program *)user)->events == stop_at;
}

static int32_t CW_CALL no_random(void *user, uint8_t *out, size_t length)
{
    (void)user;
    (void)out;
    (void)length;
    return -7;
}

static int32_t CW_CALL some_random(void *user, uint8_t *out, size_t length)
{
    (void)user;
    not_random(out, length);
    return 0;
}

static void processes(void)
{
    begin(WELL);
    cw_ports ports = {.struct_size = sizeof ports};
    cw_report report = {.struct_size = sizeof report};
    cw_row row = {.struct_size = sizeof row};
    cw_question question = {.struct_size = sizeof question};
    cw_key_answer keys = {.struct_size = sizeof keys};
    const uint8_t ok[2] = {0x90, 0};
    cw_process *process = program.process = new_issue(load_file);

    expect(cw_process_run(NULL, &ports), CW_NULL, "run nothing");
    expect(cw_process_run(process, NULL), CW_NULL, "no ports");
    expect(cw_process_run(process, &ports), CW_NULL, "no journal");
    ports.journal = (cw_journal *)program.session;
    expect(cw_process_run(process, &ports), CW_BAD_HANDLE, "a session for a journal");
    ports.journal = program.journal;
    expect(cw_process_run(process, &ports), CW_NULL, "no session");
    ports.session = (cw_session *)process;
    expect(cw_process_run(process, &ports), CW_BAD_HANDLE, "a process for a session");
    ports.session = program.session;
    ports.keys = (cw_keys *)program.journal;
    expect(cw_process_run(process, &ports), CW_BAD_HANDLE, "a journal for keys");
    ports.keys = program.keys;
    ports.flags = 1;
    expect(cw_process_run(process, &ports), CW_BAD_VALUE, "unknown flags");
    ports.flags = 0;
    expect(cw_process_report(process, &report), CW_OUT_OF_TURN, "a report before the end");
    expect(cw_process_row(process, 0, 0, &row), CW_OUT_OF_TURN, "a row before the end");
    expect(cw_process_next(process, NULL), CW_NULL, "a question to nowhere");
    expect(cw_process_next(NULL, &question), CW_NULL, "a question of nobody");
    expect(cw_process_answer_bytes(process, ok, 2, 0), CW_OUT_OF_TURN, "an answer before the first question");
    expect_true(program.commands == 0, "nothing went to the card");

    do
        expect(cw_process_next(process, &question), CW_OK, "a question");
    while (question.kind == CW_ASK_NOTHING);
    expect_true(question.kind == CW_ASK_RESET, "reset first");
    expect(cw_process_answer_keys(process, NULL), CW_NULL, "NULL for an answer");
    expect(cw_process_answer_keys(process, &keys), CW_OUT_OF_TURN, "keys for an ATR");
    expect(cw_process_answer_history(process, NULL, 0), CW_OUT_OF_TURN, "records for an ATR");
    expect(cw_process_answer_committed(process, 1), CW_OUT_OF_TURN, "a commit for an ATR");
    expect(cw_process_answer_bytes(process, NULL, 3, 0), CW_NULL, "an ATR that is NULL");
    expect(cw_process_answer_bytes(process, ok, (size_t)-1, 0), CW_BAD_VALUE, "an endless ATR");
    expect(cw_process_answer_bytes(process, ok, 2, 2), CW_BAD_VALUE, "unknown flags");
    expect(cw_process_answer_failure(process, CW_OK, 0, NULL), CW_BAD_VALUE, "a failure that is none");
    expect(cw_process_answer_failure(process, CW_STORE_FULL, 0, NULL), CW_BAD_VALUE, "a failure of something else");
    expect(cw_process_answer_failure(process, CW_TIMEOUT, 2, NULL), CW_BAD_VALUE, "unknown delivery");
    expect(cw_process_answer_failure(process, CW_TIMEOUT, 0, "\xFF"), CW_BAD_UTF8, "a reason that is not UTF-8");
    expect(cw_process_answer_bytes(process, ok, 2, 0), CW_OK, "an ATR");
    expect(cw_process_answer_bytes(process, ok, 2, 0), CW_OUT_OF_TURN, "answered twice");
    expect(cw_process_next(process, &question), CW_OK, "the next question");
    expect_true(question.kind == CW_ASK_TRANSMIT && question.bytes[1] == 0xA4, "SELECT");
    expect(cw_process_answer_bytes(process, ok, 2, CW_TRANSPORT_EXTENDED), CW_BAD_VALUE, "limits with a response");

    expect(cw_process_run(process, &ports), CW_OK, "run from here on");
    expect(cw_process_run(process, &ports), CW_OK, "run again after the end");
    expect(cw_process_next(process, &question), CW_OK, "a question after the end");
    expect_true(question.kind == CW_ASK_DONE, "CW_ASK_DONE");
    expect(cw_process_next(process, &question), CW_OK, "and again");
    expect(cw_process_answer_bytes(process, ok, 2, 0), CW_OUT_OF_TURN, "an answer after the end");
    expect(cw_process_report(process, NULL), CW_NULL, "a report to nowhere");
    expect(cw_process_row(process, 0, 99, &row), CW_OUT_OF_RANGE, "row 99");
    expect(cw_process_row(process, 2, 0, &row), CW_BAD_VALUE, "before is 2");
    expect(cw_process_row(process, 0, 0, NULL), CW_NULL, "a row to nowhere");
    print_report(process);
    check(cw_process_free(process), "free");
    end();

    begin(WELL);
    cw_test_card_free(program.card);
    program.card = cw_test_card_new_scp(2, 0, 0);
    const cw_key_candidate test_des = {sizeof test_des, CW_KEY_TDES, CW_SCHEME_AS_IS, 0, "test-des"};
    cw_order order = {.struct_size = sizeof order, .security_level = CW_SECURITY_FULL, .current_keys = &test_des,
                      .current_key_count = 1, .new_keys = &test_des, .new_key_count = 1};
    cw_ports with = {.struct_size = sizeof with, .session = program.session, .keys = program.keys, .journal = program.journal};
    check(cw_process_new_issue(&order, &process), "order");
    expect(cw_process_run(process, &with), CW_BAD_SECURITY_LEVEL, "R-MAC and R-ENCRYPTION with SCP02");
    check(cw_process_free(process), "free");
    expect(run(), CW_OK, "a level that it has");
    end();

    begin(WELL);
    const uint8_t born[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF};
    expect(cw_keys_add(program.hsm, "application-initial", CW_KEY_AES, born, 16), CW_OK, "an application key of another kind");
    expect(run(), CW_KEY_REFUSED, "issued with it");
    expect(cw_keys_add(program.hsm, "application-initial", CW_KEY_TDES, born, 16), CW_OK, "the right kind");
    expect(run(), CW_OK, "issued with it");
    end();

    begin(WELL);
    expect(run_with(event_calls_back, NULL), CW_OK, "events call back");
    expect_true(program.inner == 0 && program.events > 10, "CW_REENTRANT inside");
    program.events = 0;
    expect(run_with(event_from_thread, NULL), CW_OK, "another thread comes in");
    expect_true(program.inner == 0 && program.events > 0, "CW_BUSY inside");
    end();

    begin(WELL);
    expect(run_with(NULL, no_random), CW_NO_RANDOM, "no random bytes");
    expect(run_with(NULL, some_random), CW_OK, "random bytes again");
    end();

    int stops = 0;
    for (stop_at = 1;; stop_at++) {
        begin(WELL);
        cw_status status = run_with(stop, NULL);
        int stopped = program.events == stop_at;
        if (status != (stopped ? CW_CANCELLED : CW_OK) || run() != CW_OK)
            expect_true(0, "stopped at an event, and finished by the next process");
        end();
        if (!stopped)
            break;
        stops++;
    }
    expect_true(stops > 20, "stopped at each event");
    printf("stopped at %d events\n", stops);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    (void)journal_commit; /* of journal.h; the store here is another one */
    if (argc == 3 && strcmp(argv[1], "another") == 0)
        return other_program(argv[2]);
    this_program = argv[0];
    load_file = read_cap(argv[1]);
    folder = argc > 2 ? argv[2] : ".";
    sessions();
    readers();
    key_services();
    journals();
    stores();
    orders();
    processes();
    check(cw_load_file_free(load_file), "free");
    printf("%d failures\n", failures);
    return failures != 0;
}
