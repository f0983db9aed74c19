/* Issues a card, frees everything, and looks for keys in the heap: none of the keys and session keys is left there.
 *
 *   no_keys_left CAP SCP
 *
 * Linux only. The card is in another process, so that what is found is the library's. Keys are kept here complemented. */
#include "../../../examples/c/demo.h"
#include "../../../examples/c/reader.h"

#define MOST 200

static uint8_t hidden[MOST][16];
static size_t hidden_count;
static int to_card[2], from_card[2];

static void hide(const uint8_t *key)
{
    for (size_t i = 0; i < 16; i++)
        hidden[hidden_count][i] = (uint8_t)~key[i];
    hidden_count += hidden_count < MOST - 1;
}

static void all(int file, void *bytes, size_t length, int out)
{
    for (uint8_t *at = bytes; length > 0;) {
        ssize_t n = out ? write(file, at, length) : read(file, at, length);
        if (n <= 0)
            _exit(0);
        at += n;
        length -= (size_t)n;
    }
}

static void serve(void *card)
{
    static cw_answer answer;
    static uint8_t command[CW_ANSWER_CAPACITY], response[CW_ANSWER_CAPACITY];
    for (;;) {
        size_t length;
        answer.bytes = response;
        answer.capacity = sizeof response;
        all(to_card[0], &length, sizeof length, 0);
        all(to_card[0], command, length, 0);
        if (length == 0)
            reader_reset(card, &answer);
        else
            reader_transmit(card, command, length, &answer);
        all(from_card[1], &answer.length, sizeof answer.length, 1);
        all(from_card[1], response, answer.length, 1);
    }
}

static cw_status CW_CALL transmit(void *user, const uint8_t *command, size_t length, cw_answer *answer)
{
    (void)user;
    all(to_card[1], &length, sizeof length, 1);
    all(to_card[1], (void *)command, length, 1);
    all(from_card[0], &answer->length, sizeof answer->length, 0);
    all(from_card[0], answer->bytes, answer->length, 0);
    return CW_OK;
}

static cw_status CW_CALL reset(void *user, cw_answer *answer)
{
    return transmit(user, NULL, 0, answer);
}

static cw_status CW_CALL answer_keys(void *user, const cw_key_request *request, cw_key_answer *answer)
{
    static const uint8_t none[32];
    cw_status status = cw_keys_answer(user, request, answer);
    const uint8_t *keys[] = {answer->session_enc, answer->session_mac, answer->session_rmac, answer->session_dek};
    for (size_t i = 0; i < 4; i++)
        if (memcmp(keys[i], none, 16) != 0)
            hide(keys[i]);
    return status;
}

static void add(cw_keys *keys, const char *name, uint32_t kind, uint8_t seed)
{
    uint8_t value[16];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(seed * 37 + i * (11 + seed));
    check(cw_keys_add(keys, name, kind, value, sizeof value), name);
    hide(value);
}

/* How many places of the heap hold a key. The bytes are read without a buffer in the heap. */
static int found(void)
{
    static uint8_t bytes[1 << 16];
    char line[500];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r"), *memory = fopen("/proc/self/mem", "r");
    setvbuf(memory, NULL, _IONBF, 0);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, end;
        if (strstr(line, "[heap]") == NULL || sscanf(line, "%lx-%lx", &from, &end) != 2)
            continue;
        for (; from + 16 <= end; from += sizeof bytes - 15) {
            size_t length = end - from < sizeof bytes ? end - from : sizeof bytes;
            fseek(memory, (long)from, SEEK_SET);
            length = fread(bytes, 1, length, memory);
            for (size_t i = 0; i + 16 <= length; i++)
                for (size_t key = 0; key < hidden_count; key++) {
                    size_t same = 0;
                    while (same < 16 && (bytes[i + same] ^ hidden[key][same]) == 0xFF)
                        same++;
                    if (same == 16) {
                        printf("key %u is left at %lx\n", (unsigned)key, from + i);
                        count++;
                    }
                }
        }
    }
    fclose(maps);
    fclose(memory);
    return count;
}

int main(int argc, char **argv)
{
    (void)journal_commit, (void)journal_read, (void)not_random;
    if (argc != 3 || pipe(to_card) != 0 || pipe(from_card) != 0)
        return 2;
    if (fork() == 0) {
        close(to_card[1]);
        serve(cw_test_card_new_scp((uint32_t)atoi(argv[2]), 0, 0));
    }
    close(to_card[0]);
    cw_keys *hsm = test_keys();
    add(hsm, "domain-aes", CW_KEY_AES, 1);
    add(hsm, "domain-des", CW_KEY_TDES, 2);
    add(hsm, "application-master", CW_KEY_TDES, 3);
    add(hsm, "application-maintenance", CW_KEY_TDES, 4);
    cw_transport transport = {sizeof transport, 0, transmit, reset, NULL};
    cw_key_service service = {sizeof service, 0, answer_keys, hsm};
    cw_ports ports = {.struct_size = sizeof ports};
    cw_load_file *load_file = read_cap(argv[1]);
    check(cw_session_new(&transport, &ports.session), "session");
    check(cw_keys_new_service(&service, &ports.keys), "key service");
    char path[300];
    snprintf(path, sizeof path, "%s.journal.%s", argv[1], argv[2]);
    check(cw_journal_open(path, &ports.journal), "journal");
    cw_process *process = new_issue(load_file);
    check(cw_process_run(process, &ports), "issue");
    print_report(process);
    int before = found();
    check(cw_process_free(process), "free");
    check(cw_session_free(ports.session), "free");
    check(cw_keys_free(ports.keys), "free");
    check(cw_keys_free(hsm), "free");
    check(cw_journal_free(ports.journal), "free");
    check(cw_load_file_free(load_file), "free");
    printf("%u keys; %d places in use, %d left\n", (unsigned)hidden_count, before, found());
    return 0;
}
