/*
 * The process that systemd and administrators know: takes the signals, keeps the listening sockets,
 * and starts a worker again that has died.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "milter_setup.h"

/*
 * Runs until SIGTERM or SIGINT; SIGHUP reloads. Takes over `setup`. Privileges are gone already.
 * Returns an exit code of sysexits(3).
 */
int supervisor_run(const char *conf_path, struct milter_setup *setup, int policy_fd);

#endif
