/*
 * A firewall is the administrator's: nothing is changed in it. Which one is there is asked of ufw(8),
 * firewall-cmd(1) and nft(8); that of a provider cannot be seen from inside.
 */
#include "vps.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "doctor/program.h"

#define COMMAND_MS 10000
#define WORD_MAX 64

/* The output; false: there is no such program, or it did not end well. */
static bool ask(struct program_output *output, const char *const *command)
{
	char error[256];

	if (program_run(output, command, NULL, PROGRAM_STDERR_DROPPED, COMMAND_MS, error,
			sizeof(error)) < 0)
		return false;
	if (output->exit_code == 0)
		return true;
	program_output_wipe(output);
	return false;
}

static bool answers(const char *const *command, const char *words)
{
	struct program_output output;
	bool result;

	if (!ask(&output, command))
		return false;
	result = strstr(output.text, words) != NULL;
	program_output_wipe(&output);
	return result;
}

/* "table inet filter {", "chain input {": the words behind the first. */
static void take_words(const char *line, const char *first, char *out, size_t size)
{
	while (isspace((unsigned char)*line))
		line++;
	if (strncmp(line, first, strlen(first)) != 0)
		return;
	line += strlen(first);
	snprintf(out, size, "%.*s", (int)strcspn(line, "{\n"), line);
	while (out[0] != '\0' && out[strlen(out) - 1] == ' ')
		out[strlen(out) - 1] = '\0';
}

/* Chains that drop what comes in unless a rule lets it pass. Others, as Docker's, drop what only passes through. */
static bool print_nft(const char *rules, uint16_t port)
{
	char table[WORD_MAX] = "", chain[WORD_MAX] = "";
	bool has_any = false;

	for (; *rules != '\0'; rules += strcspn(rules, "\n"), rules += *rules == '\n') {
		size_t length = strcspn(rules, "\n");

		take_words(rules, "table ", table, sizeof(table));
		take_words(rules, "chain ", chain, sizeof(chain));
		if (memmem(rules, length, "hook input", 10) == NULL ||
		    memmem(rules, length, "policy drop", 11) == NULL)
			continue;
		if (!has_any)
			puts(" of this machine:");
		printf("    nft insert rule %s %s tcp dport %u accept     # and into "
		       "/etc/nftables.conf, to last\n",
		       table, chain, port);
		has_any = true;
	}
	return has_any;
}

void vps_firewall_print(uint16_t port)
{
	static const char *const ufw[] = { "ufw", "status", NULL };
	static const char *const firewalld[] = { "firewall-cmd", "--state", NULL };
	static const char *const nft[] = { "nft", "list", "ruleset", NULL };
	struct program_output rules;

	printf("Open TCP port %u in the firewall", port);
	if (answers(ufw, "Status: active")) {
		printf(" of this machine:\n    ufw allow %u/tcp\nand", port);
	} else if (answers(firewalld, "running")) {
		printf(" of this machine:\n    firewall-cmd --permanent --add-port=%u/tcp && "
		       "firewall-cmd --reload\nand",
		       port);
	} else if (ask(&rules, nft)) {
		if (print_nft(rules.text, port))
			fputs("and", stdout);
		program_output_wipe(&rules);
	}
	puts(" of its provider, if that has one.");
}
