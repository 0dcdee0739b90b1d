/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "apps/ctl/cascade.h"

#define NODE(id, kind, name, level, pending, fired)                            \
	"{\"id\":" #id ",\"kind\":\"" kind "\",\"name\":\"" name               \
	"\",\"level\":" #level ",\"pending\":" #pending ",\"fired\":" #fired   \
	",\"latched\":0,\"masked\":0,\"coalesced\":0,\"dropped\":0}"

/* Two functions: messages to a ring, and one line to its pin. */
static const char two[] = "{\"machine\":\"demo\",\"nodes\":[" NODE(
	0, "MSI-X", "00:01.0", null, 2,
	20) "," NODE(1, "ring", "vmm", null, 0,
		     41) "," NODE(2, "MSI-X", "00:02.0", null, 0,
				  0) "," NODE(3, "line", "GSI 16", 1, 0,
					      21) "],\"edges\":["
						  "{\"from\":0,\"to\":1},"
						  "{\"from\":2,\"to\":1},"
						  "{\"from\":3,\"to\":1,"
						  "\"pin\":16}]}";

/* A stage that has nothing to say about its state says nothing. */
static const char state_of_one[] =
	"{\"machine\":\"demo\",\"nodes\":[{\"id\":0,\"kind\":\"eventfd\","
	"\"name\":\"GSI 17\",\"state\":\"bound, busy\",\"level\":1,"
	"\"pending\":0,\"fired\":3,\"latched\":0,\"masked\":0,"
	"\"coalesced\":0,\"dropped\":0}],\"edges\":[]}";

static char *print(const char *graph, void (*how)(const json_t *, FILE *))
{
	json_t *g = json_loads(graph, 0, NULL);
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	assert_non_null(g);
	how(g, f);
	fclose(f);
	json_decref(g);
	return out;
}

static void stages_are_indented_aligned_and_shown_once(void **state)
{
	static const char expected[] =
		"STAGE                         LEVEL  PENDING  FIRED  LATCHED"
		"  MASKED  COALESCED  DROPPED\n"
		"MSI-X 00:01.0                 .      2        20     .      "
		"  .       .          .\n"
		"  ring vmm [1]                .      .        41     .      "
		"  .       .          .\n"
		"MSI-X 00:02.0                 .      .        .      .      "
		"  .       .          .\n"
		"  ring vmm [1] above\n"
		"line GSI 16                   high   .        21     .      "
		"  .       .          .\n"
		"  pin 16: ring vmm [1] above\n"
		"\n"
		"2 kept at MSI-X 00:01.0\n";
	char *out = print(two, ctl_cascade_text);

	(void)state;
	assert_string_equal(out, expected);
	free(out);
}

static void stages_in_a_circle_are_shown_and_end(void **state)
{
	char *out = print("{\"nodes\":[" NODE(0, "a", "", 0, 0, 0) "," NODE(
				  1, "b", "", 0, 0,
				  1) "],\"edges\":[{\"from\":0,\"to\":1},"
				     "{\"from\":1,\"to\":0},"
				     "{\"from\":1,\"to\":7}]}",
			  ctl_cascade_text);

	(void)state;
	assert_non_null(strstr(out, "\na "));
	assert_non_null(strstr(out, "\n  b "));
	assert_non_null(strstr(out, "\n    a [1] above\n"));
	free(out);
}

/* Two ways from each of them to the next, all over: 2 to the 40th ways. */
static void idle_stages_are_counted_once_and_not_shown(void **state)
{
	json_t *g = json_object(), *nodes = json_array(), *edges = json_array();
	char *out = NULL, *end;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	(void)state;
	for (int i = 0; i < 40; i++) {
		json_array_append_new(nodes, json_pack("{ss ss si}", "kind",
						       i ? "line" : "table",
						       "name", "", "level", 0));
		for (int way = 0; way < 2 && i < 39; way++)
			json_array_append_new(
				edges,
				json_pack("{si si}", "from", i, "to", i + 1));
	}
	json_object_set_new(g, "nodes", nodes);
	json_object_set_new(g, "edges", edges);
	ctl_cascade_text(g, f);
	fclose(f);
	json_decref(g);
	end = strchr(out, '\n');
	assert_string_equal(end, "\n\n1 idle lines and sinks that no device "
				 "leads to are left out (--json has them)\n");
	free(out);
}

static void idle_device_and_what_is_only_kept_are_shown(void **state)
{
	char *out = print(
		"{\"nodes\":[" NODE(0, "virtio", "rng", null, 0, 0) "," NODE(
			1, "line", "GSI 16", 0, 1,
			0) "," NODE(2, "line", "GSI 17", 0, 0, 0) "]}",
		ctl_cascade_text);

	(void)state;
	assert_non_null(strstr(out, "\nvirtio rng "));
	assert_non_null(strstr(out, "\nline GSI 16 "));
	assert_null(strstr(out, "GSI 17"));
	assert_non_null(strstr(out, "\n1 idle lines"));
	assert_non_null(strstr(out, "\n1 kept at line GSI 16\n"));
	free(out);
}

static void state_of_a_stage_stands_behind_its_name(void **state)
{
	char *out = print(state_of_one, ctl_cascade_text);

	(void)state;
	assert_non_null(strstr(out, "\neventfd GSI 17 (bound, busy)  high"));
	free(out);
	out = print(state_of_one, ctl_cascade_dot);
	assert_non_null(strstr(out, "\"eventfd GSI 17 (bound, busy)\\nhigh"));
	free(out);
}

static void dot_colours_what_is_stuck_and_names_pins(void **state)
{
	char *out = print(two, ctl_cascade_dot);

	(void)state;
	assert_non_null(strstr(out, "digraph \"demo\" {\n"));
	assert_non_null(strstr(
		out, "\tn0 [label=\"MSI-X 00:01.0\\npending 2\\nfired 20\", "
		     "style=filled, fillcolor=\"#f4b6b6\"];\n"));
	assert_non_null(strstr(out, "\tn1 [label=\"ring vmm\\nfired 41\"];\n"));
	assert_non_null(strstr(out,
			       "\tn3 [label=\"line GSI 16\\nhigh\\nfired 21\", "
			       "style=filled, fillcolor=\"#f9e2a0\"];\n"));
	assert_non_null(strstr(out, "\tn2 -> n1;\n"));
	assert_non_null(strstr(out, "\tn3 -> n1 [label=\"16\"];\n}\n"));
	free(out);
}

static void dot_escapes_what_would_end_a_label(void **state)
{
	char *out = print("{\"machine\":\"a\\\"b\",\"nodes\":[" NODE(
				  0, "k", "x\\\"\\\\\\ny", null, 0, 0) "]}",
			  ctl_cascade_dot);

	(void)state;
	assert_non_null(strstr(out, "digraph \"a\\\"b\" {"));
	assert_non_null(strstr(out, "[label=\"k x\\\"\\\\ y\"];"));
	free(out);
}

static void answer_without_sense_prints_no_stages(void **state)
{
	char *out = print("{\"nodes\":7}", ctl_cascade_text);

	(void)state;
	assert_memory_equal(out, "STAGE", 5);
	assert_string_equal(strchr(out, '\n'), "\n");
	free(out);
	out = print("[]", ctl_cascade_dot);
	assert_memory_equal(out, "digraph \"\" {", 12);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_are_indented_aligned_and_shown_once),
		cmocka_unit_test(stages_in_a_circle_are_shown_and_end),
		cmocka_unit_test(idle_stages_are_counted_once_and_not_shown),
		cmocka_unit_test(idle_device_and_what_is_only_kept_are_shown),
		cmocka_unit_test(state_of_a_stage_stands_behind_its_name),
		cmocka_unit_test(dot_colours_what_is_stuck_and_names_pins),
		cmocka_unit_test(dot_escapes_what_would_end_a_label),
		cmocka_unit_test(answer_without_sense_prints_no_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
