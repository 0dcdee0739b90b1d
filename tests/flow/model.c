/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: each call changes a few words; interrupts go through deliver(), which
 * knows the one condition under which a message leaves.
 */
#include "tests/flow/model.h"

/* ---- Interrupts ---------------------------------------------------------- */

static void deliver(struct model *m, unsigned int i)
{
	struct model_vector *v = &m->v[i];

	if (!m->msix_on || m->msix_closed || !m->master || v->masked) {
		m->reached.latched += !v->pending;
		v->pending = true;
		return;
	}
	m->reached.messages++;
	v->pending = false;
	assert(m->nr_sent < ARRAY_SIZE(m->sent));
	m->sent[m->nr_sent++] = (struct msg_irq){
		.address = v->address,
		.data = v->data,
		.requester_id = m->requester_id,
		.what = (uint16_t)i,
	};
}

static void deliver_pending(struct model *m)
{
	for (unsigned int i = 0; i < MODEL_VECTORS; i++)
		if (m->v[i].pending)
			deliver(m, i);
}

static void raise_vector(struct model *m, uint16_t v)
{
	if (v == GUEST_NO_VECTOR)
		return;
	m->v[v].raised++;
	m->v[v].unseen = true;
	deliver(m, v);
}

static void signal_if_due(struct model *m)
{
	struct model_line *l = &m->line;

	if (!l->high || l->busy || l->masked)
		return;
	l->busy = true;
	l->signals++;
	m->reached.signals++;
}

bool model_has_cause(const struct model *m)
{
	return m->isr && !m->msix_on;
}

static void drive_pin(struct model *m)
{
	m->line.high = model_has_cause(m) && !m->pin_disabled;
	signal_if_due(m);
}

static void raise_queue(struct model *m)
{
	if (m->msix_on)
		raise_vector(m, m->q.vector);
	else
		m->isr |= 1;
	drive_pin(m);
}

static void raise_config(struct model *m)
{
	m->isr |= 2;
	if (m->msix_on)
		raise_vector(m, m->config_vector);
	drive_pin(m);
}

void model_pin_disable(struct model *m, bool on)
{
	m->pin_disabled = on;
	drive_pin(m);
}

void model_isr_read(struct model *m)
{
	m->isr = 0;
	drive_pin(m);
}

void model_line_end(struct model *m)
{
	m->line.busy = false;
	m->line.masked = false;
	signal_if_due(m);
}

void model_line_mask(struct model *m)
{
	m->line.masked = true;
}

void model_entry(struct model *m, unsigned int i, uint64_t address,
		 uint32_t data, bool masked)
{
	m->v[i].address = address;
	m->v[i].data = data;
	m->v[i].masked = masked;
	if (m->v[i].pending)
		deliver(m, i);
}

void model_msix(struct model *m, bool on, bool closed)
{
	m->msix_on = on;
	m->msix_closed = closed;
	drive_pin(m);
	deliver_pending(m);
}

void model_master(struct model *m, bool on)
{
	m->master = on;
	deliver_pending(m);
}

/* ---- Status, features ------------------------------------------------------ */

void model_reset(struct model *m)
{
	m->status = 0;
	m->isr = 0;
	m->started = false;
	m->features = 0;
	m->device_select = 0;
	m->driver_select = 0;
	m->queue_select = 0;
	m->config_vector = GUEST_NO_VECTOR;
	for (unsigned int i = 0; i < MODEL_VECTORS; i++) {
		m->v[i].pending = false;
		m->v[i].unseen = false;
	}
	memset(&m->q, 0, sizeof(m->q));
	m->q.size = MODEL_MAXIMUM;
	m->q.vector = GUEST_NO_VECTOR;
	drive_pin(m);
}

void model_flr(struct model *m)
{
	m->master = false;
	m->msix_on = false;
	m->msix_closed = false;
	m->pin_disabled = false;
	m->isr = 0;
	for (unsigned int i = 0; i < MODEL_VECTORS; i++)
		m->v[i] = (struct model_vector){
			.masked = true,
			.raised = m->v[i].raised,
		};
	model_reset(m);
}

static void needs_reset(struct model *m)
{
	if (m->status & GUEST_NEEDS_RESET)
		return;
	m->status |= GUEST_NEEDS_RESET;
	m->reached.broken++;
	if (m->started)
		raise_config(m);
}

void model_status(struct model *m, uint8_t value)
{
	uint8_t bits = value & (uint8_t)~m->status;

	if (!value) {
		model_reset(m);
		return;
	}
	m->status |= bits & (GUEST_ACKNOWLEDGE | GUEST_DRIVER | GUEST_FAILED);
	if ((bits & GUEST_FEATURES_OK) && (m->features & GUEST_F_VERSION_1) &&
	    !(m->features & ~MODEL_OFFERED))
		m->status |= GUEST_FEATURES_OK;
	if ((bits & GUEST_DRIVER_OK) && (m->status & GUEST_FEATURES_OK) &&
	    !(m->status & GUEST_FAILED))
		m->status |= GUEST_DRIVER_OK;
	m->started =
		(m->status & GUEST_DRIVER_OK) && !(m->status & GUEST_FAILED);
}

void model_features(struct model *m, uint32_t select, uint32_t value)
{
	uint64_t mask = (uint64_t)UINT32_MAX << 32 * (select & 1);

	m->driver_select = select;
	if (select >= 2 || (m->status & GUEST_FEATURES_OK))
		return;
	m->features = (m->features & ~mask) | (uint64_t)value << 32 * select;
}

/* ---- The queue ------------------------------------------------------------- */

static uint16_t vector_in_range(uint16_t v)
{
	return v < MODEL_VECTORS ? v : GUEST_NO_VECTOR;
}

void model_vector(struct model *m, bool queue, uint16_t v)
{
	if (!queue)
		m->config_vector = vector_in_range(v);
	else if (!m->queue_select)
		m->q.vector = vector_in_range(v);
}

/* Do register writes reach the queue? */
static bool open_to_writes(const struct model *m)
{
	return !m->queue_select && !m->q.enabled;
}

void model_queue_size(struct model *m, uint16_t size)
{
	if (open_to_writes(m) && size <= MODEL_MAXIMUM && is_power_of_2(size))
		m->q.size = size;
}

void model_area(struct model *m, unsigned int i, uint64_t gpa)
{
	if (open_to_writes(m))
		m->q.area[i] = gpa;
}

void model_enable(struct model *m, uint16_t value)
{
	static const unsigned int align[3] = { 16, 2, 4 };

	if (value != 1 || !open_to_writes(m))
		return;
	m->q.enabled = true;
	for (unsigned int i = 0; i < 3; i++)
		if (!m->q.area[i] || m->q.area[i] % align[i])
			m->q.broken = true;
	if (m->q.broken)
		needs_reset(m);
}

bool model_ring_is_there(const struct model *m)
{
	for (unsigned int i = 0; i < 3; i++)
		if (m->q.area[i] - m->gpa >= m->size)
			return false;
	return m->lent;
}

void model_run(struct model *m)
{
	if (!m->started || !m->q.enabled || m->q.broken ||
	    m->q.avail == m->q.used)
		return;
	if (!m->master || !model_ring_is_there(m)) {
		m->reached.paused++;
		return;
	}
	m->reached.used += (uint16_t)(m->q.avail - m->q.used);
	m->q.used = m->q.avail;
	raise_queue(m);
}
