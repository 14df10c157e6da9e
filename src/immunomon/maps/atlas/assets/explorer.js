// What the atlas' page works out in the browser. The functions above the line know arrays only, and run in node too.

function smallest(values, k) {
  // The k-th smallest (Hoare): puts it in its place, what is not larger before it, what is not smaller behind it.
  let left = 0, right = values.length - 1;
  while (left < right) {
    const pivot = values[(left + right) >> 1];
    let i = left, j = right;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i <= j) { const value = values[i]; values[i++] = values[j]; values[j--] = value; }
    }
    if (k <= j) right = j; else if (k >= i) left = i; else break;
  }
  return values[k];
}

function medianOf(values) {
  // values: a typed array of finite numbers, whose order is lost
  if (values.length === 0) return NaN;
  const middle = values.length >> 1, upper = smallest(values, middle);
  if (values.length % 2) return upper;
  let lower = -Infinity;
  for (let i = 0; i < middle; i++) if (values[i] > lower) lower = values[i];
  return (lower + upper) / 2;
}

function countsOf(codes, words, selected, weight, shown) {
  // Cells are those drawn; shares count each as many times as it stands for.
  const zeros = () => new Array(words.length).fill(0), every = zeros(), here = zeros(), cells = zeros();
  let whole = 0;
  for (const i of shown) if (codes[i] >= 0) every[codes[i]] += weight[i];
  for (const i of selected) {
    whole += weight[i];
    if (codes[i] >= 0) { here[codes[i]] += weight[i]; cells[codes[i]]++; }
  }
  return words.map((name, k) => ({
    name, cells: cells[k], ofRegion: 100 * here[k] / whole, ofOwn: every[k] ? 100 * here[k] / every[k] : 0,
  }));
}

function describeRegion(data, selected, meta, shown) {
  // Against all other cells of those shown: a list of their places.
  const inside = new Uint8Array(data.umap1.length);
  for (const i of selected) inside[i] = 1;
  const phenotype = meta.markers.map((marker) => {
    const values = data[marker], here = new Float32Array(selected.length), rest = new Float32Array(shown.length - selected.length);
    let a = 0, b = 0;
    for (const i of shown) if (inside[i]) here[a++] = values[i]; else rest[b++] = values[i];
    const median = medianOf(here), medianOfRest = medianOf(rest);
    return {marker, median, medianOfRest, difference: median - medianOfRest};
  });
  phenotype.sort((p, q) => Math.abs(q.difference) - Math.abs(p.difference));
  const populations = (meta.words.label ? countsOf(data.label, meta.words.label, selected, data.weight, shown) : []).filter((one) => one.cells > 0);
  populations.sort((p, q) => q.cells - p.cells);
  const whose = {};
  for (const of of meta.whose) whose[of] = countsOf(data[of], meta.words[of], selected, data.weight, shown);
  let share = 0, whole = 0;
  for (const i of shown) { whole += data.weight[i]; if (inside[i]) share += data.weight[i]; }
  return {cells: selected.length, total: shown.length, ofAll: 100 * share / whole, phenotype, populations, whose};
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
  // Two corners are a box, more are a polygon, by the even-odd rule; both with their edges, as in_polygon has them.
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
    let inside = false, on = false;
    for (let b = 0, a = cx.length - 1; b < cx.length; a = b++) {
      const cross = (cx[b] - cx[a]) * (py - cy[a]) - (cy[b] - cy[a]) * (px - cx[a]);
      if ((cy[a] > py) !== (cy[b] > py) && (cross > 0) === (cy[b] > cy[a])) inside = !inside;
      on ||= cross === 0 && px >= Math.min(cx[a], cx[b]) && px <= Math.max(cx[a], cx[b])
        && py >= Math.min(cy[a], cy[b]) && py <= Math.max(cy[a], cy[b]);
    }
    if (inside || on) found.push(i);
  }
  return found;
}

function indexOf(values, colour) {
  // Each cell's place in the palette; the place after the last is grey, for what has no word.
  const index = new Uint16Array(values.length), last = colour.palette.length - 1, none = last + 1;
  if (colour.kind === "words") {
    for (let i = 0; i < values.length; i++) index[i] = values[i] < 0 ? none : values[i];
    return index;
  }
  const scale = last / (colour.high - colour.low);
  for (let i = 0; i < values.length; i++) {
    const at = Math.round((values[i] - colour.low) * scale);
    index[i] = at < 0 ? 0 : at > last ? last : at;
  }
  return index;
}

function inksOf(palette) {
  // The colours as the bytes red, green, blue, alpha of a picture.
  return Uint32Array.from(palette, (hex) => {
    const rgb = parseInt(hex.slice(1), 16);
    return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
  });
}

function faded(ink) {
  const pale = (shift) => Math.round(235 + 0.08 * (((ink >>> shift) & 255) - 235));
  return (0xff000000 | (pale(16) << 16) | (pale(8) << 8) | pale(0)) >>> 0;
}

const SHOWN = 0, PALE = 1, HIDDEN = 2;

function paintCells(out, size, box, cells, data, {index, inks, states}, radius) {
  // Every cell a dot of so many pixels on a picture of size x size, the lowest row last; first those that stand back.
  const steps = [];
  for (let dy = -Math.ceil(radius); dy <= radius; dy++) {
    for (let dx = -Math.ceil(radius); dx <= radius; dx++) if (dx * dx + dy * dy <= radius * radius) steps.push([dx, dy]);
  }
  const kx = size / (box.x1 - box.x0), ky = size / (box.y1 - box.y0), {umap1, umap2} = data, reach = Math.ceil(radius);
  const paint = (wanted, colours) => {
    for (let k = 0; k < cells.length; k++) {
      const i = cells[k];
      if (states[i] !== wanted) continue;
      const px = Math.floor((umap1[i] - box.x0) * kx), py = size - 1 - Math.floor((umap2[i] - box.y0) * ky);
      if (px < -reach || py < -reach || px >= size + reach || py >= size + reach) continue;
      const colour = colours[index[i]];
      for (let s = 0; s < steps.length; s++) {
        const qx = px + steps[s][0], qy = py + steps[s][1];
        if (qx >= 0 && qx < size && qy >= 0 && qy < size) out[qy * size + qx] = colour;
      }
    }
  };
  paint(PALE, inks.map(faded));
  paint(SHOWN, inks);
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
  const percent = (x) => x >= 9.95 ? x.toFixed(0) : x > 0 && x < 0.05 ? "&lt;0.1" : x.toFixed(1);
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
  const own = (of, title) => !found.whose[of] ? "" : tableOf(title, ["", "cells", "% of own", ""], whose(of));
  return head + `<div style="display:flex;flex-wrap:wrap"><div>`
    + tableOf("Phenotype (medians)", ["marker", "here", "rest", "difference"], phenotype)
    + tableOf("Populations", ["population", "cells", "% of region", "% of it"], populations)
    + own("dose_group", "Dose group") + "</div><div>" + own("visit", "Visit") + own("subject", "Subject") + "</div></div>";
}

function shownLegend(colour, counts, hidden, none) {
  // none: what cells without a word are called; counts: how many cells of each word are in the page; hidden: which words are taken out.
  if (colour.kind === "marker") {
    const stops = colour.palette.filter((_, i) => i % 16 === 0 || i === colour.palette.length - 1).join(",");
    return `<div class="scale" style="background:linear-gradient(to right,${stops})"></div>`
      + `<div class="ends"><span>dim</span><span>bright</span></div>`
      + `<div class="faint">1st to 99th percentile, ${colour.low.toFixed(2)} to ${colour.high.toFixed(2)} on the display scale</div>`;
  }
  const row = (word, k) => `<button type="button" class="word${hidden.has(k) ? " out" : ""}" data-word="${k}" aria-pressed="${!hidden.has(k)}">`
    + `<i style="background:${k < colour.palette.length ? colour.palette[k] : "#d0d0d0"}"></i><span>${escaped(word)}</span><b>${counts[k].toLocaleString("en")}</b></button>`;
  const words = counts.length > colour.words.length ? [...colour.words, none] : colour.words;
  return `<div class="words${words.length > 16 ? " two" : ""}">${words.map(row).join("")}</div>`;
}

if (typeof module !== "undefined") module.exports = {cellsIn, cellsOf, cornersOf, describeRegion, differenceOf, indexOf, inksOf, paintCells};
