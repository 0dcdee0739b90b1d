/* SPDX-License-Identifier: BSD-3-Clause */
/* How: getopt_long up to "--"; what follows is the EAL's. */
#include "apps/pciringd/options.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/pciringd/config.h"

/* The longest name in the directory is attach.sock. */
#define DIR_MAX (MSG_PATH_MAX - sizeof("/attach.sock"))

static const char usage[] =
	"usage: pciringd [OPTION]... [-- EAL-OPTION...]\n"
	"\n"
	"The pciring service: gives virtual machines their PCI devices. VMMs\n"
	"attach over shared-memory rings; a stock QEMU or Cloud Hypervisor "
	"comes\n"
	"in through pciring-vfio-user. Machines and their functions are "
	"created\n"
	"at run time with pciringctl, or from a configuration file.\n"
	"\n"
	"  --dir DIR           directory of the sockets and the lock\n"
	"                      [%s]\n"
	"  --config FILE       create what FILE lists, before being ready\n"
	"  --check-config FILE check FILE and exit: 0 good, 1 bad\n"
	"  --lcores SPEC       CPUs, as DPDK writes them: LCORE@CPUS,...; the\n"
	"                      first lcore is control, each other a poll loop\n"
	"                      [0@(all),1@(all): one loop, on any CPU]\n"
	"  --idle US|off       sleep after US microseconds without work, or\n"
	"                      poll for ever [off for a loop whose CPU is its\n"
	"                      own by --lcores, otherwise 50]\n"
	"  --allow-uid USER    who may attach beside root and our own user: a\n"
	"                      name or number, once for each; attach.sock "
	"then\n"
	"                      has mode 0666, and strangers are turned away\n"
	"  --allow-gid GROUP   the same for a group; alone, mode 0660\n"
	"  --shared-dir        use DIR although others may write there\n"
	"  --log-level LEVEL   error, warn, info or debug [info]\n"
	"  --version           print the version and exit\n"
	"  --help              print this and exit\n"
	"\n"
	"Limits of one attachment; more is refused, with a line that says so:\n"
	"  --max-regions N     guest memory regions [%u]\n"
	"  --max-memory BYTES  guest memory, and the files of a machine, with\n"
	"                      K, M, G or T [%lluT]\n"
	"Limits of one machine, all its attachments together:\n"
	"  --max-attachments N [%u]\n"
	"  --max-lanes N       lanes, one a vCPU [%u]\n"
	"  --max-files N       distinct files of guest memory [%u]\n"
	"  --max-vectors N     vectors bound to eventfds [%u]\n"
	"  --max-lines N       lines bound to eventfds [%u]\n"
	"  --max-kicks N       doorbells bound to eventfds [%u]\n"
	"\n"
	"EAL options after -- are added to ours and win over them.\n"
	"\n"
	"Files in DIR:\n"
	"  rpc.sock            JSON-RPC 2.0, one object a line: pciringctl\n"
	"  attach.sock         VMMs and proxies attach here\n"
	"  lock                held while the service runs\n"
	"\n"
	"Prints \"pciringd: ready (DIR)\" when both listen. SIGTERM and "
	"SIGINT\n"
	"end it: VMMs see the end of their connections, the sockets go.\n"
	"\n"
	"Examples:\n"
	"  pciringd                                    try it on a laptop\n"
	"  pciringd --config /etc/pciring.json         with machines to start "
	"with\n"
	"  pciringd --lcores 0@0,1@2,2@3               two loops, CPUs 2 and "
	"3\n"
	"  pciringd -- --huge-dir /mnt/huge -m 64      tell the EAL more\n"
	"\n"
	"  pciringctl create demo\n"
	"  pciringctl plug demo 00:01.0 rng\n"
	"  pciringctl socket demo 00:01.0 /tmp/demo.sock\n"
	"  pciring-vfio-user --machine demo &\n"
	"  pciringctl connect demo --vmm qemu\n";

static int bad(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "pciringd: --%s %s: must be %s\n", option, value, want);
	return 2;
}

int service_default_dir(char *dir, size_t room)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (!geteuid())
		n = snprintf(dir, room, "/run/pciring");
	else if (xdg && xdg[0] == '/')
		n = snprintf(dir, room, "%s/pciring", xdg);
	else
		n = snprintf(dir, room, "/tmp/pciring-%u", geteuid());
	return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

static int set_dir(struct service_options *o, const char *dir)
{
	size_t n = strlen(dir);

	if (!n || n > DIR_MAX)
		return bad("dir", dir,
			   "short enough for the path of a Unix socket");
	memcpy(o->dir, dir, n + 1);
	return -1;
}

static int set_idle(struct service_options *o, const char *text)
{
	char *end;
	long us;

	if (!strcmp(text, "off")) {
		o->idle_us = LOOP_IDLE_OFF;
		return -1;
	}
	us = strtol(text, &end, 10);
	if (end == text || *end || us < 0 || us > 1000000)
		return bad("idle", text, "off or 0 to 1000000 microseconds");
	o->idle_us = (int)us;
	return -1;
}

/* A limit that is a number. */
static int set_limit(const char *option, const char *text, uint32_t most,
		     uint32_t *limit)
{
	char want[32], *end;
	long n = strtol(text, &end, 10);

	snprintf(want, sizeof(want), "1 to %u", most);
	if (end == text || *end || n < 1 || n > (long)most)
		return bad(option, text, want);
	*limit = (uint32_t)n;
	return -1;
}

/* Not -1, which means nobody in particular to the system. */
static bool parse_id(const char *text, uint32_t *id)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (end == text || *end || errno || text[0] == '-' || n >= UINT32_MAX)
		return false;
	*id = (uint32_t)n;
	return true;
}

static int allow_uid(struct service_options *o, const char *text)
{
	struct peer_access *a = &o->access;
	const struct passwd *user;
	uint32_t id;

	if (a->nr_uids == PEER_MAX)
		return bad("allow-uid", text, "one of 16 at most");
	if (!parse_id(text, &id)) {
		user = getpwnam(text);
		if (!user)
			return bad("allow-uid", text, "a user");
		id = user->pw_uid;
	}
	a->uid[a->nr_uids++] = id;
	return -1;
}

static int allow_gid(struct service_options *o, const char *text)
{
	struct peer_access *a = &o->access;
	const struct group *group;
	uint32_t id;

	if (a->nr_gids == PEER_MAX)
		return bad("allow-gid", text, "one of 16 at most");
	if (!parse_id(text, &id)) {
		group = getgrnam(text);
		if (!group)
			return bad("allow-gid", text, "a group");
		id = group->gr_gid;
	}
	a->gid[a->nr_gids++] = id;
	return -1;
}

static int set_memory(struct service_options *o, const char *text)
{
	static const char units[] = "KMGT";
	unsigned long long n;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (end == text || *end || errno || text[0] == '-' || !n ||
	    n > UINT64_MAX >> shift)
		return bad("max-memory", text, "a size such as 64G");
	o->limits.bytes = (uint64_t)n << shift;
	return -1;
}

static int set(struct service_options *o, int c, const char *arg)
{
	const struct service_limits *l = &o->limits;

	switch (c) {
	case 'd':
		return set_dir(o, arg);
	case 'c':
		o->config = arg;
		return -1;
	case 'k':
		o->check_config = arg;
		return -1;
	case 'l':
		o->lcores = arg;
		return -1;
	case 'i':
		return set_idle(o, arg);
	case 'r':
		return set_limit("max-regions", arg, GPA_MAX_REGIONS,
				 &o->limits.regions);
	case 'A':
		return set_limit("max-attachments", arg, 256,
				 &o->limits.attachments);
	case 'N':
		return set_limit("max-lanes", arg, 256 * PCIRING_MAX_LANES,
				 &o->limits.lanes);
	case 'F':
		return set_limit("max-files", arg, GPA_MAX_FILES,
				 &o->limits.files);
	case 'V':
		return set_limit("max-vectors", arg, 256 * MSI_MAX_VECTORS,
				 &o->limits.vectors);
	case 'I':
		return set_limit("max-lines", arg, 256 + MACHINE_GSIS,
				 &o->limits.lines);
	case 'K':
		return set_limit("max-kicks", arg, KICK_FD_MOST,
				 &o->limits.kicks);
	case 'u':
		return allow_uid(o, arg);
	case 'g':
		return allow_gid(o, arg);
	case 's':
		o->shared_dir = true;
		return -1;
	case 'm':
		return set_memory(o, arg);
	case 'L':
		if (log_parse_level(arg, &o->log_level))
			return bad("log-level", arg,
				   "error, warn, info or debug");
		return -1;
	case 'v':
		printf("pciringd %s\n", PCIRING_VERSION);
		return 0;
	case 'h':
		printf(usage, o->dir, l->regions,
		       (unsigned long long)(l->bytes >> 40), l->attachments,
		       l->lanes, l->files, l->vectors, l->lines, l->kicks);
		return 0;
	default:
		fputs("try pciringd --help\n", stderr);
		return 2;
	}
}

static void set_defaults(struct service_options *o)
{
	*o = (struct service_options){
		.idle_us = OPTIONS_IDLE_AUTO,
		.log_level = LOG_INFO,
	};
	limits_default(&o->limits);
}

int service_options_parse(struct service_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", required_argument, NULL, 'k' },
		{ "lcores", required_argument, NULL, 'l' },
		{ "idle", required_argument, NULL, 'i' },
		{ "allow-uid", required_argument, NULL, 'u' },
		{ "allow-gid", required_argument, NULL, 'g' },
		{ "shared-dir", no_argument, NULL, 's' },
		{ "max-attachments", required_argument, NULL, 'A' },
		{ "max-lanes", required_argument, NULL, 'N' },
		{ "max-files", required_argument, NULL, 'F' },
		{ "max-vectors", required_argument, NULL, 'V' },
		{ "max-lines", required_argument, NULL, 'I' },
		{ "max-kicks", required_argument, NULL, 'K' },
		{ "max-regions", required_argument, NULL, 'r' },
		{ "max-memory", required_argument, NULL, 'm' },
		{ "log-level", required_argument, NULL, 'L' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c, status;

	set_defaults(o);
	if (service_default_dir(o->dir, DIR_MAX)) {
		fputs("pciringd: $XDG_RUNTIME_DIR is too long a path\n",
		      stderr);
		return 2;
	}
	while ((c = getopt_long(argc, argv, "+", longs, NULL)) >= 0) {
		status = set(o, c, optarg);
		if (status >= 0)
			return status;
	}
	if (optind < argc && strcmp(argv[optind - 1], "--")) {
		fprintf(stderr,
			"pciringd: what is \"%s\"? EAL options come "
			"after --\n",
			argv[optind]);
		return 2;
	}
	o->eal = argv + optind;
	o->nr_eal = argc - optind;
	return -1;
}
