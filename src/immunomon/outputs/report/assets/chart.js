// One chart of values over study days: axes that do not crowd, lines, means with intervals, and what is not reportable.

const CHART = { height: 290, left: 52, right: 12, top: 12, bottom: 58 };

// At most six round steps between two values.
function niceTicks(low, high, wanted = 6) {
  const rough = (high - low) / wanted;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((one) => one >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push(i * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (unit * 2.5 === step ? 1 : 0)) };
}

function extent(values, withZero) {
  const known = values.filter((value) => Number.isFinite(value));
  if (withZero) known.push(0);
  if (!known.length) return [0, 1];
  const low = Math.min(...known);
  const high = Math.max(...known);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

class Chart {
  constructor({ title, days, values, width }) {
    Object.assign(this, { days, values, width });
    this.root = svg("svg", { viewBox: `0 0 ${width} ${CHART.height}`, class: "chart", role: "img", "aria-label": title });
  }

  x(day) {
    const [first, last] = this.days;
    return CHART.left + ((day - first) / (last - first || 1)) * (this.width - CHART.left - CHART.right);
  }

  y(value) {
    const [low, high] = this.values;
    return CHART.height - CHART.bottom - ((value - low) / (high - low || 1)) * (CHART.height - CHART.top - CHART.bottom);
  }

  add(...elements) {
    this.root.append(...elements);
    return this;
  }

  axes(visits, label) {
    const bottom = CHART.height - CHART.bottom;
    const right = this.width - CHART.right;
    const { ticks, digits } = niceTicks(...this.values);
    for (const tick of ticks) {
      const y = this.y(tick);
      const text = tick.toFixed(digits).replace("-", "−");
      this.add(svg("line", { class: "gridline", x1: CHART.left, x2: right, y1: y, y2: y }),
        svg("text", { class: "ticklabel", x: CHART.left - 6, y: y + 3.5, "text-anchor": "end" }, text));
    }
    this.add(svg("line", { class: "axisline", x1: CHART.left, x2: right, y1: bottom, y2: bottom }));
    let free = -Infinity;
    for (const visit of visits) {
      const x = this.x(visit.day);
      const width = Math.max(textWidth(visit.label, 10.5), textWidth(String(visit.day), 9)) + 4;
      this.add(svg("line", { class: "tick", x1: x, x2: x, y1: bottom, y2: bottom + 4 }));
      if (x - width / 2 < free) continue;
      free = x + width / 2;
      this.add(svg("text", { class: "ticklabel", x, y: bottom + 29, "text-anchor": "middle" }, visit.label),
        svg("text", { class: "daylabel", x, y: bottom + 40, "text-anchor": "middle" }, String(visit.day).replace("-", "−")));
    }
    const middle = CHART.top + (bottom - CHART.top) / 2;
    return this.add(svg("text", { class: "axislabel", x: (CHART.left + right) / 2, y: CHART.height - 4, "text-anchor": "middle" }, "visit, study day"),
      svg("text", { class: "axislabel", x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, label));
  }

  baseline(value) {
    const y = this.y(value);
    return this.add(svg("line", { class: "baseline", x1: CHART.left, x2: this.width - CHART.right, y1: y, y2: y }));
  }

  infusions(days) {
    const y = CHART.height - CHART.bottom;
    for (const day of days) {
      const x = this.x(day);
      this.add(svg("path", { class: "infusion", d: `M${x - 3.2} ${y - 1}h6.4l-3.2 -6z` }));
    }
    return this;
  }

  // A gap in a line is bridged by dashes: the visit between has no usable value.
  pieces(list, shift = 0) {
    return list.slice(1).map((point, i) => svg("line", {
      x1: this.x(list[i].day) + shift, y1: this.y(list[i].value), x2: this.x(point.day) + shift, y2: this.y(point.value),
      "stroke-dasharray": point.place - list[i].place > 1 ? "3 4" : null,
    }));
  }

  line(list, attributes) {
    const group = svg("g", attributes, this.pieces(list));
    for (const point of list) {
      group.append(svg("circle", { cx: this.x(point.day), cy: this.y(point.value), r: attributes.r || 3, tabindex: -1, tip: point.tip }));
    }
    this.add(group);
    return group;
  }

  mean(list, colour, shift = 0, shape = 4) {
    const group = svg("g", { class: "mean", stroke: colour, fill: colour }, this.pieces(list, shift));
    for (const point of list) {
      const x = this.x(point.day) + shift;
      if (Number.isFinite(point.low) && Number.isFinite(point.high)) {
        group.append(svg("path", { class: "bar", fill: "none", d: this.bar(x, point) }));
      }
      group.append(svg("rect", { x: x - shape, y: this.y(point.value) - shape, width: 2 * shape, height: 2 * shape, tip: point.tip }));
    }
    return this.add(group);
  }

  // An interval that leaves the chart has no cap at that end.
  bar(x, { low, high }) {
    const ends = [this.y(low), this.y(high)].map((y) => Math.min(Math.max(y, CHART.top), CHART.height - CHART.bottom));
    const caps = ends.filter((y, i) => Math.abs(y - this.y(i ? high : low)) < 0.5);
    return `M${x} ${ends[0]}V${ends[1]}${caps.map((y) => `M${x - 3} ${y}h6`).join("")}`;
  }

  // Below the axis: how many subjects have no usable value at a visit, and why.
  absent(byDay) {
    for (const [day, lines] of byDay) {
      const mark = svg("text", {
        class: "absent", x: this.x(day), y: CHART.height - CHART.bottom + 15, "text-anchor": "middle", tabindex: 0,
        tip: ["No usable value", ...lines],
      }, lines.length > 1 ? `×${lines.length}` : "×");
      this.add(mark);
    }
    return this;
  }
}
