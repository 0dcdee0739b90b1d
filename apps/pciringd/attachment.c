/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: whatever can block or allocate (mapping a file, closing a descriptor)
 * happens here, before or after the short change that the machine's loop makes
 * between two turns.  An unmap is answered after the loop has forgotten the
 * region, and the file goes after that.
 */
#include "apps/pciringd/attachment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ring/discard.h"

/* Regions that one call takes away: it bounds how long a turn waits. */
#define UNMAP_BATCH 64

/* ---- Links that break ----------------------------------------------------- */

/* On the loop, once. */
static void link_broke(struct link *l)
{
	struct attachment *a = container_of(l, struct attachment, link);
	const uint64_t one = 1;

	/* Relaxed: the two system calls on the eventfd are the order.  It is
	 * ours alone: it cannot block. */
	atomic_store_explicit(&a->told, true, memory_order_relaxed);
	if (write(a->broken_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN); /* full is as good as written */
}

static const struct link_ops link_ops = {
	.broken = link_broke,
};

bool attachment_broken(const struct attachment *a)
{
	/* Relaxed: read behind the eventfd's signal; why the link broke is read
	 * only when the loop has let go of it. */
	return atomic_load_explicit(&a->told, memory_order_relaxed);
}

const char *attachment_fault(enum channel_fault why)
{
	static const char *const words[CHANNEL_NR_FAULTS] = {
		[CHANNEL_FORGED_INDEX] = "forged_index",
		[CHANNEL_BAD_REQUEST] = "bad_request",
	};

	return why < CHANNEL_NR_FAULTS && words[why] ? words[why] : "other";
}

/* Detached: the channel is the control thread's. */
static void count_broken(struct attachment *a)
{
	struct service_machine *m = a->machine;
	enum channel_fault why = channel_broken(&a->channel);

	if (why == CHANNEL_WHOLE)
		return;
	m->links_broken[CHANNEL_WHOLE]++;
	m->links_broken[why]++;
	m->service->attach.links_broken[CHANNEL_WHOLE]++;
	m->service->attach.links_broken[why]++;
	log_limited(LOG_WARN, "%s: \"%s\" (pid %d) broke its link: %s",
		    m->machine->name, a->name, a->pid, attachment_fault(why));
}

/* ---- Coming and going ----------------------------------------------------- */

struct attach_call {
	struct attachment *a;
	const struct msg_hello *hello;
	int err;
};

static void attach(void *arg)
{
	struct attach_call *c = arg;

	const struct link_options opt = {
		.scope = c->hello->scope,
		.bdf = c->hello->function,
		.remote = c->hello->interrupts == PCIRING_IRQ_REMOTE,
		.irqchip = c->hello->irqchip,
		.ops = &link_ops,
	};

	c->err = link_attach(c->a->machine->machine, &c->a->link,
			     &c->a->channel, &opt);
}

static int attachment_link(struct attachment *a, const struct msg_hello *hello)
{
	struct service_machine *m = a->machine;
	struct attach_call c = { .a = a, .hello = hello };
	int err;

	/* Watched first: the loop may sleep as soon as it has the link. */
	err = loop_watch(m->loop, a->channel.kick_fd);
	if (err)
		return err;
	service_run(m, attach, &c);
	if (c.err)
		loop_unwatch(m->loop, a->channel.kick_fd);
	return c.err;
}

static int check_hello(const struct msg_hello *hello)
{
	if (!hello->lanes || hello->lanes > PCIRING_MAX_LANES ||
	    hello->scope > PCIRING_SCOPE_FUNCTION ||
	    hello->interrupts > PCIRING_IRQ_REMOTE ||
	    hello->irqchip > PCIRING_IRQCHIP_SPLIT)
		return -EINVAL;
	/* Whoever has one function, or its table, has the irqchip as well. */
	if (hello->irqchip != PCIRING_IRQCHIP_NONE &&
	    (hello->scope != PCIRING_SCOPE_MACHINE ||
	     hello->interrupts != PCIRING_IRQ_NATIVE))
		return -EINVAL;
	return 0;
}

static int check_limits(struct service_machine *m, unsigned int lanes)
{
	const struct service_limits *l = &m->service->limits;
	struct service_budget *b = &m->service->budget;
	const char *name = m->machine->name;

	if (m->nr_attachments >= l->attachments)
		return limits_refuse(b, name, l->attachments, "attachments",
				     "--max-attachments");
	if (!range_inside(m->nr_lanes, lanes, l->lanes))
		return limits_refuse(b, name, l->lanes, "lanes", "--max-lanes");
	if (!budget_maps(b, attachment_mappings(lanes)))
		return budget_refuse_maps(b, name);
	return 0;
}

static int attachment_channel(struct attachment *a,
			      const struct msg_hello *hello)
{
	struct service_machine *m = a->machine;
	struct service_budget *b = &m->service->budget;
	int err = channel_create(&a->channel, hello->lanes, m->machine->epoch);

	if (err)
		return err;
	if (!budget_fd(b, a->channel.fd) || !budget_fd(b, a->channel.kick_fd)) {
		channel_fini(&a->channel);
		return budget_refuse_fd(b, m->machine->name);
	}
	if (hello->features & MSG_FEATURE_MAILBOX)
		channel_use_mailbox(&a->channel);
	return 0;
}

static void attachment_enter(struct attachment *a)
{
	struct service_machine *m = a->machine;

	a->next = m->attachments;
	m->attachments = a;
	m->nr_attachments++;
	m->nr_lanes += a->channel.geo.lanes;
	m->service->budget.mappings +=
		attachment_mappings(a->channel.geo.lanes);
}

static void attachment_leave(struct attachment *a)
{
	struct service_machine *m = a->machine;
	struct attachment **p = &m->attachments;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	m->nr_attachments--;
	m->nr_lanes -= a->channel.geo.lanes;
	m->service->budget.mappings -=
		attachment_mappings(a->channel.geo.lanes);
}

int attachment_create(struct service_machine *m, const struct msg_hello *hello,
		      const struct attachment_options *opt,
		      struct attachment **out)
{
	struct attachment *a;
	int err = check_hello(hello);

	if (!err)
		err = check_limits(m, hello->lanes);
	if (err)
		return err;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->machine = m;
	a->pid = opt->pid;
	a->broken_fd = opt->broken_fd;
	a->irqchip = hello->irqchip;
	a->watches = (struct line_watches){
		.control = opt->control,
		.machine = m,
		.link = &a->link,
	};
	a->pages = (struct notify_pages){ .machine = m, .link = &a->link };
	snprintf(a->name, sizeof(a->name), "%.*s", PCIRING_NAME_MAX - 1,
		 hello->name);
	err = attachment_channel(a, hello);
	if (err)
		goto free_attachment;
	err = attachment_link(a, hello);
	if (err)
		goto fini_channel;
	attachment_enter(a);
	*out = a;
	return 0;

fini_channel:
	channel_fini(&a->channel);
free_attachment:
	free(a);
	return err;
}

/* One user less of @file; the last one unmaps it. */
static void put_file(struct service_machine *m, struct gpa_file *file)
{
	if (file->users == 1)
		m->service->budget.mappings -= LIMITS_FILE;
	gpa_files_put(&m->files, file);
}

static void detach(void *arg)
{
	struct attachment *a = arg;

	link_detach(&a->link);
}

void attachment_destroy(struct attachment *a)
{
	struct service_machine *m = a->machine;
	struct gpa_region r;

	attachment_leave(a);
	line_watch_close_all(&a->watches);
	service_run(m, detach, a);
	notify_page_close_all(&a->pages);
	loop_unwatch(m->loop, a->channel.kick_fd);
	count_broken(a);
	while (link_take_region(&a->link, &r))
		if (r.file)
			put_file(m, r.file);
	channel_fini(&a->channel);
	free(a);
}

/* ---- Memory --------------------------------------------------------------- */

struct map_call {
	struct link *link;
	struct gpa_region region;
	int err;
};

static void map(void *arg)
{
	struct map_call *c = arg;

	c->err = link_map(c->link, &c->region);
}

static int check_map(const struct attachment *a, const struct msg_dma *dma,
		     int fd)
{
	const struct service_limits *limits = &a->machine->service->limits;
	struct service_budget *b = &a->machine->service->budget;
	const char *name = a->machine->machine->name;

	if (dma->flags & ~(PCIRING_DMA_READ | PCIRING_DMA_WRITE))
		return -EINVAL;
	if (!dma->size || dma->gpa + dma->size - 1 < dma->gpa)
		return -EINVAL;
	/* Only loop calls change it, and this thread makes them. */
	if (a->link.map.nr >= limits->regions)
		return limits_refuse(b, name, limits->regions, "regions",
				     "--max-regions");
	if (fd >= 0 && !range_inside(a->bytes, dma->size, limits->bytes))
		return limits_refuse(b, name, limits->bytes,
				     "bytes of guest memory", "--max-memory");
	return 0;
}

unsigned int attachment_files(const struct service_machine *m)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < GPA_MAX_FILES; i++)
		n += m->files.file[i].users > 0;
	return n;
}

/* A file that is mapped already costs nothing; a new one has just been mapped,
 * and goes again if it is one too many. */
static int check_file(struct service_machine *m, const struct gpa_file *file)
{
	const struct service_limits *limits = &m->service->limits;
	struct service_budget *b = &m->service->budget;

	if (file->users > 1)
		return 0;
	if (attachment_files(m) > limits->files)
		return limits_refuse(b, m->machine->name, limits->files,
				     "files of guest memory", "--max-files");
	if (!budget_maps(b, LIMITS_FILE))
		return budget_refuse_maps(b, m->machine->name);
	b->mappings += LIMITS_FILE;
	return 0;
}

static int get_file(struct service_machine *m, const struct msg_dma *dma,
		    int fd, struct gpa_file **file)
{
	int err = gpa_files_get(&m->files, fd, dma->offset, dma->size,
				dma->flags & PCIRING_DMA_WRITE, file);

	if (err == -ENOSPC) {
		/* Either of the two; more files than 64 there cannot be. */
		m->service->budget.refusals++;
		log_limited(LOG_WARN,
			    "%s: refused: files of guest memory beyond %u, or "
			    "%llu bytes of them (--max-memory allows more)",
			    m->machine->name, GPA_MAX_FILES,
			    (unsigned long long)m->files.most);
	}
	if (err)
		return err;
	err = check_file(m, *file);
	if (err)
		gpa_files_put(&m->files, *file);
	return err;
}

int attachment_dma_map(struct attachment *a, const struct msg_dma *dma, int fd)
{
	struct map_call c = { .link = &a->link };
	struct gpa_file *file = NULL;
	int err = check_map(a, dma, fd);

	if (err)
		return err;
	if (fd >= 0) {
		err = get_file(a->machine, dma, fd, &file);
		if (err)
			return err;
	}
	c.region = (struct gpa_region){
		.gpa = dma->gpa,
		.size = dma->size,
		.host = file ? (uint8_t *)file->base + dma->offset : NULL,
		.file = file,
		.flags = (dma->flags & PCIRING_DMA_READ ? GPA_READ : 0) |
			 (dma->flags & PCIRING_DMA_WRITE ? GPA_WRITE : 0),
	};
	service_run(a->machine, map, &c);
	if (file && c.err)
		put_file(a->machine, file);
	if (file && !c.err)
		a->bytes += dma->size;
	return c.err;
}

struct unmap_call {
	struct link *link;
	uint64_t gpa, size;
	bool all;
	struct gpa_region removed[UNMAP_BATCH];
	unsigned int nr;
	int err;
};

static void unmap(void *arg)
{
	const struct gpa_region *r;
	struct unmap_call *c = arg;
	struct gpa_map *m = &c->link->map;

	c->nr = 0;
	if (!c->all) {
		c->err = link_unmap(c->link, c->gpa, c->size, c->removed);
		c->nr = !c->err;
		return;
	}
	while (m->nr && c->nr < UNMAP_BATCH) {
		r = &m->region[m->nr - 1];
		c->err = link_unmap(c->link, r->gpa, r->size,
				    &c->removed[c->nr]);
		assert(!c->err);
		c->nr++;
	}
}

int attachment_dma_unmap(struct attachment *a, const struct msg_dma *dma)
{
	struct unmap_call c = {
		.link = &a->link,
		.gpa = dma->gpa,
		.size = dma->size,
		.all = dma->flags & MSG_DMA_ALL,
	};

	do {
		service_run(a->machine, unmap, &c);
		for (unsigned int i = 0; i < c.nr; i++) {
			if (!c.removed[i].file)
				continue;
			put_file(a->machine, c.removed[i].file);
			a->bytes -= c.removed[i].size;
		}
	} while (c.all && a->link.map.nr);
	return c.err;
}

/* ---- Functions ------------------------------------------------------------- */

struct function_call {
	struct link *link;
	uint16_t bdf;
	struct pciring_function_info *info;
	int err;
};

static void read_info(void *arg)
{
	struct function_call *c = arg;

	c->err = link_info(c->link, c->bdf, c->info);
}

int attachment_info(struct attachment *a, uint16_t bdf,
		    struct pciring_function_info *info)
{
	struct function_call c = { .link = &a->link, .bdf = bdf, .info = info };

	service_run(a->machine, read_info, &c);
	return c.err;
}

static void reset(void *arg)
{
	struct function_call *c = arg;

	c->err = link_reset(c->link, c->bdf);
}

int attachment_reset(struct attachment *a, uint16_t bdf)
{
	struct function_call c = { .link = &a->link, .bdf = bdf };

	service_run(a->machine, reset, &c);
	if (!c.err)
		notify_page_close(&a->pages, bdf);
	return c.err;
}

int attachment_notify_page(struct attachment *a, uint16_t bdf,
			   struct msg_notify_page *reply, int *fd)
{
	reply->offset = VIRTIO_PCI_NOTIFY;
	reply->length = SEG_PAGE;
	reply->function = bdf;
	reply->bar = VIRTIO_PCI_BAR;
	return notify_page_open(&a->pages, bdf, fd);
}
