/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one function with a real virtio core, brought up as a driver would; its
 * MSI-X bank leads to the relays or straight to the sink.  The other stages
 * stand alone.  A case is a row: what to connect and what to call.
 */
#include "bench/irq_rig.h"

#include "transport/devices/devices.h"

#define ALL_SINKS (BIT(NR_SINKS) - 1)
#define VECTOR	  1

/* Offsets in the common configuration; virtio 1.2, 4.1.4.3. */
#define CONFIG_VECTOR	      16
#define DRIVER_FEATURE_SELECT 8
#define DRIVER_FEATURE	      12
#define DEVICE_STATUS	      20
#define QUEUE_VECTOR	      26

/* ---- What is called ------------------------------------------------------ */

static void raise_core(struct irq_rig *r)
{
	virtio_config_changed(&r->virtio);
}

static void raise_function(struct irq_rig *r)
{
	r->vp.virtio.ops->config_raise(r->vp.virtio.transport);
}

static void raise_cascade(struct irq_rig *r)
{
	virtio_config_changed(&r->vp.virtio);
}

static void raise_bank(struct irq_rig *r)
{
	msi_send(&r->vp.func.msix.bank, VECTOR);
}

static void raise_line(struct irq_rig *r)
{
	irq_source_set(&r->source, true);
	irq_source_set(&r->source, false);
	sink_line_resample(&r->sinks.line);
}

static void raise_gsi(struct irq_rig *r)
{
	gsi_pulse(&r->gsis, 0);
}

static void raise_ioapic(struct irq_rig *r)
{
	irq_stage_set(&r->ioapic.stage, 0, true);
	irq_stage_set(&r->ioapic.stage, 0, false);
	ioapic_eoi(&r->ioapic, 0x41);
}

/* ---- What is connected --------------------------------------------------- */

static void set_vector(struct irq_rig *r, uint16_t vector)
{
	pci_func_bar_write(&r->vp.func, VIRTIO_PCI_BAR, CONFIG_VECTOR, 2,
			   vector);
}

static void lead_nowhere(struct irq_rig *r, const struct irq_case *c,
			 struct irq_stage *send, struct irq_stage *set)
{
	(void)c;
	(void)send;
	(void)set;
	set_vector(r, MSIX_NO_VECTOR);
}

static void mask_bank(struct irq_rig *r, const struct irq_case *c,
		      struct irq_stage *send, struct irq_stage *set)
{
	struct msi_bank *bank = &r->vp.func.msix.bank;

	(void)c;
	(void)set;
	msi_bank_set_next(bank, send, false);
	msi_set_vector(bank, VECTOR, 0xfee00000, 0x41, 1);
}

static void lead_bank(struct irq_rig *r, const struct irq_case *c,
		      struct irq_stage *send, struct irq_stage *set)
{
	struct msi_bank *bank = &r->vp.func.msix.bank;
	unsigned int relays =
		c->depth > IRQ_RIG_WHOLE ? c->depth - IRQ_RIG_WHOLE : 0;

	(void)set;
	for (unsigned int i = 0; i < relays; i++)
		r->relay[i].next =
			i + 1 < relays ? &r->relay[i + 1].stage : send;
	set_vector(r, VECTOR);
	msi_bank_set_next(bank, relays ? &r->relay[0].stage : send, false);
	msi_set_vector(bank, VECTOR, 0xfee00000, 0x41, 0);
}

static void lead_line(struct irq_rig *r, const struct irq_case *c,
		      struct irq_stage *send, struct irq_stage *set)
{
	(void)c;
	(void)send;
	irq_line_set_next(&r->line, set, 0);
}

static void lead_gsi(struct irq_rig *r, const struct irq_case *c,
		     struct irq_stage *send, struct irq_stage *set)
{
	const struct gsi_route route = {
		.kind = GSI_TO_MSI,
		.msi = { .address = 0xfee00000, .data = 0x41 },
	};

	(void)c;
	(void)set;
	gsi_table_set_msi(&r->gsis, send);
	gsi_route(&r->gsis, 0, &route);
}

static void lead_ioapic(struct irq_rig *r, const struct irq_case *c,
			struct irq_stage *send, struct irq_stage *set)
{
	(void)c;
	(void)set;
	ioapic_init(&r->ioapic, send, NULL, 0);
	ioapic_write(&r->ioapic, IOAPIC_SELECT, 4, 0x10);
	ioapic_write(&r->ioapic, IOAPIC_WINDOW, 4, IOAPIC_LEVEL | 0x41);
}

/* ---- The table ----------------------------------------------------------- */

const struct irq_case irq_cases[] = {
	{ "virtio", "configuration changed", 0, BIT(SINK_NONE), lead_nowhere,
	  raise_core },
	{ "virtio_pci", "raise, NO_VECTOR", 0, BIT(SINK_NONE), lead_nowhere,
	  raise_function },
	{ "msix", IRQ_RIG_MASKED, 0, BIT(SINK_NONE), mask_bank, raise_bank },
	{ "msix", "message", 0, ALL_SINKS, lead_bank, raise_bank },
	{ "intx", "rise and fall", 0, ALL_SINKS, lead_line, raise_line },
	{ "gsi", "MSI route", 0, ALL_SINKS, lead_gsi, raise_gsi },
	{ "ioapic", "rise, fall and EOI", 0, ALL_SINKS, lead_ioapic,
	  raise_ioapic },
	{ "cascade", "MSI-X", 1, ALL_SINKS, lead_bank, raise_bank },
	{ "cascade", "virtio-pci, MSI-X", 2, ALL_SINKS, lead_bank,
	  raise_function },
	{ "cascade", "virtio, virtio-pci, MSI-X", 3, ALL_SINKS, lead_bank,
	  raise_cascade },
	{ "cascade", "and one more stage", 4, ALL_SINKS, lead_bank,
	  raise_cascade },
	{ "cascade", "and two more stages", 5, ALL_SINKS, lead_bank,
	  raise_cascade },
	{ "cascade", "and three more stages", 6, ALL_SINKS, lead_bank,
	  raise_cascade },
	{ "cascade", "and four more stages", 7, ALL_SINKS, lead_bank,
	  raise_cascade },
	{ "cascade", "and five more stages", 8, ALL_SINKS, lead_bank,
	  raise_cascade },
	{ .stage = NULL },
};

/* ---- Building ------------------------------------------------------------ */

static enum irq_result relay_send(struct irq_stage *s,
				  const struct msi_message *m)
{
	struct irq_relay *r = container_of(s, struct irq_relay, stage);
	enum irq_result result = irq_stage_send(r->next, m);

	if (result != IRQ_REFUSED)
		s->count.fired++;
	return result;
}

static const struct irq_stage_ops relay_ops = {
	.kind = "relay",
	.send = relay_send,
};

static void do_nothing(void *transport)
{
	(void)transport;
}

static void do_nothing_with(void *transport, unsigned int q)
{
	(void)transport;
	(void)q;
}

static const struct virtio_transport_ops no_transport = {
	.queue_raise = do_nothing_with,
	.config_raise = do_nothing,
	.work = do_nothing,
	.reset = do_nothing,
};

static const struct virtio_pci_ops function_ops = { .work = NULL };

static void bring_up_core(struct virtio *v)
{
	virtio_write_features(v, 1, 1); /* VERSION_1 */
	virtio_write_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER |
				       VIRTIO_FEATURES_OK);
	virtio_write_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER |
				       VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}

static void bring_up(struct irq_rig *r)
{
	struct pci_func *f = &r->vp.func;

	pci_func_config_write(f, PCI_COMMAND, 2,
			      PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	pci_func_config_write(f, f->msix.cap + MSIX_CONTROL, 2,
			      MSIX_CONTROL_ENABLE);
	bring_up_core(&r->vp.virtio);
	bring_up_core(&r->virtio);
}

static int build_function(struct irq_rig *r)
{
	const struct device_type *rng = device_type_find("rng");
	char error[128];
	int err = rng->create(NULL, 0, &r->device, error, sizeof(error));

	if (!err)
		err = rng->create(NULL, 0, &r->other, error, sizeof(error));
	if (!err)
		err = virtio_pci_init(&r->vp, r->device, NULL, &function_ops);
	if (!err)
		err = virtio_init(&r->virtio, r->other, NULL, &no_transport,
				  NULL);
	return err;
}

int irq_rig_open(struct irq_rig *r, int cpu)
{
	int err = irq_sinks_open(&r->sinks, cpu);

	if (!err)
		err = build_function(r);
	if (err)
		return err;
	for (unsigned int i = 0; i < IRQ_RIG_RELAYS; i++)
		r->relay[i].stage.ops = &relay_ops;
	irq_line_init(&r->line, "bench", NULL, 0);
	irq_source_connect(&r->source, &r->line);
	gsi_table_init(&r->gsis, r->gsi, 1, NULL);
	bring_up(r);
	return 0;
}

void irq_rig_close(struct irq_rig *r)
{
	irq_source_connect(&r->source, NULL);
	gsi_table_fini(&r->gsis);
	virtio_pci_fini(&r->vp);
	virtio_fini(&r->virtio);
	r->device->ops->destroy(r->device);
	r->other->ops->destroy(r->other);
	irq_sinks_close(&r->sinks);
}

bool irq_rig_set_sink(struct irq_rig *r, const struct irq_case *c,
		      enum irq_sink_kind sink)
{
	struct irq_stage *send = irq_sinks_send(&r->sinks, sink);

	if (!send)
		return false;
	c->prepare(r, c, send, irq_sinks_set(&r->sinks, sink));
	return true;
}
