/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one sendmsg() for each message, header and payload together, as the
 * known clients do it.
 */
#include "tests/flow/vfio_raw.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_SECONDS 5
#define CONNECT_TRIES 200

void vfio_raw_init(struct vfio_raw *v, int sock)
{
	const struct timeval limit = { .tv_sec = LIMIT_SECONDS };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	v->sock = sock;
	v->id = 0;
	v->length = 0;
}

static int try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int vfio_raw_connect(struct vfio_raw *v, const char *path)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int fd = try_connect(path);

	for (int i = 0; fd < 0 && i < CONNECT_TRIES; i++) {
		nanosleep(&pause, NULL);
		fd = try_connect(path);
	}
	if (fd < 0)
		return fd;
	vfio_raw_init(v, fd);
	return 0;
}

void vfio_raw_close(struct vfio_raw *v)
{
	close(v->sock);
	v->sock = -1;
}

int vfio_raw_send(struct vfio_raw *v, const void *bytes, size_t n,
		  const int *fds, unsigned int nr_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr_fds) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t done = sendmsg(v->sock, &msg, MSG_NOSIGNAL);

		if (done < 0)
			return -errno;
		iov.iov_base = (char *)iov.iov_base + done;
		iov.iov_len -= (size_t)done;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

int vfio_raw_command(struct vfio_raw *v, uint16_t command, uint32_t flags,
		     const void *payload, size_t n, const int *fds,
		     unsigned int nr_fds)
{
	uint8_t message[sizeof(struct vu_header) + VU_MAX_PAYLOAD];
	struct vu_header h = {
		.id = ++v->id,
		.command = command,
		.size = (uint32_t)(sizeof(h) + n),
		.flags = flags,
	};

	assert(n <= VU_MAX_PAYLOAD);
	memcpy(message, &h, sizeof(h));
	if (n)
		memcpy(message + sizeof(h), payload, n);
	return vfio_raw_send(v, message, sizeof(h) + n, fds, nr_fds);
}

static int recv_all(int sock, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = recv(sock, (char *)buf + done, n - done, 0);

		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		done += (size_t)got;
	}
	return 1;
}

int vfio_raw_reply(struct vfio_raw *v)
{
	int err = recv_all(v->sock, &v->reply, sizeof(v->reply));

	if (err <= 0)
		return err;
	v->length = v->reply.size - sizeof(v->reply);
	if (v->reply.size < sizeof(v->reply) || v->length > sizeof(v->data))
		return -EPROTO;
	return v->length ? recv_all(v->sock, v->data, v->length) : 1;
}

int vfio_raw_call(struct vfio_raw *v, uint16_t command, const void *payload,
		  size_t n, const int *fds, unsigned int nr_fds)
{
	int err = vfio_raw_command(v, command, 0, payload, n, fds, nr_fds);

	if (!err)
		err = vfio_raw_reply(v);
	if (err == 0 || err == -ECONNRESET)
		return -EPIPE;
	if (err < 0)
		return err;
	if (v->reply.id != v->id || v->reply.command != command ||
	    (v->reply.flags & VU_TYPE) != VU_TYPE_REPLY)
		return -EPROTO;
	if (!(v->reply.flags & VU_ERROR))
		return v->reply.error ? -EPROTO : 0;
	if (v->length || !v->reply.error)
		return -EPROTO; /* an error reply is the header alone */
	return -(int)v->reply.error;
}

int vfio_raw_version(struct vfio_raw *v, uint16_t minor, const char *json)
{
	uint8_t payload[1024] = { 0, 0, (uint8_t)minor, (uint8_t)(minor >> 8) };
	size_t n = json ? strlen(json) + 1 : 0;

	assert(n <= sizeof(payload) - 4);
	if (n)
		memcpy(payload + 4, json, n);
	return vfio_raw_call(v, VU_VERSION, payload, 4 + n, NULL, 0);
}

int vfio_raw_map(struct vfio_raw *v, uint64_t address, uint64_t size, int fd,
		 uint64_t offset)
{
	struct vu_dma_map map = {
		.argsz = sizeof(map),
		.flags = VU_DMA_READ | VU_DMA_WRITE,
		.offset = offset,
		.address = address,
		.size = size,
	};

	return vfio_raw_call(v, VU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

int vfio_raw_unmap(struct vfio_raw *v, uint64_t address, uint64_t size)
{
	struct vu_dma_unmap un = {
		.argsz = sizeof(un),
		.address = address,
		.size = size,
	};
	int err = vfio_raw_call(v, VU_DMA_UNMAP, &un, sizeof(un), NULL, 0);

	if (err)
		return err;
	return v->length == sizeof(un) && !memcmp(v->data, &un, sizeof(un))
		       ? 0
		       : -EPROTO;
}

int vfio_raw_set_irqs(struct vfio_raw *v, uint32_t index, uint32_t flags,
		      uint32_t start, uint32_t count, const int *fds,
		      unsigned int nr_fds)
{
	struct vu_set_irqs set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};

	return vfio_raw_call(v, VU_SET_IRQS, &set, sizeof(set), fds, nr_fds);
}

int vfio_raw_read(struct vfio_raw *v, uint32_t region, uint64_t offset,
		  uint32_t count, void *data)
{
	struct vu_region_access ra = { offset, region, count };
	int err = vfio_raw_call(v, VU_REGION_READ, &ra, sizeof(ra), NULL, 0);

	if (err)
		return err;
	if (v->length != sizeof(ra) + count ||
	    memcmp(v->data, &ra, sizeof(ra)) != 0)
		return -EPROTO;
	memcpy(data, v->data + sizeof(ra), count);
	return 0;
}

int vfio_raw_write(struct vfio_raw *v, uint32_t region, uint64_t offset,
		   uint32_t count, uint64_t value)
{
	struct {
		struct vu_region_access ra;
		uint64_t value;
	} w = { { offset, region, count }, value };
	int err;

	assert(count <= sizeof(value));
	err = vfio_raw_call(v, VU_REGION_WRITE, &w, sizeof(w.ra) + count, NULL,
			    0);
	if (err)
		return err;
	return v->length == sizeof(w.ra) &&
			       !memcmp(v->data, &w.ra, sizeof(w.ra))
		       ? 0
		       : -EPROTO;
}

static void proc_path(char *path, size_t n, pid_t pid, const char *what)
{
	if (pid)
		snprintf(path, n, "/proc/%d/%s", (int)pid, what);
	else
		snprintf(path, n, "/proc/self/%s", what);
}

unsigned int vfio_count_fds(pid_t pid)
{
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	proc_path(path, sizeof(path), pid, "fd");
	dir = opendir(path);
	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

unsigned int vfio_count_maps(pid_t pid, const char *what)
{
	unsigned int n = 0;
	char line[512];
	FILE *f;

	proc_path(line, sizeof(line), pid, "maps");
	f = fopen(line, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	fclose(f);
	return n;
}
