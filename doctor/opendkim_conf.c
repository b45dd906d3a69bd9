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

#include "dkim_signer.h"
#include "lib/text_file.h"

#define CONF_PATH DKIM_OPENDKIM_CONF

struct opendkim_conf {
	char *domain, *selector, *key_file, *key_table, *signing_table, *include, *mode;
	bool has_subdomains, has_many; /* SubDomains, MultipleSignatures */
};

/* A SigningTable, with what it says about whom, and the KeyTable that it names keys of. */
struct signing_set {
	const char *path, *keys_path;
	const char *keys; /* text of the KeyTable */
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

/* As opendkim(8) does it, by the first letter. */
static bool is_yes(const char *value)
{
	return value[0] != '\0' && strchr("yYtT1", value[0]) != NULL;
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
		{ "Include", &conf->include },
		{ "Mode", &conf->mode },
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
	if (text_file_read(file, path, DKIM_FILE_BYTES_MAX, NULL, error, sizeof(error)) == 0)
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
	struct dkim_signer *signer;

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
	signer = dkim_signers_add(signers, pattern, domain, selector, key, from);
	if (signer != NULL)
		signer->rank = rank_of(signing, set);
}

/* The keys stay as they are: a copy is cut up for each signing line. OpenDKIM lets mail wait whose key it does not find. */
static void find_key(struct dkim_signers *signers, const struct line *signing,
		     const struct signing_set *set)
{
	char *copy = strdup(set->keys), *text = copy, from[DKIM_PATH_MAX + 32];
	struct line line = { .number = 0 };
	bool is_found = false;

	while (copy != NULL && !is_found && next_line(&text, &line))
		is_found = strcmp(line.key, signing->value) == 0;
	if (is_found) {
		snprintf(from, sizeof(from), "%.1000s:%u", set->keys_path, line.number);
		add_pair(signers, signing, set, line.value, from);
	} else {
		dkim_signers_give_up(signers, "%.150s:%u: there is no key \"%.60s\" in %.150s", set->path,
				     signing->number, signing->value, set->keys_path);
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
	set.path = strchr(conf->signing_table, '/');
	set.keys_path = strchr(conf->key_table, '/');
	set.keys = keys.text;
	text = signing.text;
	while (next_line(&text, &line))
		find_key(signers, &line, &set);
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

void dkim_signers_parse_opendkim(struct dkim_signers *signers, char *text, const char *root)
{
	struct opendkim_conf conf = { .domain = NULL };

	parse_conf(&conf, text);
	/* Debian's package comes with a file that names no key. */
	if (conf.key_table != NULL || conf.key_file != NULL || conf.include != NULL)
		signers->is_found = true;
	if (conf.include != NULL)
		dkim_signers_give_up(signers, CONF_PATH ": what it includes of %.300s is not read here", conf.include);
	if (conf.mode != NULL && strchr(conf.mode, 's') == NULL)
		; /* It only verifies. */
	else if (conf.key_table != NULL)
		read_tables(signers, &conf, root);
	else if (conf.domain != NULL && conf.selector != NULL && conf.key_file != NULL)
		add_domains(signers, &conf);
	else if (conf.domain != NULL || conf.selector != NULL || conf.key_file != NULL)
		dkim_signers_give_up(signers, CONF_PATH ": there is no %s, without which nothing is signed",
				     conf.domain == NULL     ? "Domain"
				     : conf.selector == NULL ? "Selector"
							     : "KeyFile");
}
