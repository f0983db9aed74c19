/* Lists a card; with a CAP file as argument, loads and installs it before.
 *
 *   cc -std=c99 list.c -lcardwright -lcardwright_testcard -o list && ./list [CAP]
 *
 * The card is one in memory (reader.h), the keys are published test keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

static void check(cw_status status, const char *what)
{
    cw_error error;
    if (status == CW_OK)
        return;
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    cw_last_error(&error);
    fprintf(stderr, "%s: %s: %s\n", what, cw_status_name(status), error.message);
    exit(1);
}

static void print_aid(const cw_aid *aid)
{
    size_t i;
    for (i = 0; i < aid->length; i++)
        printf("%02X", aid->bytes[i]);
}

static int32_t CW_CALL on_entry(void *user, const cw_registry_entry *entry)
{
    (void)user;
    printf("%02X ", (unsigned)entry->scope);
    print_aid(&entry->aid);
    printf(" %02X, %u modules\n", (unsigned)entry->life_cycle, (unsigned)entry->module_count);
    return 0;
}

static int32_t CW_CALL on_progress(void *user, size_t done, size_t total)
{
    (void)user;
    if (done == total)
        printf("%u of %u blocks\n", (unsigned)done, (unsigned)total);
    return 0; /* anything else breaks the load off */
}

static void load_and_install(cw_session *session, const char *path)
{
    static uint8_t bytes[1 << 20];
    cw_load_file *load_file = NULL;
    cw_load_file_info info;
    cw_install install;
    size_t length;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);

    check(cw_load_file_parse(bytes, length, CW_DESCRIPTOR_OMIT, &load_file), "CAP file");
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    check(cw_load_file_describe(load_file, &info), "CAP file");
    check(cw_session_load(session, load_file, NULL, on_progress, NULL), "load");

    memset(&install, 0, sizeof install);
    install.struct_size = sizeof install;
    install.load_file = info.aid;
    check(cw_load_file_applet(load_file, 0, &install.module), "applet");
    install.application = install.module;
    check(cw_session_install(session, &install), "install");
    check(cw_load_file_free(load_file), "free");
}

int main(int argc, char **argv)
{
    static const uint8_t test_key[16] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
                                         0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F};
    void *card = cw_test_card_new(0);
    cw_transport transport;
    cw_session *session = NULL;
    cw_keys *keys = NULL;
    cw_key_candidate candidate;
    cw_open_options options;
    cw_opened opened;
    uint8_t atr[33];
    size_t atr_len;
    uint32_t untold;

    if (cw_abi_version() != CW_ABI_VERSION) {
        fprintf(stderr, "built for another interface than that of cardwright %s\n", cw_version());
        return 1;
    }
    memset(&transport, 0, sizeof transport);
    transport.struct_size = sizeof transport;
    transport.transmit = reader_transmit;
    transport.reset = reader_reset;
    transport.user = card;
    check(cw_session_new(&transport, &session), "session");
    check(cw_session_reset(session, atr, sizeof atr, &atr_len), "reset");

    check(cw_keys_new(&keys), "keys");
    check(cw_keys_add(keys, "test", CW_KEY_AES, test_key, sizeof test_key), "key");
    memset(&candidate, 0, sizeof candidate);
    candidate.struct_size = sizeof candidate;
    candidate.key_name = "test";
    candidate.key_kind = CW_KEY_AES;
    candidate.scheme = CW_SCHEME_AS_IS;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.security_level = CW_SECURITY_C_DECRYPTION;
    options.candidates = &candidate;
    options.candidate_count = 1;
    memset(&opened, 0, sizeof opened);
    opened.struct_size = sizeof opened;
    check(cw_session_open(session, keys, &options, &opened), "open");
    printf("SCP%02u with key version %02X\n", (unsigned)opened.protocol, opened.kvn);

    if (argc > 1)
        load_and_install(session, argv[1]);
    check(cw_session_list(session, on_entry, NULL, &untold), "list");

    check(cw_session_free(session), "free");
    check(cw_keys_free(keys), "free");
    cw_test_card_free(card);
    return 0;
}
