/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the service's half and the client's half of the channel live in one
 * process, so a test sees both ends of each ring; everything below link_access
 * is what pciringd runs.
 */
#include "tests/flow/rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RIG_FILE    (RIG_LENT + 2 * RIG_GUARD)
#define RIG_PATTERN 0xa5

static int rig_memory(struct rig *rig)
{
	rig->mem_fd = memfd_create("rig", MFD_CLOEXEC);
	if (rig->mem_fd < 0)
		return -errno;
	if (ftruncate(rig->mem_fd, RIG_FILE))
		goto close_fd;
	rig->file = mmap(NULL, RIG_FILE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 rig->mem_fd, 0);
	if (rig->file == MAP_FAILED)
		goto close_fd;
	memset(rig->file, RIG_PATTERN, RIG_FILE);
	rig->mem = rig->file + RIG_GUARD;
	memset(rig->mem, 0, RIG_LENT);
	return 0;

close_fd:
	close(rig->mem_fd);
	return -ENOMEM;
}

static int rig_client(struct rig *rig)
{
	int fds[MSG_NR_FDS] = {
		[MSG_FD_SEGMENT] = dup(rig->service.fd),
		[MSG_FD_KICK] = dup(rig->service.kick_fd),
	};

	return channel_open(&rig->client, &rig->service.geo, fds);
}

int rig_lend(struct rig *rig)
{
	struct gpa_region r = {
		.gpa = RIG_GPA,
		.size = RIG_LENT,
		.flags = GPA_READ | GPA_WRITE,
	};
	int err;

	err = gpa_files_get(&rig->files, rig->mem_fd, RIG_GUARD, RIG_LENT, true,
			    &r.file);
	if (err)
		return err;
	r.host = (uint8_t *)r.file->base + RIG_GUARD;
	return link_map(&rig->link, &r);
}

int rig_take_back(struct rig *rig)
{
	struct gpa_region r;
	int err;

	err = link_unmap(&rig->link, RIG_GPA, RIG_LENT, &r);
	if (!err)
		gpa_files_put(&rig->files, r.file);
	return err;
}

int rig_plug(struct rig *rig, uint16_t bdf, struct function **out)
{
	char error[128] = "";

	return machine_plug(rig->machine, bdf, device_type_find("rng"), NULL, 0,
			    out, error, sizeof(error));
}

int rig_init(struct rig *rig, uint16_t scope, bool remote)
{
	const struct link_options opt = {
		.scope = scope,
		.remote = remote,
	};

	return rig_init_link(rig, &opt);
}

int rig_init_link(struct rig *rig, const struct link_options *options)
{
	return rig_init_device(rig, options, "rng", NULL, 0);
}

int rig_init_device(struct rig *rig, const struct link_options *options,
		    const char *type, const struct device_option *option,
		    unsigned int nr_options)
{
	struct link_options opt = *options;
	char error[128] = "";
	int err;

	memset(rig, 0, sizeof(*rig));
	err = rig_memory(rig);
	if (err)
		return err;
	err = machine_create("rig", &rig->machine);
	if (err)
		return err;
	opt.bdf = RIG_BDF;
	err = machine_plug(rig->machine, RIG_BDF, device_type_find(type),
			   option, nr_options, &rig->function, error,
			   sizeof(error));
	if (err)
		return err;
	err = channel_create(&rig->service, 1, 1);
	if (err)
		return err;
	err = rig_client(rig);
	if (err)
		return err;
	err = link_attach(rig->machine, &rig->link, &rig->service, &opt);
	if (err)
		return err;
	return rig_lend(rig);
}

void rig_fini(struct rig *rig)
{
	struct gpa_region r;

	link_detach(&rig->link);
	while (link_take_region(&rig->link, &r))
		if (r.file)
			gpa_files_put(&rig->files, r.file);
	machine_destroy(rig->machine);
	channel_fini(&rig->client);
	channel_fini(&rig->service);
	munmap(rig->file, RIG_FILE);
	close(rig->mem_fd);
}

uint64_t rig_access_to(struct rig *rig, uint16_t bdf, uint8_t op, uint8_t space,
		       uint64_t address, uint8_t size, uint64_t value)
{
	struct msg_access a = {
		.address = address,
		.value = value,
		.seq = ++rig->seq,
		.function = bdf,
		.space = space,
		.size = size,
		.op = op,
	};
	uint64_t answer = 0;

	link_access(&rig->link, &a, &answer);
	return answer;
}

uint64_t rig_access(struct rig *rig, uint8_t op, uint8_t space,
		    uint64_t address, uint8_t size, uint64_t value)
{
	return rig_access_to(rig, RIG_BDF, op, space, address, size, value);
}

/* ---- The driver's way in ---------------------------------------------------- */

static uint64_t port_access(struct rig_port *port, uint8_t op, uint8_t space,
			    uint64_t address, unsigned int size, uint64_t value)
{
	return rig_access_to(port->rig, port->function->vp.func.bdf, op, space,
			     address, (uint8_t)size, value);
}

static uint32_t guest_config_read(void *ctx, uint32_t off, unsigned int size)
{
	return (uint32_t)port_access(ctx, MSG_READ, PCIRING_SPACE_CONFIG, off,
				     size, 0);
}

static void guest_config_write(void *ctx, uint32_t off, unsigned int size,
			       uint32_t value)
{
	port_access(ctx, MSG_WRITE, PCIRING_SPACE_CONFIG, off, size, value);
}

static uint64_t bar_access(struct rig_port *port, uint8_t op, unsigned int bar,
			   uint64_t off, unsigned int size, uint64_t value)
{
	const struct pci_bar *b = &port->function->vp.func.bar[bar];

	if (port->rig->link.scope == PCIRING_SCOPE_MACHINE)
		return port_access(port, op, PCIRING_SPACE_MMIO,
				   b->range.base + off, size, value);
	return port_access(port, op, (uint8_t)(PCIRING_SPACE_BAR0 + bar), off,
			   size, value);
}

static uint64_t guest_bar_read(void *ctx, unsigned int bar, uint64_t off,
			       unsigned int size)
{
	return bar_access(ctx, MSG_READ, bar, off, size, 0);
}

static void guest_bar_write(void *ctx, unsigned int bar, uint64_t off,
			    unsigned int size, uint64_t value)
{
	bar_access(ctx, MSG_WRITE, bar, off, size, value);
}

void rig_port_guest(struct rig_port *port, struct guest *g, uint64_t offset,
		    uint64_t size)
{
	static const struct guest_ops ops = {
		.config_read = guest_config_read,
		.config_write = guest_config_write,
		.bar_read = guest_bar_read,
		.bar_write = guest_bar_write,
	};
	struct guest_memory mem = {
		.gpa = RIG_GPA + offset,
		.host = port->rig->mem + offset,
		.size = size,
	};

	guest_init(g, &ops, port, &mem);
}

void rig_guest(struct rig *rig, struct guest *g)
{
	rig->port = (struct rig_port){ rig, rig->function };
	rig_port_guest(&rig->port, g, 0, RIG_LENT);
}

bool rig_run(struct rig *rig, unsigned int turns)
{
	while (turns--)
		if (!machine_turn(rig->machine))
			return true;
	return false;
}

static bool holds(const uint8_t *p, size_t n)
{
	return p[0] == RIG_PATTERN && memcmp(p, p + 1, n - 1) == 0;
}

bool rig_guards_hold(const struct rig *rig)
{
	return holds(rig->file, RIG_GUARD) &&
	       holds(rig->mem + RIG_LENT, RIG_GUARD);
}
