/* Which keys sign this host's mail: the list of them. */
#include "dkim_signer.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/text_file.h"

static void read_file(struct dkim_signers *signers, const char *root, const char *name,
		      dkim_signers_parse_fn *parse)
{
	char path[DKIM_PATH_MAX + 1], error[300];
	struct text_file file;
	struct stat status;

	snprintf(path, sizeof(path), "%s%s", root, name);
	if (text_file_read(&file, path, DKIM_FILE_BYTES_MAX, &status, error, sizeof(error)) == 0) {
		parse(signers, file.text, root);
		text_file_wipe(&file);
	} else if (!text_file_is_absent(&status)) {
		dkim_signers_give_up(signers, "%s", error);
	}
}

void dkim_signers_read(struct dkim_signers *signers, const char *root)
{
	memset(signers, 0, sizeof(*signers));
	read_file(signers, root, DKIM_OPENDKIM_CONF, dkim_signers_parse_opendkim);
	read_file(signers, root, DKIM_RSPAMD_CONF, dkim_signers_parse_rspamd);
}

void dkim_signers_wipe(struct dkim_signers *signers)
{
	free(signers->items);
	memset(signers, 0, sizeof(*signers));
}

static int copy(char *out, size_t size, const char *text)
{
	if (strlen(text) >= size)
		return -1;
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

struct dkim_signer *dkim_signers_add(struct dkim_signers *signers, const char *pattern, const char *domain,
				     const char *selector, const char *path, const char *from)
{
	struct dkim_signer *items = NULL, signer = { .rank = 0 };

	if (signers->count < DKIM_SIGNERS_MAX &&
	    copy(signer.pattern, sizeof(signer.pattern), pattern) == 0 &&
	    copy(signer.domain, sizeof(signer.domain), domain) == 0 &&
	    copy(signer.selector, sizeof(signer.selector), selector) == 0 &&
	    copy(signer.path, sizeof(signer.path), path) == 0 &&
	    copy(signer.from, sizeof(signer.from), from) == 0)
		items = realloc(signers->items, (signers->count + 1) * sizeof(*items));
	if (items == NULL) {
		dkim_signers_give_up(signers, "%s: the key of %.100s is one of too many, or its line is too long", from,
				     domain);
		return NULL;
	}
	signers->items = items;
	items[signers->count] = signer;
	return &items[signers->count++];
}

void dkim_signers_give_up(struct dkim_signers *signers, const char *format, ...)
{
	va_list arguments;

	if (signers->reason[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(signers->reason, sizeof(signers->reason), format, arguments);
	va_end(arguments);
}

static bool is_for(const struct dkim_signer *signer, const char *domain)
{
	char address[SMTP_DOMAIN_MAX + 32];

	snprintf(address, sizeof(address), "postmaster@%.255s", domain);
	return fnmatch(signer->pattern, address, FNM_CASEFOLD) == 0;
}

/* Does another one, that comes before it, sign in its place? */
static bool is_outranked(const struct dkim_signers *signers, const struct dkim_signer *signer,
			 const char *domain)
{
	for (size_t i = 0; i < signers->count && signer->rank > 0; i++) {
		const struct dkim_signer *other = &signers->items[i];

		if (other->rank > 0 && other->rank < signer->rank && is_for(other, domain))
			return true;
	}
	return false;
}

const struct dkim_signer *dkim_signers_find(const struct dkim_signers *signers, const char *domain,
					    size_t *index)
{
	while (*index < signers->count) {
		const struct dkim_signer *signer = &signers->items[(*index)++];

		if (is_for(signer, domain) && !is_outranked(signers, signer, domain))
			return signer;
	}
	return NULL;
}

void dkim_signer_expand(char *out, size_t size, const char *text, const char *domain)
{
	size_t used = 0;

	out[0] = '\0';
	for (; *text != '\0' && used + 1 < size; text++)
		if (*text == '%')
			used += (size_t)snprintf(out + used, size - used, "%s", domain);
		else
			used += (size_t)snprintf(out + used, size - used, "%c", *text);
}
