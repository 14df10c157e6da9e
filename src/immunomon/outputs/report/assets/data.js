// The data of the page: unpacked once, looked up by name.

const PAGE = JSON.parse(document.getElementById("page-data").textContent);

// A table arrives column by column, text as places in a list of words; it leaves as one object per row.
function unpackTable(packed) {
  const rows = Array.from({ length: packed.rows }, () => ({}));
  for (const column of packed.columns) {
    const { name, kind, words, at, values } = column;
    rows.forEach((row, i) => {
      let value = words ? (at[i] < 0 ? null : words[at[i]]) : values[i];
      if (kind === "boolean" && value !== null) value = value === 1;
      row[name] = value;
    });
  }
  const columns = packed.columns.map(({ name, kind, meaning }) => ({ name, kind, meaning }));
  return { name: packed.name, about: packed.row, columns, rows };
}

const packedTables = new Map(PAGE.tables.map((table) => [table.name, table]));
const unpackedTables = new Map();

function table(name) {
  if (!unpackedTables.has(name)) {
    const { packed, size } = packedTables.get(name);
    unpackedTables.set(name, unpackTable(JSON.parse(textOf(inflate(bytesOf(packed), size)))));
  }
  return unpackedTables.get(name);
}

function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

const unique = (values) => [...new Set(values)].filter((value) => value !== null && value !== undefined);

// Plots are unpacked when their sample is looked at: a page holds thousands.
const plotElements = new Map(
  [...document.querySelectorAll("script.plotdata")].map((element) => [element.dataset.sample, element]),
);

let dictionary = null;
const fractionsOf = (list) => list.map((point) => point.map((thousandths) => thousandths / 1000));

function storedOf(sampleId) {
  const element = plotElements.get(sampleId);
  if (!element) return { plots: [], placed: {} };
  dictionary = dictionary || bytesOf(PAGE.dictionary);
  const { size, text } = element.dataset;
  const bytes = inflateRaw(bytesOf(element.textContent), Number(size), 0, dictionary);
  const stored = JSON.parse(textOf(bytes.subarray(0, Number(text))));
  let place = Number(text);
  for (const plot of stored.plots.filter((one) => one.shape)) {
    plot.levels = Uint8Array.from({ length: plot.shape[0] * plot.shape[1] }, (_, i) => Math.min(255, 32 * ((bytes[place + (i >> 1)] >> (i % 2 ? 0 : 4)) & 15)));
    place += Math.ceil(plot.levels.length / 2);
    for (const gate of plot.gates.filter((one) => one.ring)) {
      gate.ring = fractionsOf(gate.ring);
      gate.lines = gate.lines ? gate.lines.map(fractionsOf) : [[...gate.ring, gate.ring[0]]];
    }
  }
  for (const name of ["edges", "rate_edges"]) if (stored.acquisition) stored.acquisition[name] = sumsOf(stored.acquisition[name]);
  return stored;
}

function sumsOf(steps) {
  let sum = 0;
  return steps.map((step) => (sum += step));
}

function groupColour(name) {
  const group = PAGE.groups.find((one) => String(one.name) === name);
  return (group || PAGE.all)[shade()];
}

const subjectsById = new Map(PAGE.subjects.map((subject) => [subject.id, subject]));
