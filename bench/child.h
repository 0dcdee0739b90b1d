/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child.h - the programs that a measurement needs, each on a core of its own
 *
 * Children die with the measurement.  -errno everywhere.
 *
 * Whatever ends a measurement that is guarded but SIGKILL, it stops its children
 * and leaves no files: a signal only sets a word, which every loop looks at.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <signal.h>
#include <sys/types.h>

/* The signal that asked us to end, or 0. */
extern volatile sig_atomic_t child_signal;

/* Call @fn(@arg), which is to clean up and return soon once there is such a
 * signal; the signal then does what it does to others.  What @fn returned. */
int child_guard(int (*fn)(void *arg), void *arg);

/* Run the caller, and what it starts from now on, on @cpu only. */
int child_pin(int cpu);

/* The first two CPUs that we may use; -ENODEV if there is but one. */
int child_two_cpus(int cpu[2]);

/* Start PROGRAM of this build on @cpu, with @argv, and wait until it says that
 * it is ready.  The process ID. */
pid_t child_start(const char *program, const char *const *argv, int cpu);

/* Fork @fn(@arg) off to @cpu.  The process ID. */
pid_t child_fork(void (*fn)(void *arg), void *arg, int cpu);

/* Make a directory of ours in $TMPDIR, or in /tmp: short enough for the path of
 * a Unix socket in it. */
#define CHILD_DIR_MAX 88
int child_dir(char dir[CHILD_DIR_MAX]);

/* Send SIGTERM and wait, at most some seconds. */
void child_stop(pid_t pid);

#endif
