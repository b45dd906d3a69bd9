/*
 * TLSA, TXT and CNAME records: what is in them, how they are followed, and what hostile bytes make
 * of them (case 51).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns_message.h"
#include "tests/fake/fake_dns.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct dns_resolver *resolver_of(const struct fake_dns *dns)
{
	char *items[] = { (char *)(uintptr_t)dns->address }, error[200] = "";
	struct conf_list list = { .items = items, .count = 1 };
	struct dns_resolver *resolver = dns_resolver_create(&list, false, error, sizeof(error));

	if (resolver == NULL)
		fail_msg("%s", error);
	return resolver;
}

static size_t print_tlsa(const struct dns_tlsa *tlsa, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "%u %u %u ", tlsa->usage, tlsa->selector,
				       tlsa->matching_type);

	for (size_t i = 0; i < tlsa->length && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%02x", tlsa->data[i]);
	return used;
}

/* "record|record" */
static char *print_records(const struct dns_answer *answer, enum dns_type type, char *out,
			   size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < answer->count && used < size; i++) {
		if (i > 0)
			used += (size_t)snprintf(out + used, size - used, "|");
		if (type == DNS_TYPE_TLSA)
			used += print_tlsa(&answer->tlsa[i], out + used, size - used);
		else
			used += (size_t)snprintf(out + used, size - used, "%s",
						 type == DNS_TYPE_TXT ? answer->txt[i]
								      : answer->mx[i].exchange);
	}
	return out;
}

static const char replay[] =
	"query _25._tcp.mx.example TLSA\n"
	"ad\n"
	"answer @ 300 IN TLSA 3 1 1 00ff10\n"
	"answer @ 200 IN TLSA 255 254 253 aabb\n"
	"answer wrong.example. 300 IN TLSA 3 1 1 66\n"
	"answer @ 300 IN A 192.0.2.66\n"
	"query _25._tcp.none.example TLSA\n"
	"ad\n"
	"authority example. 300 IN SOA ns.example. h.example. 1 2 3 4 5\n"
	"query _25._tcp.gone.example TLSA\n"
	"rcode NXDOMAIN\n"
	"ad\n"
	"query _25._tcp.bogus.example TLSA cd\n"
	"answer @ 300 IN TLSA 3 1 1 66\n"
	"query _25._tcp.bogus.example TLSA\n"
	"rcode SERVFAIL\n"
	"query _25._tcp.broken.example TLSA\n"
	"rcode SERVFAIL\n"
	/* case 66: an alias at the TLSA name. */
	"query _25._tcp.alias.example TLSA\n"
	"ad\n"
	"answer @ 7 IN CNAME tlsa.example.\n"
	"answer tlsa.example. 300 IN TLSA 3 1 1 01\n"
	"query _25._tcp.away.example TLSA\n"
	"ad\n"
	"answer @ 300 IN CNAME _25._tcp.mx.example.\n"
	"query _25._tcp.half.example TLSA\n"
	"ad\n"
	"answer @ 300 IN CNAME insecure.example.\n"
	"query insecure.example TLSA\n"
	"answer @ 300 IN TLSA 3 1 1 02\n"
	"query _25._tcp.unsigned.example TLSA\n"
	"answer @ 300 IN CNAME _25._tcp.mx.example.\n"
	/* TXT. */
	"query _mta-sts.example TXT\n"
	"answer @ 300 IN TXT \"v=STSv1; \" \"id=\" \"1;\"\n"
	"answer @ 300 IN TXT \"\"\n"
	"answer @ 300 IN TXT \"one\"\n"
	"query odd.example TXT\n"
	"answer @ 300 IN TXT \"a\\000\\010b\\127\\255 ~\\\"\" \"\\031!\"\n"
	"query alias.example TXT\n"
	"answer @ 300 IN CNAME odd2.example.\n"
	"answer odd2.example. 300 IN TXT \"there\"\n"
	/* The CNAME itself. */
	"query mx.example CNAME\n"
	"ad\n"
	"answer @ 300 IN CNAME Real.example.\n"
	"answer real.example. 300 IN CNAME far.example.\n"
	"answer far.example. 300 IN A 192.0.2.1\n"
	"query insecure.example CNAME\n"
	"answer @ 300 IN CNAME real.example.\n"
	"query real.example CNAME\n"
	"ad\n"
	"authority example. 300 IN SOA ns.example. h.example. 1 2 3 4 5\n"
	"query self.example CNAME\n"
	"answer @ 300 IN CNAME self.example.\n"
	"query odd.example CNAME\n"
	"answer @ 300 IN CNAME a\\032b.example.\n"
	"query root.example CNAME\n"
	"answer @ 300 IN CNAME .\n";

/* One question and what it must come to. */
static const struct row {
	const char *label, *name;
	enum dns_type type;
	enum dns_result result;
	enum dns_trust trust;
	const char *records;
	const char *final_name; /* NULL: not looked at */
	const char *error;	/* part of it */
} rows[] = {
	{ "TLSA", "_25._tcp.mx.example", DNS_TYPE_TLSA, DNS_FOUND, DNS_SECURE,
	  "3 1 1 00ff10|255 254 253 aabb", "_25._tcp.mx.example", "" },
	{ "case 46: NODATA", "_25._tcp.none.example", DNS_TYPE_TLSA, DNS_NODATA, DNS_SECURE, "",
	  NULL, "" },
	{ "case 46: NXDOMAIN", "_25._tcp.gone.example", DNS_TYPE_TLSA, DNS_NXDOMAIN, DNS_SECURE, "",
	  NULL, "" },
	{ "case 47: bogus", "_25._tcp.bogus.example", DNS_TYPE_TLSA, DNS_ERROR, DNS_BOGUS, "", NULL,
	  "for _25._tcp.bogus.example TLSA" },
	{ "case 48: SERVFAIL", "_25._tcp.broken.example", DNS_TYPE_TLSA, DNS_ERROR, DNS_FAILED, "",
	  NULL, "for _25._tcp.broken.example TLSA" },
	{ "case 66: alias", "_25._tcp.alias.example", DNS_TYPE_TLSA, DNS_FOUND, DNS_SECURE,
	  "3 1 1 01", "tlsa.example", "" },
	{ "case 66: alias that leaves the answer", "_25._tcp.away.example", DNS_TYPE_TLSA,
	  DNS_FOUND, DNS_SECURE, "3 1 1 00ff10|255 254 253 aabb", "_25._tcp.mx.example", "" },
	{ "case 66: alias to an insecure name", "_25._tcp.half.example", DNS_TYPE_TLSA, DNS_FOUND,
	  DNS_INSECURE, "3 1 1 02", "insecure.example", "" },
	{ "case 66: insecure alias", "_25._tcp.unsigned.example", DNS_TYPE_TLSA, DNS_FOUND,
	  DNS_INSECURE, "3 1 1 00ff10|255 254 253 aabb", NULL, "" },
	{ "TXT of several strings", "_mta-sts.example", DNS_TYPE_TXT, DNS_FOUND, DNS_INSECURE,
	  "v=STSv1; id=1;||one", NULL, "" },
	{ "TXT, bytes that are not printable", "odd.example", DNS_TYPE_TXT, DNS_FOUND, DNS_INSECURE,
	  "a??b?? ~\"?!", NULL, "" },
	{ "TXT behind an alias", "alias.example", DNS_TYPE_TXT, DNS_FOUND, DNS_INSECURE, "there",
	  "odd2.example", "" },
	{ "CNAME is not followed", "mx.example", DNS_TYPE_CNAME, DNS_FOUND, DNS_SECURE,
	  "real.example", "mx.example", "" },
	{ "CNAME, insecure", "insecure.example", DNS_TYPE_CNAME, DNS_FOUND, DNS_INSECURE,
	  "real.example", "insecure.example", "" },
	{ "no CNAME", "real.example", DNS_TYPE_CNAME, DNS_NODATA, DNS_SECURE, "", "real.example",
	  "" },
	{ "CNAME to itself is just that", "self.example", DNS_TYPE_CNAME, DNS_FOUND, DNS_INSECURE,
	  "self.example", "self.example", "" },
	{ "case 54: CNAME to a bad name", "odd.example", DNS_TYPE_CNAME, DNS_FOUND, DNS_INSECURE,
	  "a?b.example", "odd.example", "" },
	{ "CNAME to the root", "root.example", DNS_TYPE_CNAME, DNS_FOUND, DNS_INSECURE, "",
	  "root.example", "" },
};

static void check_row(struct dns_resolver *resolver, const struct row *row)
{
	struct dns_answer answer;
	char text[1000];

	dns_lookup(resolver, row->name, row->type, deadline_in_ms(5000), &answer);
	if (answer.result != row->result || answer.trust != row->trust)
		fail_msg("%s: result %d, trust %d, error \"%s\"", row->label, (int)answer.result,
			 (int)answer.trust, answer.error);
	print_records(&answer, row->type, text, sizeof(text));
	if (strcmp(text, row->records) != 0)
		fail_msg("%s: records \"%s\"", row->label, text);
	if ((answer.result == DNS_FOUND) != (answer.count > 0))
		fail_msg("%s: %zu records", row->label, answer.count);
	if (row->final_name != NULL && strcmp(answer.name, row->final_name) != 0)
		fail_msg("%s: name is %s", row->label, answer.name);
	if (strstr(answer.error, row->error) == NULL)
		fail_msg("%s: error is \"%s\"", row->label, answer.error);
	dns_answer_wipe(&answer);
}

static void test_records(void **state)
{
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(resolver, &rows[i]);
	assert_true(fake_dns_was_asked(dns, "\n_25._tcp.none.example TLSA rd ad edns=1232 do\n"));
	assert_true(fake_dns_was_asked(dns, "\nodd.example TXT rd ad edns=1232 do\n"));
	/* Two are asked again with CD, three follow an alias; the CNAMEs follow none. */
	assert_int_equal(fake_dns_asked_count(dns), COUNT(rows) + 5);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static void test_ttl(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		uint32_t ttl_s;
	} cases[] = { { "_25._tcp.mx.example", DNS_TYPE_TLSA, 200 },
		      { "_25._tcp.alias.example", DNS_TYPE_TLSA, 7 },
		      { "mx.example", DNS_TYPE_CNAME, 300 } };
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_answer answer;

		dns_lookup(resolver, cases[i].name, cases[i].type, deadline_in_ms(5000), &answer);
		if (answer.ttl_s != cases[i].ttl_s)
			fail_msg("%s: %u", cases[i].name, answer.ttl_s);
		dns_answer_wipe(&answer);
	}
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* One answer record as bytes: type, class, TTL, and what the case says from the rdlength on. */
static const struct hostile {
	const char *label;
	enum dns_type type;
	const char *hex;     /* of the answer section */
	const char *records; /* NULL: malformed */
} hostile[] = {
#define TLSA "c00c 0034 0001 0000012c "
#define TXT "c00c 0010 0001 0000012c "
#define CNAME "c00c 0005 0001 0000012c "
	{ "case 51: TLSA without data", DNS_TYPE_TLSA, TLSA "0003 030101", "3 1 1 " },
	{ "TLSA of 1 byte", DNS_TYPE_TLSA, TLSA "0004 030101 ab", "3 1 1 ab" },
	{ "TLSA of nothing", DNS_TYPE_TLSA, TLSA "0000", NULL },
	{ "TLSA without a selector", DNS_TYPE_TLSA, TLSA "0001 03", NULL },
	{ "TLSA without a matching type", DNS_TYPE_TLSA, TLSA "0002 0301", NULL },
	{ "TLSA, rdlength past the end", DNS_TYPE_TLSA, TLSA "ffff 030101 ab", NULL },
	{ "TLSA, good and bad", DNS_TYPE_TLSA, TLSA "0004 030101 ab " TLSA "0002 0301", NULL },
	{ "TXT of one empty string", DNS_TYPE_TXT, TXT "0001 00", "" },
	{ "TXT, string past the end", DNS_TYPE_TXT, TXT "0003 05 6162", NULL },
	{ "TXT, second string past the end", DNS_TYPE_TXT, TXT "0004 0161 ff62", NULL },
	{ "TXT, rdlength past the end", DNS_TYPE_TXT, TXT "ffff 0161", NULL },
	{ "TXT, good and bad", DNS_TYPE_TXT, TXT "0002 0161 " TXT "0002 ff61", NULL },
	{ "TXT of no string", DNS_TYPE_TXT, TXT "0000", NULL },
	{ "CNAME of nothing", DNS_TYPE_CNAME, CNAME "0000", NULL },
	{ "CNAME, pointer to itself", DNS_TYPE_CNAME, CNAME "0002 c02b", NULL },
	{ "CNAME, rdlength too long", DNS_TYPE_CNAME, CNAME "0004 0161 00", NULL },
};

static size_t records_in(const char *hex)
{
	size_t count = 0;

	while ((hex = strstr(hex, "c00c ")) != NULL) {
		count++;
		hex++;
	}
	return count;
}

static void test_hostile_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hostile); i++) {
		const struct row row = {
			.label = hostile[i].label,
			.name = "a.example",
			.type = hostile[i].type,
			.result = hostile[i].records != NULL ? DNS_FOUND : DNS_ERROR,
			.trust = hostile[i].records != NULL ? DNS_INSECURE : DNS_FAILED,
			.records = hostile[i].records != NULL ? hostile[i].records : "",
			.error = hostile[i].records != NULL ? "" : "malformed"
		};
		struct dns_resolver *resolver;
		struct fake_dns *dns;
		char text[600];

		snprintf(text, sizeof(text),
			 "query a.example %s\n"
			 "hex 8180 0001 %04zx 0000 0000 0161 07 6578616d706c65 00 %04x 0001 %s\n",
			 dns_type_name(row.type), records_in(hostile[i].hex),
			 dns_type_number(row.type), hostile[i].hex);
		dns = fake_dns_start(text);
		resolver = resolver_of(dns);
		check_row(resolver, &row);
		dns_resolver_destroy(resolver);
		fake_dns_stop(dns);
	}
}

#define MESSAGE_MAX 65535
/* Header, question "a.example TLSA", and a record up to and with its rdlength. */
static const uint8_t big_start[] = { 0x12, 0x34, 0x81, 0x80, 0,	   1,	0,   1,	   0,	 0,
				     0,	   0,	 1,    'a',  7,	   'e', 'x', 'a',  'm',	 'p',
				     'l',  'e',	 0,    0,    0x34, 0,	1,   0xc0, 0x0c, 0,
				     0x34, 0,	 1,    0,    0,	   1,	0x2c };

static enum dns_reading read_big(struct dns_message *message, size_t rdlength)
{
	const struct dns_question question = { .id = 0x1234,
					       .name = "a.example",
					       .type = DNS_TYPE_TLSA };
	uint8_t *bytes = malloc(MESSAGE_MAX);
	size_t used = sizeof(big_start);
	enum dns_reading reading;

	memcpy(bytes, big_start, used);
	bytes[used++] = (uint8_t)(rdlength >> 8);
	bytes[used++] = (uint8_t)rdlength;
	memset(bytes + used, 3, MESSAGE_MAX - used);
	reading = dns_message_read(bytes, MESSAGE_MAX, &question, message);
	free(bytes);
	return reading;
}

/* case 51: the largest TLSA that a message can hold, and one that says that it is larger. */
static void test_64_kib(void **state)
{
	size_t fits = MESSAGE_MAX - sizeof(big_start) - 2;
	struct dns_message message = { 0 };

	(void)state;
	assert_int_equal(read_big(&message, fits), DNS_READ_FOUND);
	assert_int_equal(message.records.count, 1);
	assert_int_equal(message.records.tlsa[0].usage, 3);
	assert_int_equal(message.records.tlsa[0].length, fits - 3);
	assert_int_equal(message.records.tlsa[0].data[fits - 4], 3);
	dns_message_wipe(&message);
	assert_int_equal(read_big(&message, fits + 1), DNS_READ_FAILED);
	assert_int_equal(read_big(&message, 65535), DNS_READ_FAILED);
	assert_string_equal(message.problem, "malformed answer");
	dns_message_wipe(&message);
}

/* More records than we take, over TCP; the last ones are not looked at. */
static void test_many(void **state)
{
	size_t size = 200000, used = 0;
	char *text = malloc(size);
	struct dns_resolver *resolver;
	struct dns_answer answer;
	struct fake_dns *dns;

	(void)state;
	used += (size_t)snprintf(text, size, "query many.example TLSA\ntc\n");
	for (int i = 0; i < 1500; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "answer @ 300 IN TLSA 3 1 1 %04x\n", i);
	dns = fake_dns_start(text);
	resolver = resolver_of(dns);
	dns_lookup(resolver, "many.example", DNS_TYPE_TLSA, deadline_in_ms(5000), &answer);
	assert_int_equal(answer.count, DNS_RECORDS_MAX);
	assert_int_equal(answer.tlsa[DNS_RECORDS_MAX - 1].data[1], (DNS_RECORDS_MAX - 1) & 0xff);
	dns_answer_wipe(&answer);
	assert_null(answer.tlsa);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),	      cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_hostile_bytes), cmocka_unit_test(test_64_kib),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
