/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * child.h - the programs that a measurement needs, each on a core of its own
 *
 * Children die with the measurement.  -errno everywhere.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <sys/types.h>

/* Run the caller, and what it starts from now on, on @cpu only. */
int child_pin(int cpu);

/* The first two CPUs that we may use; -ENODEV if there is but one. */
int child_two_cpus(int cpu[2]);

/* Start PROGRAM of this build on @cpu, with @argv, and wait until it says that
 * it is ready.  The process ID. */
pid_t child_start(const char *program, const char *const *argv, int cpu);

/* Fork @fn(@arg) off to @cpu.  The process ID. */
pid_t child_fork(void (*fn)(void *arg), void *arg, int cpu);

/* Send SIGTERM and wait, at most some seconds. */
void child_stop(pid_t pid);

#endif
