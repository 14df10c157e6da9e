/// The atlas' page: what is asked for, what is drawn, and what is said of it.

const META = JSON.parse(document.getElementById("meta").textContent), byId = (id) => document.getElementById(id);
const DATA = {}, WHOLE = META.extent, SLOW_MS = 100;

// ---- columns, unpacked when they are first needed

async function unpacked(id) {
  const text = atob(byId(id).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

async function load(names) {
  await Promise.all(names.map(async (name) => {
    const column = META.columns[name];
    if (DATA[name] || !column) return;
    const values = new {f4: Float32Array, i2: Int16Array, u2: Uint16Array, u4: Uint32Array}[column.type](await unpacked(column.id));
    DATA[name] = column.type === "u2" ? Float32Array.from(values, (level) => column.low + level * column.step) : values;
  }));
}

// ---- what is shown

const total = META.cells, all = Uint32Array.from({length: total}, (_, i) => i);
const state = {
  view: {...WHOLE}, colour: META.first, hidden: {}, selected: null, corners: null, marked: -1, painter: "", why: "",
};
const states = new Uint8Array(total), sight = {data: DATA, states, index: null, inks: null, palette: null, turn: 0};
const zoomOf = () => (WHOLE.x1 - WHOLE.x0) / (state.view.x1 - state.view.x0);
const shownCells = () => all.filter((i) => states[i] !== HIDDEN);

async function recolour() {
  const name = state.colour, colour = META.shown[name];
  await load([name]);
  if (state.colour !== name) return;  // another has been asked for meanwhile
  sight.index = indexOf(DATA[name], colour);
  sight.palette = colour.palette;
  sight.inks = inksOf([...colour.palette, "#d0d0d0"]);
  await changed();
}

function changed() {
  // A cell is hidden by any column whose word is taken out of a legend, and stands back beside those that are selected.
  states.fill(state.selected ? PALE : SHOWN);
  if (state.selected) for (const i of state.selected) states[i] = SHOWN;
  for (const [name, words] of Object.entries(state.hidden)) {
    const codes = DATA[name], none = META.shown[name].words.length;
    for (let i = 0; i < total; i++) if (words.has(codes[i] < 0 ? none : codes[i])) states[i] = HIDDEN;
  }
  sight.turn += 1;
  legend();
  return repaint();
}

function countsIn(name) {
  const words = META.shown[name].words, counts = new Array(words.length + 1).fill(0), codes = DATA[name];
  for (let i = 0; i < total; i++) counts[codes[i] < 0 ? words.length : codes[i]]++;
  return counts[words.length] ? counts : counts.slice(0, -1);
}

function legend() {
  const colour = META.shown[state.colour], counts = colour.kind === "words" ? countsIn(state.colour) : [];
  byId("legend").innerHTML = shownLegend(colour, counts, state.hidden[state.colour] || new Set(), META.none);
  const shown = shownCells().length, filters = Object.keys(state.hidden);
  byId("filters").hidden = filters.length === 0;
  byId("shown").textContent = `${shown.toLocaleString("en")} of ${total.toLocaleString("en")} cells shown; taken out by ${filters.map((name) => META.titles[name]).join(", ")}`;
}

function toggle(k, only) {
  const name = state.colour, count = countsIn(name).length, words = new Set(state.hidden[name]);
  if (only) {
    const others = [...Array(count).keys()].filter((word) => word !== k), alone = words.size === others.length && !words.has(k);
    words.clear();
    if (!alone) others.forEach((word) => words.add(word));
  } else if (words.has(k)) words.delete(k); else words.add(k);
  if (words.size) state.hidden[name] = words; else delete state.hidden[name];
  return select(state.corners);  // a region is of the cells that are shown
}

// ---- regions and cells

let selecting = 0;
async function select(drawn) {
  const turn = (selecting += 1), corners = drawn && drawn.length > 1 ? drawn : null;
  if (corners) await load([...META.markers, "weight", "label", ...META.whose, "sample_id"]);
  if (turn !== selecting) return;  // another region has been drawn meanwhile
  state.selected = null;
  changed();
  const cells = corners ? cellsIn(DATA, corners).filter((i) => states[i] !== HIDDEN) : [], shown = shownCells();
  const some = cells.length > 0 && cells.length < shown.length;
  [state.selected, state.corners] = some ? [cells, corners] : [null, null];
  state.marked = -1;
  byId("found").innerHTML = some ? shownRegion(describeRegion(DATA, cells, META, shown), META) : byId("help").innerHTML;
  byId("region").value = some ? regionText() : "";
  await Promise.all([changed(), showGates(some ? mostOf(cells) : shownSample)]);
}

function regionText() {
  const filters = Object.entries(state.hidden).map(([name, words]) => {
    const names = [...words].map((k) => META.shown[name].words[k] ?? null);
    return `[~atlas["${name}"].isin(${JSON.stringify(names).replaceAll("null", "None")})]`;
  });
  const corners = state.corners.map(([x, y]) => `(${x.toFixed(3)}, ${y.toFixed(3)})`).join(", ");
  return `immunomon.describe_region(atlas${filters.join("")}, [${corners}])`;
}

function nearest(x, y, reach) {
  // The cell next to a place of the plane among those shown, within so many pixels.
  const side = plots[0].side, kx = side / (state.view.x1 - state.view.x0), ky = side / (state.view.y1 - state.view.y0);
  let best = -1, least = reach * reach;
  for (let i = 0; i < total; i++) {
    if (states[i] === HIDDEN) continue;
    const away = ((DATA.umap1[i] - x) * kx) ** 2 + ((DATA.umap2[i] - y) * ky) ** 2;
    if (away < least) { best = i; least = away; }
  }
  return best;
}

async function pick(cell) {
  state.marked = cell;
  await load(["sample_id", "event", "label", ...META.whose]);
  if (state.marked !== cell) return;
  const word = (name) => META.words[name] && DATA[name] && DATA[name][cell] >= 0 ? META.words[name][DATA[name][cell]] : "";
  const rows = ["sample_id", "subject", "visit", "dose_group", "label"].filter(word).map((name) => [META.titles[name] || name, escaped(word(name))]);
  if (DATA.event) rows.push(["event", DATA.event[cell].toLocaleString("en")]);
  byId("found").innerHTML = tableOf("A cell", ["", ""], rows) + `<div class="faint">Its gates are below.</div>`;
  mark();
  await showGates(word("sample_id"));
}

function mark() {
  const ring = byId("mark"), i = state.marked;
  ring.hidden = i < 0;
  if (i < 0) return;
  const {view} = state, side = plots[0].side;
  ring.style.left = `${side * (DATA.umap1[i] - view.x0) / (view.x1 - view.x0)}px`;
  ring.style.top = `${side * (view.y1 - DATA.umap2[i]) / (view.y1 - view.y0)}px`;
}

// ---- visits: one small plot each, and the difference of two

async function compare() {
  await load(["visit", "dose_group"]);
  const group = byId("dose").value, before = byId("before").value, after = byId("after").value;
  plots.slice(1).forEach((plot) => {
    plot.cells = cellsOf(DATA, META, plot.visit, group);
    plot.title.textContent = `${plot.visit}, ${plot.cells.length.toLocaleString("en")} cells`;
  });
  const differs = differenceOf(await densities(), before, after, group), change = differs.change;
  const top = change ? change.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9) : 1;
  paintDifference(byId("difference"), change, top);
  byId("change").textContent = `${after} against ${before}`;
  byId("compared").textContent = `${differs.before} patients at ${before}, ${differs.after} at ${after}; each counts the same. `
    + (change ? `Full colour: ${top.toPrecision(2)} ‰ of the cells a bin.` : "There is nothing to compare.");
  return repaint();
}

let listed = null;
async function densities() {
  if (listed) return listed;
  const sums = new Float32Array(await unpacked("densities")), bins = META.bins * META.bins;
  return (listed = META.densities.map((one, k) => ({...one, sums: sums.subarray(k * bins, (k + 1) * bins)})));
}

function paintDifference(canvas, change, top) {
  const bins = META.bins, context = canvas.getContext("2d"), picture = context.createImageData(bins, bins);
  const inks = inksOf(META.difference), bytes = new Uint32Array(picture.data.buffer), middle = (inks.length - 1) / 2;
  for (let row = 0; row < bins; row++) {
    for (let column = 0; column < bins; column++) {
      const value = change ? change[(bins - 1 - row) * bins + column] / top : 0;
      bytes[row * bins + column] = inks[Math.round(middle + middle * value)];
    }
  }
  canvas.width = canvas.height = bins;
  context.putImageData(picture, 0, 0);
}
