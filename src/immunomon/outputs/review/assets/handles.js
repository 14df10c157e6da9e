// What of a gate can be taken hold of: borders, crossings, corners, ends of edges and axes, and the whole of it.

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

// Puts a line or a handle on the plot; where it lies follows while the mouse holds another.
function put(tag, geometry, fixed) {
  const element = svg(tag, { ...geometry(), ...fixed });
  desk.moving.overlay.append(element);
  desk.moving.updates.push(() => fill(element, geometry(), []));
  return element;
}

const handle = (geometry, label) => put("circle", geometry, { r: 4.5, class: "corner", tabindex: 0, role: "slider", "aria-label": label });
const drawnAt = (point) => ({ cx: toDrawing("x", point.x), cy: toDrawing("y", point.y) });
const clipped = () => `url(#${desk.moving.root.querySelector("clipPath").id})`;

function drawHandles() {
  const { gate, overlay } = desk.moving;
  overlay.replaceChildren();
  desk.moving.updates = [];
  if (!gate) return;
  if (gate.kind === "polygon") cornerHandles(gate);
  else if (gate.kind === "ellipse") ellipseHandles(gate);
  else rectangleHandles(gate);
}

function rectangleHandles(gate) {
  const borders = bordersOf(gate);
  const across = (name) => borders.filter((border) => border.name === name);
  if (["x", "y"].some((name) => across(name).length === 2)) wholeHandle(gate, borders);
  borders.forEach((border) => borderHandle(border));
  for (const upright of across("x")) for (const level of across("y")) crossHandle(upright, level);
}

// A border does not pass the one across from it.
function moveBorder({ side, end }, to) {
  const other = side[end === "low" ? "high" : "low"];
  side[end] = isNumber(other) ? Math[end === "low" ? "min" : "max"](to, other) : to;
}

function borderHandle(border) {
  const { side, end, name } = border;
  put("line", () => lineAt(border), { class: "live" });
  const hand = put("line", () => ({ ...lineAt(border), "aria-valuenow": side[end].toFixed(3) }), { class: "hand", tabindex: 0, role: "slider", "aria-label": `${end} border on ${side.axis}` });
  draggable(hand, (point) => moveBorder(border, point[name]));
  nudged(hand, (by) => moveBorder(border, side[end] + by[name]));
}

// Where two borders cross, as those of quadrants or the corners of a box: both move at once.
function crossHandle(upright, level) {
  const cross = handle(() => drawnAt({ x: upright.side[upright.end], y: level.side[level.end] }), `crossing of the ${upright.end} border on ${upright.side.axis} and the ${level.end} border on ${level.side.axis}`);
  const move = (point) => { moveBorder(upright, point.x); moveBorder(level, point.y); };
  draggable(cross, move);
  nudged(cross, (by) => move({ x: upright.side[upright.end] + by.x, y: level.side[level.end] + by.y }));
}

function wholeHandle(gate, borders) {
  const span = (name) => {
    const ends = borders.filter((border) => border.name === name).map(({ side, end }) => [end, toDrawing(name, side[end])]);
    const at = Object.fromEntries(ends);
    const [least, most] = name === "x" ? [at.low ?? PLOT.left, at.high ?? PLOT.left + PLOT.w] : [at.high ?? PLOT.top, at.low ?? PLOT.top + PLOT.h];
    return [least, Math.max(0, most - least)];
  };
  const box = put("rect", () => { const [[x, width], [y, height]] = [span("x"), span("y")]; return { x, y, width, height }; }, { class: "hand whole", "clip-path": clipped() });
  // Both ends go by the same: none is held back by the other.
  draggable(box, (point, before) => borders.forEach(({ side, end, name }) => { side[end] += point[name] - before[name]; }));
}

function cornerHandles(gate) {
  const drawn = () => ({ points: pointList(drawnCorners(gate)) });
  put("polygon", drawn, { class: "live", "clip-path": clipped() });
  const whole = put("polygon", drawn, { class: "hand whole", "clip-path": clipped() });
  const swap = (point) => (isTurned(gate) ? [point.y, point.x] : [point.x, point.y]);
  draggable(whole, (point, before) => {
    const by = swap({ x: point.x - before.x, y: point.y - before.y });
    gate.vertices = gate.vertices.map(([x, y]) => [x + by[0], y + by[1]]);
  });
  const corners = drawnCorners(gate);
  edgeHandles(gate, corners, swap);
  corners.forEach(([x, y], i) => {
    if (x < PLOT.left - 1 || x > PLOT.left + PLOT.w + 1 || y < PLOT.top - 1 || y > PLOT.top + PLOT.h + 1) return;
    const corner = handle(() => { const [cx, cy] = drawnCorners(gate)[i]; return { cx, cy }; }, `corner ${i + 1}`);
    draggable(corner, (point) => { gate.vertices[i] = swap(point); });
    nudged(corner, (by) => {
      const [first, second] = swap(by);
      gate.vertices[i] = [gate.vertices[i][0] + first, gate.vertices[i][1] + second];
    });
  });
}

// An edge whose corners lie beyond the plot, as those of a slanted border do, turns about the one end when the other moves.
function edgeHandles(gate, corners, swap) {
  corners.forEach((from, i) => {
    const next = (i + 1) % corners.length;
    const to = corners[next];
    const part = visiblePart(from, to);
    if (!part) return;
    const at = (place) => [0, 1].map((axis) => from[axis] + (to[axis] - from[axis]) * place);
    part.forEach((place, end) => {
      if (place === end) return; // there is a corner in sight
      const [x, y] = at(place);
      const seen = () => {
        const [now, after] = [i, next].map((corner) => drawnCorners(gate)[corner]);
        const parts = visiblePart(now, after) || part;
        const [cx, cy] = [0, 1].map((axis) => now[axis] + (after[axis] - now[axis]) * parts[end]);
        return { cx, cy };
      };
      const hand = handle(seen, `end ${end + 1} of edge ${i + 1}`);
      const turn = (held) => {
        const ends = end ? [at(part[0]), held] : [held, at(part[1])];
        const along = (where) => [0, 1].map((axis) => ends[0][axis] + (ends[1][axis] - ends[0][axis]) * (where - part[0]) / (part[1] - part[0]));
        [[i, 0], [next, 1]].forEach(([corner, where]) => { gate.vertices[corner] = swap(fromDrawing(along(where))); });
      };
      draggable(hand, (point) => turn([toDrawing("x", point.x), toDrawing("y", point.y)]));
      nudged(hand, (by) => turn([toDrawing("x", fromDrawing([x, y]).x + by.x), toDrawing("y", fromDrawing([x, y]).y + by.y)]));
    });
  });
}

// From where to where of its length an edge is on the plot; nothing of one that only touches it.
function visiblePart(from, to) {
  const part = partWithin({ x: PLOT.left, y: PLOT.top, w: PLOT.w, h: PLOT.h }, from, to);
  return part && part[1] - part[0] > 0.001 ? part : null;
}

// The half axes of an ellipse, each as a vector, from its covariance [[a, b], [b, c]]; the longer one first.
function halfAxes({ covariance: [[a, b], [, c]], distance_square: distance }) {
  const [middle, apart] = [(a + c) / 2, Math.hypot((a - c) / 2, b)];
  const angle = Math.atan2(2 * b, a - c) / 2;
  return [[middle + apart, angle], [middle - apart, angle + Math.PI / 2]]
    .map(([variance, turn]) => [Math.cos(turn), Math.sin(turn)].map((part) => part * Math.sqrt(Math.max(variance, 0) * distance)));
}

// An axis that is drawn elsewhere takes the other one along, at a right angle.
function setHalfAxis(gate, which, vector, lengths) {
  lengths[which] = Math.hypot(...vector) || lengths[which];
  const angle = Math.atan2(vector[1], vector[0]) - (which ? Math.PI / 2 : 0);
  const [first, second] = lengths.map((length) => (length * length) / gate.distance_square);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const b = (first - second) * cos * sin;
  gate.covariance = [[first * cos * cos + second * sin * sin, b], [b, first * sin * sin + second * cos * cos]];
}

function ellipseHandles(gate) {
  const swap = ([first, second]) => (isTurned(gate) ? [second, first] : [first, second]);
  const at = (values) => { const [x, y] = swap(values); return { x, y }; };
  const plus = (one, other) => one.map((value, i) => value + other[i]);
  const ring = () => {
    const [long, short] = halfAxes(gate);
    return pointList(Array.from({ length: 72 }, (_, i) => [Math.cos((i * Math.PI) / 36), Math.sin((i * Math.PI) / 36)])
      .map(([cos, sin]) => drawnAt(at([0, 1].map((axis) => gate.center[axis] + cos * long[axis] + sin * short[axis])))).map(({ cx, cy }) => [cx, cy]));
  };
  put("polygon", () => ({ points: ring() }), { class: "live", "clip-path": clipped() });
  const whole = put("polygon", () => ({ points: ring() }), { class: "hand whole", tabindex: 0, role: "slider", "aria-label": "the whole ellipse", "clip-path": clipped() });
  const move = (by) => { gate.center = plus(gate.center, swap([by.x, by.y])); };
  draggable(whole, (point, before) => move({ x: point.x - before.x, y: point.y - before.y }));
  nudged(whole, move);
  halfAxes(gate).forEach((_, which) => {
    let turned = halfAxes(gate)[which]; // it does not jump to the other axis when that becomes the longer one
    const lengths = halfAxes(gate).map((axis) => Math.hypot(...axis));
    const end = handle(() => drawnAt(at(plus(gate.center, turned))), `end of the ${which ? "short" : "long"} axis`);
    const set = (vector) => { turned = vector; setHalfAxis(gate, which, vector, lengths); };
    draggable(end, (point) => set(plus(swap([point.x, point.y]), gate.center.map((value) => -value))));
    nudged(end, (by) => set(plus(turned, swap([by.x, by.y]))));
  });
}
