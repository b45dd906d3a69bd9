/*
 * The doctor's checks of sending domains against tables in the place of the DNS: each fault is found by the check that is for it,
 * and by no other; what cannot be known is unknown; what the mend says to publish mends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor/dkim_key.h"
#include "doctor/finding_id.h"
#include "doctor/sending.h"
#include "tests/fake/fake_zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A domain where all is well; @KEY@ is the key that signs. */
static const char healthy[] =
	"com EXISTS\n"
	"com SECURE\n"
	"dnssec-failed.org BOGUS\n"
	"example.com SECURE\n"
	"example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\n"
	"example.com MX 10 mx.example.com\n"
	"mx.example.com A 192.0.2.9\n"
	"_25._tcp.mx.example.com TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	"_dmarc.example.com TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.com\n"
	"s1._domainkey.example.com TXT v=DKIM1; k=rsa; p=@KEY@\n"
	"_mta-sts.example.com TXT v=STSv1; id=20260101;\n"
	"mta-sts.example.com A 192.0.2.8\n"
	"_smtp._tls.example.com TXT v=TLSRPTv1; rua=mailto:tls@example.com\n"
	"relay.example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\n";

struct row {
	const char *label;
	const char *without; /* lines that begin so are taken out of the healthy zone; "": none */
	const char *with;    /* and these are put in */
	const char *found;   /* "ID RESULT[, ID RESULT]": all that is not ok, in any order */
	const char *mend;    /* a part of what is said to mend the first of them; NULL: not looked at */
};

#define TEN(n) " ip4:10." n ".0.0 ip4:10." n ".0.1 ip4:10." n ".0.2 ip4:10." n ".0.3 ip4:10." n ".0.4" \
	       " ip4:10." n ".0.5 ip4:10." n ".0.6 ip4:10." n ".0.7 ip4:10." n ".0.8 ip4:10." n ".0.9"
#define ALIGNED_BY_ONE ", domain-alignment warn"
#define OTHER_KEY "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct row rows[] = {
	{ "healthy", "", "", "", NULL },
	/* SPF */
	{ "no SPF", "example.com TXT", "", "domain-spf FAIL" ALIGNED_BY_ONE,
	  "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"" },
	{ "two SPF", "", "example.com TXT v=spf1 include:_spf.example.org ~all\n_spf.example.org TXT v=spf1 ip4:203.0.113.1 -all\n",
	  "domain-spf FAIL" ALIGNED_BY_ONE,
	  "\"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:_spf.example.org ~all\"" },
	{ "SPF with a wrong word", "example.com TXT", "example.com TXT v=spf1 ipv4:192.0.2.1 mx -all\n", "domain-spf FAIL" ALIGNED_BY_ONE,
	  "\"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 mx -all\"" },
	{ "SPF +all", "example.com TXT", "example.com TXT v=spf1 all\n", "domain-spf FAIL", "\"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"" },
	{ "SPF without all", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1\n", "domain-spf warn", "~all\"" },
	{ "SPF behind all", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all mx\n", "domain-spf warn", "mx -all\"" },
	{ "SPF with ptr", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ptr -all\n1.2.0.192.in-addr.arpa PTR x.org\n",
	  "domain-spf warn", "\"ptr\"" },
	{ "SPF without IPv6", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 -all\n", "domain-spf-covers FAIL" ALIGNED_BY_ONE,
	  "\"v=spf1 ip6:2001:db8::1 ip4:192.0.2.1 -all\"" },
	{ "SPF without both", "example.com TXT", "example.com TXT v=spf1 redirect=_spf.example.org\n_spf.example.org TXT v=spf1 -all\n",
	  "domain-spf-covers FAIL, domain-spf-covers FAIL" ALIGNED_BY_ONE,
	  "\"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 redirect=_spf.example.org\"" },
	{ "SPF with no room for more", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1" TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9") TEN("10")
	  TEN("11") TEN("12") " -all\n", "domain-spf-covers FAIL, domain-spf warn" ALIGNED_BY_ONE, "too long" },
	{ "SPF softfail", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 ~all\n", "domain-spf-covers FAIL" ALIGNED_BY_ONE, NULL },
	{ "SPF with 11 look-ups", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:a.org include:b.org -all\n"
	  "a.org TXT v=spf1 a a a a -all\na.org A 203.0.113.1\nb.org TXT v=spf1 a a a a a -all\nb.org A 203.0.113.1\n",
	  "domain-spf-lookups FAIL", "include:b.org: 6 look-ups" },
	{ "SPF with 10 look-ups", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:a.org include:b.org -all\n"
	  "a.org TXT v=spf1 a a a a -all\na.org A 203.0.113.1\nb.org TXT v=spf1 a a a a -all\nb.org A 203.0.113.1\n", "", NULL },
	{ "SPF with 3 void look-ups", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 a:x.org a:y.org mx:z.org -all\n", "domain-spf-lookups FAIL", "x.org y.org z.org" },
	{ "SPF with 1 void look-up", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 a:x.org -all\n", "domain-spf-lookups warn", "x.org" },
	{ "SPF includes nothing", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:gone.org -all\n",
	  "domain-spf-lookups FAIL", "include:gone.org" },
	{ "SPF redirects to nothing", "example.com TXT", "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 redirect=gone.org\n",
	  "domain-spf-lookups FAIL", "take \"redirect=gone.org\" out of the record at example.com," },
	{ "SPF redirects to what is wrong", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 redirect=bad.org\nbad.org TXT v=spf1 al\n",
	  "domain-spf-lookups FAIL", "take \"redirect=bad.org\" out of the record at example.com," },
	{ "SPF redirects to what includes nothing", "example.com TXT",
	  "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 redirect=other.org\nother.org TXT v=spf1 include:gone.org -all\n",
	  "domain-spf-lookups FAIL", "take \"include:gone.org\" out of the record at other.org," },
	{ "SPF time-out", "example.com TXT", "example.com TIMEOUT TXT\n", "domain-spf unknown, domain-alignment unknown", NULL },
	{ "SPF time-out of an include", "example.com TXT", "example.com TXT v=spf1 include:a.org -all\na.org TIMEOUT\n",
	  "domain-spf-lookups unknown, domain-spf-covers unknown, domain-spf-covers unknown, domain-alignment unknown", NULL },
	/* DKIM */
	{ "no DKIM record", "s1._domainkey", "", "domain-dkim FAIL" ALIGNED_BY_ONE, "s1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=" },
	{ "another key", "s1._domainkey", "s1._domainkey.example.com TXT v=DKIM1; k=rsa; p=@OTHER@\n", "domain-dkim FAIL" ALIGNED_BY_ONE,
	  "v=DKIM1; k=rsa; p=" },
	{ "revoked key", "s1._domainkey", "s1._domainkey.example.com TXT v=DKIM1; p=\n", "domain-dkim FAIL" ALIGNED_BY_ONE, "publish" },
	{ "cut key", "s1._domainkey", "s1._domainkey.example.com TXT v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0B\n", "domain-dkim FAIL" ALIGNED_BY_ONE, NULL },
	{ "key of another kind", "s1._domainkey", "s1._domainkey.example.com TXT v=DKIM1; k=ed25519; p=@KEY@\n", "domain-dkim FAIL" ALIGNED_BY_ONE, NULL },
	{ "two DKIM records", "", "s1._domainkey.example.com TXT v=DKIM1; k=rsa; p=@OTHER@\n", "domain-dkim FAIL" ALIGNED_BY_ONE, NULL },
	{ "DKIM for sha1", "s1._domainkey", "s1._domainkey.example.com TXT v=DKIM1; h=sha1; p=@KEY@\n", "domain-dkim FAIL" ALIGNED_BY_ONE, NULL },
	{ "DKIM test", "s1._domainkey", "s1._domainkey.example.com TXT v=DKIM1; t=y:s; p=@KEY@\n", "domain-dkim warn", NULL },
	{ "DKIM time-out", "s1._domainkey", "s1._domainkey.example.com TIMEOUT\n", "domain-dkim unknown, domain-alignment unknown", NULL },
	{ "DKIM and SPF missing", "s1._domainkey|example.com TXT", "", "domain-spf FAIL, domain-dkim FAIL, domain-alignment FAIL", NULL },
	/* DMARC */
	{ "no DMARC", "_dmarc", "", "domain-dmarc FAIL", "_dmarc.example.com. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@example.com\"" },
	{ "DMARC above", "_dmarc", "_dmarc.com TXT v=DMARC1; p=none; psd=y\n", "", NULL },
	{ "two DMARC", "", "_dmarc.example.com TXT v=DMARC1; p=none\n", "domain-dmarc FAIL", "leave one" },
	{ "DMARC without v", "_dmarc", "_dmarc.example.com TXT p=reject; v=DMARC1\n", "domain-dmarc FAIL", NULL },
	{ "DMARC with a wrong policy", "_dmarc", "_dmarc.example.com TXT v=DMARC1; p=rejected\n", "domain-dmarc FAIL", "p=none" },
	{ "DMARC with commas", "_dmarc", "_dmarc.example.com TXT v=DMARC1; p=reject, rua=mailto:a@example.com\n", "domain-dmarc FAIL", NULL },
	{ "DMARC with a wrong alignment", "_dmarc", "_dmarc.example.com TXT v=DMARC1; p=reject; adkim=strict\n", "domain-dmarc warn", NULL },
	{ "DMARC reports elsewhere", "_dmarc", "_dmarc.example.com TXT v=DMARC1; p=none; rua=mailto:a@reports.org\n", "domain-dmarc warn",
	  "example.com._report._dmarc.reports.org. IN TXT \"v=DMARC1\"" },
	{ "DMARC reports elsewhere, allowed", "_dmarc",
	  "_dmarc.example.com TXT v=DMARC1; p=none; rua=mailto:a@reports.org\nexample.com._report._dmarc.reports.org TXT v=DMARC1\n", "", NULL },
	{ "DMARC time-out", "_dmarc", "_dmarc.example.com TIMEOUT\n", "domain-dmarc unknown, domain-alignment unknown", NULL },
	{ "DMARC reports below, a time-out", "_dmarc",
	  "_dmarc.example.com TXT v=DMARC1; p=none; rua=mailto:a@reports.example.com\n_dmarc.reports.example.com TIMEOUT\n", "", NULL },
	/* MX */
	{ "no MX", "example.com MX", "example.com A 192.0.2.9\n", "domain-mx warn", "IN MX" },
	{ "no MX, no address", "example.com MX", "", "domain-mx FAIL", "IN MX" },
	{ "null MX", "example.com MX", "example.com MX 0 .\n", "domain-mx warn", "IN MX" },
	{ "MX without address", "mx.example.com", "", "domain-mx FAIL", "mx.example.com. IN A" },
	{ "MX is an alias", "mx.example.com", "mx.example.com CNAME real.example.com\nreal.example.com A 192.0.2.9\n", "domain-mx warn", NULL },
	{ "MX time-out", "example.com MX", "example.com TIMEOUT MX\n", "domain-mx unknown, domain-dane unknown, domain-dnssec unknown", NULL },
	{ "two MX, one without address, one a time-out", "mx.example.com", "example.com MX 20 mx2.example.com\nmx.example.com TIMEOUT\n",
	  "domain-mx unknown, domain-mx FAIL", NULL },
	{ "address of the MX times out", "mx.example.com", "mx.example.com TIMEOUT\n", "domain-mx unknown", NULL },
	/* DANE, MTA-STS, TLS-RPT, DNSSEC */
	{ "TLSA not signed", "example.com MX|_25._tcp", "example.com MX 10 mx.org\nmx.org A 192.0.2.9\n_25._tcp.mx.org TLSA 3 1 1 00\n",
	  "domain-dane FAIL", "signed" },
	{ "TLSA of usage 1", "_25._tcp", "_25._tcp.mx.example.com TLSA 1 1 1 00\n", "domain-dane FAIL", "TLSA 3 1 1" },
	{ "TLSA bogus", "_25._tcp", "_25._tcp.mx.example.com BOGUS\n", "domain-dane FAIL", NULL },
	{ "TLSA SERVFAIL", "_25._tcp", "_25._tcp.mx.example.com SERVFAIL\n", "domain-dane unknown", NULL },
	{ "no TLSA", "_25._tcp", "", "", NULL },
	{ "STS without id", "_mta-sts", "_mta-sts.example.com TXT v=STSv1;\n", "domain-sts FAIL", "id=" },
	{ "STS without host", "mta-sts", "", "domain-sts FAIL", "mta-sts.example.com. IN A" },
	{ "no STS", "_mta-sts", "", "", NULL },
	{ "STS host times out", "mta-sts", "mta-sts.example.com TIMEOUT\n", "domain-sts unknown", NULL },
	{ "TLS-RPT without rua", "_smtp._tls", "_smtp._tls.example.com TXT v=TLSRPTv1;\n", "domain-tlsrpt FAIL", "v=TLSRPTv1; rua=mailto:" },
	{ "no TLS-RPT", "_smtp._tls", "", "domain-tlsrpt warn", "v=TLSRPTv1; rua=mailto:" },
	{ "no TLS-RPT, no DANE, no STS", "_smtp._tls|_25._tcp|_mta-sts", "", "", NULL },
	{ "not signed", "example.com SECURE|com SECURE|_25._tcp", "com SECURE x\n", "", NULL },
	{ "bogus", "example.com MX", "example.com BOGUS MX\n", "domain-mx unknown, domain-dane unknown, domain-dnssec FAIL", NULL },
	/* The resolver */
	{ "resolver does not validate", "com SECURE|example.com SECURE", "", "domain-resolver warn, domain-dane unknown, domain-dnssec unknown", "unbound" },
	{ "resolver answers for what is signed wrongly", "dnssec-failed.org", "dnssec-failed.org A 192.0.2.7\n", "domain-resolver FAIL", "unbound" },
	/* EHLO */
	{ "no SPF at the name in EHLO", "relay.example.com", "", "domain-hello-spf warn, domain-hello-spf warn",
	  "relay.example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"" },
	{ "two SPF at the name in EHLO", "", "relay.example.com TXT v=spf1 a -all\n", "domain-hello-spf FAIL, domain-hello-spf FAIL",
	  "publish this one record in the place of the others:\nrelay.example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 a -all\"" },
	{ "SPF at the name in EHLO without IPv6", "relay.example.com", "relay.example.com TXT v=spf1 ip4:192.0.2.1 -all\n", "domain-hello-spf FAIL",
	  "ip6:2001:db8::1" },
};

static const char *sts_fetch; /* NULL: policies are not fetched */
static const struct own_mx *own_host; /* NULL: nothing is known of it */
static char key_path[64], key_text[DKIM_KEY_TEXT_MAX], other_text[DKIM_KEY_TEXT_MAX];

static void make_key(const char *path, unsigned bits, char text[DKIM_KEY_TEXT_MAX])
{
	EVP_PKEY *made = EVP_RSA_gen(bits);
	FILE *file = fopen(path, "w");
	struct dkim_key key;
	char error[300];

	assert_non_null(made);
	assert_true(PEM_write_PrivateKey(file, made, NULL, NULL, 0, NULL, NULL));
	fclose(file);
	EVP_PKEY_free(made);
	assert_int_equal(dkim_key_read(&key, path, error, sizeof(error)), 0);
	assert_true(dkim_key_print_record(&key, text));
	memmove(text, strstr(text, "p=") + 2, strlen(strstr(text, "p=") + 2) + 1);
	dkim_key_wipe(&key);
}

static int set_up(void **state)
{
	int fd;

	(void)state;
	snprintf(key_path, sizeof(key_path), "/tmp/test_sending.XXXXXX");
	fd = mkstemp(key_path);
	close(fd);
	make_key(key_path, 2048, other_text);
	make_key(key_path, 2048, key_text);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(key_path);
	return 0;
}

/* Lines of text, but for those that begin with one of the words between "|". */
static void add_lines(struct fake_zone *zone, const char *text, const char *without)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		char line[4096];
		bool is_out = false;

		for (const char *word = without; *word != '\0' && !is_out; word += word[strcspn(word, "|")] == '|' ? strcspn(word, "|") + 1
														   : strcspn(word, "|"))
			is_out = strncmp(text, word, strcspn(word, "|")) == 0;
		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		if (strstr(line, "@KEY@") != NULL)
			snprintf(strstr(line, "@KEY@"), DKIM_KEY_TEXT_MAX, "%s", key_text);
		else if (strstr(line, "@OTHER@") != NULL)
			snprintf(strstr(line, "@OTHER@"), DKIM_KEY_TEXT_MAX, "%s", other_text);
		if (!is_out)
			fake_zone_add_text(zone, line);
		text += length + (text[length] == '\n');
	}
}

static struct sockaddr_storage parse(const char *text)
{
	struct sockaddr_storage address = { 0 };

	address.ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	inet_pton(address.ss_family, text,
		  address.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&address)->sin_addr
					       : (void *)&((struct sockaddr_in6 *)&address)->sin6_addr);
	return address;
}

static void look_with(struct finding_list *list, struct fake_zone *zone, const struct dkim_signers *signers, const char *envelope)
{
	struct lookup_source source = fake_zone_source(zone);
	struct sending_address addresses[] = {
		{ "relay-us", parse("192.0.2.1"), "relay.example.com" },
		{ "relay-us", parse("2001:db8::1"), "relay.example.com" },
	};
	struct sending sending = { .list = list, .dns = &source, .addresses = addresses, .address_count = 2, .signers = signers,
				   .own = own_host, .sts_fetch = sts_fetch };

	sending.validation = check_resolver(list, &source, "domain-resolver", "resolver");
	check_hello_spf(&sending);
	sending_check_domain(&sending, "example.com", envelope);
}

static void look(struct finding_list *list, struct fake_zone *zone, const struct dkim_signers *signers)
{
	look_with(list, zone, signers, NULL);
}

/* "ID RESULT": so often in the text as in the list? */
static size_t count_in_text(const char *text, const char *words)
{
	size_t count = 0, length = strlen(words);

	for (; (text = strstr(text, words)) != NULL; text += length)
		count += text[length] == ',' || text[length] == '\0';
	return count;
}

static size_t count_in_list(const struct finding_list *list, const char *words)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		char text[100];

		snprintf(text, sizeof(text), "%s %s", list->items[i].id, finding_result_name(list->items[i].result));
		count += strcmp(text, words) == 0;
	}
	return count;
}

static void check_row(const struct row *row, const struct finding_list *list)
{
	size_t wanted = row->found[0] == '\0' ? 0 : 1, bad = 0;
	const struct finding *first = NULL;

	for (const char *at = row->found; *at != '\0'; at++)
		wanted += *at == ',';
	for (size_t i = 0; i < list->count; i++) {
		const struct finding *finding = &list->items[i];
		char words[100];

		if (finding->result == FINDING_OK)
			continue;
		bad++;
		snprintf(words, sizeof(words), "%s %s", finding->id, finding_result_name(finding->result));
		if (count_in_text(row->found, words) != count_in_list(list, words))
			fail_msg("%s: %s for %s: %s", row->label, words, finding->subject, finding->seen);
		if (first == NULL && strncmp(row->found, words, strlen(words)) == 0)
			first = finding;
		if (finding->result == FINDING_FAIL && finding->mend[0] == '\0')
			fail_msg("%s: %s says nothing about how to mend it", row->label, finding->id);
	}
	if (bad != wanted)
		fail_msg("%s: %zu are not ok, not %zu", row->label, bad, wanted);
	if (row->mend != NULL && (first == NULL || strstr(first->mend, row->mend) == NULL))
		fail_msg("%s: to mend it: %s", row->label, first != NULL ? first->mend : "nothing");
}

static void test_faults(void **state)
{
	struct dkim_signers signers = { .is_found = true };

	(void)state;
	assert_non_null(dkim_signers_add(&signers, "*@example.com", "example.com", "s1", key_path, "test"));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fake_zone zone = { .count = 0 };
		struct finding_list list = { .items = NULL };

		add_lines(&zone, healthy, rows[i].without);
		add_lines(&zone, rows[i].with, "");
		look(&list, &zone, &signers);
		check_row(&rows[i], &list);
		finding_list_wipe(&list);
		fake_zone_wipe(&zone);
	}
	dkim_signers_wipe(&signers);
}

/* Envelope senders in another domain: whether that is the same organization, and whether it may be. */
static void test_alignment(void **state)
{
	static const struct {
		const char *label, *envelope, *with, *found;
	} cases[] = {
		{ "the domain itself", "example.com", "", "" },
		{ "below it", "bounces.example.com", "bounces.example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\n", "" },
		{ "another one", "other.org", "other.org TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\n", "domain-alignment warn" },
		{ "below it, a time-out", "bounces.example.com",
		  "bounces.example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\n_dmarc.bounces.example.com TIMEOUT\n",
		  "domain-alignment unknown" },
	};
	struct dkim_signers signers = { .is_found = true };

	(void)state;
	dkim_signers_add(&signers, "*@example.com", "example.com", "s1", key_path, "test");
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct row row = { cases[i].label, "", cases[i].with, cases[i].found, NULL };
		struct fake_zone zone = { .count = 0 };
		struct finding_list list = { .items = NULL };

		add_lines(&zone, healthy, "");
		add_lines(&zone, cases[i].with, "");
		look_with(&list, &zone, &signers, cases[i].envelope);
		check_row(&row, &list);
		finding_list_wipe(&list);
		fake_zone_wipe(&zone);
	}
	dkim_signers_wipe(&signers);
}

/* Each check can be asked for alone, and finds what it finds beside the others. */
static void test_each_alone(void **state)
{
	struct dkim_signers signers = { .is_found = true };

	(void)state;
	dkim_signers_add(&signers, "*@example.com", "example.com", "s1", key_path, "test");
	for (size_t i = 0; i < finding_id_count; i++) {
		struct finding_selection selection = { .words = { finding_ids[i].id }, .count = 1 };
		struct finding_list list = { .selection = &selection }, all = { .items = NULL };
		struct fake_zone zone = { .count = 0 };
		char words[100];

		if (strcmp(finding_ids[i].group, "domain") != 0)
			continue;
		add_lines(&zone, healthy, "");
		look(&list, &zone, &signers);
		look(&all, &zone, &signers);
		snprintf(words, sizeof(words), "%s ok", finding_ids[i].id);
		if (list.count == 0 || list.count != count_in_list(&all, words))
			fail_msg("%s alone: %zu findings", finding_ids[i].id, list.count);
		finding_list_wipe(&list);
		finding_list_wipe(&all);
		fake_zone_wipe(&zone);
	}
	dkim_signers_wipe(&signers);
}

/* What postern-sts-fetch(8) says of the policy. */
static void test_sts_policy(void **state)
{
#define POLICY(mx) "printf 'version: STSv1\\r\\nmode: enforce\\r\\nmx: " mx "\\r\\nmax_age: 86400\\r\\n'"
#define FAILS(status, words) "echo 'mta-sts.example.com: " words "' >&2; exit " status
	static const struct {
		const char *label, *script, *with, *found;
	} cases[] = {
		{ "allows the MX", POLICY("mx.example.com"), "", "" },
		{ "does not", POLICY("mx.example.org"), "", "domain-sts FAIL" },
		{ "nobody knows the MX", POLICY("mx.example.org"), "example.com TIMEOUT MX\n", "domain-sts unknown" },
		{ "no policy", "echo nonsense", "", "domain-sts FAIL" },
		{ "HTTP status", FAILS("69", "HTTP status 404 instead of 200"), "", "domain-sts FAIL" },
		{ "certificate", FAILS("76", "certificate has expired"), "", "domain-sts FAIL" },
		{ "no connection in time", FAILS("69", "Connection timed out after 10001 milliseconds"), "", "domain-sts unknown" },
		{ "no answer in time", FAILS("69", "Operation too slow. Less than 10 bytes/sec transferred the last 20 seconds"), "",
		  "domain-sts unknown" },
		{ "no certificates here", FAILS("78", "no file with the certificates of the authorities"), "", "domain-sts unknown" },
	};
	struct finding_selection selection = { .words = { "domain-sts" }, .count = 1 };
	const struct dkim_signers signers = { .is_found = true };
	char path[] = "/tmp/test_sending.fetch.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	assert_int_equal(chmod(path, 0755), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct row row = { cases[i].label, "", "", cases[i].found, NULL };
		struct finding_list list = { .selection = &selection };
		struct fake_zone zone = { .count = 0 };
		FILE *script = fopen(path, "w");

		fprintf(script, "#!/bin/sh\n%s\n", cases[i].script);
		fclose(script);
		add_lines(&zone, healthy, cases[i].with[0] != '\0' ? "example.com MX" : "");
		add_lines(&zone, cases[i].with, "");
		sts_fetch = path;
		look(&list, &zone, &signers);
		sts_fetch = NULL;
		assert_int_equal(list.count, 1);
		check_row(&row, &list);
		finding_list_wipe(&list);
		fake_zone_wipe(&zone);
	}
	unlink(path);
}

/* The MX is this host, by its name or an address: what Postfix has there counts. */
static void test_own_mx(void **state)
{
#define OWN .is_there = true, .name = "mx.example.com"
	static const struct {
		const char *label;
		struct own_mx own;
		const char *with, *found, *seen;
	} cases[] = {
		{ "no TLS", { OWN }, "", "domain-dane FAIL", "Postfix offers no TLS" },
		{ "no certificate", { OWN, .has_tls = true }, "", "domain-dane FAIL", "Postfix has no certificate" },
		{ "unreadable", { OWN, .has_tls = true, .error = "/x.pem: Permission denied" }, "", "domain-dane unknown", "/x.pem: Permission" },
		{ "SNI", { OWN, .has_tls = true, .has_more_chains = true }, "", "", "tls_server_sni_maps" },
		{ "another name", { .is_there = true, .name = "mail.example.com" }, "", "", "1 TLSA record, signed" },
		{ "its address", { .is_there = true, .address_count = 1 }, "", "domain-dane FAIL", "Postfix offers no TLS" },
		{ "port 25 is not answered here", { .name = "mx.example.com", .address_count = 1 }, "", "", "1 TLSA record, signed" },
		{ "records of usage 1", { OWN }, "_25._tcp.mx.example.com TLSA 1 1 1 00\n", "domain-dane FAIL", "usage 2 or 3" },
	};
	struct finding_selection selection = { .words = { "domain-dane" }, .count = 1 };
	const struct dkim_signers signers = { .is_found = true };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct row row = { cases[i].label, "", "", cases[i].found, NULL };
		struct finding_list list = { .selection = &selection };
		struct fake_zone zone = { .count = 0 };
		struct own_mx own = cases[i].own;

		own.addresses[0] = parse("192.0.2.9");
		add_lines(&zone, healthy, cases[i].with[0] != '\0' ? "_25._tcp" : "");
		add_lines(&zone, cases[i].with, "");
		own_host = &own;
		look(&list, &zone, &signers);
		own_host = NULL;
		assert_int_equal(list.count, 1);
		check_row(&row, &list);
		if (strstr(list.items[0].seen, cases[i].seen) == NULL)
			fail_msg("%s: %s", cases[i].label, list.items[0].seen);
		finding_list_wipe(&list);
		fake_zone_wipe(&zone);
	}
}

/* Nobody answers: all is unknown. */
static void test_silence(void **state)
{
	struct fake_zone zone = { .count = 0 };
	struct dkim_signers signers = { .is_found = true };
	struct finding_list list = { .items = NULL };

	(void)state;
	dkim_signers_add(&signers, "*@example.com", "example.com", "s1", key_path, "test");
	fake_zone_add_text(&zone, "* TIMEOUT\n");
	look(&list, &zone, &signers);
	assert_int_equal(finding_list_count(&list, FINDING_UNKNOWN), list.count);
	assert_in_range(list.count, 10, 20);
	finding_list_wipe(&list);
	fake_zone_wipe(&zone);
	dkim_signers_wipe(&signers);
}

/* The record that is said to mend SPF is published: then it is mended. */
static void test_spf_mends(void **state)
{
	struct dkim_signers signers = { .is_found = true };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fake_zone zone = { .count = 0 };
		struct finding_list list = { .items = NULL }, after = { .items = NULL };
		const char *record = NULL;
		char line[2048];

		if (strncmp(rows[i].label, "SPF", 3) != 0 && strstr(rows[i].label, " SPF") == NULL)
			continue;
		add_lines(&zone, healthy, rows[i].without);
		add_lines(&zone, rows[i].with, "");
		look(&list, &zone, &signers);
		for (size_t j = 0; j < list.count && record == NULL; j++)
			if (strncmp(list.items[j].id, "domain-spf", 10) == 0)
				record = strstr(list.items[j].mend, "example.com. IN TXT \"");
		fake_zone_wipe(&zone);
		if (record != NULL) {
			record = strchr(record, '"') + 1;
			snprintf(line, sizeof(line), "example.com TXT %.*s\n", (int)strcspn(record, "\""), record);
			add_lines(&zone, healthy, "example.com TXT");
			add_lines(&zone, rows[i].with, "example.com TXT");
			add_lines(&zone, line, "");
			look(&after, &zone, &signers);
			if (count_in_list(&after, "domain-spf ok") != 1 || count_in_list(&after, "domain-spf-covers ok") != 2)
				fail_msg("%s: not mended by %s", rows[i].label, line);
			finding_list_wipe(&after);
			fake_zone_wipe(&zone);
		}
		finding_list_wipe(&list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_each_alone),
		cmocka_unit_test(test_sts_policy),
		cmocka_unit_test(test_own_mx),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_spf_mends),
	};

	return cmocka_run_group_tests_name("sending", tests, set_up, tear_down);
}
