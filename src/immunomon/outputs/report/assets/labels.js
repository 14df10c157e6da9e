// Where the gates' labels stand: near their gate, off its lines, off the cells as far as can be, never on each other.

function gateLabels(gates, plot) {
  const taken = [];
  const lines = gates.flatMap((gate) => gate.lines.flatMap((line) => line.slice(1).map((point, i) => [px(line[i]), px(point)])));
  return gates.map((gate) => {
    const words = [...wrapped(gate.label, regionWidth(gate.ring) - 10), percentText(gate)];
    const size = { w: Math.max(...words.map((word) => textWidth(word, 11, 600))) + 6, h: 13 * words.length };
    const box = bestBox(gate, size, { taken, lines, plot });
    taken.push(box);
    const text = svg("text", { class: "gatelabel", "data-population": gate.population });
    words.forEach((word, i) => {
      text.append(svg("tspan", { x: box.x + 2, y: box.y + 11 + 13 * i }, word));
    });
    return text;
  });
}

// A label wider than its region is broken at the blank that leaves the shortest lines.
function wrapped(label, room) {
  const words = label.split(" ");
  if (words.length < 2 || textWidth(label, 11, 600) <= Math.max(room, 60)) return [label];
  const splits = words.slice(1).map((_, i) => [words.slice(0, i + 1).join(" "), words.slice(i + 1).join(" ")]);
  const length = (lines) => Math.max(...lines.map((line) => textWidth(line, 11, 600)));
  return splits.reduce((best, lines) => (length(lines) < length(best) ? lines : best));
}

function regionWidth(ring) {
  const xs = ring.map((point) => Math.min(1, Math.max(0, point[0])));
  return (Math.max(...xs) - Math.min(...xs)) * PLOT.w;
}

// The cost of a place: later choices a little, covered cells more, a crossed line most.
function bestBox(gate, size, { taken, lines, plot }) {
  let best = null;
  candidates(gate.ring, size).forEach((box, i) => {
    if (taken.some((other) => overlap(box, other))) return;
    const crossed = lines.filter(([a, b]) => partWithin(box, a, b)).length;
    const cost = 3 * i + 60 * Math.min(crossed, 3) + 90 * crowd(box, plot);
    if (!best || cost < best.cost) best = { ...box, cost };
  });
  return best || firstFree(taken, size, gate.ring);
}

const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

// From where to where of its length a line is in a box (Liang and Barsky's clipping); nothing of one that passes by.
function partWithin({ x, y, w, h }, [x1, y1], [x2, y2]) {
  let [from, to] = [0, 1];
  for (const [step, room] of [[x1 - x2, x1 - x], [x2 - x1, x + w - x1], [y1 - y2, y1 - y], [y2 - y1, y + h - y1]]) {
    if (step === 0 && room < 0) return null;
    if (step < 0) from = Math.max(from, room / step);
    if (step > 0) to = Math.min(to, room / step);
  }
  return from < to ? [from, to] : null;
}

// How full of cells a box is, 0 to 1.
function crowd(box, plot) {
  if (!plot.y) return 0;
  const [rows, columns] = plot.shape;
  const levels = levelsOf(plot);
  const column = (x) => Math.min(columns - 1, Math.max(0, Math.floor(((x - PLOT.left) / PLOT.w) * columns)));
  const row = (y) => Math.min(rows - 1, Math.max(0, Math.floor((1 - (y - PLOT.top) / PLOT.h) * rows)));
  let total = 0;
  let bins = 0;
  for (let r = row(box.y + box.h); r <= row(box.y); r += 1) {
    for (let c = column(box.x); c <= column(box.x + box.w); c += 1, bins += 1) total += levels[r * columns + c];
  }
  return total / (255 * bins);
}

function candidates(ring, { w, h }) {
  const corners = ring.map(px);
  const right = PLOT.left + PLOT.w;
  const bottom = PLOT.top + PLOT.h;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const [x1, x2] = [Math.min, Math.max].map((end) => clamp(end(...corners.map(([x]) => x)), PLOT.left, right));
  const [y1, y2] = [Math.min, Math.max].map((end) => clamp(end(...corners.map(([, y]) => y)), PLOT.top, bottom));
  const gap = 3;
  const [middle, centre] = [(x1 + x2 - w) / 2, (y1 + y2 - h) / 2];
  const within = [
    [x2 - w - gap, y1 + gap], [x1 + gap, y1 + gap], [x1 + gap, y2 - h - gap], [x2 - w - gap, y2 - h - gap],
    [middle, y1 + gap], [middle, y2 - h - gap], [x1 + gap, centre], [x2 - w - gap, centre], [middle, centre],
  ].filter(([x, y]) => x >= x1 && x + w <= x2 && y >= y1 && y + h <= y2);
  const outside = [
    [middle, y1 - h - 2], [middle, y2 + 2], [x2 + gap, y1], [x1 - w - gap, y1], [x2 + gap, y2 - h], [x1 - w - gap, y2 - h],
    [x2 + gap, centre], [x1 - w - gap, centre], [x1, y1 - h - 2], [x2 - w, y1 - h - 2], [x1, y2 + 2], [x2 - w, y2 + 2],
  ];
  // A region that runs to the border is named inside it: outside, the name would stand in its neighbour.
  const touches = x1 < PLOT.left + 2 || x2 > right - 2 || y1 < PLOT.top + 2 || y2 > bottom - 2;
  // Where nothing fits, the label keeps to a corner of its region and is pushed back into the plot.
  const pushed = [[x2 - w - gap, y1 + gap], [x1 + gap, y1 + gap], [x1 + gap, y2 - h - gap], [x2 - w - gap, y2 - h - gap]]
    .map(([x, y]) => [clamp(x, PLOT.left + 2, right - w - 2), clamp(y, PLOT.top + 2, bottom - h - 2)]);
  const wanted = touches ? within : [...outside, ...within];
  const fitting = wanted.filter(([x, y]) => x >= PLOT.left + 1 && y >= PLOT.top + 1 && x + w <= right - 1 && y + h <= bottom - 1);
  return (fitting.length ? fitting : pushed).map(([x, y]) => ({ x, y, w, h }));
}

// The free place nearest to the region's middle.
function firstFree(taken, { w, h }, ring) {
  const middle = px(ring.reduce(([x, y], point) => [x + point[0] / ring.length, y + point[1] / ring.length], [0, 0]));
  let best = { x: PLOT.left + 3, y: PLOT.top + 2, w, h, far: Infinity };
  for (let y = PLOT.top + 2; y + h < PLOT.top + PLOT.h; y += 6) {
    for (let x = PLOT.left + 3; x + w < PLOT.left + PLOT.w; x += 12) {
      const far = Math.hypot(x + w / 2 - middle[0], y + h / 2 - middle[1]);
      if (far < best.far && !taken.some((other) => overlap({ x, y, w, h }, other))) best = { x, y, w, h, far };
    }
  }
  return best;
}
