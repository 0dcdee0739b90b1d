/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: everything that can fail or wait happens here: the page is made, mapped
 * and filled before the loop gets its address, and unmapped after the loop has
 * forgotten it.  The descriptor goes to the client; the mapping is all we keep.
 */
#include "apps/pciringd/notify_pages.h"

#include <stdlib.h>
#include <unistd.h>

#include "ring/log.h"
#include "ring/shm.h"
#include "transport/virtio_pci/notify.h"

static_assert(NOTIFY_PAGE_SIZE == SEG_PAGE, "what shm_create() makes");

struct notify_page {
	uint16_t bdf;
	_Atomic uint32_t *words; /* owned: NOTIFY_PAGE_SIZE bytes */
	struct notify_page *next;
};

struct open_call {
	struct link *link;
	struct notify_page *page;
	int err;
};

static void give(void *arg)
{
	struct open_call *c = arg;

	c->err = link_notify_page(c->link, c->page->bdf, c->page->words);
}

static void free_page(struct notify_pages *pages, struct notify_page *page)
{
	pages->machine->service->budget.mappings--;
	/* munmap() wants no atomic words. */
	shm_unmap((void *)page->words, NOTIFY_PAGE_SIZE);
	free(page);
}

/* A page in a file of its own; its descriptor, or -errno. */
static int make_page(uint16_t bdf, struct notify_page **out)
{
	struct notify_page *page = calloc(1, sizeof(*page));
	int err, fd;

	if (!page)
		return -ENOMEM;
	page->bdf = bdf;
	fd = shm_create("pciring-notify", NOTIFY_PAGE_SIZE);
	if (fd < 0) {
		err = fd;
		goto free;
	}
	page->words = shm_map(fd, 0, NOTIFY_PAGE_SIZE);
	if (!page->words) {
		err = -errno;
		goto close;
	}
	notify_page_init(page->words);
	*out = page;
	return fd;

close:
	close(fd);
free:
	free(page);
	return err;
}

int notify_page_open(struct notify_pages *pages, uint16_t bdf, int *fd)
{
	struct service_machine *m = pages->machine;
	struct service_budget *b = &m->service->budget;
	struct open_call c = { .link = pages->link };
	int page_fd;

	if (m->loop && loop_idle_us(m->loop) != LOOP_IDLE_OFF) {
		log_limited(LOG_WARN,
			    "%s: no notify page for " BDF_FMT
			    ": a store to it would wake nobody; start pciringd "
			    "with --idle off",
			    m->machine->name, BDF_ARG(bdf));
		return -EOPNOTSUPP;
	}
	if (!budget_maps(b, 1))
		return budget_refuse_maps(b, m->machine->name);
	page_fd = make_page(bdf, &c.page);
	if (page_fd < 0)
		return page_fd;
	b->mappings++;
	if (budget_fd(b, page_fd))
		service_run(m, give, &c);
	else
		c.err = budget_refuse_fd(b, m->machine->name);
	if (c.err) {
		free_page(pages, c.page);
		close(page_fd);
		return c.err;
	}
	c.page->next = pages->first;
	pages->first = c.page;
	*fd = page_fd;
	return 0;
}

void notify_page_close(struct notify_pages *pages, uint16_t bdf)
{
	struct notify_page **p = &pages->first, *page;

	while (*p && (*p)->bdf != bdf)
		p = &(*p)->next;
	page = *p;
	if (!page)
		return;
	*p = page->next;
	free_page(pages, page);
}

void notify_page_close_all(struct notify_pages *pages)
{
	while (pages->first)
		notify_page_close(pages, pages->first->bdf);
}
