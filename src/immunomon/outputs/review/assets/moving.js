// Moving a gate: borders, corners or the whole of it are dragged; the numbers follow while the mouse moves.

function drawBig(box, plot, answer = {}) {
  const { open } = desk;
  const drafted = open.drafts.find(({ population, gate }) => gate && population === desk.population);
  const held = desk.moving; // a gate that was moved and not let go yet stays where it is while the view changes
  const root = gatingPlot(plot, () => {});
  root.querySelectorAll("g.gate").forEach((group) => {
    if (group.dataset.population !== desk.population) group.classList.add("other");
  });
  layOver(root, plot, answer);
  const overlay = svg("g");
  root.append(overlay);
  box.replaceChildren(root);
  root.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 0.8 : 1.25, fromEvent(event)); }, { passive: false });
  const placed = open.gates[desk.population];
  const gate = held ? held.gate : drafted ? drafted.gate : placed && placed.gate;
  desk.moving = { plot, root, overlay, gate: structuredClone(gate), busy: false, waiting: null, counts: held ? held.counts : null, foreseen: held ? held.foreseen : null };
  if (!gate) return;
  drawHandles();
}

// Between coordinates of the display scale and of the drawing.
function toDrawing(name, value) {
  const [low, high] = desk.moving.plot.frame[name].range;
  const part = (value - low) / (high - low);
  return name === "x" ? PLOT.left + part * PLOT.w : PLOT.top + (1 - part) * PLOT.h;
}

function fromEvent(event) {
  const { root, plot } = desk.moving;
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
  const clamp = (value) => Math.min(1, Math.max(0, value));
  const parts = { x: clamp((point.x - PLOT.left) / PLOT.w), y: clamp(1 - (point.y - PLOT.top) / PLOT.h) };
  return Object.fromEntries(["x", "y"].map((name) => {
    const [low, high] = plot.frame[name].range;
    return [name, low + parts[name] * (high - low)];
  }));
}

const drawingAxis = (axis) => ["x", "y"].find((name) => desk.moving.plot.frame[name].axis === axis);
const isTurned = (gate) => desk.moving.plot.frame.x.axis !== gate.x;

// Every border of an interval or rectangle that is on this plot: its side, which end, along which axis of the drawing.
function bordersOf(gate) {
  const sides = gate.kind === "interval" ? [gate] : gate.sides || [];
  return sides.flatMap((side) => ["low", "high"]
    .filter((end) => drawingAxis(side.axis) && isNumber(side[end]))
    .map((end) => ({ side, end, name: drawingAxis(side.axis) })));
}

function lineAt({ side, end, name }) {
  const at = toDrawing(name, side[end]);
  return name === "x" ? { x1: at, x2: at, y1: PLOT.top, y2: PLOT.top + PLOT.h } : { y1: at, y2: at, x1: PLOT.left, x2: PLOT.left + PLOT.w };
}

function drawnCorners(gate) {
  const turned = isTurned(gate);
  return gate.vertices.map(([x, y]) => [toDrawing("x", turned ? y : x), toDrawing("y", turned ? x : y)]);
}

const pointList = (corners) => corners.map((corner) => corner.map((value) => value.toFixed(1)).join(",")).join(" ");

function drawHandles() {
  const { gate, overlay } = desk.moving;
  overlay.replaceChildren();
  if (!gate) return;
  if (gate.kind === "polygon") cornerHandles(gate, overlay);
  else if (gate.kind === "ellipse") ellipseHandle(gate, overlay);
  else bordersOf(gate).forEach((border) => borderHandle(border, overlay));
}

function borderHandle(border, overlay) {
  const { side, end, name } = border;
  const label = `${end} border on ${side.axis}`;
  const hand = svg("line", { ...lineAt(border), class: "hand", tabindex: 0, role: "slider", "aria-label": label, "aria-valuenow": side[end].toFixed(3) });
  overlay.append(svg("line", { ...lineAt(border), class: "live" }), hand);
  const other = end === "low" ? "high" : "low";
  const move = (to) => {
    // A border does not pass the one across from it.
    side[end] = isNumber(side[other]) ? Math[end === "low" ? "min" : "max"](to, side[other]) : to;
  };
  draggable(hand, (point) => move(point[name]));
  nudged(hand, (by) => move(side[end] + by[name]));
}

function cornerHandles(gate, overlay) {
  const clip = `url(#${desk.moving.root.querySelector("clipPath").id})`;
  const corners = drawnCorners(gate);
  const whole = svg("polygon", { points: pointList(corners), class: "hand whole", "clip-path": clip });
  overlay.append(svg("polygon", { points: pointList(corners), class: "live", "clip-path": clip }), whole);
  const swap = (point) => (isTurned(gate) ? [point.y, point.x] : [point.x, point.y]);
  draggable(whole, (point, before) => {
    const by = swap({ x: point.x - before.x, y: point.y - before.y });
    gate.vertices = gate.vertices.map(([x, y]) => [x + by[0], y + by[1]]);
  });
  edgeHandles(corners, swap, overlay);
  corners.forEach(([x, y], i) => {
    if (x < PLOT.left - 1 || x > PLOT.left + PLOT.w + 1 || y < PLOT.top - 1 || y > PLOT.top + PLOT.h + 1) return;
    const corner = svg("circle", { cx: x, cy: y, r: 4, class: "corner", tabindex: 0, role: "slider", "aria-label": `corner ${i + 1}` });
    overlay.append(corner);
    draggable(corner, (point) => { gate.vertices[i] = swap(point); });
    nudged(corner, (by) => {
      const [first, second] = swap(by);
      gate.vertices[i] = [gate.vertices[i][0] + first, gate.vertices[i][1] + second];
    });
  });
}

// An edge whose corners lie beyond the plot, as those of a slanted border do, turns about the one end when the other moves.
function edgeHandles(corners, swap, overlay) {
  corners.forEach((from, i) => {
    const next = (i + 1) % corners.length;
    const to = corners[next];
    const part = visiblePart(from, to);
    if (!part) return;
    const at = (place) => [0, 1].map((axis) => from[axis] + (to[axis] - from[axis]) * place);
    part.forEach((place, end) => {
      if (place === end) return; // there is a corner in sight
      const [x, y] = at(place);
      const handle = svg("circle", { cx: x, cy: y, r: 5, class: "corner", tabindex: 0, role: "slider", "aria-label": `end ${end + 1} of edge ${i + 1}` });
      overlay.append(handle);
      const turn = (held) => {
        const ends = end ? [at(part[0]), held] : [held, at(part[1])];
        const along = (where) => [0, 1].map((axis) => ends[0][axis] + (ends[1][axis] - ends[0][axis]) * (where - part[0]) / (part[1] - part[0]));
        [[i, 0], [next, 1]].forEach(([corner, where]) => { desk.moving.gate.vertices[corner] = swap(fromDrawing(along(where))); });
      };
      draggable(handle, (point) => turn([toDrawing("x", point.x), toDrawing("y", point.y)]));
      nudged(handle, (by) => turn([toDrawing("x", fromDrawing([x, y]).x + by.x), toDrawing("y", fromDrawing([x, y]).y + by.y)]));
    });
  });
}

function fromDrawing([x, y]) {
  const parts = { x: (x - PLOT.left) / PLOT.w, y: 1 - (y - PLOT.top) / PLOT.h };
  return Object.fromEntries(["x", "y"].map((name) => {
    const [low, high] = desk.moving.plot.frame[name].range;
    return [name, low + parts[name] * (high - low)];
  }));
}

// From where to where of its length an edge is on the plot (Liang and Barsky); nothing of one that is not.
function visiblePart([x1, y1], [x2, y2]) {
  let [from, to] = [0, 1];
  for (const [step, room] of [[x1 - x2, x1 - PLOT.left], [x2 - x1, PLOT.left + PLOT.w - x1], [y1 - y2, y1 - PLOT.top], [y2 - y1, PLOT.top + PLOT.h - y1]]) {
    if (step === 0 && room < 0) return null;
    if (step < 0) from = Math.max(from, room / step);
    if (step > 0) to = Math.min(to, room / step);
  }
  return to - from > 0.001 ? [from, to] : null;
}

function ellipseHandle(gate, overlay) {
  const swap = ([first, second]) => (isTurned(gate) ? [second, first] : [first, second]);
  const [x, y] = swap(gate.center);
  const middle = svg("circle", { cx: toDrawing("x", x), cy: toDrawing("y", y), r: 5, class: "corner", tabindex: 0, role: "slider", "aria-label": "middle of the ellipse" });
  overlay.append(middle);
  draggable(middle, (point) => { gate.center = swap([point.x, point.y]); });
}

function draggable(element, change) {
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    let before = fromEvent(event);
    let moved = false;
    const move = (motion) => {
      const point = fromEvent(motion);
      change(point, before);
      before = point;
      moved = true;
      redrawLive(); // the handles stay while the mouse holds one; what is drawn follows
      recount();
    };
    const stop = () => {
      element.removeEventListener("pointermove", move);
      if (!moved) return;
      drawHandles();
      act(settle, settle);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", stop, { once: true });
    element.addEventListener("pointercancel", stop, { once: true });
  });
}

// A border moves by the arrow keys too: a hundredth of the plot, a thousandth with Shift; Enter keeps the draft.
function nudged(element, change) {
  const ways = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowDown: ["y", -1], ArrowUp: ["y", 1] };
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter") act(settle, settle);
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const [low, high] = desk.moving.plot.frame[way[0]].range;
    change({ x: 0, y: 0, [way[0]]: way[1] * (high - low) * (event.shiftKey ? 0.001 : 0.01) });
    const label = element.getAttribute("aria-label");
    drawHandles();
    desk.moving.overlay.querySelector(`[aria-label="${CSS.escape(label)}"]`).focus();
    recount();
  });
}

function redrawLive() {
  const { gate, overlay } = desk.moving;
  const lines = [...overlay.querySelectorAll(".live")];
  if (gate.kind === "polygon") lines.forEach((line) => line.setAttribute("points", pointList(drawnCorners(gate))));
  bordersOf(gate).forEach((border, i) => fill(lines[i], lineAt(border), []));
}

// One question at a time; what is dragged meanwhile is asked next, what lies between is not.
function recount() {
  const { moving, open } = desk;
  moving.waiting = structuredClone(moving.gate);
  if (moving.busy) return;
  moving.busy = true;
  act(async () => {
    try {
      while (moving.waiting) {
        const gate = moving.waiting;
        moving.waiting = null;
        const answer = await ask("move", { sample: open.sample_id, population: desk.population, gate });
        if (desk.moving !== moving) return;
        moving.counts = answer.counts;
        moving.foreseen = null; // of where the gate was
        showMoved();
      }
      foreseeSoon(moving);
    } finally { moving.busy = false; }
  });
}

// Where it was let go it becomes a draft, counted as a run would count it.
async function settle() {
  const { moving, open } = desk;
  if (!moving) return;
  await ask("draft", { sample: open.sample_id, population: desk.population, gate: moving.gate });
  await refresh();
  await openSample(open.sample_id);
  say("Kept as a draft: Z takes it back, C commits it.", true);
}
