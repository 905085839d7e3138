"""The look of the report and of the index page, on a screen and on paper."""

STYLE = r"""
:root { color-scheme: dark; --text: #e4e7ea; --faint: #aab2ba; --line: #3a4047; --page: #14171a; --box: #1d2126; }
body { background: var(--page); color: var(--text); font: 14px/1.4 system-ui, sans-serif; margin: 16px 24px; }
h1 { font-size: 18px; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 13px; font-weight: 600; margin: 12px 0 4px; color: var(--faint); }
p { margin: 4px 0; }
ul { margin: 2px 0 4px; padding-left: 20px; }
a { color: #7fd1ff; }
.grade { display: inline-block; padding: 0 10px; border-radius: 9px; background: #5a626b; color: #fff; }
.grade.good { background: #1b7a3d; }
.grade.doubtful { background: #ffc233; color: #221a00; }
.grade.failed { background: #c62828; }
.verdict, .warnings { background: var(--box); border-left: 4px solid var(--line); padding: 4px 12px; margin: 8px 0; }
.verdict.good { border-color: #1b7a3d; }
.verdict.doubtful, .warnings { border-color: #ffc233; }
.verdict.failed { border-color: #c62828; }
td, th { text-align: left; padding: 2px 12px 2px 0; font-weight: normal; overflow-wrap: anywhere; vertical-align: top; }
th, caption { color: var(--faint); }
caption { text-align: left; font-weight: 600; padding-bottom: 2px; }
:focus-visible { outline: 2px solid #7fd1ff; outline-offset: 1px; }
@media print {
  :root { color-scheme: light; --text: #000; --faint: #333; --line: #999; --page: #fff; --box: #fff; }
  body { margin: 0; font-size: 10px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  a { color: inherit; text-decoration: none; }
}
"""

REPORT_STYLE = r"""
.controls, .legend { display: flex; flex-wrap: wrap; gap: 6px 20px; align-items: center; margin: 8px 0; }
.controls label, .legend span { display: flex; gap: 6px; align-items: center; }
.controls input[type=range] { width: 130px; }
.controls output { min-width: 34px; color: var(--faint); }
.legend { color: var(--faint); font-size: 12px; }
[hidden] { display: none !important; }
.bar { width: 90px; height: 10px; }
.diverging { background: linear-gradient(to right, #00f, #fff, #f00); }
.sequential { background: linear-gradient(to right, #440154, #3b528b, #21918c, #5ec962, #fde725); }
.swatch { width: 16px; height: 10px; }
.fixed-color { background: #35c8ff; }
.moving-color { background: #ffb000; }
.fold-color { background: #ff0; }
.panes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 150px), 1fr)); gap: 8px; }
.single .panes { grid-template-columns: repeat(auto-fit, minmax(min(100%, 360px), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--faint); font-size: 12px; padding-bottom: 2px; }
canvas { display: block; max-width: 100%; max-height: 75vh; margin: 0 auto; background: #000; }
canvas { cursor: crosshair; touch-action: none; }
.tables { display: flex; flex-wrap: wrap; gap: 16px 32px; margin-top: 16px; align-items: flex-start; }
.tables > div { max-height: 420px; overflow-y: auto; }
@media print {
  @page { size: A4 landscape; margin: 10mm; }
  .controls { display: none; }
  .panes { grid-template-columns: repeat(6, 1fr); gap: 2mm; }
  .plane { break-inside: avoid; }
  h2 { margin: 1mm 0 0; }
  canvas { max-height: 38mm; }
  .legend, figcaption { font-size: 9px; margin: 1mm 0 0; }
  .tables { display: block; columns: 3; }
  .tables > div { max-height: none; overflow: visible; margin-bottom: 3mm; }
  tr { break-inside: avoid; }
}
"""

INDEX_STYLE = r"""
table { border-collapse: collapse; width: 100%; }
tbody tr { border-top: 1px solid var(--line); }
td, th { padding: 6px 14px 6px 0; }
thead th { overflow-wrap: normal; }
tbody th { min-width: 90px; }
th button { all: unset; cursor: pointer; color: inherit; }
th button:focus-visible { outline: 2px solid #7fd1ff; }
th button::after { content: " ↕"; opacity: 0.5; }
th[aria-sort=ascending] button::after { content: " ↑"; opacity: 1; }
th[aria-sort=descending] button::after { content: " ↓"; opacity: 1; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td img { display: block; height: 96px; }
td ul { font-size: 12px; color: var(--faint); min-width: 180px; }
.scroll { overflow-x: auto; }
@media print {
  @page { size: A4 landscape; margin: 10mm; }
  tr { break-inside: avoid; }
  td img { height: 16mm; }
  th button::after { content: ""; }
}
"""
