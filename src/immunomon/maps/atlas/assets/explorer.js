// What the atlas' page works out in the browser. The functions above the line know arrays only, and run in node too.

function medianOf(values) {
  // values: a typed array that may be sorted in place
  if (values.length === 0) return NaN;
  values.sort();
  const middle = values.length >> 1;
  return values.length % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

function countsOf(codes, words, selected, weight) {
  // Cells are those drawn; shares count each as many times as it stands for.
  const zeros = () => new Array(words.length).fill(0), every = zeros(), here = zeros(), cells = zeros();
  let whole = 0;
  for (let i = 0; i < codes.length; i++) if (codes[i] >= 0) every[codes[i]] += weight[i];
  for (const i of selected) {
    whole += weight[i];
    if (codes[i] >= 0) { here[codes[i]] += weight[i]; cells[codes[i]]++; }
  }
  return words.map((name, k) => ({
    name, cells: cells[k], ofRegion: 100 * here[k] / whole, ofOwn: every[k] ? 100 * here[k] / every[k] : 0,
  }));
}

function describeRegion(data, selected, meta) {
  const total = data.umap1.length, inside = new Uint8Array(total);
  for (const i of selected) inside[i] = 1;
  const phenotype = meta.markers.map((marker) => {
    const values = data[marker], here = new Float32Array(selected.length), rest = new Float32Array(total - selected.length);
    let a = 0, b = 0;
    for (let i = 0; i < total; i++) if (inside[i]) here[a++] = values[i]; else rest[b++] = values[i];
    const median = medianOf(here), medianOfRest = medianOf(rest);
    return {marker, median, medianOfRest, difference: median - medianOfRest};
  });
  phenotype.sort((p, q) => Math.abs(q.difference) - Math.abs(p.difference));
  const populations = countsOf(data.label, meta.words.label, selected, data.weight).filter((one) => one.cells > 0);
  populations.sort((p, q) => q.cells - p.cells);
  const whose = {};
  for (const of of meta.whose) whose[of] = countsOf(data[of], meta.words[of], selected, data.weight);
  let share = 0, whole = 0;
  for (let i = 0; i < total; i++) { whole += data.weight[i]; if (inside[i]) share += data.weight[i]; }
  return {cells: selected.length, total, ofAll: 100 * share / whole, phenotype, populations, whose};
}

function differenceOf(densities, before, after, group) {
  // per mille of the cells a bin: the mean over patients after, less that before
  const meanOf = (visit) => {
    let patients = 0, sum = null;
    for (const one of densities) {
      if (one.visit !== visit || (group !== "" && one.group !== group)) continue;
      patients += one.patients;
      if (sum === null) sum = Float32Array.from(one.sums);
      else for (let i = 0; i < sum.length; i++) sum[i] += one.sums[i];
    }
    if (sum !== null) for (let i = 0; i < sum.length; i++) sum[i] /= patients;
    return {patients, mean: sum};
  };
  const from = meanOf(before), to = meanOf(after);
  if (from.mean === null || to.mean === null) return {before: from.patients, after: to.patients, change: null};
  const change = new Float32Array(from.mean.length);
  for (let i = 0; i < change.length; i++) change[i] = to.mean[i] - from.mean[i];
  return {before: from.patients, after: to.patients, change};
}

function cellsOf(data, meta, visit, group) {
  const v = meta.words.visit.indexOf(visit), g = meta.words.dose_group.indexOf(group), found = [];
  for (let i = 0; i < data.visit.length; i++) {
    if (data.visit[i] === v && (group === "" || data.dose_group[i] === g)) found.push(i);
  }
  return Uint32Array.from(found);
}

function cellsIn(data, corners) {
  // Two corners are a box, with its edges; more are a polygon, by the even-odd rule.
  const x = data.umap1, y = data.umap2, found = [];
  if (corners.length === 2) {
    const [[x0, y0], [x1, y1]] = corners;
    for (let i = 0; i < x.length; i++) {
      if (x[i] >= Math.min(x0, x1) && x[i] <= Math.max(x0, x1) && y[i] >= Math.min(y0, y1) && y[i] <= Math.max(y0, y1)) found.push(i);
    }
    return found;
  }
  const cx = Float64Array.from(corners, (one) => one[0]), cy = Float64Array.from(corners, (one) => one[1]);
  const left = Math.min(...cx), right = Math.max(...cx), bottom = Math.min(...cy), top = Math.max(...cy);
  for (let i = 0; i < x.length; i++) {
    const px = x[i], py = y[i];
    if (px < left || px > right || py < bottom || py > top) continue;
    let inside = false;
    for (let a = 0, b = cx.length - 1; a < cx.length; b = a++) {
      if ((cy[a] > py) !== (cy[b] > py) && px < cx[a] + (cx[b] - cx[a]) * (py - cy[a]) / (cy[b] - cy[a])) inside = !inside;
    }
    if (inside) found.push(i);
  }
  return found;
}

function inkOf(values, colour) {
  // One colour a cell, as the bytes red, green, blue, alpha of a picture.
  const inks = colour.palette.map((hex) => {
    const rgb = parseInt(hex.slice(1), 16);
    return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  });
  const ink = new Uint32Array(values.length), last = inks.length - 1;
  const marker = colour.kind === "marker", scale = marker ? last / (colour.high - colour.low) : 1, low = marker ? colour.low : 0;
  for (let i = 0; i < values.length; i++) {
    const at = Math.round((values[i] - low) * scale);
    ink[i] = !marker && at < 0 ? 0xffd0d0d0 : inks[at < 0 ? 0 : at > last ? last : at];
  }
  return ink;
}

function faded(ink) {
  const pale = (shift) => Math.round(235 + 0.08 * (((ink >>> shift) & 255) - 235));
  return (0xff000000 | (pale(16) << 16) | (pale(8) << 8) | pale(0)) >>> 0;
}

function paintCells(out, size, box, cells, data, ink, radius, pale) {
  // Every cell a dot of so many pixels on a picture of size x size; what is painted later lies above.
  const steps = [];
  for (let dy = -Math.ceil(radius); dy <= radius; dy++) {
    for (let dx = -Math.ceil(radius); dx <= radius; dx++) if (dx * dx + dy * dy <= radius * radius) steps.push([dx, dy]);
  }
  const kx = size / (box.x1 - box.x0), ky = size / (box.y1 - box.y0);
  for (let k = 0; k < cells.length; k++) {
    const i = cells[k], px = Math.floor((data.umap1[i] - box.x0) * kx), py = Math.floor((data.umap2[i] - box.y0) * ky);
    if (px < -3 || py < -3 || px > size + 3 || py > size + 3) continue;
    const colour = pale ? faded(ink[i]) : ink[i];
    for (const [dx, dy] of steps) {
      const qx = px + dx, qy = py + dy;
      if (qx >= 0 && qx < size && qy >= 0 && qy < size) out[qy * size + qx] = colour;
    }
  }
}

function cornersOf(geometry, most) {
  // As they are shown, three decimals and not too many of them: the region is the same in Python.
  const rounded = (value) => Math.round(1000 * value) / 1000;
  if (geometry.type === "rect") {
    return [[rounded(geometry.x0), rounded(geometry.y0)], [rounded(geometry.x1), rounded(geometry.y1)]];
  }
  const count = geometry.x.length, step = Math.max(1, count / most), corners = [];
  for (let at = 0; at < count; at += step) {
    corners.push([rounded(geometry.x[Math.floor(at)]), rounded(geometry.y[Math.floor(at)])]);
  }
  return corners;
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
}

// ---- HTML

function barOf(percent, colour) {
  const width = Math.max(0, Math.min(100, percent));
  return `<div style="width:60px;background:#eef0f2"><div style="width:${width}%;height:9px;background:${colour}"></div></div>`;
}

function tableOf(title, head, rows) {
  const cell = (text, place) => `<td style="padding:1px 7px 1px 0;text-align:${place ? "right" : "left"};white-space:nowrap">${text}</td>`;
  return `<div style="margin:0 18px 8px 0"><div style="font-weight:600;margin-bottom:3px">${title}</div><table style="border-collapse:collapse">`
    + `<tr style="color:#667">${head.map(cell).join("")}</tr>`
    + rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("") + "</table></div>";
}

function shownRegion(found, meta) {
  const signed = (x) => (x > 0 ? "+" : x < 0 ? "−" : "") + Math.abs(x).toFixed(2);
  const percent = (x) => x >= 9.95 ? x.toFixed(0) : x.toFixed(1);
  const phenotype = found.phenotype.map((one) => [
    `<b>${escaped(one.marker)}</b>`, one.median.toFixed(2), one.medianOfRest.toFixed(2),
    `<span style="color:${one.difference > 0 ? "#b34700" : "#00598c"}">${signed(one.difference)}</span>`,
  ]);
  const populations = found.populations.slice(0, 10).map((one) => [
    escaped(one.name), one.cells.toLocaleString("en"), percent(one.ofRegion), percent(one.ofOwn)]);
  const average = found.ofAll;
  const whose = (of) => found.whose[of].map((one) => [
    escaped(one.name), one.cells.toLocaleString("en"), percent(one.ofOwn),
    barOf(50 * one.ofOwn / average, meta.colours[of] ? meta.colours[of][one.name] : "#5b7f9c")]);
  const head = `<div style="margin-bottom:8px;font-size:14px"><b>${found.cells.toLocaleString("en")} cells</b> in the region, `
    + `which stand for ${percent(average)} % of all. A bar that is half full is the average share.</div>`;
  const own = (of, title) => tableOf(title, ["", "cells", "% of own", ""], whose(of));
  return head + `<div style="display:grid;grid-template-columns:auto auto;justify-content:start"><div>`
    + tableOf("Phenotype (medians)", ["marker", "here", "rest", "difference"], phenotype)
    + tableOf("Populations", ["population", "cells", "% of region", "% of it"], populations)
    + own("dose_group", "Dose group") + "</div><div>" + own("visit", "Visit") + own("subject", "Subject") + "</div></div>";
}

function shownLegend(colour, meta) {
  if (colour.kind === "marker") {
    const stops = colour.palette.filter((_, i) => i % 16 === 0 || i === colour.palette.length - 1).join(",");
    return `<div style="width:200px;height:14px;background:linear-gradient(to right,${stops})"></div>`
      + `<div style="width:200px;display:flex;justify-content:space-between;color:#667"><span>dim</span><span>bright</span></div>`
      + `<div style="color:#667;margin-top:4px">1st to 99th percentile, ${colour.low.toFixed(2)} to ${colour.high.toFixed(2)} on the display scale</div>`;
  }
  const rows = colour.words.map((word, k) => `<div style="white-space:nowrap"><span style="display:inline-block;width:11px;height:11px;`
    + `border-radius:6px;margin-right:6px;background:${colour.palette[k]}"></span>${escaped(word)}</div>`);
  const columns = rows.length > 14 ? 2 : 1;
  return `<div style="columns:${columns};column-gap:16px">${rows.join("")}</div>`;
}

// ---- the page

function startAtlas({source, meta, densities, ranges, choices, plots, pictures, change, image, legend, found, corners, said, help}) {
  const data = source.data, total = data.umap1.length, all = Uint32Array.from({length: total}, (_, i) => i);
  const whole = {x: ranges.x.end - ranges.x.start, y: ranges.y.end - ranges.y.start};
  const state = {ink: null, shown: pictures.map(() => all), selected: null, asked: false};

  function paint(k) {
    const size = Math.round((plots[k].inner_width || 320) * Math.min(window.devicePixelRatio || 1, 2));
    const box = {x0: ranges.x.start, x1: ranges.x.end, y0: ranges.y.start, y1: ranges.y.end};
    const picture = new pictures[k].data.image[0].constructor(size * size, [size, size]);
    const zoom = Math.sqrt(whole.x / (box.x1 - box.x0)), cells = state.shown[k];
    const dot = Math.min(4, Math.max(1, (size / 560) * Math.pow(2e5 / Math.max(cells.length, 1), 0.25)) * Math.min(zoom, 2.5));
    paintCells(picture, size, box, cells, data, state.ink, dot, state.selected !== null);
    if (state.selected !== null) {
      const inside = new Uint8Array(total);
      for (const i of state.selected) inside[i] = 1;
      paintCells(picture, size, box, cells.filter((i) => inside[i]), data, state.ink, dot, false);
    }
    pictures[k].data = {image: [picture], x: [box.x0], y: [box.y0], dw: [box.x1 - box.x0], dh: [box.y1 - box.y0]};
  }

  function repaint() {
    // However many ranges change at once, the next frame is painted once.
    if (state.asked) return;
    state.asked = true;
    requestAnimationFrame(() => { state.asked = false; pictures.forEach((_, k) => paint(k)); });
  }

  function recolour() {
    const colour = meta.shown[choices.colour.value];
    state.ink = inkOf(data[choices.colour.value], colour);
    legend.text = shownLegend(colour, meta);
    repaint();
  }

  function compare() {
    const before = choices.before.value, after = choices.after.value, group = choices.dose.value;
    [before, after].forEach((visit, k) => {
      plots[k + 1].title.text = visit;
      state.shown[k + 1] = cellsOf(data, meta, visit, group);
    });
    const differs = differenceOf(densities, before, after, group), grid = image.data.image[0];
    let top = 1e-9;
    if (differs.change !== null) for (const value of differs.change) top = Math.max(top, Math.abs(value));
    for (let i = 0; i < grid.length; i++) grid[i] = differs.change === null ? 0 : differs.change[i] / top;
    image.change.emit();
    change.title.text = `${after} against ${before}`;
    said.text = `${differs.before} patients at ${before}, ${differs.after} at ${after}; each counts the same. `
      + (differs.change === null ? "There is nothing to compare." : `Full colour: ${top.toPrecision(2)} \u2030 of the cells a bin.`);
    repaint();
  }

  function select(drawn) {
    const cells = drawn.length < 2 ? [] : cellsIn(data, drawn);
    const some = cells.length > 0 && cells.length < total;
    state.selected = some ? cells : null;
    found.text = some ? shownRegion(describeRegion(data, cells, meta), meta) : help;
    corners.value = some ? "[" + drawn.map(([x, y]) => `(${x.toFixed(3)}, ${y.toFixed(3)})`).join(", ") + "]" : "";
    repaint();
  }

  recolour();
  compare();
  // While it is being drawn a region is reported again and again; it is looked at once, when it is finished.
  const brush = (event) => { if (event.final !== false) select(cornersOf(event.geometry, 60)); };
  return {recolour, compare, repaint, select, brush, clear: () => select([])};
}

if (typeof module !== "undefined") module.exports = {cellsIn, cellsOf, cornersOf, describeRegion, differenceOf, inkOf, paintCells};
