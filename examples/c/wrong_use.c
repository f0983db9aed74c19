/* What goes wrong when the library is used wrongly: each misuse has its status, and nothing else happens.
 *
 *   wrong_use CAP
 *
 * Ends with 0 when every status is the documented one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include "expect.h"
#include "reader.h"

/* The reader of these tests misbehaves on request. */
struct reader {
    void *card;
    cw_session *session;
    enum { WELL, TOO_MANY_BYTES, CALL_BACK, CALL_FROM_THREAD, UNKNOWN_STATUS, NOT_SENT } mode;
    cw_status inner;
};

static void *other_thread(void *user)
{
    struct reader *reader = user;
    reader->inner = cw_session_free(reader->session);
    return NULL;
}

static cw_status CW_CALL transmit(void *user, const uint8_t *command, size_t command_len, cw_answer *answer)
{
    struct reader *reader = user;
    pthread_t thread;
    switch (reader->mode) {
    case TOO_MANY_BYTES:
        answer->length = answer->capacity + 1;
        return CW_OK;
    case CALL_BACK:
        reader->inner = cw_session_list(reader->session, NULL, NULL, NULL);
        break;
    case CALL_FROM_THREAD:
        pthread_create(&thread, NULL, other_thread, reader);
        pthread_join(thread, NULL);
        break;
    case UNKNOWN_STATUS:
        return 12345;
    case NOT_SENT:
        answer->delivery = CW_DELIVERY_NOT_SENT;
        return CW_NO_READER;
    default:
        break;
    }
    return reader_transmit(reader->card, command, command_len, answer);
}

static cw_status CW_CALL reset(void *user, cw_answer *answer)
{
    return reader_reset(((struct reader *)user)->card, answer);
}

static int in_doubt(void)
{
    cw_error error;
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    cw_last_error(&error);
    return error.in_doubt;
}

static int32_t CW_CALL stop(void *user, const cw_registry_entry *entry)
{
    (void)user;
    (void)entry;
    return 1;
}

static int32_t CW_CALL go_on(void *user, const cw_registry_entry *entry)
{
    (void)entry;
    ++*(int *)user;
    return 0;
}

static int32_t CW_CALL cancel_at_three(void *user, size_t done, size_t total)
{
    (void)total;
    *(size_t *)user = done;
    return done == 3;
}

static void apdus(void)
{
    static const uint8_t select[] = {0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x01, 0x51, 0x00};
    static const uint8_t torn[] = {0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0};
    uint8_t out[16];
    size_t length = 0;
    cw_command_apdu command;
    cw_response_apdu response;

    memset(&command, 0, sizeof command);
    expect(cw_command_apdu_parse(select, sizeof select, &command), CW_STRUCT_SIZE, "struct_size not set");
    command.struct_size = sizeof command;
    expect(cw_command_apdu_parse(select, sizeof select, &command), CW_OK, "a command");
    expect(cw_command_apdu_parse(torn, sizeof torn, &command), CW_BAD_APDU, "a torn command");
    expect(cw_command_apdu_parse(NULL, 5, &command), CW_NULL, "no bytes");
    expect(cw_command_apdu_parse(select, (size_t)-1, &command), CW_BAD_VALUE, "a huge length");
    expect(cw_command_apdu_parse(select, 0, &command), CW_BAD_APDU, "no length");
    expect(cw_command_apdu_parse(select, sizeof select, NULL), CW_NULL, "no result");

    memset(out, 0x77, sizeof out);
    expect(cw_command_apdu_encode(&command, out, 10, &length), CW_BUFFER_TOO_SMALL, "a small buffer");
    expect_true(length == sizeof select && out[0] == 0x77, "the length is told and nothing written");
    expect(cw_command_apdu_encode(&command, NULL, 0, &length), CW_BUFFER_TOO_SMALL, "no buffer, asking for the length");
    expect(cw_command_apdu_encode(&command, out, sizeof out, NULL), CW_NULL, "nowhere to put the length");
    expect(cw_command_apdu_encode(&command, out, sizeof out, &length), CW_OK, "coded again");
    expect_true(length == sizeof select && memcmp(out, select, sizeof select) == 0, "the same bytes");
    command.ne = 65537;
    expect(cw_command_apdu_encode(&command, out, sizeof out, &length), CW_BAD_VALUE, "Ne above 65536");
    command.ne = 0;
    command.nc = 65536;
    expect(cw_command_apdu_encode(&command, out, sizeof out, &length), CW_BAD_VALUE, "Nc above 65535");

    memset(&response, 0, sizeof response);
    response.struct_size = sizeof response;
    expect(cw_response_apdu_parse(select, 1, &response), CW_BAD_APDU, "a response of one byte");
    expect(cw_response_apdu_parse(select, 2, &response), CW_OK, "a response");
    response.nr = (size_t)1 << 30;
    expect(cw_response_apdu_encode(&response, out, sizeof out, &length), CW_BAD_VALUE, "Nr above 65536");
}

static void handles(cw_session *session, cw_keys *keys)
{
    cw_session *freed = NULL;
    cw_session *other = NULL;
    cw_transport transport;
    uint8_t atr[33];
    size_t length;
    int local = 0;

    memset(&transport, 0, sizeof transport);
    transport.struct_size = 4;
    expect(cw_session_new(&transport, &other), CW_STRUCT_SIZE, "a struct_size of 4");
    transport.struct_size = sizeof transport;
    expect(cw_session_new(&transport, &other), CW_NULL, "no callbacks");
    transport.transmit = transmit;
    transport.reset = reset;
    transport.flags = 0x80;
    expect(cw_session_new(&transport, &other), CW_BAD_VALUE, "unknown flags");
    transport.flags = 0;
    expect(cw_session_new(NULL, &other), CW_NULL, "no transport");
    expect(cw_session_new(&transport, NULL), CW_NULL, "nowhere to put the session");
    expect(cw_session_new(&transport, &freed), CW_OK, "a session");
    expect(cw_session_free(freed), CW_OK, "freed");
    expect(cw_session_free(freed), CW_BAD_HANDLE, "freed twice");
    expect(cw_session_reset(freed, atr, sizeof atr, &length), CW_BAD_HANDLE, "used after it was freed");
    expect(cw_session_free((cw_session *)keys), CW_BAD_HANDLE, "keys freed as a session");
    expect(cw_session_free((cw_session *)&local), CW_BAD_HANDLE, "a pointer of one's own as a session");
    expect(cw_session_free(NULL), CW_OK, "NULL freed");
    expect(cw_keys_free(NULL), CW_OK, "NULL freed");
    expect(cw_load_file_free(NULL), CW_OK, "NULL freed");
    expect(cw_session_reset(NULL, atr, sizeof atr, &length), CW_NULL, "NULL used");
    expect(cw_session_reset(session, atr, 32, &length), CW_BUFFER_TOO_SMALL, "no room for an ATR");
    expect_true(cw_last_error(NULL) == CW_NULL, "CW_NULL for nowhere to put the last error");
}

static void intake(cw_keys *keys)
{
    static const char good[] = "# a remark\nfile AES 404142434445464748494A4B4C4D4E4F 504A77\n";
    static const char bad[] = "file2 AES 404142434445464748494A4B4C4D4E4F 504A78\n";
    static const uint8_t first[16] = {0x01, 0x02}, second[16] = {0x41, 0x43};
    static const uint8_t kcv[3] = {0x12, 0x34, 0x56};
    cw_key_component parts[2];
    memset(parts, 0, sizeof parts);
    parts[0].struct_size = parts[1].struct_size = sizeof *parts;
    parts[0].value = first;
    parts[1].value = second;
    parts[0].value_len = parts[1].value_len = 16;
    expect(cw_keys_add_text(keys, (const uint8_t *)good, sizeof good - 1), CW_OK, "keys of a text");
    expect(cw_keys_add_text(keys, (const uint8_t *)bad, sizeof bad - 1), CW_KEY_MISFIT, "a wrong check value in it");
    expect(cw_keys_add_text(keys, (const uint8_t *)"\xFF", 1), CW_BAD_UTF8, "a text that is not UTF-8");
    expect(cw_keys_add_text(keys, NULL, 5), CW_NULL, "no text");
    expect(cw_keys_add_text(keys, NULL, 0), CW_OK, "an empty text");
    expect(cw_keys_add_components(keys, "parts", CW_KEY_AES, parts, 2, kcv), CW_KEY_MISFIT, "a component that does not fit");
    expect(cw_keys_add_components(keys, "parts", CW_KEY_AES, parts, 1, kcv), CW_BAD_VALUE, "one component");
    expect(cw_keys_add_components(keys, "parts", CW_KEY_AES, NULL, 2, kcv), CW_NULL, "no components");
    expect(cw_keys_add_components(keys, "parts", CW_KEY_AES, parts, 2, NULL), CW_NULL, "no check value");
}

static void key_service(cw_keys *keys)
{
    static const uint8_t value[16] = {1};
    char endless[2000];
    memset(endless, 'x', sizeof endless);
    expect(cw_keys_add(keys, NULL, CW_KEY_AES, value, 16), CW_NULL, "a key without a name");
    expect(cw_keys_add(keys, "\xFF", CW_KEY_AES, value, 16), CW_BAD_UTF8, "a name that is not UTF-8");
    expect(cw_keys_add(keys, endless, CW_KEY_AES, value, 16), CW_BAD_VALUE, "a name without an end");
    expect(cw_keys_add(keys, "x", 9, value, 16), CW_BAD_VALUE, "an unknown kind of key");
    expect(cw_keys_add(keys, "x", CW_KEY_AES, value, 15), CW_KEY_MISFIT, "a key of 15 bytes");
    expect(cw_keys_add(keys, "x", CW_KEY_AES, value, (size_t)-1), CW_BAD_VALUE, "a huge key");
    expect(cw_keys_add(keys, "wrong", CW_KEY_AES, value, 16), CW_OK, "a key that the card does not have");
    intake(keys);
}

static void channels(struct reader *reader, cw_keys *keys, const char *cap)
{
    static uint8_t bytes[1 << 20];
    cw_session *session = reader->session;
    cw_load_file *load_file = NULL;
    cw_key_candidate candidate;
    cw_open_options options;
    cw_install install;
    cw_aid aid;
    FILE *file = fopen(cap, "rb");
    size_t length, done = 0;
    int entries = 0;

    if (file == NULL) {
        perror(cap);
        exit(1);
    }
    length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    memset(&candidate, 0, sizeof candidate);
    memset(&options, 0, sizeof options);
    memset(&install, 0, sizeof install);

    expect(cw_session_list(session, go_on, &entries, NULL), CW_NOT_OPEN, "listed before it was opened");
    options.struct_size = sizeof options;
    options.security_level = CW_SECURITY_C_MAC;
    expect(cw_session_open(session, keys, &options, NULL), CW_BAD_VALUE, "opened without candidates");
    options.candidates = &candidate;
    options.candidate_count = 1;
    expect(cw_session_open(session, keys, &options, NULL), CW_STRUCT_SIZE, "a candidate without struct_size");
    candidate.struct_size = sizeof candidate;
    candidate.key_kind = CW_KEY_AES;
    candidate.scheme = CW_SCHEME_AS_IS;
    expect(cw_session_open(session, keys, &options, NULL), CW_NULL, "a candidate without a name");
    candidate.key_name = "wrong";
    candidate.scheme = CW_SCHEME_EMV;
    expect(cw_session_open(session, keys, &options, NULL), CW_KEY_MISFIT, "an AES key for a scheme of triple DES");
    candidate.scheme = CW_SCHEME_PBOC;
    expect(cw_session_open(session, keys, &options, NULL), CW_BAD_VALUE, "a scheme that opens no channel");
    candidate.scheme = CW_SCHEME_AS_IS;
    options.security_level = 0;
    expect(cw_session_open(session, keys, &options, NULL), CW_BAD_SECURITY_LEVEL, "a security level that was not set");
    options.security_level = 0x02;
    expect(cw_session_open(session, keys, &options, NULL), CW_BAD_SECURITY_LEVEL, "an unknown security level");
    options.security_level = CW_SECURITY_C_MAC;
    options.domain.length = 17;
    expect(cw_session_open(session, keys, &options, NULL), CW_BAD_VALUE, "an AID of 17 bytes");
    options.domain.length = 0;
    expect(cw_session_open(session, NULL, &options, NULL), CW_NULL, "no keys");
    expect(cw_session_open(session, keys, &options, NULL), CW_WRONG_KEYS, "wrong keys");
    candidate.kvn = 0x30;
    expect(cw_session_open(session, keys, &options, NULL), CW_NO_KEYS, "no key set of the card's version");
    candidate.kvn = 0;
    candidate.key_name = "nobody";
    expect(cw_session_open(session, keys, &options, NULL), CW_KEY_NOT_FOUND, "a key that is not there");
    candidate.key_name = "test";

    reader->mode = TOO_MANY_BYTES;
    expect(cw_session_open(session, keys, &options, NULL), CW_RESPONSE_TOO_LONG, "a callback with too many bytes");
    expect_true(in_doubt(), "the card may have executed the command");
    reader->mode = UNKNOWN_STATUS;
    expect(cw_session_open(session, keys, &options, NULL), CW_TRANSPORT, "a callback with an unknown status");
    expect_true(in_doubt(), "the card may have executed the command");
    reader->mode = NOT_SENT;
    expect(cw_session_open(session, keys, &options, NULL), CW_NO_READER, "a callback that sent nothing");
    expect_true(!in_doubt(), "the card has not got the command");
    reader->mode = CALL_BACK;
    expect(cw_session_open(session, keys, &options, NULL), CW_OK, "opened, and the callback calls back:");
    expect_true(reader->inner == CW_REENTRANT, "CW_REENTRANT inside");
    reader->mode = CALL_FROM_THREAD;
    expect(cw_session_list(session, go_on, &entries, NULL), CW_OK, "listed, and another thread frees the session:");
    expect_true(reader->inner == CW_BUSY && entries == 1, "CW_BUSY in the other thread");
    reader->mode = WELL;

    expect(cw_session_list(session, NULL, NULL, NULL), CW_NULL, "listed to nobody");
    expect(cw_session_list(session, stop, NULL, NULL), CW_CANCELLED, "listing stopped");
    expect(cw_load_file_parse(bytes, 100, CW_DESCRIPTOR_OMIT, &load_file), CW_BAD_LOAD_FILE, "a torn CAP file");
    expect(cw_load_file_parse(bytes, (size_t)-1, CW_DESCRIPTOR_OMIT, &load_file), CW_BAD_VALUE, "a huge CAP file");
    expect(cw_load_file_parse(bytes, length, 7, &load_file), CW_BAD_VALUE, "an unknown choice");
    expect(cw_session_load(session, load_file, NULL, NULL, NULL), CW_NULL, "no load file loaded");
    expect(cw_load_file_parse(bytes, length, CW_DESCRIPTOR_OMIT, &load_file), CW_OK, "a CAP file");
    expect(cw_load_file_applet(load_file, 1, &aid), CW_OUT_OF_RANGE, "the second applet of one");
    expect(cw_session_load(session, load_file, NULL, cancel_at_three, &done), CW_CANCELLED, "load cancelled");
    expect_true(done == 3, "three blocks before the cancel");
    install.struct_size = sizeof install;
    expect(cw_session_install(session, &install), CW_BAD_VALUE, "installed without AIDs");
    expect(cw_load_file_applet(load_file, 0, &install.module), CW_OK, "the first applet");
    install.load_file = install.module;
    install.application = install.module;
    expect(cw_session_install(session, &install), CW_REFUSED, "installed what is not loaded");
    memset(install.privileges, 0xC1, 1);
    expect(cw_session_install(session, &install), CW_BAD_VALUE, "Mandated DAP Verification by the way");
    install.flags = CW_IRREVERSIBLE;
    expect(cw_session_install(session, &install), CW_REFUSED, "Mandated DAP Verification, meant");
    memset(install.privileges, 0, 1);
    install.flags = 1;
    expect(cw_session_install(session, &install), CW_BAD_VALUE, "an unknown flag");
    install.flags = 0;
    install.parameters_len = 16;
    expect(cw_session_install(session, &install), CW_NULL, "parameters with a length and no bytes");
    expect(cw_session_load(session, load_file, NULL, NULL, NULL), CW_OK, "loaded, after the load that was cancelled");
    expect(cw_load_file_free(load_file), CW_OK, "freed");
    expect(cw_load_file_free(load_file), CW_BAD_HANDLE, "freed twice");
}

/* The card is pulled out in the middle of a listing, and put back by the reset. */
static void removal(cw_keys *keys)
{
    struct reader reader;
    cw_transport transport;
    cw_key_candidate candidate;
    cw_open_options options;
    cw_error error;
    uint8_t atr[33];
    size_t length;
    int32_t is_open = 1;
    int entries = 0;

    memset(&reader, 0, sizeof reader);
    reader.card = cw_test_card_new(4);
    memset(&transport, 0, sizeof transport);
    transport.struct_size = sizeof transport;
    transport.transmit = transmit;
    transport.reset = reset;
    transport.user = &reader;
    memset(&candidate, 0, sizeof candidate);
    candidate.struct_size = sizeof candidate;
    candidate.key_kind = CW_KEY_AES;
    candidate.scheme = CW_SCHEME_AS_IS;
    candidate.key_name = "test";
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.security_level = CW_SECURITY_FULL;
    options.candidates = &candidate;
    options.candidate_count = 1;

    expect(cw_session_new(&transport, &reader.session), CW_OK, "a session with a card that will be pulled out");
    expect(cw_session_open(reader.session, keys, &options, NULL), CW_OK, "opened");
    expect(cw_session_list(reader.session, go_on, &entries, NULL), CW_CARD_REMOVED, "pulled out");
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    cw_last_error(&error);
    expect_true(error.in_doubt && strcmp(error.command, "GET STATUS") == 0, "the command, and that it is in doubt");
    expect(cw_session_list(reader.session, go_on, &entries, NULL), CW_CHANNEL_CLOSED, "listed all the same");
    expect(cw_session_is_open(reader.session, &is_open), CW_OK, "asked whether it is open");
    expect_true(is_open == 0, "a channel whose command got no answer is closed");
    expect(cw_session_is_open(reader.session, NULL), CW_NULL, "nowhere to say whether it is open");
    expect(cw_session_reset(reader.session, atr, sizeof atr, &length), CW_OK, "reset");
    expect(cw_session_list(reader.session, go_on, &entries, NULL), CW_NOT_OPEN, "listed without opening again");
    expect(cw_session_open(reader.session, keys, &options, NULL), CW_OK, "opened again");
    expect(cw_session_list(reader.session, go_on, &entries, NULL), CW_OK, "listed");
    expect(cw_session_free(reader.session), CW_OK, "freed");
    cw_test_card_free(reader.card);
}

/* The last error's whole message, as bytes and as UTF-16. */
static void messages(void)
{
    cw_error error;
    char text[600];
    uint16_t wide[600];
    size_t length = 0, wide_length = 0, i;

    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    memset(text, 'x', sizeof text);
    memset(wide, 'x', sizeof wide);
    expect(cw_keys_new(NULL), CW_NULL, "nowhere to put the keys");
    cw_last_error(&error);
    expect_true(cw_last_error_message(NULL, 0, &length) == CW_BUFFER_TOO_SMALL && length == error.message_len,
                "CW_BUFFER_TOO_SMALL and the length of the message");
    expect_true(cw_last_error_message(text, length, &length) == CW_BUFFER_TOO_SMALL && text[0] == 'x',
                "no room for the NUL, and nothing written");
    expect_true(cw_last_error_message(NULL, sizeof text, &length) == CW_NULL, "CW_NULL for no buffer");
    expect_true(cw_last_error_message(text, sizeof text, NULL) == CW_NULL, "CW_NULL for nowhere to put the length");
    expect_true(cw_last_error_message(text, length + 1, &length) == CW_OK && text[length] == '\0' && text[length + 1] == 'x',
                "the message and its NUL, no byte more");
    expect_true(strcmp(text, error.message) == 0, "the same message as in cw_error");
    expect_true(cw_last_error_utf16(NULL, 0, &wide_length) == CW_BUFFER_TOO_SMALL, "CW_BUFFER_TOO_SMALL in UTF-16");
    expect_true(cw_last_error_utf16(wide, wide_length, &wide_length) == CW_BUFFER_TOO_SMALL, "no room for the NUL");
    expect_true(cw_last_error_utf16(NULL, 600, &wide_length) == CW_NULL, "CW_NULL for no buffer");
    expect_true(cw_last_error_utf16(wide, wide_length + 1, &wide_length) == CW_OK && wide[wide_length] == 0,
                "the message and its NUL");
    for (i = 0; i < length && wide[i] == (uint16_t)text[i]; i++)
        ;
    expect_true(i == length && i == wide_length, "the same message in UTF-16");
    cw_last_error(&error);
    expect_true(error.status == CW_NULL, "the last error is still the one before all these questions");
}

int main(int argc, char **argv)
{
    static const uint8_t test_key[16] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
                                         0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F};
    struct reader reader;
    cw_transport transport;
    cw_keys *keys = NULL;

    if (argc != 2)
        return 2;
    memset(&reader, 0, sizeof reader);
    reader.card = cw_test_card_new(0);
    memset(&transport, 0, sizeof transport);
    transport.struct_size = sizeof transport;
    transport.transmit = transmit;
    transport.reset = reset;
    transport.user = &reader;
    expect(cw_session_new(&transport, &reader.session), CW_OK, "a session");
    expect(cw_keys_new(&keys), CW_OK, "keys");
    expect(cw_keys_add(keys, "test", CW_KEY_AES, test_key, sizeof test_key), CW_OK, "the test key");

    apdus();
    messages();
    handles(reader.session, keys);
    key_service(keys);
    channels(&reader, keys, argv[1]);
    removal(keys);

    expect(cw_session_free(reader.session), CW_OK, "freed");
    expect(cw_keys_free(keys), CW_OK, "freed");
    cw_test_card_free(reader.card);
    printf("%d failures\n", failures);
    return failures != 0;
}
