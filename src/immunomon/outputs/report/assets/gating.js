// One gating plot as SVG: density, gates with label and percentage, decades on its axes.

const PLOT = { width: 292, height: 276, left: 50, right: 8, top: 8, bottom: 40 };
PLOT.w = PLOT.width - PLOT.left - PLOT.right;
PLOT.h = PLOT.height - PLOT.top - PLOT.bottom;

const px = ([x, y]) => [PLOT.left + x * PLOT.w, PLOT.top + (1 - y) * PLOT.h];
const points = (list) => list.map((point) => px(point).map((value) => value.toFixed(1)).join(",")).join(" ");

let clipCount = 0;

function gatingPlot(plot, onhover) {
  const clip = `clip-${(clipCount += 1)}`;
  const names = plot.gates.map((gate) => `${gate.label} ${percentText(gate)}`).join(", ");
  const axes = plot.y ? `${plot.x.label} against ${plot.y.label}` : plot.x.label;
  const root = svg("svg", {
    viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, class: "gating", role: "img", "aria-label": `${axes}; gates: ${names}`,
  });
  const frame = { x: PLOT.left, y: PLOT.top, width: PLOT.w, height: PLOT.h };
  root.append(
    svg("clipPath", { id: clip }, svg("rect", frame)),
    svg("rect", { ...frame, class: "paper" }),
    densityLayer(plot, frame),
    svg("rect", { ...frame, class: "frame" }),
    ...axisMarks(plot.x, false),
    ...(plot.y ? axisMarks(plot.y, true) : []),
  );
  for (const gate of plot.gates) if (gate.ring) root.append(gateLines(gate, clip, onhover));
  root.append(...gateLabels(plot.gates.filter((gate) => gate.ring), plot));
  return root;
}

function levelsOf(plot) {
  plot.levels = plot.levels || inflate(bytesOf(plot.bins), plot.shape[0] * plot.shape[1]);
  return plot.levels;
}

function densityLayer(plot, frame) {
  const [rows, columns] = plot.shape;
  const levels = levelsOf(plot);
  if (plot.y) {
    const href = densityPicture(levels, rows, columns);
    return svg("image", { ...frame, href, preserveAspectRatio: "none" });
  }
  const steps = [[0, 0]];
  levels.forEach((level, i) => steps.push([i / columns, (level / 255) * 0.96], [(i + 1) / columns, (level / 255) * 0.96]));
  return svg("polygon", { class: "histogram", points: points([...steps, [1, 0]]) });
}

function axisMarks(axis, upright) {
  const marks = [];
  for (const [at, label] of PAGE.ticks[axis.ticks]) {
    const [x, y] = px(upright ? [0, at] : [at, 0]);
    const length = label ? 5 : 3;
    marks.push(svg("line", { class: "tick", x1: x, y1: y, x2: upright ? x - length : x, y2: upright ? y : y + length }));
    if (!label) continue;
    const place = upright ? { x: x - 7, y: y + 3.5, "text-anchor": "end" } : { x, y: y + 16, "text-anchor": "middle" };
    marks.push(svg("text", { ...place, class: "ticklabel" }, label.replace("-", "−")));
  }
  const [x, y] = upright ? [11, PLOT.top + PLOT.h / 2] : [PLOT.left + PLOT.w / 2, PLOT.height - 6];
  const turn = upright ? `rotate(-90 ${x} ${y})` : null;
  marks.push(svg("text", { x, y, class: "axislabel", "text-anchor": "middle", transform: turn }, axis.label));
  return marks;
}

function percentText(gate) {
  if (gate.hidden) return "n.r.";
  return gate.percent === null || gate.percent === undefined ? "no percentage" : `${number(gate.percent)} %`;
}

function gateLines(gate, clip, onhover) {
  const group = svg("g", { class: gate.note ? "gate noted" : "gate", "data-population": gate.population, "clip-path": `url(#${clip})` });
  group.append(svg("polygon", { class: "area", points: points(gate.ring) }));
  for (const line of gate.lines) group.append(svg("polyline", { points: points(line) }));
  attachTip(group, [gate.label, gate.hidden ? "not reportable" : `${percentText(gate)} of parent`, `${whole(gate.count)} events`, ...(gate.note ? [gate.note] : [])]);
  group.addEventListener("mouseenter", () => onhover(gate.population));
  group.addEventListener("mouseleave", () => onhover(null));
  return group;
}
