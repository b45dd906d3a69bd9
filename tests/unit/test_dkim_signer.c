/* Which keys sign: what is read of opendkim.conf, its tables, and rspamd's dkim_signing.conf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor/dkim_signer.h"

/* 65 bytes. */
#define LABELS "0123456789.0123456789.0123456789.0123456789.0123456789.012345678."
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *label;
	const char *opendkim, *keys, *signing, *rspamd; /* files; NULL: absent */
	const char *domain;				/* of From */
	const char *found;  /* "d selector path" of each, with "; " between; "" none */
	const char *reason; /* a part; "": no reason */
	bool is_found;
} cases[] = {
	{ "nothing", NULL, NULL, NULL, NULL, "example.com", "", "", false },
	{ "Debian's file as it comes", "# comment\nSyslog yes\n#Domain example.com\n", NULL, NULL,
	  NULL, "example.com", "", "", false },
	{ "Domain", "Domain  example.com\nselector\ts1  # now\nKEYFILE /etc/k\n", NULL, NULL, NULL,
	  "example.com", "example.com s1 /etc/k", "", true },
	{ "Domain, another one", "Domain example.com\nSelector s1\nKeyFile /etc/k\n", NULL, NULL,
	  NULL, "mail.example.com", "", "", true },
	{ "SubDomains", "Domain example.com\nSelector s1\nKeyFile /etc/k\nSubDomains yes\n", NULL,
	  NULL, NULL, "mail.example.com", "example.com s1 /etc/k", "", true },
	{ "several Domains", "Domain a.org, example.com\nSelector s1\nKeyFile /etc/k\n", NULL, NULL,
	  NULL, "example.com", "example.com s1 /etc/k", "", true },
	{ "Domain in a file", "Domain /etc/domains\nSelector s1\nKeyFile /etc/k\n", NULL, NULL,
	  NULL, "example.com", "", "is in a file", true },
	{ "tables", "KeyTable /etc/keys\nSigningTable refile:/etc/signing\n",
	  "# keys\nk1 example.com:2026:/etc/k1\nk2 other.org:x:/etc/k2\n",
	  "*@example.com k1\n*@other.org\tk2\n", NULL, "example.com", "example.com 2026 /etc/k1",
	  "", true },
	{ "plain signing table", "KeyTable file:/etc/keys\nSigningTable file:/etc/signing\n",
	  "k1 example.com:2026:/etc/k1\n", "example.com k1\nuser@other.org k1\n", NULL, "other.org",
	  "example.com 2026 /etc/k1", "", true },
	{ "what is below", "KeyTable /etc/keys\nSigningTable /etc/signing\n",
	  "k1 %:2026:/etc/%/k1\n", ".example.com k1\n", NULL, "a.example.com", "% 2026 /etc/%/k1",
	  "", true },
	{ "the first line signs", "KeyTable /etc/keys\nSigningTable refile:/etc/signing\n",
	  "k1 example.com:a:/etc/k1\nk2 other.org:b:/etc/k2\n", "*@example.com k1\n* k2\n", NULL,
	  "example.com", "example.com a /etc/k1", "", true },
	{ "all lines sign", "KeyTable /etc/keys\nSigningTable refile:/etc/signing\nMultipleSignatures yes\n",
	  "k1 example.com:a:/etc/k1\nk2 other.org:b:/etc/k2\n", "*@example.com k1\n* k2\n", NULL,
	  "example.com", "example.com a /etc/k1; other.org b /etc/k2", "", true },
	{ "without patterns the domain's line signs", "KeyTable /etc/keys\nSigningTable /etc/signing\n",
	  "k1 example.com:a:/etc/k1\nk2 other.org:b:/etc/k2\n", "* k2\n.com k2\nexample.com k1\n", NULL,
	  "example.com", "example.com a /etc/k1", "", true },
	{ "of those above the nearest", "KeyTable /etc/keys\nSigningTable /etc/signing\n",
	  "k1 example.com:a:/etc/k1\nk2 other.org:b:/etc/k2\n", "* k2\n.com k2\n.example.com k1\n", NULL,
	  "mail.example.com", "example.com a /etc/k1", "", true },
	{ "no such key", "KeyTable /etc/keys\nSigningTable /etc/signing\n", "k1 %:2026:/etc/k1\n",
	  "\nexample.com k9\n", NULL, "example.com", "", "/etc/signing:2: there is no key \"k9\" in /etc/keys", true },
	{ "a word that is wrong", "Domain example.com\nSelecotr s1\nKeyFile /etc/k\n", NULL, NULL, NULL,
	  "example.com", "", "there is no Selector", true },
	{ "no KeyFile", "Domain example.com\nSelector s1\n", NULL, NULL, NULL, "example.com", "", "there is no KeyFile", false },
	{ "more in another file", "Include /etc/opendkim.d/x\n", NULL, NULL, NULL, "example.com", "", "/etc/opendkim.d/x", true },
	{ "only verifies", "Mode v\nDomain example.com\nSelector s1\nKeyFile /etc/k\n", NULL, NULL, NULL, "example.com", "", "",
	  true },
	{ "booleans have many words", "Domain example.com\nSelector s1\nKeyFile /etc/k\nSubDomains Y\n", NULL, NULL, NULL,
	  "mail.example.com", "example.com s1 /etc/k", "", true },
	{ "a selector that is too long", "Domain example.com\nSelector " LABELS LABELS LABELS LABELS "\nKeyFile /etc/k\n", NULL, NULL,
	  NULL, "example.com", "", "too long", true },
	{ "key without selector", "KeyTable /etc/keys\nSigningTable /etc/signing\n", "k1 /etc/k1\n",
	  "example.com k1\n", NULL, "example.com", "", "/etc/keys:1: not DOMAIN:SELECTOR:PATH",
	  true },
	{ "keys elsewhere", "KeyTable dsn:pgsql://x\nSigningTable /etc/signing\n", NULL,
	  "example.com k1\n", NULL, "example.com", "", "is no file", true },
	{ "table that is not there", "KeyTable /etc/keys\nSigningTable /etc/signing\n", NULL, NULL,
	  NULL, "example.com", "", "/etc/keys", true },
	{ "KeyTable alone", "KeyTable /etc/keys\n", "k1 %:2026:/etc/k1\n", NULL, NULL,
	  "example.com", "", "without a SigningTable", true },
	{ "rspamd", NULL, NULL, NULL,
	  "selector = \"s2\";\npath = \"/keys/$domain.$selector.key\";\n", "example.com",
	  "% s2 /keys/%.s2.key", "", true },
	{ "rspamd, as it comes", NULL, NULL, NULL, "# nothing\n", "example.com",
	  "% dkim /var/lib/rspamd/dkim/%.dkim.key", "", true },
	{ "rspamd, a domain", NULL, NULL, NULL,
	  "domain {\n  example.com {\n    path = \"/keys/own.key\"; selector = own;\n  }\n  a.org { selector = \"a\" }\n}\nselector = 'gen';",
	  "example.com", "example.com own /keys/own.key; % gen /var/lib/rspamd/dkim/%.gen.key", "",
	  true },
	{ "rspamd, another domain", NULL, NULL, NULL, "domain { example.com { selector = own; } }",
	  "a.org", "% dkim /var/lib/rspamd/dkim/%.dkim.key", "", true },
	{ "rspamd, off", NULL, NULL, NULL, "enabled = false;\n", "example.com", "", "", false },
	{ "rspamd, off, with a domain", NULL, NULL, NULL, "domain { example.com { selector = own; } }\nenabled = false;\n", "example.com", "",
	  "", false },
	{ "rspamd with a map", NULL, NULL, NULL, "selector_map = \"/etc/map\";\n", "example.com",
	  "% dkim /var/lib/rspamd/dkim/%.dkim.key", "selector_map", true },
	{ "rspamd, torn", NULL, NULL, NULL, "domain { example.com { selector = \"own",
	  "example.com",
	  "example.com own /var/lib/rspamd/dkim/%.own.key; % dkim /var/lib/rspamd/dkim/%.dkim.key",
	  "", true },
};

static void put(const char *root, const char *path, const char *text)
{
	char whole[300];
	FILE *file;

	if (text == NULL)
		return;
	snprintf(whole, sizeof(whole), "%s%s", root, path);
	file = fopen(whole, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make_root(char root[64])
{
	static const char *const folders[] = { "/etc", "/etc/rspamd", "/etc/rspamd/local.d" };
	char path[300];

	snprintf(root, 64, "/tmp/test_dkim_signer.XXXXXX");
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < COUNT(folders); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
}

static void remove_root(const char *root)
{
	static const char *const names[] = { "/etc/opendkim.conf",
					     "/etc/keys",
					     "/etc/signing",
					     "/etc/rspamd/local.d/dkim_signing.conf",
					     "/etc/rspamd/local.d",
					     "/etc/rspamd",
					     "/etc",
					     "" };
	char path[300];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s%s", root, names[i]);
		remove(path);
	}
}

static void test_configurations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct dkim_signer *signer;
		struct dkim_signers signers;
		char root[64], found[2000] = "";
		size_t index = 0;

		make_root(root);
		put(root, "/etc/opendkim.conf", cases[i].opendkim);
		put(root, "/etc/keys", cases[i].keys);
		put(root, "/etc/signing", cases[i].signing);
		put(root, "/etc/rspamd/local.d/dkim_signing.conf", cases[i].rspamd);
		dkim_signers_read(&signers, root);
		while ((signer = dkim_signers_find(&signers, cases[i].domain, &index)) != NULL)
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s %s %s",
				 found[0] != '\0' ? "; " : "", signer->domain, signer->selector,
				 signer->path);
		remove_root(root);
		if (strcmp(found, cases[i].found) != 0 || signers.is_found != cases[i].is_found ||
		    (signers.reason[0] == '\0') != (cases[i].reason[0] == '\0') ||
		    strstr(signers.reason, cases[i].reason) == NULL)
			fail_msg("%s: \"%s\", %sfound, reason \"%s\"", cases[i].label, found,
				 signers.is_found ? "" : "not ", signers.reason);
		dkim_signers_wipe(&signers);
	}
}

static void test_expansion(void **state)
{
	char out[40], small[8];

	(void)state;
	dkim_signer_expand(out, sizeof(out), "/keys/%/%.key", "example.com");
	assert_string_equal(out, "/keys/example.com/example.com.key");
	dkim_signer_expand(small, sizeof(small), "%%%", "example.com");
	assert_in_range(strlen(small), 0, sizeof(small) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_expansion),
	};

	return cmocka_run_group_tests_name("dkim_signer", tests, NULL, NULL);
}
