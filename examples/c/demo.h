/* What the issuing programs share: the order and published test keys. */
#ifndef DEMO_H
#define DEMO_H

#include "journal.h"

/* The same bytes for each run, so that runs can be compared. A program of yours has the system draw them. */
static void not_random(uint8_t *out, size_t length)
{
    static uint8_t counter;
    memset(out, ++counter, length);
}

static cw_load_file *read_cap(const char *path)
{
    static uint8_t bytes[1 << 20];
    cw_load_file *load_file = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    check(cw_load_file_parse(bytes, length, CW_DESCRIPTOR_OMIT, &load_file), path);
    return load_file;
}

static cw_keys *test_keys(void)
{
    static const struct {
        const char *name;
        uint32_t kind;
        uint8_t value[16];
    } all[] = {
        {"test-aes", CW_KEY_AES, {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F}},
        {"test-des", CW_KEY_TDES, {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F}},
        {"domain-aes", CW_KEY_AES, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
        {"domain-des", CW_KEY_TDES, {0xA1, 0xA2, 0xA3, 0xA4, 0xA1, 0xA2, 0xA3, 0xA4, 0xA1, 0xA2, 0xA3, 0xA4, 0xA1, 0xA2, 0xA3, 0xA4}},
        {"application-initial", CW_KEY_TDES, {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF}},
        {"application-master", CW_KEY_TDES, {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}},
        {"application-maintenance", CW_KEY_TDES, {0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA, 0x99, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00}},
    };
    cw_keys *keys = NULL;
    check(cw_keys_new(&keys), "keys");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check(cw_keys_add(keys, all[i].name, all[i].kind, all[i].value, sizeof all[i].value), all[i].name);
    return keys;
}

/* One application for a card with test keys, which gets keys of its own. */
static cw_process *new_issue(const cw_load_file *load_file)
{
    static const cw_key_candidate current[] = {
        {sizeof(cw_key_candidate), CW_KEY_AES, CW_SCHEME_AS_IS, 0, "test-aes"},
        {sizeof(cw_key_candidate), CW_KEY_TDES, CW_SCHEME_AS_IS, 0, "test-des"},
    };
    static const cw_key_candidate next[] = {
        {sizeof(cw_key_candidate), CW_KEY_AES, CW_SCHEME_KDF3, 0, "domain-aes"},
        {sizeof(cw_key_candidate), CW_KEY_TDES, CW_SCHEME_EMV, 0, "domain-des"},
    };
    cw_load_file_info info = {.struct_size = sizeof info};
    check(cw_load_file_describe(load_file, &info), "CAP file");
    cw_application_order application = {
        .struct_size = sizeof application,
        .flags = CW_APPLICATION_VERSION,
        .load_file = load_file,
        .version = {info.major, info.minor},
        .initial_master_key = "application-initial",
        .master_key = "application-master",
        .maintenance_key = "application-maintenance",
    };
    cw_order order = {
        .struct_size = sizeof order,
        .security_level = CW_SECURITY_C_DECRYPTION,
        .challenge_policy = CW_CHALLENGE_REQUIRE,
        .current_keys = current,
        .current_key_count = 2,
        .new_keys = next,
        .new_key_count = 2,
        .applications = &application,
        .application_count = 1,
    };
    cw_process *process = NULL;
    check(cw_process_new_issue(&order, &process), "order");
    return process;
}

static void print_report(cw_process *process)
{
    cw_report report = {.struct_size = sizeof report};
    check(cw_process_report(process, &report), "report");
    printf("card %s\n", report.card);
    for (size_t i = 0; i < report.after_count; i++) {
        cw_row row = {.struct_size = sizeof row};
        check(cw_process_row(process, 0, i, &row), "row");
        print_hex(stdout, row.aid.bytes, row.aid.length);
        printf(" %s%s\n", row.state, row.status == CW_ROW_STATUS_ISSUED ? ", issued" : "");
    }
    printf("%s; SCP%02u, key version %02X\n", report.changed ? "complete" : "complete before", (unsigned)report.protocol,
           report.kvn);
}

#endif
