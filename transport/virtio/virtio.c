/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: three conditions decide whether a queue may run - the device is
 * started (DRIVER_OK, not FAILED), the function is bus master, and its ring
 * memory is mapped.  Whenever one of them changes, resume() derives all queues
 * again and marks those that can run as having work; looking once too often
 * is cheap, a kick that was forgotten is a hang.
 *
 * Queues that another loop runs are taken back before any of this is done, and
 * given again afterwards; how queues are run is in run.c.
 */
#include "transport/virtio/virtio.h"

#include <stdio.h>
#include <stdlib.h>

#include "ring/ticks.h"

/* Bits a driver can set; NEEDS_RESET is the device's, the rest reads 0. */
#define STATUS_DRIVER                                                          \
	(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK |               \
	 VIRTIO_FEATURES_OK | VIRTIO_FAILED)

/* virtio 1.2, 2.2: bits 24 to 49 are not a device type's. */
#define CORE_FEATURES (BIT_ULL(50) - BIT_ULL(24))

#define ACTIVE_WORDS(nr) (((nr) + 63u) / 64u)
#define FEATURE_WORDS	 4

/* ---- Start, stop, pause -------------------------------------------------- */

/* What follows, up to change_end(), is about queues that nobody runs. */
static void change_begin(struct virtio *v)
{
	if (!v->changing++ && v->ops->recall)
		v->ops->recall(v->transport);
}

static void change_end(struct virtio *v)
{
	if (!--v->changing && v->ops->release)
		v->ops->release(v->transport);
}

static void derive(struct virtio *v, unsigned int q)
{
	struct vq *vq = &v->queue[q];

	vq_derive(vq, v->mem, v->started && v->master);
	if (vq->s.broken)
		virtio_needs_reset(v);
	else if (vq_live(vq))
		virtio_queue_activate(v, q);
}

/* Something that decides whether queues may run has changed. */
static void resume(struct virtio *v)
{
	unsigned int q;

	change_begin(v);
	for (q = 0; q < v->nr_queues; q++)
		derive(v, q);
	change_end(v);
}

/* On return nothing of the queue is under way, nor looked at. */
static void pause_queue(struct virtio *v, unsigned int q)
{
	const struct virtio_device_ops *ops = v->device->ops;

	if (v->started && ops->queue_quiesce && !v->runner[q].away)
		ops->queue_quiesce(v->device, q);
	vq_derive(&v->queue[q], v->mem, false);
}

static void pause_queues(struct virtio *v)
{
	unsigned int q;

	change_begin(v);
	for (q = 0; q < v->nr_queues; q++)
		pause_queue(v, q);
	change_end(v);
}

static void start(struct virtio *v)
{
	v->started = true;
	if (v->device->ops->start)
		v->device->ops->start(v->device);
	resume(v);
}

static void stop_queue(struct virtio *v, unsigned int q)
{
	const struct virtio_device_ops *ops = v->device->ops;

	pause_queue(v, q);
	if (v->started && ops->queue_stop)
		ops->queue_stop(v->device, q);
	v->runner[q].late = false;
}

static void stop(struct virtio *v)
{
	unsigned int q;

	if (!v->started)
		return;
	change_begin(v);
	for (q = 0; q < v->nr_queues; q++)
		stop_queue(v, q);
	if (v->device->ops->stop)
		v->device->ops->stop(v->device);
	/* Active bits may stay: a run passes over what is not live. */
	v->started = false;
	change_end(v);
}

/* ---- Seen from outside ---------------------------------------------------- */

static bool virtio_edge(const struct irq_stage *s, unsigned int i,
			struct irq_edge *e)
{
	const struct virtio *v = container_of(s, struct virtio, stage);

	if (i || !v->below)
		return false;
	*e = (struct irq_edge){ .to = v->below, .pin = IRQ_NO_PIN };
	return true;
}

/* Queues count for themselves; what a driver wants to hear nothing of is
 * dropped by rule (rule 87). */
static void virtio_view(const struct irq_stage *s, struct irq_view *view)
{
	const struct virtio *v = container_of(s, struct virtio, stage);
	unsigned int q;

	snprintf(view->name, sizeof(view->name), "%s",
		 v->device->ops->name ? v->device->ops->name : "");
	view->count.fired = v->stats.config_interrupts;
	for (q = 0; q < v->nr_queues; q++) {
		const struct vq_stats *stats = &v->queue[q].stats;

		view->count.fired += count_read(&stats->interrupts);
		view->count.dropped += count_read(&stats->suppressed);
	}
}

static const struct irq_stage_ops stage_ops = {
	.kind = "virtio",
	.send = NULL,
	.set = NULL,
	.edge = virtio_edge,
	.view = virtio_view,
};

/* ---- Construction -------------------------------------------------------- */

static const struct virtio_options default_options = {
	.offer = VIRTIO_OFFER_DEFAULT,
};

static bool sane_device(const struct virtio_device *d)
{
	return d->nr_queues <= VIRTIO_MAX_QUEUES &&
	       is_power_of_2(d->queue_max) && d->queue_max <= VQ_MAX_SIZE &&
	       !(d->offer.w[0] & CORE_FEATURES);
}

static bool sane_options(const struct virtio_options *o)
{
	return !(o->offer.w[0] & ~CORE_FEATURES) && !o->offer.w[1] &&
	       (!o->queue_max ||
		(is_power_of_2(o->queue_max) && o->queue_max <= VQ_MAX_SIZE));
}

static void free_queues(struct virtio *v)
{
	unsigned int q;

	for (q = 0; v->queue && q < v->nr_queues; q++)
		vq_fini(&v->queue[q]);
	free(v->queue);
	free(v->runner);
	free(v->active);
	v->queue = NULL;
	v->runner = NULL;
	v->active = NULL;
	v->nr_queues = 0;
}

static int make_queues(struct virtio *v, uint16_t max)
{
	const bool in_order = virtio_has(&v->s.offer, VIRTIO_F_IN_ORDER);
	const unsigned int n = v->nr_queues;
	unsigned int q;
	int err = -ENOMEM;

	/* One more of each: calloc(0) may be NULL. */
	v->queue = calloc(n + 1, sizeof(*v->queue));
	v->runner = calloc(n + 1, sizeof(*v->runner));
	v->active = calloc(ACTIVE_WORDS(n) + 1, sizeof(*v->active));
	if (v->queue && v->runner && v->active)
		err = 0;
	for (q = 0; q < n && !err; q++) {
		err = vq_init(&v->queue[q], max, in_order);
		v->runner[q].coalesce = v->coalesce;
	}
	if (err)
		free_queues(v);
	return err;
}

int virtio_init(struct virtio *v, struct virtio_device *device,
		const struct virtio_options *o,
		const struct virtio_transport_ops *ops, void *transport)
{
	int err;

	if (!o)
		o = &default_options;
	if (!sane_device(device) || !sane_options(o))
		return -EINVAL;
	*v = (struct virtio){
		.stage.ops = &stage_ops,
		.device = device,
		.ops = ops,
		.transport = transport,
		.nr_queues = device->nr_queues,
		.s.offer = device->offer,
		.poll = o->poll,
		.coalesce = o->coalesce,
	};
	/* In ticks, so it is known only now. */
	if (o == &default_options)
		v->poll.hot = ticks_of_us(VIRTIO_HOT_US);
	v->s.offer.w[0] |= o->offer.w[0];
	virtio_set(&v->s.offer, VIRTIO_F_VERSION_1);
	err = make_queues(v, o->queue_max ? o->queue_max : device->queue_max);
	if (err)
		return err;
	device->virtio = v;
	return 0;
}

void virtio_fini(struct virtio *v)
{
	stop(v);
	v->device->virtio = NULL;
	free_queues(v);
}

/* ---- Features ------------------------------------------------------------ */

static uint32_t feature_word(const struct virtio_features *f, uint32_t sel)
{
	if (sel >= FEATURE_WORDS)
		return 0;
	return (uint32_t)(f->w[sel / 2] >> (32 * (sel % 2)));
}

uint32_t virtio_device_features(const struct virtio *v, uint32_t sel)
{
	return feature_word(&v->s.offer, sel);
}

uint32_t virtio_driver_features(const struct virtio *v, uint32_t sel)
{
	return feature_word(&v->s.driver, sel);
}

void virtio_write_features(struct virtio *v, uint32_t sel, uint32_t value)
{
	unsigned int shift = 32 * (sel % 2);
	uint64_t *w;

	if (sel >= FEATURE_WORDS || (v->s.status & VIRTIO_FEATURES_OK)) {
		v->stats.bad_writes++;
		return;
	}
	w = &v->s.driver.w[sel / 2];
	*w = (*w & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

static bool features_acceptable(const struct virtio *v)
{
	const struct virtio_features *d = &v->s.driver;
	const struct virtio_features *o = &v->s.offer;
	struct virtio_device *device = v->device;

	return !(d->w[0] & ~o->w[0]) && !(d->w[1] & ~o->w[1]) &&
	       virtio_has(d, VIRTIO_F_VERSION_1) &&
	       (!device->ops->features || device->ops->features(device, d));
}

/* From now on the queues are of the kind that was agreed on. */
static void features_ok(struct virtio *v)
{
	unsigned int q;

	v->s.status |= VIRTIO_FEATURES_OK;
	for (q = 0; q < v->nr_queues; q++)
		vq_set_features(&v->queue[q], &v->s.driver);
}

/* ---- What surrounds the device ------------------------------------------- */

void virtio_set_master(struct virtio *v, bool on)
{
	if (v->master == on)
		return;
	v->master = on;
	if (on)
		resume(v);
	else
		pause_queues(v);
}

void virtio_quiesce(struct virtio *v)
{
	v->mem = NULL;
	pause_queues(v);
}

void virtio_set_memory(struct virtio *v, struct gpa_map *mem)
{
	v->mem = mem;
	resume(v);
}

/* ---- Status -------------------------------------------------------------- */

uint8_t virtio_status(const struct virtio *v)
{
	return v->s.status;
}

void virtio_reset(struct virtio *v)
{
	unsigned int q;

	change_begin(v);
	/* The device first: while it stops it may still hold chains. */
	stop(v);
	v->s.driver = (struct virtio_features){ { 0, 0 } };
	for (q = 0; q < v->nr_queues; q++) {
		vq_set_features(&v->queue[q], &v->s.driver);
		vq_reset(&v->queue[q]);
		v->runner[q].coalesce = v->coalesce;
	}
	v->s.status = 0;
	v->stats.resets++;
	if (v->ops->reset)
		v->ops->reset(v->transport);
	change_end(v);
}

/* DRIVER_OK without FEATURES_OK does not stick, so that a driver which sees
 * its features refused can still do it right. */
static void driver_ok(struct virtio *v)
{
	if (!(v->s.status & VIRTIO_FEATURES_OK) ||
	    (v->s.status & VIRTIO_FAILED)) {
		v->stats.bad_writes++;
		return;
	}
	v->s.status |= VIRTIO_DRIVER_OK;
	start(v);
}

void virtio_write_status(struct virtio *v, uint8_t value)
{
	/* virtio 1.2, 2.1.1: bits are only ever added; what a driver tries to
	 * clear stays, and what is set already does nothing again. */
	uint8_t bits = value & STATUS_DRIVER & ~v->s.status;

	if (!value) {
		virtio_reset(v);
		return;
	}
	v->s.status |= bits & (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	if ((bits & VIRTIO_FEATURES_OK) && features_acceptable(v))
		features_ok(v);
	if (bits & VIRTIO_FAILED) {
		v->s.status |= VIRTIO_FAILED;
		stop(v);
	}
	if (bits & VIRTIO_DRIVER_OK)
		driver_ok(v);
}

static void raise_config(struct virtio *v)
{
	/* virtio 1.2, 2.1.2: nobody listens before DRIVER_OK. */
	if (!v->started)
		return;
	v->stats.config_interrupts++;
	v->ops->config_raise(v->transport);
}

void virtio_needs_reset(struct virtio *v)
{
	if (v->s.status & VIRTIO_NEEDS_RESET)
		return;
	v->s.status |= VIRTIO_NEEDS_RESET;
	v->stats.needs_reset++;
	raise_config(v);
}

/* ---- Device configuration ------------------------------------------------ */

uint8_t virtio_generation(const struct virtio *v)
{
	return v->s.generation;
}

/*
 * The generation moves with the first read that can see the change.  A driver
 * brackets its reads with the generation: either all of them came before the
 * change, or the second look at the generation differs.
 */
static void settle_generation(struct virtio *v)
{
	if (!v->s.config_changed)
		return;
	v->s.config_changed = 0;
	v->s.generation++;
}

uint64_t virtio_config_read(struct virtio *v, uint32_t off, unsigned int size)
{
	struct virtio_device *d = v->device;
	uint64_t value = 0;
	unsigned int i;

	if (!d->ops->config_read)
		return 0;
	settle_generation(v);
	if (range_inside(off, size, d->config_size))
		return d->ops->config_read(d, off, size);
	for (i = 0; i < size && range_inside(off, i + 1, d->config_size); i++)
		value |= d->ops->config_read(d, off + i, 1) << (8 * i);
	return value;
}

void virtio_config_write(struct virtio *v, uint32_t off, unsigned int size,
			 uint64_t value)
{
	struct virtio_device *d = v->device;
	unsigned int i;

	if (!d->ops->config_write || !range_inside(off, 1, d->config_size)) {
		v->stats.bad_writes++;
		return;
	}
	if (range_inside(off, size, d->config_size)) {
		d->ops->config_write(d, off, size, value);
		return;
	}
	for (i = 0; i < size && range_inside(off, i + 1, d->config_size); i++)
		d->ops->config_write(d, off + i, 1, value >> (8 * i) & 0xff);
}

void virtio_config_changed(struct virtio *v)
{
	v->s.config_changed = 1;
	v->stats.config_changes++;
	raise_config(v);
}

/* ---- Queues -------------------------------------------------------------- */

struct vq *virtio_queue(struct virtio *v, unsigned int q)
{
	return q < v->nr_queues ? &v->queue[q] : NULL;
}

void virtio_queue_enable(struct virtio *v, unsigned int q)
{
	struct vq *vq = virtio_queue(v, q);

	if (!vq || vq->s.enabled) {
		v->stats.bad_writes++;
		return;
	}
	change_begin(v);
	/* After DRIVER_OK too: many drivers do it (rule 47). */
	vq_enable(vq);
	derive(v, q);
	change_end(v);
}

void virtio_queue_reset(struct virtio *v, unsigned int q)
{
	struct vq *vq = virtio_queue(v, q);

	if (!vq || !(v->s.status & VIRTIO_FEATURES_OK) ||
	    !virtio_has(&v->s.driver, VIRTIO_F_RING_RESET)) {
		v->stats.bad_writes++;
		return;
	}
	change_begin(v);
	stop_queue(v, q);
	vq_reset(vq);
	if (v->ops->queue_reset)
		v->ops->queue_reset(v->transport, q);
	change_end(v);
}

/* Nobody could take it for an index, nor for a doorbell at rest. */
#define NOTIF_DATA_BASE 0x4000u

uint16_t virtio_notif_data(const struct virtio *v, unsigned int q)
{
	if (virtio_has(&v->s.driver, VIRTIO_F_NOTIF_CONFIG_DATA))
		return (uint16_t)(NOTIF_DATA_BASE + q);
	return (uint16_t)q;
}
