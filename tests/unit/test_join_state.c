/* join_state: what was written is read again, no other text is taken for it; join_spf: the records that are proposed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/join_exit.h"
#include "ctl/join_spf.h"
#include "ctl/join_state.h"
#include "file_place.h"

static int set_up(void **state)
{
	return file_place_make(state, "state.json");
}

static void test_round_trip(void **state)
{
	struct file_place *place = *state;
	struct join_state made, read;
	struct postfix postfix = { .directory = "/etc/postfix-out" };
	struct postfix_changes changes = {
		.list = { { true, "postern/unix", NULL, "postern unix - - n - 100 lmtp" },
			  { false, "default_transport", "smtp:[old]:26", "postern:unix:private/postern-spawn" } },
		.count = 2,
	};

	assert_int_equal(join_state_open(&made, place->directory, place->error, sizeof(place->error)), 0);
	assert_false(made.exists);
	assert_int_equal(join_state_save(&made, place->error, sizeof(place->error)), 0);
	assert_non_null(join_state_add_file(&made, "edges", "/nonexistent/edges", place->error, sizeof(place->error)));
	assert_int_equal(join_state_add_changes(&made, &postfix, &changes), 0);
	/* A second join overwrites nothing of the first. */
	changes.list[1].old = "ours:";
	assert_int_equal(join_state_add_changes(&made, &postfix, &changes), 0);
	made.made_user = true;
	assert_false(made.is_complete);
	made.is_complete = true;
	assert_int_equal(join_state_add_edge(&made, "relay", place->error, sizeof(place->error)), 0);

	assert_int_equal(join_state_open(&read, place->directory, place->error, sizeof(place->error)), 0);
	assert_true(read.exists && read.is_complete && read.made_user && !read.made_configuration_directory);
	assert_string_equal(read.postfix_directory, "/etc/postfix-out");
	assert_int_equal(read.file_count, 1);
	assert_string_equal(join_state_find_file(&read, "edges")->path, "/nonexistent/edges");
	assert_null(join_state_find_file(&read, "main.cf"));
	assert_int_equal(read.changes.count, 2);
	assert_true(read.changes.list[0].is_service);
	assert_null(read.changes.list[0].old);
	assert_string_equal(read.changes.list[1].old, "smtp:[old]:26");
	assert_string_equal(read.changes.list[1].new, "postern:unix:private/postern-spawn");
	assert_int_equal(read.edge_count, 1);
	assert_string_equal(read.edges[0], "relay");
	/* A join that is killed may have made a copy that it had not noted yet. */
	assert_non_null(join_state_add_file(&read, "passwd-", "/etc/passwd", place->error, sizeof(place->error)));
	read.file_count--;
	join_state_forget(&read);
	assert_int_equal(access(place->directory, F_OK), -1);
	join_state_wipe(&made);
	join_state_wipe(&read);
}

static void test_other_texts(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "{\"version\": 2, \"postfix\": \"\"}", "{\"version\": 1}",
		"{\"version\": 1, \"postfix\": \"\", \"files\": [{\"name\": \"../x\", \"path\": \"/x\"}]}",
		"{\"version\": 1, \"postfix\": \"\", \"files\": [{\"name\": \"x\"}]}",
		"{\"version\": 1, \"postfix\": \"\", \"files\": [{\"name\": \"a name that is longer than all of ours\", \"path\": \"/x\"}]}",
		"{\"version\": 1, \"postfix\": \"\", \"changes\": [{\"name\": \"x\", \"old\": \"y\"}]}",
		"{\"version\": 1, \"postfix\": \"\", \"changes\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}",
		"{\"version\": 1, \"postfix\": \"\", \"edges\": [1]}",
	};
	struct file_place *place = *state;
	struct join_state read;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		file_place_write(place, texts[i], 0600);
		assert_int_equal(join_state_open(&read, place->directory, place->error, sizeof(place->error)), JOIN_CONFIG);
		assert_non_null(strstr(place->error, "state.json: "));
		join_state_wipe(&read);
	}
}

static void test_spf(void **state)
{
	static const struct {
		const char *old, *new;
		bool is_there;
	} rows[] = {
		{ NULL, "v=spf1 mx a:e.example -all", false },
		{ "v=spf1 -all", "v=spf1 a:e.example -all", false },
		{ "v=spf1 mx  include:_spf.x.example ~all", "v=spf1 mx  include:_spf.x.example a:e.example ~all", false },
		{ "v=spf1 mx ?ALL exp=e.x.example", "v=spf1 mx a:e.example ?ALL exp=e.x.example", false },
		{ "v=spf1 mx redirect=x.example", "v=spf1 mx a:e.example redirect=x.example", false },
		{ "v=spf1", "v=spf1 a:e.example", false },
		{ "v=spf1 mx ", "v=spf1 mx a:e.example", false },
		{ "v=spf1 include:all.example all", "v=spf1 include:all.example a:e.example all", false },
		{ "v=spf1 mx a:E.example -all", "v=spf1 mx a:E.example -all", true },
		{ "v=spf1 +a:e.example -all", "v=spf1 +a:e.example -all", true },
		{ "v=spf1 a:e.example.org -all", "v=spf1 a:e.example.org a:e.example -all", false },
		/* Behind the end nothing counts (RFC 7208 5.1). */
		{ "v=spf1 -all a:e.example", "v=spf1 a:e.example -all a:e.example", false },
	};
	char out[200];
	bool is_there;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(join_spf_record(out, sizeof(out), rows[i].old, "e.example", &is_there));
		assert_string_equal(out, rows[i].new);
		assert_int_equal(is_there, rows[i].is_there);
	}
	assert_false(join_spf_record(out, 20, NULL, "e.example", &is_there));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, file_place_remove),
		cmocka_unit_test_setup_teardown(test_other_texts, set_up, file_place_remove),
		cmocka_unit_test(test_spf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
