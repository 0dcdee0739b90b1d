/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - one line per event, with a level and a rate limit
 *
 * Where the lines go is the program's choice (log_set_sink); libpciring sets
 * none and is silent.  Whatever a guest, VMM or client can provoke goes
 * through log_limited(): a burst of 10, then one a second per place, with the
 * number of suppressed lines; ten quiet seconds allow a new burst.
 *
 * Threads   any.  Not for the access, kick and interrupt paths: count there,
 *           log elsewhere.
 */
#ifndef RING_LOG_H
#define RING_LOG_H

#include "ring/base.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG
};

typedef void log_sink_fn(enum log_level level, const char *line);

void log_set_sink(log_sink_fn *sink, enum log_level max);
bool log_enabled(enum log_level level);

/* The sink of a program: "LEVEL message" with a time, on stderr. */
void log_to_stderr(enum log_level level, const char *line);

/* "error", "warn", "info", "debug" to a level; -EINVAL. */
int log_parse_level(const char *word, enum log_level *level);

void log_msg(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct log_limit {
	_Atomic uint64_t second; /* of the last line that passed */
	_Atomic uint32_t seen;	 /* lines of the burst, up to its limit */
	_Atomic uint32_t lost;	 /* suppressed since the last line */
};
void log_msg_limited(struct log_limit *limit, enum log_level level,
		     const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
#define log_limited(level, ...)                                                \
	do {                                                                   \
		static struct log_limit limit_;                                \
		log_msg_limited(&limit_, level, __VA_ARGS__);                  \
	} while (0)

#endif
