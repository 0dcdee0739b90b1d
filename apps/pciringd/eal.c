/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an argument vector is made of our defaults and the operator's raw
 * options.  Where the EAL refuses to be told twice (cores, memory), ours are
 * left out.
 *
 * The start takes 0.13 s with a warm page cache: 0.1 s of it is the EAL timing
 * its clock, which no option avoids, 0.02 s loading every driver of a shared
 * DPDK.  --no-shconf costs nothing and leaves no files but the telemetry
 * socket.
 *
 * Nothing that we ask of the EAL pays for huge pages yet, and to take some is a
 * race: those that were free a moment ago may be somebody else's now, and the
 * EAL gives up.  So it gets ordinary memory, unless the operator says otherwise;
 * guest memory comes on whatever pages the VMM chose.  What nobody touches of
 * it costs 12 KiB of bookkeeping a MiB: 128 MiB, room for the frames of ten
 * NICs with four queue pairs, 1.4 MiB more than 8 MiB, and no time that shows.
 *
 * PCI is left alone until the operator names devices of it (-a, -b).
 */
#include "apps/pciringd/eal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "apps/pciringd/prefix.h"

#define DEFAULT_IDLE_US 50
#define NO_HUGE_MB	"128" /* frames of ports; touched when used */
#define OWN_ARGS	16

static struct {
	bool lcores_given;
	int prefix_lock;
	char prefix_dir[256];
} eal = { .prefix_lock = -1 };

/* ---- Arguments ------------------------------------------------------------- */

/* Is @arg the option @name, alone, with "=", or short with its value? */
static bool is_option(const char *arg, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n))
		return false;
	return name[1] != '-' || arg[n] == '\0' || arg[n] == '=';
}

static bool operator_gives(const struct service_options *o,
			   const char *const *names)
{
	for (; *names; names++)
		for (int i = 0; i < o->nr_eal; i++)
			if (is_option(o->eal[i], *names))
				return true;
	return false;
}

static const char *const core_options[] = { "-l", "-c", "--lcores", NULL };
static const char *const memory_options[] = { "-m",
					      "--socket-mem",
					      "--socket-limit",
					      "--no-huge",
					      "--in-memory",
					      "--huge-dir",
					      "--no-shconf",
					      "--legacy-mem",
					      "--single-file-segments",
					      "--huge-unlink",
					      NULL };

static const char *const pci_options[] = { "-a", "--allow", "-b", "--block",
					   NULL };

/* "0@(0-1,3),1@(0-1,3)": control and one loop on all CPUs we may use. */
static void default_lcores(char *spec, size_t room)
{
	char cpus[512] = "";
	size_t n = 0;
	cpu_set_t set;
	int first;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE && n + 16 < sizeof(cpus); cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		first = cpu;
		while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, &set))
			cpu++;
		n += (size_t)snprintf(cpus + n, sizeof(cpus) - n,
				      first == cpu ? "%s%d" : "%s%d-%d",
				      n ? "," : "", first, cpu);
	}
	snprintf(spec, room, "0@(%s),1@(%s)", cpus, cpus);
}

struct arguments {
	char **v;
	int n;
	char lcores[1100];
	char prefix[64];
};

static void add(struct arguments *a, const char *word)
{
	/* The EAL takes char ** and does not write the words. */
	a->v[a->n++] = (char *)(uintptr_t)word;
}

static void add_memory(struct arguments *a)
{
	add(a, "--no-shconf");
	add(a, "--no-huge");
	add(a, "-m");
	add(a, NO_HUGE_MB);
}

static void add_cores(struct arguments *a, const struct service_options *o)
{
	if (operator_gives(o, core_options)) {
		eal.lcores_given = true;
		return;
	}
	add(a, "--lcores");
	eal.lcores_given = o->lcores != NULL;
	if (o->lcores) {
		add(a, o->lcores);
		return;
	}
	default_lcores(a->lcores, sizeof(a->lcores));
	add(a, a->lcores);
}

static int make_arguments(struct arguments *a, const struct service_options *o)
{
	memset(a, 0, sizeof(*a));
	a->v = calloc((size_t)(OWN_ARGS + o->nr_eal + 1), sizeof(*a->v));
	if (!a->v)
		return -ENOMEM;
	snprintf(a->prefix, sizeof(a->prefix), PREFIX_WORD "%d", getpid());
	add(a, "pciringd");
	if (!operator_gives(o, pci_options))
		add(a, "--no-pci");
	add(a, "--file-prefix");
	add(a, a->prefix);
	add(a, o->log_level == LOG_DEBUG ? "--log-level=info"
					 : "--log-level=warning");
	/* It warns that nobody uses its first version. */
	add(a, "--log-level=lib.telemetry:error");
	if (!operator_gives(o, memory_options))
		add_memory(a);
	add_cores(a, o);
	for (int i = 0; i < o->nr_eal; i++)
		add(a, o->eal[i]);
	return 0;
}

/* ---- Start and end ------------------------------------------------------------ */

/* One with a prefix of the operator's own choice is not ours. */
static void remove_prefix(void)
{
	if (prefix_is_ours(eal.prefix_dir))
		prefix_remove(eal.prefix_dir);
	if (eal.prefix_lock >= 0)
		close(eal.prefix_lock);
	eal.prefix_lock = -1;
}

/* The EAL prints its usage on stdout, where ours is the one line that says
 * ready; so stdout is stderr meanwhile. */
static int init_with_stdout_aside(struct arguments *a)
{
	int n, ours = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);

	fflush(stdout);
	if (ours >= 0)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	n = rte_eal_init(a->n, a->v);
	fflush(stdout);
	if (ours >= 0) {
		dup2(ours, STDOUT_FILENO);
		close(ours);
	}
	return n;
}

static int eal_init(const struct service_options *o)
{
	struct arguments a;
	int n, err = make_arguments(&a, o);

	if (err)
		return err;
	n = init_with_stdout_aside(&a);
	free(a.v);
	/* It is there whether the rest went well or not. */
	snprintf(eal.prefix_dir, sizeof(eal.prefix_dir), "%s",
		 rte_eal_get_runtime_dir());
	if (n >= 0)
		return 0;
	log_error("the DPDK EAL does not start: %s", rte_strerror(rte_errno));
	return -EIO;
}

int eal_start(const struct service_options *o)
{
	int err = eal_init(o);

	if (err) {
		remove_prefix();
		return err;
	}
	if (rte_lcore_count() < 2) {
		log_error("--lcores must give two lcores at least: the first "
			  "is control, each other a poll loop; 0@0,1@1");
		eal_end();
		return -EINVAL;
	}
	eal.prefix_lock = prefix_lock(eal.prefix_dir);
	prefix_clean(eal.prefix_dir);
	return 0;
}

void eal_end(void)
{
	rte_eal_cleanup();
	remove_prefix();
}

/* ---- Cores --------------------------------------------------------------------- */

unsigned int eal_nr_loops(void)
{
	return rte_lcore_count() - 1;
}

static unsigned int lcore_of(unsigned int i)
{
	unsigned int lcore;

	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		if (!i--)
			return lcore;
	}
	assert(false);
	return 0;
}

/* Exactly one CPU, and no other lcore's. */
static bool has_own_cpu(unsigned int lcore)
{
	rte_cpuset_t mine = rte_lcore_cpuset(lcore), both, other;
	unsigned int i;

	if (CPU_COUNT(&mine) != 1)
		return false;
	RTE_LCORE_FOREACH(i)
	{
		if (i == lcore)
			continue;
		other = rte_lcore_cpuset(i);
		CPU_AND(&both, &mine, &other);
		if (CPU_COUNT(&both))
			return false;
	}
	return true;
}

int eal_idle_us(const struct service_options *o, unsigned int i)
{
	if (o->idle_us != OPTIONS_IDLE_AUTO)
		return o->idle_us;
	return eal.lcores_given && has_own_cpu(lcore_of(i)) ? LOOP_IDLE_OFF
							    : DEFAULT_IDLE_US;
}

int eal_launch(unsigned int i, struct loop *loop)
{
	return rte_eal_remote_launch(loop_run, loop, lcore_of(i));
}

void eal_join(unsigned int i)
{
	rte_eal_wait_lcore(lcore_of(i));
}
