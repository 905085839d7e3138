"""What the report does in a browser: panes, linked cursor, controls. It draws by :mod:`.drawing`."""

VIEWER = r"""
const PANE_PIXELS = 640;  // at least, of the longer edge of a canvas
const isMirrored = () => value("order") === "radiological";

function pane(plane, view) {
  const [width, height] = plane.size, canvas = element(`${plane.name}-${view}`);
  const scale = Math.max(1, Math.ceil(PANE_PIXELS / Math.max(width, height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.setTransform(isMirrored() ? -scale : scale, 0, 0, scale, isMirrored() ? canvas.width : 0, 0);
  context.lineWidth = LINE_PIXELS * width / canvas.clientWidth;
  return context;
}

const VIEWS = {
  "fixed": (context, plane) => { drawSlice(context, plane, "fixed"); drawMarks(context, plane); },
  "before": (context, plane) => { drawSlice(context, plane, "moving"); drawMarks(context, plane, "moving"); },
  "after": (context, plane) => { drawSlice(context, plane, "warped"); drawMarks(context, plane, "warped"); },
  "compare-before": (context, plane) => COMPARISONS[value("comparison")](context, plane, "moving"),
  "compare-after": (context, plane) => COMPARISONS[value("comparison")](context, plane, "warped"),
  "field": drawField,
};

function draw(views = Object.keys(VIEWS)) {
  for (const plane of data.planes.filter((plane) => !element(plane.name).hidden))
    for (const view of views) {
      const context = pane(plane, view);
      VIEWS[view](context, plane);
      drawCursor(context, plane);
      drawSides(context, plane);
    }
}

function tellPlace() {
  const voxel = cursorVoxel();
  const words = ["LR", "PA", "IS"].map(([negative, positive], row) => {
    const [a, b, c, origin] = data.affine[row], mm = a * voxel[0] + b * voxel[1] + c * voxel[2] + origin;
    return `${mm < 0 ? negative : positive} ${Math.abs(mm).toFixed(1)}`;
  });
  element("place").textContent = `cursor: ${words.join(", ")} mm`;
}

function update() {
  for (const plane of data.planes) {
    slices[plane.axis] = Number(value("slice-" + plane.name));
    element(plane.name).hidden = Boolean(value("planes")) && value("planes") !== plane.name;
  }
  element("views").className = value("planes") ? "single" : "";
  const chosen = [value("comparison"), value("deformation")];
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = !chosen.includes(part.dataset.for);
  tellPlace();
  draw();
}

function moveCursor(event, plane) {
  const canvas = event.target, [width, height] = plane.size;
  const x = event.offsetX / canvas.clientWidth * width, y = event.offsetY / canvas.clientHeight * height;
  const voxels = [isMirrored() ? width - x - 0.5 : x - 0.5, height - y - 0.5];
  plane.axes.forEach((axis, k) => {
    element("slice-" + data.planes[axis].name).value = nearest(data.planes[axis], voxels[k]);
  });
  update();
}

function start() {
  data.planes.forEach((plane, axis) => {
    plane.axis = axis;
    const slider = element("slice-" + plane.name);
    slider.max = plane.indices.length - 1;
    slider.value = Math.floor(plane.indices.length / 2);
    for (const canvas of element(plane.name).querySelectorAll("canvas")) {
      canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); moveCursor(event, plane); };
      canvas.onpointermove = (event) => { if (event.buttons) moveCursor(event, plane); };
    }
  });
  element("longest").textContent = data.longest_displacement_mm.toFixed(1);
  for (const control of document.querySelectorAll(".controls input, .controls select")) control.oninput = update;
  setInterval(() => {
    if (value("comparison") !== "flicker") return;
    showsFixed = !showsFixed;
    draw(["compare-before", "compare-after"]);
  }, 500);
  update();
  document.body.dataset.ready = "true";
}

Promise.all(data.planes.map(load)).then(start);
"""
