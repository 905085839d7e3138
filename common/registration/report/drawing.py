"""What the report draws in a browser: slices, comparisons, deformation, contours, landmarks, cursor."""

DRAWING = r"""
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const value = (id) => element(id)?.value;
const isOn = (id) => Boolean(element(id)?.checked);
const FIXED = "#35c8ff", MOVING = "#ffb000", CURSOR = "#8dff8d", FOLD = [255, 255, 0, 255];
const SEQUENCE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const EDGE_RANGE = [0.25, 0.6];  // share of the strongest gradients where edges begin to show, where they are opaque
const LETTER_PIXELS = 12, LINE_PIXELS = 1.2, RADIUS_LINES = 4;  // as they appear in the window
const scratch = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const slices = [0, 0, 0];  // shown slice of each plane, by its axis
let showsFixed = true;

function load(plane) {
  const text = atob(plane.lattice.displacements);
  plane.lattice.bytes = Int8Array.from(text, (letter) => letter.charCodeAt(0) << 24 >> 24);
  plane.images = {};
  return Promise.all(Object.entries(plane.sheets).map(([name, url]) => new Promise((resolve, reject) => {
    const image = plane.images[name] = new Image();
    image.onload = resolve;
    image.onerror = () => reject(new Error(name + " cannot be read"));
    image.src = url;
  })));
}

// Pictures in voxels of a slice, x to the right, y down

function drawSlice(context, plane, name) {
  const [width, height] = plane.size, [w, h] = plane.tile, number = slices[plane.axis];
  const x = (number % plane.columns) * w, y = Math.floor(number / plane.columns) * h;
  context.drawImage(plane.images[name], x, y, width, height, 0, 0, width, height);
}

function values(plane, name) {
  const [width, height] = plane.size;
  scratch.canvas.width = width;
  scratch.canvas.height = height;
  drawSlice(scratch, plane, name);
  const rgba = scratch.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height }, (_, k) => rgba[4 * k]);
}

function paint(context, plane, colorOf) {
  const [width, height] = plane.size, image = new ImageData(width, height);
  for (let k = 0; k < width * height; k++) image.data.set(colorOf(k), 4 * k);
  scratch.canvas.width = width;
  scratch.canvas.height = height;
  scratch.putImageData(image, 0, 0);
  context.drawImage(scratch.canvas, 0, 0);
}

function diverging(part) {
  const p = Math.min(Math.max(part, 0), 1), n = Math.min(Math.max(-part, 0), 1);
  return [255 * (1 - n), 255 * (1 - p - n), 255 * (1 - p), 255];
}

function sequential(part) {
  const place = part * (SEQUENCE.length - 1), k = Math.min(Math.floor(place), SEQUENCE.length - 2);
  return [0, 1, 2].map((c) => SEQUENCE[k][c] + (place - k) * (SEQUENCE[k + 1][c] - SEQUENCE[k][c])).concat(255);
}

function edges(picture, width) {  // opacity of each voxel: gradients where they are largest along their direction
  const along = (k) => picture[k + 1] - picture[k - 1], down = (k) => picture[k + width] - picture[k - width];
  const isInside = (k) => k % width > 0 && k % width < width - 1 && k >= width && k < picture.length - width;
  const strength = Float32Array.from(picture, (_, k) => isInside(k) ? Math.hypot(along(k), down(k)) : 0);
  const strongest = strength.slice().sort()[Math.floor(0.98 * strength.length)] || 1, [faint, full] = EDGE_RANGE;
  return strength.map((s, k) => {
    const step = Math.abs(along(k)) > Math.abs(down(k)) ? 1 : width;
    const isRidge = s >= strength[k - step] && s > strength[k + step];
    return isRidge ? Math.min(Math.max((s / strongest - faint) / (full - faint), 0), 1) : 0;
  });
}

const COMPARISONS = {
  difference(context, plane, name) {
    const fixed = values(plane, "fixed"), other = values(plane, name);
    paint(context, plane, (k) => diverging((other[k] - fixed[k]) / 127.5));
  },
  checkerboard(context, plane, name) {
    const [width, height] = plane.size, edge = Math.max(width, height) / Number(value("squares"));
    const squares = new Path2D();
    for (let i = 0; i * edge < width; i++)
      for (let j = 0; j * edge < height; j++)
        if ((i + j) % 2) squares.rect(i * edge, j * edge, edge, edge);
    drawSlice(context, plane, "fixed");
    context.save();
    context.clip(squares);
    drawSlice(context, plane, name);
    context.restore();
  },
  blend(context, plane, name) {
    drawSlice(context, plane, "fixed");
    context.globalAlpha = Number(value("share")) / 100;
    drawSlice(context, plane, name);
    context.globalAlpha = 1;
  },
  flicker(context, plane, name) {
    drawSlice(context, plane, showsFixed ? "fixed" : name);
  },
  edges(context, plane, name) {
    const opacity = edges(values(plane, "fixed"), plane.size[0]);
    drawSlice(context, plane, name);
    paint(context, plane, (k) => [53, 200, 255, 255 * opacity[k]]);
  },
};

function drawField(context, plane) {
  const name = value("deformation"), picture = values(plane, name), middle = (data.jacobian_codes + 1) / 2;
  const colors = {
    jacobian: (code) => code === 0 ? FOLD : diverging((code - middle) / (data.jacobian_codes - middle)),
    displacement: (code) => sequential(code / 255),
  };
  paint(context, plane, (k) => colors[name](picture[k]));
  if (isOn("grid")) drawGrid(context, plane, name === "jacobian" ? "#000a" : "#fff8");
}

function drawGrid(context, plane, color) {
  const { right, up, step, bytes } = plane.lattice, size = right.length * up.length;
  const first = 2 * size * slices[plane.axis];
  const point = (i, j) => {
    const k = first + i * up.length + j;
    return [right[i] + 0.5 + step * bytes[k], plane.size[1] - up[j] - 0.5 - step * bytes[k + size]];
  };
  context.strokeStyle = color;
  context.beginPath();
  for (let i = 0; i < right.length; i++)
    for (let j = 0; j < up.length; j++) {
      if (i) { context.moveTo(...point(i - 1, j)); context.lineTo(...point(i, j)); }
      if (j) { context.moveTo(...point(i, j - 1)); context.lineTo(...point(i, j)); }
    }
  context.stroke();
}

// Labels, landmarks, cursor

function contours(codes, [width, height]) {  // the edges between voxels of different labels: x, y of both ends
  const edges = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const k = y * width + x;
      if (x + 1 < width && codes[k] !== codes[k + 1]) edges.push([x + 1, y, x + 1, y + 1]);
      if (y + 1 < height && codes[k] !== codes[k + width]) edges.push([x, y + 1, x + 1, y + 1]);
    }
  return edges;
}

function drawLabel(context, plane, name, color) {
  const chosen = value("label");
  if (!plane.images[name] || !chosen || chosen === "none") return;
  let codes = values(plane, name);
  if (chosen !== "all") codes = codes.map((code) => Number(code === (Number(chosen) - 1) % 255 + 1));
  context.strokeStyle = color;
  context.beginPath();
  for (const [x, y, endX, endY] of contours(codes, plane.size)) { context.moveTo(x, y); context.lineTo(endX, endY); }
  context.stroke();
}

function nearest(plane, voxel) {
  const distances = plane.indices.map((index) => Math.abs(index - voxel));
  return distances.indexOf(Math.min(...distances));
}

function drawPoints(context, plane, name, color) {
  if (!isOn("landmarks")) return;
  const [right, up] = plane.axes, radius = RADIUS_LINES * context.lineWidth;
  context.strokeStyle = color;
  for (const point of data.points[name] ?? []) {
    if (nearest(plane, point[plane.axis]) !== slices[plane.axis]) continue;
    context.beginPath();
    context.arc(point[right] + 0.5, plane.size[1] - point[up] - 0.5, radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

function drawMarks(context, plane, moving) {
  drawLabel(context, plane, "fixed_label", FIXED);
  drawPoints(context, plane, "fixed_points", FIXED);
  if (!moving) return;
  drawLabel(context, plane, moving + "_label", MOVING);
  drawPoints(context, plane, moving + "_points", MOVING);
}

function cursorVoxel() {
  return data.planes.map((plane, axis) => plane.indices[slices[axis]]);
}

function drawCursor(context, plane) {
  if (!isOn("cursor")) return;
  const [right, up] = plane.axes.map((axis) => cursorVoxel()[axis] + 0.5), [width, height] = plane.size;
  context.strokeStyle = CURSOR;
  context.globalAlpha = 0.45;
  context.beginPath();
  context.moveTo(right, 0); context.lineTo(right, height);
  context.moveTo(0, height - up); context.lineTo(width, height - up);
  context.stroke();
  context.globalAlpha = 1;
}

function drawSides(context, plane) {
  const { width, height } = context.canvas, size = LETTER_PIXELS * width / context.canvas.clientWidth;
  const [left, right, down, up] = plane.sides;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = size / 5;
  context.strokeStyle = "#000";
  context.fillStyle = "#fff";
  const places = [[isMirrored() ? right : left, size * 0.7, height / 2], [up, width / 2, size * 0.7],
    [isMirrored() ? left : right, width - size * 0.7, height / 2], [down, width / 2, height - size * 0.7]];
  for (const place of places) { context.strokeText(...place); context.fillText(...place); }
}
"""
