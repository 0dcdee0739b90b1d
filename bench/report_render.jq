# SPDX-License-Identifier: BSD-3-Clause
#
# report_render.jq - the blocks of report.jq as a page, or as Markdown
include "report";

def escaped: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
def marked: escaped | gsub("`(?<x>[^`]*)`"; "<code>\(.x)</code>") |
	gsub("\\*\\*(?<x>[^*]*)\\*\\*"; "<b>\(.x)</b>") |
	gsub("\\*(?<x>[^*]+)\\*"; "<i>\(.x)</i>");

def text: if type == "object" then .text else . end | tostring;
def number: text | test("^-?[0-9][0-9. ]*( M| to [0-9.]+)?$");

def cell: if type == "object" then
		"<td class=\"\(.class)\">\(text | escaped)</td>"
	elif number then "<td class=\"n\">\(text | escaped)</td>"
	else "<td>\(text | marked)</td>" end;
def long: (.rows | length > 24) and (.open | not);
def table: (.head[0] != "") as $ours | long as $long |
	# Above numbers a head stands where they do.
	([range(.head | length) as $i | [.rows[][$i] | select(text != "")] |
		length > 0 and all(type != "object" and number)]) as $numbers |
	# What is long is for those who look for something in it.
	(if $long then "<details><summary>all \(.rows | length) figures" +
		"</summary>" else empty end),
	"<div class=\"wide\"><table\(if $ours then "" else
		" class=\"facts\"" end)>",
	(if any(.head[]; . != "") then "<thead><tr>" + (.head | to_entries |
		map("<th\(if $numbers[.key] then " class=\"n\"" else "" end)>" +
			"\(.value | escaped)</th>") | join("")) + "</tr></thead>"
	else empty end),
	"<tbody>",
	(.rows[] | "<tr" + (if $ours and any(.[]; . == "pciring") then " class=\"ours\""
		else "" end) + ">" + (map(cell) | join("")) + "</tr>"),
	"</tbody></table></div>",
	(if $long then "</details>" else empty end);

def style: "body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;" +
	"background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}" +
	"h1{font-size:1.9rem;margin-bottom:.3rem}h2{margin-top:3rem;" +
	"border-bottom:2px solid #0b4f9c;padding-bottom:.2rem}" +
	"summary{cursor:pointer;color:#0b4f9c}" +
	"h3{margin-top:2rem}p{max-width:46rem}.wide{overflow-x:auto}" +
	"table{border-collapse:collapse;font-size:.88rem;margin:.8rem 0}" +
	"th,td{padding:.22rem .7rem;border-bottom:1px solid #e2e2e2;" +
	"text-align:left;vertical-align:top}th{background:#f3f5f8}" +
	"td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;" +
	"white-space:nowrap}th.n{white-space:normal}.facts td.n{text-align:left}tr.ours td{font-weight:600;background:#eef4fb}" +
	".met,.missed,.not-measured{white-space:nowrap}" +
	".met{color:#0a6b2d;font-weight:600}.missed{color:#fff;" +
	"background:#b00020;font-weight:600}.not-measured{color:#666;" +
	"font-style:italic}svg{max-width:100%;height:auto;margin:1rem 0}" +
	"code{background:#f3f5f8;padding:0 .2rem}nav a{margin-right:1rem}";

def anchor: ascii_downcase | sub(":.*"; "") | gsub("[^a-z]+"; "-");

# $plots: { name: SVG }.
def html($plots): [report] as $blocks |
	"<!DOCTYPE html>",
	"<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head>",
	"<meta charset=\"utf-8\"/>",
	"<meta name=\"viewport\" content=\"width=device-width\"/>",
	"<title>pciring: measurements</title>",
	"<style>\(style)</style></head><body>",
	($blocks[] | if .h1 then "<h1>\(.h1 | escaped)</h1>"
	elif .h2 then "<h2 id=\"\(.h2 | anchor)\">\(.h2 | escaped)</h2>"
	elif .h3 then "<h3>\(.h3 | escaped)</h3>"
	elif .p then "<p>\(.p | marked)</p>"
	elif .nav then "<nav>" + ([$blocks[] | .h2 // empty |
		"<a href=\"#\(anchor)\">\(sub(":.*"; "") | escaped)</a>"] |
		join("")) + "</nav>"
	elif .plot then $plots[.plot] // empty
	elif .charts then if $plots == {} then "<p>There are no charts: " +
		"either gnuplot is not there or nothing was measured.</p>"
		else empty end
	else .table | table end),
	"</body></html>";

def row: "| " + (map(text | gsub("\\|"; "/")) | join(" | ")) + " |";
def markdown: results |
	if .h2 then "\n### \(.h2)\n"
	elif .h3 then "\n#### \(.h3)\n"
	elif .p then "\(.p)\n"
	elif .table and (.table | long) then
		"(\(.table.rows | length) more figures are in the report.)\n"
	elif .table then .table | (.head | row),
		"|" + (.head | map("--|") | join("")), (.rows[] | row), ""
	else empty end;
