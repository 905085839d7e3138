"""The HTML of a report; ``{{tables}}`` and ``{{data}}`` are filled in by :mod:`.write`."""

PAGE = r"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Registration</title>
<link rel="icon" href="data:,">
<style>
body { background: #14171a; color: #e4e7ea; font: 14px/1.4 system-ui, sans-serif; margin: 16px 24px; }
h1 { font-size: 18px; margin: 0 0 8px; }
.bar { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; margin: 8px 0 12px; }
.bar label { display: flex; gap: 6px; align-items: center; }
#slice { width: 320px; }
.views { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 10px; }
figure { margin: 0; }
figcaption { color: #aab2ba; font-size: 12px; padding-bottom: 3px; }
canvas { width: 100%; background: #000; image-rendering: pixelated; display: block; }
.tables { display: flex; flex-wrap: wrap; gap: 24px; margin-top: 16px; align-items: flex-start; }
td, th { text-align: left; padding: 1px 12px 1px 0; font-weight: normal; overflow-wrap: anywhere; }
th { color: #aab2ba; }
</style>
</head>
<body>
<h1>Registration</h1>
<div class="bar">
<label>Plane <select id="plane"></select></label>
<label>Slice <input id="slice" type="range" min="0" value="0"> <output id="place"></output></label>
<label>Checkerboard squares <input id="squares" type="range" min="2" max="24" value="8"></label>
<span id="sides"></span>
</div>
<div class="views">
<figure><figcaption>fixed</figcaption><canvas id="fixed"></canvas></figure>
<figure><figcaption>moving, initial alignment</figcaption><canvas id="moving"></canvas></figure>
<figure><figcaption>warped</figcaption><canvas id="warped"></canvas></figure>
<figure><figcaption>checkerboard of fixed and warped</figcaption><canvas id="checkerboard"></canvas></figure>
<figure><figcaption>difference before: moving − fixed</figcaption><canvas id="before"></canvas></figure>
<figure><figcaption>difference after: warped − fixed</figcaption><canvas id="difference"></canvas></figure>
<figure><figcaption>grid, affine part left out</figcaption><canvas id="grid"></canvas></figure>
<figure><figcaption>log Jacobian: blue halves, red doubles volume, yellow folds</figcaption>
<canvas id="jacobian"></canvas></figure>
</div>
<div class="tables">
{{tables}}
</div>
<script type="application/json" id="data">{{data}}</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const NAMES = ["fixed", "moving", "warped", "jacobian"];
let plane, number, sheets = {};

function load(plane) {
  return Promise.all(NAMES.map((name) => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => { sheets[plane.name + name] = image; resolve(); };
    image.onerror = () => reject(new Error(name + " cannot be read"));
    image.src = plane.sheets[name];
  })));
}

function canvas(id, scale = 1) {
  const [width, height] = plane.size, target = element(id);
  target.width = width * scale; target.height = height * scale;
  return target.getContext("2d", { willReadFrequently: true });
}

function drawTile(context, name, clip) {
  const [width, height] = plane.size, [w, h] = plane.tile;
  const x = (number % plane.columns) * w, y = Math.floor(number / plane.columns) * h;
  context.save();
  if (clip) context.clip(clip);
  context.drawImage(sheets[plane.name + name], x, y, width, height, 0, 0, width, height);
  context.restore();
}

function pixels(name) {
  const [width, height] = plane.size, context = canvas(name);
  drawTile(context, name);
  return context.getImageData(0, 0, width, height);
}

function diverging(value) {
  const p = Math.min(Math.max(value, 0), 1), n = Math.min(Math.max(-value, 0), 1);
  return [255 * (1 - n), 255 * (1 - p - n), 255 * (1 - p)];
}

function paint(id, values) {
  const context = canvas(id), image = context.createImageData(...plane.size);
  values.forEach((color, k) => image.data.set([color[0], color[1], color[2], 255], 4 * k));
  context.putImageData(image, 0, 0);
}

function difference(id, first, second) {
  const colors = [];
  for (let k = 0; k < first.data.length; k += 4) colors.push(diverging((first.data[k] - second.data[k]) / 255));
  paint(id, colors);
}

function jacobian() {
  const codes = pixels("jacobian").data, colors = [], middle = (data.jacobian_codes + 1) / 2;
  for (let k = 0; k < codes.length; k += 4)
    colors.push(codes[k] === 0 ? [255, 255, 0] : diverging((codes[k] - middle) / (data.jacobian_codes - middle)));
  paint("jacobian", colors);
}

function checkerboard() {
  const [width, height] = plane.size, context = canvas("checkerboard");
  const edge = Math.max(width, height) / Number(element("squares").value), clip = new Path2D();
  for (let i = 0; i * edge < width; i++)
    for (let j = 0; j * edge < height; j++)
      if ((i + j) % 2) clip.rect(i * edge, j * edge, edge, edge);
  drawTile(context, "fixed");
  drawTile(context, "warped", clip);
}

function grid() {
  const scale = Math.max(1, Math.ceil(480 / Math.max(...plane.size))), context = canvas("grid", scale);
  const { right, up, step, bytes } = plane.lattice, size = right.length * up.length, first = 2 * size * number;
  const point = (i, j) => {
    const k = first + i * up.length + j;
    return [(right[i] + 0.5 + step * bytes[k]) * scale, (plane.size[1] - up[j] - 0.5 - step * bytes[k + size]) * scale];
  };
  context.strokeStyle = "#7fd1ff";
  context.beginPath();
  for (let i = 0; i < right.length; i++)
    for (let j = 0; j < up.length; j++) {
      if (i) { context.moveTo(...point(i - 1, j)); context.lineTo(...point(i, j)); }
      if (j) { context.moveTo(...point(i, j - 1)); context.lineTo(...point(i, j)); }
    }
  context.stroke();
}

function draw() {
  number = Number(element("slice").value);
  element("place").textContent = (plane.indices[number] * data.spacing_mm).toFixed(1) + " mm";
  const [left, right, down, up] = plane.sides;
  element("sides").textContent = `left ${left}, right ${right}, top ${up}, bottom ${down}`;
  const [fixed, moving, warped] = ["fixed", "moving", "warped"].map(pixels);
  difference("before", moving, fixed);
  difference("difference", warped, fixed);
  checkerboard();
  grid();
  jacobian();
}

function choose() {
  plane = data.planes[Number(element("plane").value)];
  element("slice").max = plane.indices.length - 1;
  element("slice").value = Math.floor(plane.indices.length / 2);
  draw();
}

for (const plane of data.planes) {
  const text = atob(plane.lattice.displacements);
  plane.lattice.bytes = Int8Array.from(text, (letter) => letter.charCodeAt(0) << 24 >> 24);
}
element("plane").innerHTML = data.planes.map((plane, k) => `<option value="${k}">${plane.name}</option>`).join("");
element("plane").value = data.planes.length - 1;
Promise.all(data.planes.map(load)).then(() => {
  element("plane").onchange = choose;
  element("slice").oninput = draw;
  element("squares").oninput = draw;
  choose();
  document.body.dataset.ready = "true";
});
</script>
</body>
</html>
"""
