/* What the programs of misuse share: each call has the status that is expected, and a message when that is not CW_OK. */
#ifndef EXPECT_H
#define EXPECT_H

#include <cardwright.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(cw_status actual, cw_status expected, const char *what)
{
    cw_error error;
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    cw_last_error(&error);
    printf("%-52s %s (%s)\n", what, cw_status_name(actual), actual == CW_OK ? "" : error.message);
    if (actual != expected || (actual != CW_OK && (error.status != actual || error.message[0] == '\0'))) {
        printf("    expected %s\n", cw_status_name(expected));
        failures++;
    }
}

static void expect_true(int is_so, const char *what)
{
    if (!is_so) {
        printf("    not so: %s\n", what);
        failures++;
    }
}

#endif
