/*
 * What milter/address_list.c and milter/display_name.c say of values of From, for tests.
 *
 *     from_parser <VALUES
 *
 * Reads one value per line in base64, with or without a leading "8:" for RFC 6532 (SMTPUTF8); prints
 * one line of JSON for each:
 *
 *     {"addresses": ["alice@example.com"], "misleads": ["reason" or null]}
 *     {"reason": "semicolon outside a group"}
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/address_list.h"
#include "milter/display_name.h"

static int digit(int c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)(found - digits) : -1;
}

/* In place; returns the length. */
static size_t decode_base64(char *text)
{
	size_t length = 0, digits = 0;
	uint32_t bits = 0;

	for (const char *at = text; digit(*at) >= 0; at++) {
		bits = bits << 6 | (uint32_t)digit(*at);
		if (digits++ % 4 != 0)
			text[length++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
	}
	return length;
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++)
		if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned)*text);
		else
			putchar(*text);
	putchar('"');
}

static void print_list(const struct address_list *list)
{
	char reason[400];

	fputs("{\"addresses\": [", stdout);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i > 0 ? ", " : "", stdout);
		print_string(list->items[i].address.text);
	}
	fputs("], \"misleads\": [", stdout);
	for (size_t i = 0; i < list->count; i++) {
		fputs(i > 0 ? ", " : "", stdout);
		if (display_name_misleads(&list->items[i], reason, sizeof(reason)))
			print_string(reason);
		else
			fputs("null", stdout);
	}
	puts("]}");
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		bool allow_utf8 = strncmp(line, "8:", 2) == 0;
		char *value = line + (allow_utf8 ? 2 : 0), reason[400];
		struct address_list list;

		if (address_list_parse(&list, value, decode_base64(value), allow_utf8, reason, sizeof(reason)) == 0) {
			print_list(&list);
			address_list_wipe(&list);
		} else {
			fputs("{\"reason\": ", stdout);
			print_string(reason);
			puts("}");
		}
	}
	free(line);
	return ferror(stdin) || fflush(stdout) != 0;
}
