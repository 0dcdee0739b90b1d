/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client_control.c - libpciring: guest memory, functions, doorbells, vectors,
 * lines
 *
 * Everything here is one request and one reply on the attach socket.
 */
#include "ring/client.h"
#include "ring/shm.h"

int pciring_dma_map(struct pciring *p, uint64_t gpa, uint64_t size, int fd,
		    uint64_t offset, uint32_t flags)
{
	struct msg_dma m = {
		.gpa = gpa, .size = size, .offset = offset, .flags = flags
	};

	/* The last byte may be the last there is. */
	if (!size || gpa + (size - 1) < gpa || offset + (size - 1) < offset ||
	    flags & ~(PCIRING_DMA_READ | PCIRING_DMA_WRITE))
		return -EINVAL;
	return client_do(p, &m.h, MSG_DMA_MAP, sizeof(m), &fd, fd >= 0);
}

int pciring_dma_unmap(struct pciring *p, uint64_t gpa, uint64_t size)
{
	struct msg_dma m = { .gpa = gpa, .size = size };

	return client_do(p, &m.h, MSG_DMA_UNMAP, sizeof(m), NULL, 0);
}

int pciring_dma_unmap_all(struct pciring *p)
{
	struct msg_dma m = { .flags = MSG_DMA_ALL };

	return client_do(p, &m.h, MSG_DMA_UNMAP, sizeof(m), NULL, 0);
}

int pciring_function_info(struct pciring *p, uint16_t function,
			  struct pciring_function_info *info)
{
	struct msg_function m = { .function = function };
	struct attach_packet reply;
	int err;

	err = client_call(p, &m.h, MSG_FUNCTION_INFO, sizeof(m), NULL, 0,
			  &reply);
	if (err)
		return err;
	*info = reply.m.function_info.info;
	attach_packet_fini(&reply);
	return 0;
}

int pciring_function_reset(struct pciring *p, uint16_t function)
{
	struct msg_function m = { .function = function };

	return client_do(p, &m.h, MSG_FUNCTION_RESET, sizeof(m), NULL, 0);
}

/* It will be memory of the guest: a page that could go away again would take
 * the VMM with it. */
static int check_page(const struct attach_packet *reply)
{
	const struct msg_notify_page *m = &reply->m.notify_page;

	if (reply->nr_fds != 1 || m->bar > 5 || m->offset % SEG_PAGE ||
	    !m->length || m->length % SEG_PAGE ||
	    shm_check(reply->fds[0], m->length))
		return -EPROTO;
	return 0;
}

int pciring_notify_page(struct pciring *p, uint16_t function,
			struct pciring_notify_page *out)
{
	struct msg_function m = { .function = function };
	const struct msg_notify_page *page;
	struct attach_packet reply;
	int err;

	err = client_call(p, &m.h, MSG_NOTIFY_PAGE, sizeof(m), NULL, 0, &reply);
	if (err)
		return err;
	err = check_page(&reply);
	page = &reply.m.notify_page;
	if (!err)
		*out = (struct pciring_notify_page){
			.offset = page->offset,
			.length = page->length,
			.fd = attach_packet_take(&reply, 0),
			.function = function,
			.bar = page->bar,
		};
	attach_packet_fini(&reply);
	return err;
}

int pciring_kick_bind(struct pciring *p, uint16_t function, unsigned int queue,
		      int fd, struct pciring_doorbell *out)
{
	struct msg_kick m = { .function = function, .queue = (uint16_t)queue };
	struct attach_packet reply;
	int err;

	if (queue > UINT16_MAX)
		return -ERANGE;
	err = client_call(p, &m.h, MSG_KICK_BIND, sizeof(m), &fd, fd >= 0,
			  &reply);
	if (err)
		return err;
	m = reply.m.kick;
	attach_packet_fini(&reply);
	if (m.bar > 5 || m.length < 2)
		return -EPROTO;
	if (out)
		*out = (struct pciring_doorbell){
			.offset = m.offset,
			.length = m.length,
			.function = function,
			.bar = m.bar,
		};
	return 0;
}

/* One message: @count is at most MSG_MAX_FDS. */
static int bind_some(struct pciring *p, uint16_t function, uint32_t start,
		     uint32_t count, const int *fds)
{
	struct msg_irq_bind m = { .function = function,
				  .start = start,
				  .count = count };
	int sent[MSG_MAX_FDS];
	unsigned int i, n = 0;

	for (i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		m.bound |= BIT(i);
		sent[n++] = fds[i];
	}
	return client_do(p, &m.h, MSG_IRQ_BIND, sizeof(m), sent, n);
}

int pciring_irq_bind(struct pciring *p, uint16_t function, unsigned int start,
		     unsigned int count, const int *fds)
{
	struct msg_irq_bind m = { .function = function,
				  .start = start,
				  .count = count };
	unsigned int done, n;
	int err;

	if (start + count < start)
		return -ERANGE;
	if (!fds)
		return client_do(p, &m.h, MSG_IRQ_BIND, sizeof(m), NULL, 0);
	for (done = 0; done < count; done += n) {
		n = RTE_MIN(count - done, (unsigned int)MSG_MAX_FDS);
		err = bind_some(p, function, start + done, n, fds + done);
		if (err)
			return err;
	}
	return 0;
}

int pciring_irq_control(struct pciring *p, uint16_t function,
			unsigned int start, unsigned int count,
			unsigned int action)
{
	struct msg_irq_bind m = { .function = function,
				  .action = (uint16_t)action,
				  .start = start,
				  .count = count };

	if (start + count < start)
		return -ERANGE;
	if (action > PCIRING_IRQ_TRIGGER)
		return -EINVAL;
	return client_do(p, &m.h, MSG_IRQ_CONTROL, sizeof(m), NULL, 0);
}

int pciring_line_bind(struct pciring *p, unsigned int kind, uint32_t number,
		      int fd, int resample_fd)
{
	struct msg_line m = { .kind = (uint16_t)kind, .number = number };
	const int fds[] = { fd, resample_fd };

	if (kind > PCIRING_LINE_GSI || (fd < 0 && resample_fd >= 0))
		return -EINVAL;
	if (fd >= 0)
		m.bound |= MSG_LINE_TRIGGER;
	if (resample_fd >= 0)
		m.bound |= MSG_LINE_RESAMPLE;
	return client_do(p, &m.h, MSG_LINE_BIND, sizeof(m), fds,
			 (unsigned int)__builtin_popcount(m.bound));
}

int pciring_line_control(struct pciring *p, unsigned int kind, uint32_t number,
			 unsigned int action)
{
	struct msg_line m = { .kind = (uint16_t)kind,
			      .action = (uint16_t)action,
			      .number = number };

	if (kind > PCIRING_LINE_GSI || action > PCIRING_IRQ_TRIGGER)
		return -EINVAL;
	return client_do(p, &m.h, MSG_LINE_CONTROL, sizeof(m), NULL, 0);
}
