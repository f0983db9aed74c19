/* Lists the readers of this machine and, with a reader's name, the card in it, with published test keys.
 *
 *   cc -std=c99 readers.c -lcardwright -o readers && ./readers ["Reader 00 00"]
 *
 * The library must have been built with --features pcsc. */
#include <cardwright.h>
#include <stdio.h>
#include <string.h>

static int32_t CW_CALL on_reader(void *user, const char *reader)
{
    (void)user;
    printf("%s\n", reader);
    return 0;
}

static int32_t CW_CALL on_entry(void *user, const cw_registry_entry *entry)
{
    (void)user;
    for (size_t i = 0; i < entry->aid.length; i++)
        printf("%02X", entry->aid.bytes[i]);
    printf("\n");
    return 0;
}

static cw_status list(const char *reader)
{
    static const uint8_t test_key[16] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
                                         0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F};
    const cw_key_candidate candidates[] = {
        {sizeof(cw_key_candidate), CW_KEY_AES, CW_SCHEME_AS_IS, 0, "aes"},
        {sizeof(cw_key_candidate), CW_KEY_TDES, CW_SCHEME_AS_IS, 0, "des"},
    };
    cw_reader_options how = {.struct_size = sizeof how, .share = CW_SHARE_SHARED, .wait_ms = 10000};
    cw_open_options options = {.struct_size = sizeof options, .security_level = CW_SECURITY_C_DECRYPTION,
                               .candidates = candidates, .candidate_count = 2};
    cw_card_data data = {.struct_size = sizeof data};
    cw_session *session = NULL;
    cw_keys *keys = NULL;
    cw_status status = cw_session_new_reader(reader, &how, &session);
    if (status == CW_OK) status = cw_keys_new(&keys);
    if (status == CW_OK) status = cw_keys_add(keys, "aes", CW_KEY_AES, test_key, sizeof test_key);
    if (status == CW_OK) status = cw_keys_add(keys, "des", CW_KEY_TDES, test_key, sizeof test_key);
    if (status == CW_OK) status = cw_session_read_card_data(session, NULL, &data);
    if (status == CW_OK) printf("card %s\n", data.identity);
    options.scp02_i = data.i_scp02;
    if (status == CW_OK) status = cw_session_open(session, keys, &options, NULL);
    if (status == CW_OK) status = cw_session_list(session, on_entry, NULL, NULL);
    cw_keys_free(keys);
    cw_session_free(session);
    return status;
}

int main(int argc, char **argv)
{
    cw_status status = argc > 1 ? list(argv[1]) : cw_reader_list(on_reader, NULL);
    if (status != CW_OK) {
        cw_error error = {.struct_size = sizeof error};
        cw_last_error(&error);
        fprintf(stderr, "%s: %s\n", cw_status_name(status), error.message);
        return 1;
    }
    return 0;
}
