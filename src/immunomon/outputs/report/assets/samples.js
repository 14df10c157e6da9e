// Samples and gates: find a sample, see its plots along the tree, with the figures beside.

const FILTERS = [
  ["panel", "Panel"], ["subject", "Subject"], ["visit", "Visit"], ["role", "Role"], ["status", "Status"],
  ["quality", "Acquisition"], ["doubt", "Doubt"], ["review", "Review"],
];
const USUAL = ["treg", "th17", "b_cells", "nk"]; // what is shown where nothing was chosen
const SEARCHED = ["sample_id", "subject", "visit", "panel", "role", "batch", "file"];

const visitPlaces = new Map(PAGE.study.visits.map((visit, i) => [visit.label, i]));
const subjectPlaces = new Map(PAGE.subjects.map((subject, i) => [subject.id, i]));
const placeIn = (places, name) => (places.has(name) ? places.get(name) : places.size);

const byPlan = (a, b) =>
  placeIn(subjectPlaces, a.subject) - placeIn(subjectPlaces, b.subject) ||
  placeIn(visitPlaces, a.visit) - placeIn(visitPlaces, b.visit) ||
  String(a.panel).localeCompare(String(b.panel)) || String(a.sample_id).localeCompare(String(b.sample_id));

const reviewState = (row) => (row.status === "gated" ? (PAGE.reviews[row.sample_id] || { state: "not looked at" }).state : null);

// What a filter looks at: a column of the sample's row, its doubts, or the last word of a review.
const FILTERED = { doubt: (row) => unique((PAGE.doubts[row.sample_id] || []).map(([code]) => code)), review: (row) => [reviewState(row)] };
const filterValues = (row, key) => (FILTERED[key] ? FILTERED[key](row) : [row[key]]);

const sampleRows = () => [...table("samples").rows].sort(byPlan);

function matchingSamples(state) {
  const words = (state.find || "").toLowerCase().split(/\s+/).filter(Boolean);
  return sampleRows().filter((row) => {
    if (FILTERS.some(([key]) => state[key] && !filterValues(row, key).includes(state[key]))) return false;
    const text = SEARCHED.map((key) => row[key] || "").join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function sampleTitle(row) {
  const whose = [row.subject, row.visit].filter(Boolean).join(" ");
  const role = row.role === "sample" ? "" : row.role;
  return [whose, row.panel, role].filter(Boolean).join(", ") || row.sample_id;
}

function renderSamples(state) {
  const all = sampleRows();
  let matching = matchingSamples(state);
  let chosen = all.find((row) => row.sample_id === state.sample);
  if (!chosen || (!matching.includes(chosen) && matching.length)) {
    chosen = matching.find((row) => row.status === "gated") || matching[0];
  }
  const host = document.getElementById("samples");
  const search = document.activeElement && document.activeElement.id === "sample-search";
  host.replaceChildren(picker(state, all, matching, chosen), chosen ? sampleView(chosen) : nothingMatches());
  if (search) {
    const box = document.getElementById("sample-search");
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

const nothingMatches = () => el("p", { class: "notice" }, "No sample matches these filters.");

function picker(state, all, matching, chosen) {
  const fields = FILTERS.map(([key, label]) => {
    const known = unique(all.flatMap((row) => filterValues(row, key)));
    if (known.length < (FILTERED[key] ? 1 : 2) && !state[key]) return null;
    const options = [["", "all"], ...known.map((name) => [name, name.replaceAll("_", " ")])];
    return select(label, options, state[key] || "", (value) => setState({ [key]: value, sample: "" }));
  });
  const search = el("input", {
    type: "search", id: "sample-search", value: state.find || "", placeholder: "part of a name, batch, file",
    oninput: (event) => setState({ find: event.target.value, sample: "" }),
  });
  const samples = select(
    `Sample (${matching.length} of ${all.length})`,
    matching.map((row) => [row.sample_id, `${sampleTitle(row)}${row.status === "gated" ? "" : ` (${row.status})`}`]),
    chosen ? chosen.sample_id : "", (value) => setState({ sample: value }),
  );
  const step = (by, text, name) => el("button", {
    type: "button", "aria-label": name, title: `${name} (arrow key)`, onclick: () => stepSample(by), disabled: matching.length < 2,
  }, text);
  return el("div", { class: "bar" }, fields, el("label", { class: "field" }, el("span", {}, "Search"), search),
    el("div", { class: "stepper" }, step(-1, "‹", "Previous sample"), samples, step(1, "›", "Next sample")));
}

function stepSample(by) {
  const state = readState();
  const matching = matchingSamples(state);
  if (!matching.length) return;
  const shown = document.querySelector("#samples [data-shown]");
  const place = matching.findIndex((row) => shown && row.sample_id === shown.dataset.shown);
  setState({ sample: matching[(place + by + matching.length) % matching.length].sample_id });
}

function sampleView(row) {
  const facts = [
    ["Dose group", row.subject && subjectsById.has(row.subject) ? subjectsById.get(row.subject).dose_group : null],
    ["Role", row.role], ["Batch", row.batch], ["Collected", row.collection_date], ["Strategy", row.strategy],
    ["Events", whole(row.events)], ["Lymphocytes/µL", number(row.lymphocytes_per_ul, 4)], ["File", row.file],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  const view = el("div", { "data-shown": row.sample_id },
    el("h3", { class: "sampletitle" }, sampleTitle(row), " ", el("span", { class: `badge ${row.status}` }, row.status)),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
  if (servedByDesk() && row.status === "gated") {
    const address = `/#${new URLSearchParams({ panel: row.panel, sample: row.sample_id })}`;
    view.append(el("p", {}, el("a", { href: address }, "Look at its gates in the review desk")));
  }
  const review = PAGE.reviews[row.sample_id];
  if (review) view.append(el("p", { class: review.state === "approved" ? "dim" : "notice" }, reviewWords(review)));
  if (row.reason) view.append(el("p", { class: "notice" }, row.reason));
  if (row.status !== "gated") return view;
  const stored = storedOf(row.sample_id);
  const highlight = (population) => {
    for (const mark of view.querySelectorAll("[data-population]")) {
      mark.classList.toggle("lit", mark.dataset.population === population);
    }
  };
  const acquisition = acquisitionView(stored.acquisition);
  if (acquisition) view.append(acquisition);
  view.append(el("div", { class: "sample" }, plotGrid(row.sample_id, stored, highlight), populationTable(row, stored.placed, highlight)));
  return view;
}

// The desk serves the report beside itself; a file that is opened alone has no desk to lead to.
const servedByDesk = () => /^https?:$/.test(window.location.protocol) && window.location.pathname === "/report";

const reviewWords = ({ state, by, utc, note }) =>
  `Review: ${state}, ${by}, ${utc.slice(0, 16).replace("T", " ")} UTC${note ? `: ${note}` : ""}`;

function plotGrid(sampleId, stored, highlight) {
  const hidden = new Set(populationsOf(sampleId).rows.filter((row) => row.reportable === false).map((row) => row.population));
  const grid = el("div", { class: "plots" });
  for (const plot of stored.plots) {
    for (const gate of plot.gates || []) {
      gate.note = (stored.placed[gate.population] || {}).note;
      gate.hidden = hidden.has(gate.population);
    }
    const count = plot.events === null || plot.events === undefined ? "" : `${whole(plot.events)} events`;
    const caption = el("figcaption", {}, el("b", {}, plot.parent_label || plot.parent || "All events"), " ", el("small", {}, count));
    grid.append(el("figure", {}, caption, plot.problem ? el("p", { class: "notice" }, plot.problem) : gatingPlot(plot, highlight)));
  }
  if (!grid.children.length) grid.append(el("p", { class: "notice" }, "This run stored no plots of this sample."));
  const noted = stored.plots.some((plot) => (plot.gates || []).some((gate) => gate.note));
  return el("div", {}, grid, noted ? el("p", { class: "legend" }, "A dashed gate was placed by its fallback or with another note: see the table.") : null);
}

const populationsBySample = new Map();

function populationsOf(sampleId) {
  if (!populationsBySample.size) {
    for (const name of ["populations", "frequencies"]) {
      populationsBySample.set(name, groupBy(table(name).rows, (row) => row.sample_id));
    }
  }
  const of = (name) => populationsBySample.get(name).get(sampleId) || [];
  return { rows: of("populations"), frequencies: groupBy(of("frequencies").filter((row) => !row.is_parent), (row) => row.population) };
}

function interval(low, high) {
  return low === null || high === null ? "" : ` (${number(low)}–${number(high)})`;
}

function populationTable(sample, placed, highlight) {
  const { rows, frequencies } = populationsOf(sample.sample_id);
  const labels = new Map(rows.map((row) => [row.population, row.label || row.population]));
  const absolute = rows.some((row) => row.cells_per_ul !== null);
  const head = ["Population, how its gate was placed", "Events", "% of parent (95 % interval)", ...(absolute ? ["Cells/µL"] : [])];
  const body = rows.map((row, i) => {
    const before = i ? placed[rows[i - 1].population] || {} : {};
    const hidden = row.reportable === false;
    const others = (frequencies.get(row.population) || []).filter((one) => !(hidden && one.reportable === false));
    return el("tr", { "data-population": row.population, onmouseenter: () => highlight(row.population), onmouseleave: () => highlight(null) },
      populationName(row, placed[row.population] || {}, before),
      el("td", { class: "n" }, whole(row.count)),
      el("td", { class: "n" }, hidden ? notReportable(row, row.percent_of_parent) : number(row.percent_of_parent),
        hidden ? null : el("span", { class: "dim" }, interval(row.percent_of_parent_low, row.percent_of_parent_high)),
        others.map((one) => otherDenominator(one, labels))),
      absolute ? el("td", { class: "n" }, hidden ? notReportable(row, null) : number(row.cells_per_ul)) : null);
  });
  return el("div", { class: "scroll figures" }, el("table", { class: "plain populations" },
    el("thead", {}, el("tr", {}, head.map((name, i) => el("th", { scope: "col", class: i ? "n" : null }, name)))), el("tbody", {}, body)));
}

// The regions of one gate share its note: it is said once.
function populationName(row, { facts, note }, before) {
  const found = Object.entries(facts || {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  const title = found.length ? `${row.path}\non the display scale: ${found.join(", ")}` : row.path;
  const name = el("th", { scope: "row", title }, row.label || row.population,
    el("small", {}, row.gate_method, note ? el("span", { class: "why" }, note === before.note ? ": placed as above" : `: ${note}`) : null));
  name.style.paddingLeft = `${7 + 11 * Math.max(0, (row.path || "").split("/").length - 2)}px`;
  if (row.reportable === false) name.append(el("small", { class: "why" }, `not reportable: ${row.reason || "no reason recorded"}`));
  return name;
}

function otherDenominator(row, labels) {
  const of = row.denominator === "root" ? "all events" : labels.get(row.denominator) || row.denominator;
  const value = row.reportable === false ? notReportable(row, row.percent) : `${number(row.percent)} %`;
  return el("div", { class: "other" }, value, ` of ${of}`);
}

// What may not be reported never stands where a figure stands; the reason and the raw figure are one step away.
function notReportable(row, value) {
  const raw = value === null ? [] : [`unreported figure: ${number(value)} %`];
  return el("span", { class: "nr", tabindex: 0, tip: ["Not reportable", row.reason || "no reason recorded", ...raw] }, "n.r.");
}

section("samples", renderSamples);
