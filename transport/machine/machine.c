/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a turn takes a bounded number of requests from the lanes that have any,
 * beginning where the turn before ended, then runs each function that was
 * active when it looked, once.  A function that still has work goes to the tail
 * again, so a flood on one queue costs the others one budget and no more; when
 * the budget of all is used up, those not reached are first in the next turn,
 * and it is other machines' turn before that.  Whoever sleeps
 * on an interrupt ring is woken at the end, once for all that the turn sent
 * and for what calls between two turns sent.
 */
#include "transport/machine/machine.h"

#include <stdlib.h>
#include <sys/random.h>

#include "ring/ticks.h"
#include "transport/machine/function.h"

static bool name_is_good(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < MACHINE_NAME_MAX &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

/* Root line i is the input of GSI 16 + i. */
static void connect_root(struct machine *m)
{
	struct irq_line *line[INTX_PINS];

	for (unsigned int i = 0; i < INTX_PINS; i++)
		line[i] = gsi_line(&m->interrupts.table, MACHINE_INTX_GSI + i);
	pci_root_set_lines(&m->root, line);
}

int machine_create(const char *name, struct machine **out)
{
	struct machine *m;
	int err;

	if (!name_is_good(name))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	memcpy(m->name, name, strlen(name));
	if (getrandom(m->uuid, sizeof(m->uuid), 0) != sizeof(m->uuid)) {
		err = -EIO;
		goto free_machine;
	}
	m->epoch = 1;
	m->active_tail = &m->active_head;
	bus_init(&m->mmio, UINT64_MAX);
	bus_init(&m->pio, 0xffff);
	err = pci_root_init(&m->root, &m->mmio, &m->pio, MACHINE_ECAM_BASE);
	if (err)
		goto fini_buses;
	err = interrupts_init(&m->interrupts);
	if (err)
		goto fini_root;
	connect_root(m);
	*out = m;
	return 0;

fini_root:
	pci_root_fini(&m->root);
fini_buses:
	bus_fini(&m->pio);
	bus_fini(&m->mmio);
free_machine:
	free(m);
	return err;
}

void machine_destroy(struct machine *m)
{
	assert(!m->links);
	while (m->functions)
		machine_unplug(m, function_bdf(m->functions));
	pci_root_fini(&m->root);
	for (unsigned int i = 1; i < ARRAY_SIZE(m->root.bus); i++)
		free(m->root.bus[i]);
	interrupts_fini(&m->interrupts);
	bus_fini(&m->pio);
	bus_fini(&m->mmio);
	free(m);
}

struct function *machine_find(const struct machine *m, uint16_t bdf)
{
	struct pci_func *func = pci_root_find(&m->root, bdf);

	return func ? container_of(func, struct function, vp.func) : NULL;
}

static void list_add(struct machine *m, struct function *f)
{
	f->next = m->functions;
	f->from = &m->functions;
	if (f->next)
		f->next->from = &f->next;
	m->functions = f;
	m->nr_functions++;
}

static void list_remove(struct function *f)
{
	f->machine->nr_functions--;
	*f->from = f->next;
	if (f->next)
		f->next->from = f->from;
}

int machine_build(struct machine *m, const struct device_type *type,
		  const struct device_option *opt, unsigned int nr_opt,
		  struct function **out, char *error, size_t room)
{
	return function_create(m, type, opt, nr_opt, out, error, room);
}

int machine_insert(struct machine *m, struct function *f, uint16_t bdf)
{
	int err = pci_root_plug(&m->root, &f->vp.func, bdf);

	if (err)
		return err;
	function_name(f);
	list_add(m, f);
	for (struct link *l = m->links; l; l = l->next) {
		if (!link_covers(l, bdf))
			continue;
		function_join(f, l);
	}
	machine_windows_changed(m);
	function_plugged(f);
	return 0;
}

int machine_take(struct machine *m, uint16_t bdf, struct function **out)
{
	struct function *f = machine_find(m, bdf);
	struct link *l;

	if (!f)
		return -ENOENT;
	l = f->link;
	if (l && l->scope == PCIRING_SCOPE_FUNCTION)
		return -EBUSY;
	if (l)
		function_leave(f);
	function_unplugged(f);
	function_deactivate(f);
	list_remove(f);
	pci_root_unplug(&m->root, &f->vp.func);
	machine_windows_changed(m);
	*out = f;
	return 0;
}

void machine_retire(struct function *f)
{
	function_retire(f);
}

void machine_forget(struct function *f)
{
	letterbox_read(&f->machine->letters);
}

void machine_scrap(struct function *f)
{
	function_destroy(f);
}

static void scrap_here(struct function *f)
{
	machine_retire(f);
	machine_forget(f);
	machine_scrap(f);
}

int machine_plug(struct machine *m, uint16_t bdf,
		 const struct device_type *type,
		 const struct device_option *opt, unsigned int nr_opt,
		 struct function **out, char *error, size_t room)
{
	struct function *f;
	int err;

	err = machine_build(m, type, opt, nr_opt, &f, error, room);
	if (err)
		return err;
	err = machine_insert(m, f, bdf);
	if (err)
		scrap_here(f);
	else
		*out = f;
	return err;
}

int machine_unplug(struct machine *m, uint16_t bdf)
{
	struct function *f;
	int err = machine_take(m, bdf, &f);

	if (!err)
		scrap_here(f);
	return err;
}

int machine_add_bus(struct machine *m, uint8_t number, uint8_t parent,
		    uint8_t device)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	int err;

	if (!bus)
		return -ENOMEM;
	err = pci_root_add_bus(&m->root, bus, number, parent, device);
	if (err)
		free(bus);
	return err;
}

unsigned int machine_vectors_bound(const struct machine *m)
{
	unsigned int n = 0;

	for (const struct function *f = m->functions; f; f = f->next)
		n += f->nr_bound;
	return n;
}

unsigned int machine_lines_bound(const struct machine *m)
{
	unsigned int n = 0;

	for (const struct function *f = m->functions; f; f = f->next)
		n += f->intx.fd >= 0;
	for (unsigned int i = 0; i < MACHINE_GSIS; i++)
		n += m->interrupts.eventfd[i].fd >= 0;
	return n;
}

/* Where interrupts go, whether a function leads there or not: numbers that
 * somebody has, the controller, the rings. */
static int graph_controller(struct machine *m, struct irq_graph *g)
{
	struct interrupts *in = &m->interrupts;
	int err = 0;

	for (unsigned int n = 0; n < MACHINE_GSIS && !err; n++)
		if (in->slot[n].users)
			err = irq_graph_add(g, &gsi_line(&in->table, n)->stage);
	if (!err && in->irqchip == PCIRING_IRQCHIP_SPLIT)
		err = irq_graph_add(g, &in->ioapic.stage);
	for (struct link *l = m->links; l && !err; l = l->next)
		err = irq_graph_add(g, &l->ring.stage);
	return err;
}

/* In the order of their addresses, which is how people look for them. */
static int graph_bus(const struct pci_bus *bus, struct irq_graph *g)
{
	struct function *f;
	int err = 0;

	for (unsigned int i = 0; i < PCI_ROOT_FUNCS && !err; i++) {
		if (!bus->func[i])
			continue;
		f = container_of(bus->func[i], struct function, vp.func);
		err = irq_graph_add(g, &f->vp.virtio.stage);
	}
	return err;
}

int machine_graph(struct machine *m, struct irq_graph *g)
{
	int err = 0;

	for (unsigned int b = 0; b < ARRAY_SIZE(m->root.bus) && !err; b++)
		if (m->root.bus[b])
			err = graph_bus(m->root.bus[b], g);
	return err ? err : graph_controller(m, g);
}

/* ---- Loops ------------------------------------------------------------------- */

void machine_enter(struct machine *m, struct worker *home)
{
	/* Relaxed: what is posted earlier the first turn finds. */
	atomic_store_explicit(&m->letters.owner, home, memory_order_relaxed);
}

void machine_leave(struct machine *m)
{
	for (struct function *f = m->functions; f; f = f->next)
		function_come_home(f);
	atomic_store_explicit(&m->letters.owner, NULL, memory_order_relaxed);
}

/* ---- The turn ---------------------------------------------------------------- */

/* How many requests there were. */
static unsigned int lane_turn(struct link *l, unsigned int lane)
{
	struct msg_access req[MACHINE_TURN_REQUESTS];
	uint64_t value;
	unsigned int n;

	n = channel_take(l->channel, lane, req, MACHINE_TURN_REQUESTS);
	for (unsigned int i = 0; i < n; i++) {
		link_access(l, &req[i], &value);
		if (req[i].op != MSG_POSTED)
			channel_complete(l->channel, lane, &req[i], value, 0);
	}
	return n;
}

/* The lanes of @found, and those that the turn before had no time for, from
 * where that one ended; the turn's share of one link ends this one.  Without
 * that memory a look at some rings a turn would meet the same lanes first each
 * time round, and the others never had theirs. */
static bool lanes_turn(struct link *l, uint64_t found)
{
	uint64_t later, left = found | l->left;
	unsigned int done = 0, lane;

	later = left & (~0ull << l->next_lane);
	while (left && done < MACHINE_TURN_LINK) {
		lane = (unsigned int)__builtin_ctzll(later ? later : left);
		later &= ~BIT_ULL(lane);
		left &= ~BIT_ULL(lane);
		done += lane_turn(l, lane);
		l->next_lane = (lane + 1) % PCIRING_MAX_LANES;
	}
	l->left = left;
	return done > 0;
}

/*
 * The interrupt ring had no room; what was kept is offered again.  Levels and
 * routes first: they are few, and each is one element however often it changed,
 * while a busy function's vectors could take all the room there is.  Then those
 * functions that have something, until the ring is full again.
 */
static bool link_retry(struct link *l)
{
	struct machine *m = l->machine;

	l->ring.backlog = false;
	if (m->interrupts.link == l)
		interrupts_flush(&m->interrupts);
	while (l->kept && !l->ring.backlog)
		function_flush(l->kept);
	return !l->ring.backlog;
}

static bool link_turn(struct link *l)
{
	uint64_t found = channel_look(l->channel);
	bool did = false;

	if (found | l->left)
		did = lanes_turn(l, found);
	if (unlikely(l->ring.backlog) && !channel_broken(l->channel) &&
	    channel_irq_room(l->channel))
		did |= link_retry(l);
	return did;
}

/* The end of a link's turn: whatever it sent has its wake-up, and a lie that
 * was found, by whoever used the channel, is told. */
static void link_turned(struct link *l)
{
	if (likely(!channel_broken(l->channel))) {
		channel_irq_wake(l->channel);
	} else if (!l->broken) {
		l->broken = true;
		if (l->ops && l->ops->broken)
			l->ops->broken(l);
	}
}

static struct function *take_active(struct machine *m)
{
	struct function *f = m->active_head;

	m->active_head = f->next_active;
	if (!m->active_head)
		m->active_tail = &m->active_head;
	f->active = false;
	return f;
}

/* Each once, as long as there is room; true if something was done, or had no
 * room. */
static bool functions_turn(struct machine *m)
{
	unsigned int room = MACHINE_TURN_ALL, mine, what, left;
	struct function *f, *last;
	bool did = false;
	uint64_t now;

	m->turn_chains = 0;
	if (!m->active_head)
		return false;
	now = ticks_now();
	last = container_of(m->active_tail, struct function, next_active);
	do {
		f = take_active(m);
		mine = left = RTE_MIN(room, MACHINE_TURN_FUNCTION);
		what = virtio_run_some(&f->vp.virtio, MACHINE_TURN_CHAINS,
				       &left, now);
		room -= mine - left;
		if (what & VIRTIO_MORE)
			function_activate(f);
		did |= what & VIRTIO_DID || !left;
	} while (f != last && room);
	m->turn_chains = MACHINE_TURN_ALL - room;
	return did || f != last;
}

bool machine_turn(struct machine *m)
{
	bool did = letterbox_read(&m->letters);

	for (struct link *l = m->links; l; l = l->next)
		did |= link_turn(l);
	machine_look_at_pages(m);
	if (unlikely(m->late_kicks != NULL))
		machine_begin_kicks(m);
	did |= functions_turn(m);
	for (struct link *l = m->links; l; l = l->next)
		link_turned(l);
	return did;
}

/* Those that are hot ask for kicks again, and their interrupts wait no more. */
static uint64_t functions_sleep(struct machine *m)
{
	uint64_t least = UINT64_MAX, ns;

	for (struct function *f = m->active_head; f; f = f->next_active) {
		ns = virtio_sleep(&f->vp.virtio);
		if (ns < least)
			least = ns;
	}
	return least;
}

uint64_t machine_sleep(struct machine *m)
{
	uint64_t ns = functions_sleep(m);
	/* Nobody would end the sleep for a store to a notify page. */
	bool work = m->mapped || m->late_kicks;

	for (struct link *l = m->links; l; l = l->next) {
		link_turned(l);
		if (l->broken)
			continue;
		channel_sleep(l->channel);
		work |= channel_has_work(l->channel) ||
			(l->ring.backlog && channel_irq_room(l->channel));
	}
	return work ? 0 : ns;
}

void machine_awake(struct machine *m)
{
	for (struct link *l = m->links; l; l = l->next)
		channel_awake(l->channel);
}
