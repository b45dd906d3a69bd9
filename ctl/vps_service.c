/*
 * systemctl(1) is told what an administrator would tell it. Whether the service really serves is asked at
 * its own port, with the key of the invite: the answer shows that it is this edge, that it has the
 * list with the invite in it, and that it would take a mail host in.
 */
#include "vps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "doctor/program.h"
#include "edge_ask.h"
#include "lib/deadline.h"

#define SYSTEMD "/run/systemd/system"
#define COMMAND_MS 90000
#define ASK_MS 5000
#define LOOK_MS 200
#define ERROR_MAX 1024

static const char *const disable[] = { "systemctl", "disable", VPS_UNIT, NULL };
static const char *const stop[] = { "systemctl", "stop", VPS_UNIT, NULL };

/* Its exit code; -1: it could not be run. */
static int ask_systemd(const char *verb)
{
	const char *const command[] = { "systemctl", verb, "--quiet", VPS_UNIT, NULL };
	struct program_output output;
	char error[ERROR_MAX];
	int status;

	if (program_run(&output, command, NULL, PROGRAM_STDERR_DROPPED, COMMAND_MS, error,
			sizeof(error)) < 0)
		return -1;
	status = output.exit_code;
	program_output_wipe(&output);
	return status;
}

/* The last words of a service that did not start. */
static void print_journal(void)
{
	const char *const command[] = { "journalctl", "-u",  VPS_UNIT,     "-n", "5",
					"-o",         "cat", "--no-pager", NULL };
	struct program_output output;
	char error[ERROR_MAX];

	if (program_run(&output, command, NULL, PROGRAM_STDERR_DROPPED, COMMAND_MS, error,
			sizeof(error)) < 0)
		return;
	fputs(output.text, stderr);
	program_output_wipe(&output);
}

static int tell_systemd(const char *verb, const char *unit)
{
	const char *const command[] = { "systemctl", verb, unit, NULL };
	struct program_output output;
	char error[ERROR_MAX];
	int result = EX_OK;

	if (program_run(&output, command, NULL, PROGRAM_STDERR_TOO, COMMAND_MS, error,
			sizeof(error)) < 0)
		return command_fail(EX_OSFILE, "service: %s", error);
	if (output.exit_code != 0) {
		result = command_fail(EX_UNAVAILABLE,
				      "service: systemctl %s %s failed: %.*s; the log says more: "
				      "journalctl -u " VPS_UNIT,
				      verb, unit != NULL ? unit : "",
				      (int)strcspn(output.text, "\n"), output.text);
		print_journal();
	}
	program_output_wipe(&output);
	return result;
}

/* Before the service is started, so that this is taken back after it was stopped. */
static void note_state(struct vps *vps)
{
	const char *const remove[] = { "rm", "-rf", "--one-file-system", "--", vps->state, NULL };

	if (access(vps->state, F_OK) != 0 && errno == ENOENT)
		undo_note_command(&vps->undo, remove);
}

int vps_service_start(struct vps *vps, bool *is_left_out)
{
	bool was_enabled, was_active;
	int result;

	*is_left_out = access(SYSTEMD, F_OK) != 0;
	if (*is_left_out)
		return EX_OK;
	note_state(vps);
	result = tell_systemd("daemon-reload", NULL);
	was_enabled = ask_systemd("is-enabled") == 0;
	was_active = ask_systemd("is-active") == 0;
	if (result == EX_OK && !was_enabled) {
		undo_note_command(&vps->undo, disable);
		result = tell_systemd("enable", VPS_UNIT);
	}
	if (result == EX_OK && !was_active) {
		undo_note_command(&vps->undo, stop);
		result = tell_systemd("start", VPS_UNIT);
	} else if (result == EX_OK && vps->needs_restart) {
		result = tell_systemd("restart", VPS_UNIT);
	}
	return result;
}

static bool knows_the_invite(const struct edge_reply *reply)
{
	const char *result = json_string_value(json_object_get(reply->answer, "result"));

	return reply->layer == EDGE_ASK_OK && result != NULL && strcmp(result, "refused") == 0;
}

int vps_service_ask(const struct vps *vps, const uint8_t secret[INVITE_SECRET_SIZE],
		    int64_t patience_ms)
{
	struct deadline deadline = deadline_in_ms(patience_ms);
	struct edge_ask ask = { .edge = vps->listen, .question = "enrol", .timeout_ms = ASK_MS };
	struct noise_keypair keypair;
	struct edge_reply reply;
	char place[ENDPOINT_TEXT_MAX];
	bool is_there;
	int result = EX_OK;

	memcpy(ask.public_key, vps->public_key, sizeof(ask.public_key));
	invite_derive(&keypair, secret);
	ask.own = noise_keypair_static_key(&keypair);
	for (;;) {
		edge_ask(&ask, &reply);
		is_there = knows_the_invite(&reply);
		if (is_there || deadline_has_passed(deadline))
			break;
		edge_reply_wipe(&reply);
		usleep(LOOK_MS * 1000);
	}
	endpoint_print(&vps->listen, place, sizeof(place));
	if (!is_there && reply.layer == EDGE_ASK_CONNECT)
		result = command_fail(EX_UNAVAILABLE, "service: nobody answers at %s: %s", place,
				      reply.error);
	else if (!is_there)
		result =
			command_fail(EX_PROTOCOL,
				     "service: who answers at %s is not this edge, or does not "
				     "know the invite: %s: %s; is "
				     "another postern-edge running, with another key_file or list?",
				     place, edge_ask_layer_name(reply.layer), reply.error);
	edge_reply_wipe(&reply);
	noise_keypair_wipe(&keypair);
	return result;
}
