"""The HTML of the index of a batch."""

PAGE = r"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{{generator}}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{policy}}">
<title>{{title}}</title>
<link rel="icon" href="data:,">
<style>{{style}}</style>
</head>
<body>
<h1>{{title}}</h1>
<p>{{counts}}</p>
<div class="scroll">
<table>
<thead>
<tr><th scope="col"><button type="button">Pair</button></th><th scope="col">fixed, moving, warped</th>
<th scope="col" aria-sort="ascending"><button type="button">Verdict</button></th>{{heads}}</tr>
</thead>
<tbody>
{{rows}}
</tbody>
</table>
</div>
<script>
"use strict";
const body = document.querySelector("tbody");
const byText = new Intl.Collator(undefined, { numeric: true }).compare;

function compare(first, second) {
  return typeof first === "string" ? byText(first, second) : first - second;
}

function sort(head) {
  const column = head.cellIndex, sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const valueOf = (row) => JSON.parse(row.cells[column].dataset.value);
  const rows = [...body.rows], known = rows.filter((row) => valueOf(row) !== null);
  known.sort((a, b) => sign * compare(valueOf(a), valueOf(b)));
  body.append(...known, ...rows.filter((row) => valueOf(row) === null));
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
}

for (const button of document.querySelectorAll("th button")) button.onclick = () => sort(button.parentElement);
</script>
</body>
</html>
"""
