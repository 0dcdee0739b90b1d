/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * procs.h - the real programs, started in a directory of their own
 *
 * The programs are those of the same build ($PCIRING_BIN, or beside the test
 * program).  Children die with the test.
 *
 * Errors   -errno; what a child says on stderr goes to the test's
 */
#ifndef TESTS_FLOW_PROCS_H
#define TESTS_FLOW_PROCS_H

#include <jansson.h>
#include <sys/types.h>

#define PROCS_PATH 100

struct procs {
	char dir[PROCS_PATH - 32]; /* --dir of all of them; made by us */
	pid_t service;		   /* 0: not running */
	pid_t proxy;
};

int procs_init(struct procs *p);
/* Stop what runs, remove the directory; 0, or 1 if something had to be
 * killed or something was left behind in the directory. */
int procs_fini(struct procs *p);

/* Start PROGRAM --dir DIR ARGS... and wait until it says that it is ready.
 * The process ID. */
pid_t procs_start(struct procs *p, const char *program,
		  const char *const *args);
/* Start it with @argv as it is, and wait for nothing. */
pid_t procs_spawn(const char *program, const char *const *argv);
/* pciringd, fit for two shared cores. */
int procs_start_service(struct procs *p);
/* pciring-vfio-user for @machine; @sockets are "BDF=PATH", NULL ends. */
int procs_start_proxy(struct procs *p, const char *machine,
		      const char *const *sockets);

/* Send @sig and wait: the exit status, 128 + the signal it died of, or
 * -ETIMEDOUT after @ms (then it is killed). */
int procs_stop(pid_t *pid, int sig, unsigned int ms);

/* One JSON-RPC call; @params is JSON text.  "result" or "error", a new
 * reference, in @out (may be NULL).  0, 1 for "error", -errno. */
int procs_rpc(struct procs *p, const char *method, const char *params,
	      json_t **out);

/* @name in the directory, in @path (PROCS_PATH bytes). */
const char *procs_path(const struct procs *p, const char *name, char *path);

#endif
