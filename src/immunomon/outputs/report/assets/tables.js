// The result tables: search, sort, pages, and a download of what is found.

const PAGE_ROWS = 50;
const TITLES = {
  summary: "Summary by dose group", changes: "Changes from baseline", frequencies: "Frequencies", populations: "Populations",
  samples: "Samples",
};
// Columns that hold what a row with reportable = false or status "not reportable" may not show.
const FIGURES = new Set([
  "percent", "percent_low", "percent_high", "percent_of_parent", "percent_of_parent_low", "percent_of_parent_high", "cells_per_ul",
  "value", "change", "percent_change", "log_odds_change",
]);

// What a reader looks for first; the other columns follow, and a download keeps the order of the file.
const FIRST = {
  summary: ["dose_group", "visit", "panel", "label", "quantity", "denominator", "measure", "n", "mean", "low", "high", "sd", "median"],
  changes: [
    "subject", "dose_group", "visit", "study_day", "panel", "label", "quantity", "denominator", "value", "baseline", "change",
    "percent_change", "log_odds_change", "status", "reason",
  ],
  frequencies: [
    "subject", "visit", "panel", "role", "label", "denominator", "percent", "percent_low", "percent_high", "count", "denominator_count",
    "reportable", "reason", "sample_id",
  ],
  populations: [
    "subject", "visit", "panel", "role", "label", "parent", "count", "parent_count", "percent_of_parent", "percent_of_parent_low",
    "percent_of_parent_high", "cells_per_ul", "reportable", "reason", "gate_method", "sample_id",
  ],
  samples: ["sample_id", "status", "reason", "subject", "visit", "panel", "role", "batch", "events"],
};
function shownColumns(data) {
  const place = (column) => (FIRST[data.name].includes(column.name) ? FIRST[data.name].indexOf(column.name) : 99);
  return [...data.columns].sort((a, b) => place(a) - place(b));
}

const collator = new Intl.Collator("en", { numeric: true });

function compare(a, b) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // what is missing comes last
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}

// A column's filter: part of a text, or for numbers < > <= >= = with a number, or two with "to" between them.
const BOUND = /^(<=|>=|<|>|=)?\s*(-?\d+(?:\.\d+)?)(?:\s*to\s*(-?\d+(?:\.\d+)?))?$/;
const COMPARED = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };

function passes(row, column, wanted) {
  const value = FIGURES.has(column.name) && withheld(row) ? null : row[column.name];
  if (column.kind === "string") return String(value ?? "").toLowerCase().includes(wanted.toLowerCase());
  if (column.kind === "boolean") return value !== null && (value ? "yes" : "no").startsWith(wanted.toLowerCase());
  const bound = BOUND.exec(wanted.replace("−", "-"));
  if (!bound) return false;
  const [, sign, low, high] = bound;
  if (value === null) return false;
  return high === undefined ? COMPARED[sign || "="](value, Number(low)) : value >= Number(low) && value <= Number(high);
}

function filterField(state, column) {
  const name = `f.${column.name}`;
  const wrong = column.kind !== "string" && column.kind !== "boolean" && state[name] && !BOUND.test(state[name].trim().replace("−", "-"));
  return el("input", {
    type: "search", id: name, value: state[name] || "", "aria-label": `filter ${column.name.replaceAll("_", " ")}`,
    "aria-invalid": wrong ? "true" : null, placeholder: column.kind === "string" ? "" : "> 5",
    title: column.kind === "string" ? "part of the text" : column.kind === "boolean" ? "yes or no" : "a number, < 5, >= 2, or 2 to 5",
    oninput: (event) => setState({ [name]: event.target.value, page: "" }),
  });
}

function foundRows({ columns, rows }, state) {
  const words = (state.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  const texts = columns.filter((column) => column.kind === "string").map((column) => column.name);
  const filters = columns.map((column) => [column, (state[`f.${column.name}`] || "").trim()]).filter(([, wanted]) => wanted);
  const found = rows.filter((row) => {
    if (!filters.every(([column, wanted]) => passes(row, column, wanted))) return false;
    const text = texts.map((name) => row[name] ?? "").join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const by = (state.sort || "").replace(/^-/, "");
  if (!columns.some((column) => column.name === by)) return found;
  const shownValue = (row) => (FIGURES.has(by) && withheld(row) ? null : row[by]);
  const sign = state.sort.startsWith("-") ? -1 : 1;
  const keyed = found.map((row) => [shownValue(row), row]);
  return keyed.sort(([a], [b]) => (a === null || b === null ? 1 : sign) * compare(a, b)).map(([, row]) => row);
}

const withheld = (row) => row.reportable === false || row.status === "not reportable";

function cellText(row, column, data) {
  const value = row[column.name];
  if (FIGURES.has(column.name) && withheld(row)) {
    return el("span", { class: "nr", tabindex: 0, tip: ["Not reportable", row.reason || "no reason recorded"] }, "n.r.");
  }
  if (value === null) return "";
  if (column.kind === "boolean") return value ? "yes" : "no";
  if (column.kind === "Float64") return number(value, 4);
  if (column.kind === "Int64") return column.name.endsWith("_day") ? String(value).replace("-", "−") : whole(value);
  if (column.name === "subject" && row.visit && data !== "samples") return el("a", { href: linkTo({ tab: "samples", subject: value, visit: row.visit, panel: row.panel }) }, value);
  if (column.name === "label" && data !== "samples" && row.population) {
    return el("a", { href: linkTo({ tab: "trajectories", on: row.panel, population: row.population }) }, value);
  }
  if (column.name === "sample_id" || column.name === "baseline_sample_id") return el("a", { href: linkTo({ tab: "samples", sample: value }) }, value);
  return String(value);
}

const longText = (value) => (typeof value === "string" && value.length > 40 ? value : null);

function renderTables(state) {
  const host = document.getElementById("tables");
  const searching = host.contains(document.activeElement) && document.activeElement.matches("input") ? document.activeElement.id : "";
  const scrolled = host.querySelector(".scroll") ? host.querySelector(".scroll").scrollLeft : 0;
  const name = packedTables.has(state.table) ? state.table : "summary";
  const data = table(name);
  const found = foundRows(data, state);
  const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
  const page = Math.min(Math.max(1, Number(state.page) || 1), pages);
  host.replaceChildren(tableBar(state, data, found, page, pages), tableBody(state, data, found.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS)));
  host.querySelector(".scroll").scrollLeft = scrolled;
  if (searching) {
    const box = document.getElementById(searching);
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

const noFilters = (state) => Object.fromEntries(Object.keys(state).filter((key) => key.startsWith("f.")).map((key) => [key, ""]));

function tableBar(state, data, found, page, pages) {
  const options = [...packedTables.keys()].map((key) => [key, TITLES[key] || key]);
  const search = el("input", {
    type: "search", id: "table-search", value: state.q || "", placeholder: "words that a row must hold",
    oninput: (event) => setState({ q: event.target.value, page: "" }),
  });
  const go = (to, text, label) => el("button", {
    type: "button", "aria-label": label, disabled: to < 1 || to > pages, onclick: () => setState({ page: to }),
  }, text);
  return el("div", { class: "bar" },
    select("Table", options, data.name, (value) => setState({ ...noFilters(state), table: value, page: "", sort: "", q: "" })),
    el("label", { class: "field" }, el("span", {}, "Search"), search),
    el("div", { class: "stepper" }, go(page - 1, "‹", "Previous page"),
      el("span", {}, `page ${page} of ${pages}`), go(page + 1, "›", "Next page")),
    el("span", { class: "count" }, `${whole(found.length)} of ${whole(data.rows.length)} rows; one row is ${data.about}`),
    el("button", { type: "button", class: "download", title: `Figures to six digits; tables/${data.name}.csv of the run has all of them`, onclick: () => download(data, found) }, `Download CSV (${whole(found.length)} rows)`));
}

function tableBody(state, data, rows) {
  const shown = shownColumns(data);
  const sortedBy = (state.sort || "").replace(/^-/, "");
  const head = shown.map((column) => {
    const down = state.sort === column.name;
    const mark = sortedBy === column.name ? (down ? " ▲" : " ▼") : "";
    const sort = () => setState({ sort: down ? `-${column.name}` : column.name, page: "" });
    return el("th", { scope: "col", title: column.meaning, class: column.kind === "string" ? null : "n", "aria-sort": mark ? (down ? "ascending" : "descending") : null },
      el("button", { type: "button", class: "sort", onclick: sort }, column.name.replaceAll("_", " ") + mark));
  });
  const body = rows.map((row) => el("tr", { class: withheld(row) ? "hiddenvalue" : null },
    shown.map((column) => el("td", { class: column.kind === "string" ? null : "n", title: longText(row[column.name]) }, cellText(row, column, data.name)))));
  return el("div", { class: "scroll tall" }, el("table", { class: "plain data" }, el("thead", {}, el("tr", {}, head), el("tr", { class: "filters" }, shown.map((column) => el("td", {}, filterField(state, column))))), el("tbody", {}, body)));
}

const FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;

// A figure that may not be reported is left empty in the file too; its reason stands in the reason column. A text that
// a spreadsheet would take for a formula is quoted by an apostrophe.
function csvField(row, { name, kind }) {
  const value = FIGURES.has(name) && withheld(row) ? null : row[name];
  if (value === null || value === undefined) return "";
  if (kind !== "string") return String(value);
  const safe = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csvText(data, rows) {
  const lines = [data.columns.map((column) => column.name).join(",")];
  for (const row of rows) lines.push(data.columns.map((column) => csvField(row, column)).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function download(data, rows) {
  const address = URL.createObjectURL(new Blob(["\ufeff", csvText(data, rows)], { type: "text/csv" }));
  const link = el("a", { href: address, download: `${data.name}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000); // some browsers read it later
}

section("tables", renderTables);
