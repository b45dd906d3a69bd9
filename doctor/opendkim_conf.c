/*
 * opendkim.conf(5): `Name value' a line, # comments, names in any case. Domain, Selector and
 * KeyFile; or KeyTable
 *
 *	NAME	DOMAIN:SELECTOR:PATH
 *
 * and SigningTable
 *
 *	PATTERN	NAME
 *
 * in files: of KeyTable "%" as the domain means that of From. A SigningTable behind "refile:" has
 * patterns with "*"; in another one "user@domain", "domain", ".domain" (what is below it) and "*"
 * are looked for. Without MultipleSignatures the first line that is for an address signs alone.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "dkim_signer.h"
#include "lib/text_file.h"

#define CONF_PATH "/etc/opendkim.conf"
#define FILE_BYTES_MAX (1024 * 1024)

struct opendkim_conf {
	char *domain, *selector, *key_file, *key_table, *signing_table;
	bool has_subdomains, has_many; /* SubDomains, MultipleSignatures */
};

/* A SigningTable, with what it says about whom. */
struct signing_set {
	bool has_patterns, has_many;
};

struct line {
	char *key, *value;
	unsigned number;
};

/* The next line with a word in it; the text is cut up. false: there is none. */
static bool next_line(char **text, struct line *line)
{
	while (*text != NULL && **text != '\0') {
		char *at = strsep(text, "\n"), *end;

		line->number++;
		at[strcspn(at, "#")] = '\0';
		at += strspn(at, " \t\r");
		end = at + strlen(at);
		while (end > at && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (*at == '\0')
			continue;
		line->key = at;
		at += strcspn(at, " \t");
		if (*at != '\0')
			*at++ = '\0';
		line->value = at + strspn(at, " \t");
		return true;
	}
	return false;
}

static bool is_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
	       strcmp(value, "1") == 0;
}

static void parse_conf(struct opendkim_conf *conf, char *text)
{
	struct line line = { .number = 0 };
	const struct {
		const char *name;
		char **value;
	} settings[] = {
		{ "Domain", &conf->domain },
		{ "Selector", &conf->selector },
		{ "KeyFile", &conf->key_file },
		{ "KeyTable", &conf->key_table },
		{ "SigningTable", &conf->signing_table },
	};

	while (next_line(&text, &line)) {
		for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
			if (strcasecmp(line.key, settings[i].name) == 0)
				*settings[i].value = line.value;
		if (strcasecmp(line.key, "SubDomains") == 0)
			conf->has_subdomains = is_yes(line.value);
		if (strcasecmp(line.key, "MultipleSignatures") == 0)
			conf->has_many = is_yes(line.value);
	}
}

/* The text of a data set in a file. */
static int read_set(struct dkim_signers *signers, const char *root, const char *setting,
		    const char *name, struct text_file *file, bool *has_patterns)
{
	char path[DKIM_PATH_MAX + 1], error[300];

	*has_patterns = strncmp(name, "refile:", 7) == 0;
	if (strncmp(name, "refile:", 7) == 0 || strncmp(name, "file:", 5) == 0)
		name = strchr(name, ':') + 1;
	if (name[0] != '/') {
		dkim_signers_give_up(signers,
				     CONF_PATH
				     ": the %s %.100s is no file: its keys are not known here",
				     setting, name);
		return -1;
	}
	snprintf(path, sizeof(path), "%s%s", root, name);
	if (text_file_read(file, path, FILE_BYTES_MAX, NULL, error, sizeof(error)) == 0)
		return 0;
	dkim_signers_give_up(signers, "%s", error);
	return -1;
}

/*
 * Which line comes first for an address that several are for: with patterns the first one of the
 * file, else "domain", ".domain" (the longest), "*". A line for one user is beside the others.
 */
static unsigned rank_of(const struct line *signing, const struct signing_set *set)
{
	const char *key = signing->key;

	if (set->has_many)
		return 0;
	if (set->has_patterns)
		return signing->number;
	if (strchr(key, '@') != NULL)
		return 0;
	if (strcmp(key, "*") == 0)
		return SMTP_DOMAIN_MAX + 2;
	return key[0] == '.' && strlen(key) <= SMTP_DOMAIN_MAX
		       ? SMTP_DOMAIN_MAX + 2 - (unsigned)strlen(key)
		       : 1;
}

/* A line of SigningTable, with the line of KeyTable that it names. */
static void add_pair(struct dkim_signers *signers, const struct line *signing,
		     const struct signing_set *set, char *key, const char *from)
{
	char pattern[SMTP_DOMAIN_MAX + 66], *domain = strsep(&key, ":"),
					    *selector = strsep(&key, ":");

	if (selector == NULL || key == NULL) {
		dkim_signers_give_up(signers, "%s: not DOMAIN:SELECTOR:PATH", from);
		return;
	}
	if (set->has_patterns || strcmp(signing->key, "*") == 0)
		snprintf(pattern, sizeof(pattern), "%.310s", signing->key);
	else if (strchr(signing->key, '@') != NULL)
		snprintf(pattern, sizeof(pattern), "*%.300s", strchr(signing->key, '@'));
	else if (signing->key[0] == '.')
		snprintf(pattern, sizeof(pattern), "*@*%.300s", signing->key);
	else
		snprintf(pattern, sizeof(pattern), "*@%.300s", signing->key);
	if (dkim_signers_add(signers, pattern, domain, selector, key, from) != 0)
		dkim_signers_give_up(signers, "%s: too long, or one of too many", from);
	else
		signers->items[signers->count - 1].rank = rank_of(signing, set);
}

/* `keys` stays as it is: a copy is cut up for each signing line. */
static void find_key(struct dkim_signers *signers, const struct line *signing,
		     const struct signing_set *set, const char *keys, const char *keys_path)
{
	char *copy = strdup(keys), *text = copy, from[DKIM_PATH_MAX + 32];
	struct line line = { .number = 0 };

	while (copy != NULL && next_line(&text, &line))
		if (strcmp(line.key, signing->value) == 0 || strcmp(line.key, "%") == 0) {
			snprintf(from, sizeof(from), "%.1000s:%u", keys_path, line.number);
			add_pair(signers, signing, set, line.value, from);
			break;
		}
	free(copy);
}

static void read_tables(struct dkim_signers *signers, const struct opendkim_conf *conf,
			const char *root)
{
	struct text_file keys, signing;
	struct signing_set set = { .has_many = conf->has_many };
	struct line line = { .number = 0 };
	bool unused;
	char *text;

	if (conf->signing_table == NULL) {
		dkim_signers_give_up(
			signers, CONF_PATH
			": there is a KeyTable without a SigningTable: what is signed is not known here");
		return;
	}
	if (read_set(signers, root, "KeyTable", conf->key_table, &keys, &unused) != 0)
		return;
	if (read_set(signers, root, "SigningTable", conf->signing_table, &signing,
		     &set.has_patterns) != 0) {
		text_file_wipe(&keys);
		return;
	}
	text = signing.text;
	while (next_line(&text, &line))
		find_key(signers, &line, &set, keys.text, strchr(conf->key_table, '/'));
	text_file_wipe(&signing);
	text_file_wipe(&keys);
}

/* Domain: names with commas, or a file of them. */
static void add_domains(struct dkim_signers *signers, const struct opendkim_conf *conf)
{
	char *next = conf->domain;

	while (next != NULL) {
		char *name = strsep(&next, ", \t"), pattern[SMTP_DOMAIN_MAX + 66];

		if (*name == '\0')
			continue;
		if (strchr(name, '/') != NULL) {
			dkim_signers_give_up(
				signers, CONF_PATH
				": Domain is in a file: what is signed is not known here");
			return;
		}
		snprintf(pattern, sizeof(pattern), "*@%.300s", name);
		dkim_signers_add(signers, pattern, name, conf->selector, conf->key_file, CONF_PATH);
		snprintf(pattern, sizeof(pattern), "*@*.%.300s", name);
		if (conf->has_subdomains)
			dkim_signers_add(signers, pattern, name, conf->selector, conf->key_file,
					 CONF_PATH);
	}
}

void dkim_signers_read_opendkim(struct dkim_signers *signers, const char *root)
{
	char path[DKIM_PATH_MAX + 1], error[300];
	struct opendkim_conf conf = { .domain = NULL };
	struct text_file file;
	struct stat status;

	snprintf(path, sizeof(path), "%s" CONF_PATH, root);
	if (text_file_read(&file, path, FILE_BYTES_MAX, &status, error, sizeof(error)) != 0) {
		if (!text_file_is_absent(&status))
			dkim_signers_give_up(signers, "%s", error);
		return;
	}
	parse_conf(&conf, file.text);
	/* Debian's package comes with a file that names no key. */
	if (conf.key_table != NULL || conf.key_file != NULL)
		signers->is_found = true;
	if (conf.key_table != NULL)
		read_tables(signers, &conf, root);
	else if (conf.domain != NULL && conf.selector != NULL && conf.key_file != NULL)
		add_domains(signers, &conf);
	text_file_wipe(&file);
}
