/* ctl/status_text.c, metrics.c, age_text.c: what people and Prometheus are shown of a status document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/age_text.h"
#include "ctl/metrics.h"
#include "ctl/status_text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW 1700000000

static const char document_text[] =
	"{\"edges\": ["
	"{\"name\": \"vps\", \"endpoint\": \"198.51.100.20:7843\", \"service\": \"drained\", \"state\": \"up\", "
	" \"round_trip_ms\": 12.25, \"clock_offset_s\": -90, \"transport\": {\"tunnels\": 5, \"failures\": 1, \"outages\": 1},"
	" \"answer\": {\"name\": \"edge.vps.example\", \"version\": \"0.1.0\", \"time\": 1699999910, \"uptime_s\": 90061,"
	"  \"client\": {\"client\": \"home\", \"tunnels\": 2, \"active\": 1, \"messages\": 7, "
	"   \"recipients\": {\"sent\": 5, \"deferred\": 3, \"bounced\": 1}, \"refused\": {\"rate\": 4}, "
	"   \"last_delivery\": 1699999905, \"day\": {\"sent\": 5, \"deferred\": 3, \"bounced\": 1, "
	"    \"tls\": {\"none\": 0, \"dane\": 5}, \"reasons\": {\"dns\": 1, \"policy\": 2}}},"
	"  \"destinations\": ["
	"   {\"client\": \"home\", \"domain\": \"a.example\", \"active\": 1, \"waiting\": 2, \"places\": 3, \"limit\": 20},"
	"   {\"client\": \"home\", \"domain\": \"b.example\", \"active\": 0, \"waiting\": 0, \"closed_for_ms\": 1500, "
	"    \"last\": {\"time\": 1699999909, \"status\": \"deferred\", \"dsn\": \"4.4.1\", \"text\": \"no \\u001b[31mway\"}},"
	"   {\"client\": \"other\", \"domain\": \"c.example\", \"active\": 1, \"waiting\": 0},"
	"   {\"client\": \"home\", \"domain\": \"q1.example\", \"active\": 0, \"waiting\": 0},"
	"   {\"client\": \"home\", \"domain\": \"q2.example\", \"active\": 0, \"waiting\": 0},"
	"   {\"client\": \"home\", \"domain\": \"q3.example\", \"active\": 0, \"waiting\": 0},"
	"   {\"client\": \"home\", \"domain\": \"q4.example\", \"active\": 0, \"waiting\": 0},"
	"   {\"client\": \"home\", \"domain\": \"q5.example\", \"active\": 0, \"waiting\": 0},"
	"   {\"client\": \"home\", \"domain\": \"q6.example\", \"active\": 0, \"waiting\": 0}]}},"
	"{\"name\": \"far\", \"endpoint\": \"[2001:db8::1]:7843\", \"service\": \"enabled\", \"state\": \"down\", "
	" \"layer\": \"handshake\", \"reason\": \"it closed\", \"transport\": {\"tunnels\": 0, \"failures\": 9, \"outages\": 2}},"
	"{\"name\": \"off\", \"endpoint\": \"x:1\", \"service\": \"disabled\", \"state\": \"disabled\", \"transport\": {}}],"
	"\"here\": {\"edge\": {\"name\": \"edge.here\", \"version\": \"0.1.0\", \"time\": 1700000000, \"uptime_s\": 1},"
	" \"clients\": [{\"client\": \"sh\\\"op\\\\\\n\", \"tunnels\": 1, \"active\": 0, \"messages\": 1, \"day\": {\"sent\": 1}},"
	"  {\"client\": \"shop\", \"messages\": 3, \"refused\": {\"ra\\u009bte\": 1, \"rate\": 2, \"rat\\\"e\": 3}}],"
	" \"destinations\": []}}";

static char *print(const char *document, bool is_all, bool is_metrics)
{
	json_t *value = json_loads(document, 0, NULL);
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(value);
	if (is_metrics)
		metrics_print(value, NOW, out);
	else
		status_text_print(value, is_all, NOW, out);
	fclose(out);
	json_decref(value);
	return text;
}

static void text_for_people(void **state)
{
	static const char *const lines[] = {
		"edge: vps\n",
		"  endpoint: 198.51.100.20:7843, drained\n",
		"  state: up (edge.vps.example, postern 0.1.0, for 1 day, 1 hour)\n",
		"  round trip: 12.2 ms\n",
		"  clock: the edge's is 90 s behind ours\n",
		"  tunnels: 2, messages under way: 1\n",
		"  last delivery: 5 seconds ago\n",
		"  last 24 hours: 5 sent, 3 deferred, 1 bounced\n",
		"  tls: 5 dane\n",
		"  deferred because: 1 dns, 2 policy\n",
		"  turned away: 4 rate\n",
		"  destination: a.example: 1 active, 2 waiting, slowed to 3 of 20 at a time\n",
		"  destination: b.example: not tried again for 2 s, deferred 1 second ago (no ?[31mway)\n",
		"  destination: q5.example\n",
		"  and 1 more destinations (--all shows them)\n",
		"\nedge: far\n",
		"  endpoint: [2001:db8::1]:7843\n",
		"  state: down, no handshake: it closed\n",
		"\nedge: off\n",
		"  state: disabled, not asked\n",
		"\nthis edge: edge.here, postern 0.1.0, for 1 second\n",
		"\nclient: sh\"op\\?\n",
		"  last delivery: none since the edge started\n",
	};
	char *text = print(document_text, false, false), *all = print(document_text, true, false);
	const char *at = text;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		const char *found = strstr(at, lines[i]);

		if (found == NULL)
			fail_msg("no \"%s\" in what is left: %s", lines[i], at);
		at = found + strlen(lines[i]);
	}
	assert_null(strstr(text, "q6.example"));
	assert_null(strstr(text, "c.example"));
	assert_non_null(strstr(all, "destination: q6.example\n"));
	for (at = text; *at != '\0'; at++)
		assert_true(*at == '\n' || isprint((unsigned char)*at));
	free(all);
	free(text);
}

static void metrics_for_prometheus(void **state)
{
	static const char *const lines[] = {
		"\npostern_metrics_timestamp_seconds 1700000000\n",
		"\npostern_edge_up{edge=\"vps\"} 1\npostern_edge_up{edge=\"far\"} 0\n# ",
		"\npostern_destinations_slowed{edge=\"vps\"} 2\n# ",
		"\npostern_edge_round_trip_seconds{edge=\"vps\"} 0.012250\n# ",
		"\npostern_edge_clock_offset_seconds{edge=\"vps\"} -90\n# ",
		"\npostern_transport_failures_total{edge=\"vps\"} 1\npostern_transport_failures_total{edge=\"far\"} 9\n# ",
		"\n# TYPE postern_recipients_total counter\npostern_recipients_total{edge=\"vps\",outcome=\"sent\"} 5\n",
		"\npostern_turned_away_total{edge=\"vps\",limit=\"rate\"} 4\n# ",
		"\npostern_day_tls{edge=\"vps\",level=\"none\"} 0\npostern_day_tls{edge=\"vps\",level=\"dane\"} 5\n# ",
		/* once: no sample is there twice, whatever names an edge uses */
		" counter\npostern_client_messages_total{client=\"shop\"} 3\n# ",
		" counter\npostern_client_turned_away_total{client=\"shop\",limit=\"rate\"} 2\n",
	};
	char *text = print(document_text, false, true);

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		if (strstr(text, lines[i]) == NULL)
			fail_msg("no \"%s\" in %s", lines[i], text);
	assert_null(strstr(text, "limit=\"rate\"} 3"));
	assert_null(strstr(text, "example"));
	free(text);
}

/* Each line is a comment or a sample, whatever an edge answers. */
static void answers_of_another_kind(void **state)
{
	static const char *const documents[] = {
		"{}",
		"{\"edges\": 7, \"here\": 7}",
		"{\"edges\": [7, null, {}, {\"name\": 7, \"state\": 7}]}",
		"{\"edges\": [{\"name\": \"a\", \"state\": \"up\", \"answer\": []}]}",
		"{\"edges\": [{\"name\": \"a\", \"state\": \"up\", \"answer\": {\"client\": {\"day\": 7, \"recipients\": [1], "
		"\"active\": \"x\\ny 1\", \"refused\": {\"x\\\"} 1\\ny\": 2}}, \"destinations\": [7, {\"domain\": 7}]}}]}",
		/* (UBSan looks at the sums) */
		"{\"edges\": [{\"name\": \"a\", \"state\": \"up\", \"clock_offset_s\": -9223372036854775808, \"answer\": "
		"{\"client\": {\"client\": \"a\", \"last_delivery\": -9223372036854775807}, \"destinations\": ["
		"{\"client\": \"a\", \"closed_for_ms\": 9223372036854775807}]}}]}",
		"{\"here\": {\"clients\": [{}, {\"client\": \"a\", \"day\": {\"tls\": {\"x\": \"y\"}}}], \"destinations\": {}}}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(documents); i++) {
		char *text = print(documents[i], true, true), *rest = NULL;

		for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
			char *end;

			if (line[0] == '#')
				continue;
			assert_int_equal(strncmp(line, "postern_", 8), 0);
			strtod(strrchr(line, ' ') + 1, &end);
			assert_int_equal(*end, '\0');
		}
		free(text);
		free(print(documents[i], true, false));
	}
}

static void ages(void **state)
{
	static const struct {
		long long seconds;
		const char *text;
	} rows[] = {
		{ -5, "0 seconds" }, { 0, "0 seconds" },    { 1, "1 second" },		       { 59, "59 seconds" },
		{ 60, "1 minute" },  { 61, "1 minute, 1 second" }, { 3600, "1 hour" },	       { 3659, "1 hour" },
		{ 7320, "2 hours, 2 minutes" },		    { 86400 * 3 + 7200, "3 days, 2 hours" }, { 86400 + 59, "1 day" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(age_text_print(text, sizeof(text), rows[i].seconds), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_for_people),
		cmocka_unit_test(metrics_for_prometheus),
		cmocka_unit_test(answers_of_another_kind),
		cmocka_unit_test(ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
