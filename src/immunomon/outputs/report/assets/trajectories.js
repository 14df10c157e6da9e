// Trajectories: one population over the visits, every subject's line, each dose group's mean with its interval.

const MEASURES = [
  ["value", "value"], ["change", "change from baseline"], ["percent_change", "change from baseline (%)"],
  ["log_odds_change", "change in log-odds"],
];
const VALUE_USABLE = new Set(["ok", "missing baseline", "baseline not reportable"]);

const seriesKey = (row) => [row.panel, row.population, row.quantity, row.denominator].join("\u0001");
let seriesList = null;

function series() {
  if (!seriesList) {
    const labels = new Map(table("changes").rows.map((row) => [row.population, row.label || row.population]));
    for (const row of table("populations").rows) if (!labels.has(row.population)) labels.set(row.population, row.label || row.population);
    const places = new Map();
    for (const row of table("populations").rows) {
      const name = `${row.panel}\u0001${row.population}`;
      if (!places.has(name)) places.set(name, places.size);
    }
    const place = (one) => placeIn(places, `${one.panel}\u0001${one.population}`);
    seriesList = [...groupBy(table("changes").rows, seriesKey)].map(([key, rows]) => {
      const [first] = rows;
      const of = first.denominator === "root" ? "all events" : labels.get(first.denominator) || first.denominator;
      const unit = { percent: `% of ${of}`, cells_per_ul: "cells/µL", ratio: `ratio to ${of}`, laboratory: "laboratory value" }[first.quantity] || first.quantity;
      return { ...first, key, rows, unit, label: first.label || first.population };
    }).sort((a, b) => place(a) - place(b)); // as in the gating trees; what is made of several comes last
  }
  return seriesList;
}

function chooseSeries(state) {
  const all = series();
  const fits = (one) => (!state.population || one.population === state.population) && (!state.on || one.panel === state.on);
  const fitting = all.filter(fits);
  const exact = fitting.find((one) => one.quantity === state.quantity && (one.denominator || "") === (state.denominator || ""));
  const usual = USUAL.map((name) => all.find((one) => one.population === name)).find(Boolean);
  return exact || (state.population ? fitting[0] : null) || usual || all[0];
}

function renderTrajectories(state) {
  const host = document.getElementById("trajectories");
  const chosen = chooseSeries(state);
  if (!chosen) {
    host.replaceChildren(el("p", { class: "notice" }, "This run has no table of changes: it needs subjects, visits and a baseline visit."));
    return;
  }
  const measure = MEASURES.some(([key]) => key === state.measure) ? state.measure : "value";
  host.replaceChildren(seriesPicker(chosen, measure), ...seriesView(chosen, measure));
}

function seriesPicker(chosen, measure) {
  const groups = [...groupBy(series(), (one) => one.panel)].map(([panel, list]) => ({
    label: panel,
    options: [...new Map(list.map((one) => [`${panel}\u0001${one.population}`, one.label]))],
  }));
  const change = (value) => {
    const [on, population] = value.split("\u0001");
    setState({ on, population, quantity: "", denominator: "" });
  };
  const quantities = series().filter((one) => one.panel === chosen.panel && one.population === chosen.population);
  const pick = (key) => {
    const one = quantities.find((other) => other.key === key);
    setState({ on: one.panel, population: one.population, quantity: one.quantity, denominator: one.denominator || "" });
  };
  const measures = MEASURES.filter(([key]) => key !== "log_odds_change" || chosen.rows.some((row) => row.log_odds_change !== null))
    .map(([key]) => [key, measureLabel(chosen, key)]);
  return el("div", { class: "bar" },
    select("Population", groups, `${chosen.panel}\u0001${chosen.population}`, change),
    select("Quantity", quantities.map((one) => [one.key, one.unit]), chosen.key, pick),
    select("Shown as", measures, measure, (value) => setState({ measure: value })));
}

function usablePoints(rows, measure) {
  const places = new Map(visitsOf(rows).map((visit, i) => [visit.label, i]));
  const usable = (row) => (measure === "value" ? VALUE_USABLE.has(row.status) : row.status === "ok");
  return rows.filter((row) => usable(row) && Number.isFinite(row[measure]))
    .map((row) => ({ row, day: row.study_day ?? row.planned_day, value: row[measure], place: places.get(row.visit) }))
    .filter((point) => Number.isFinite(point.day))
    .sort((a, b) => a.day - b.day);
}

function visitsOf(rows) {
  const days = new Map(PAGE.study.visits.map((visit) => [visit.label, visit.planned_day]));
  for (const row of rows) if (!Number.isFinite(days.get(row.visit))) days.set(row.visit, row.planned_day);
  return [...days].filter(([, day]) => Number.isFinite(day)).map(([label, day]) => ({ label, day })).sort((a, b) => a.day - b.day);
}

function measureLabel(chosen, measure) {
  if (measure === "log_odds_change" && chosen.quantity === "ratio") return "log ratio to baseline";
  return MEASURES.find(([key]) => key === measure)[1];
}

function unitOf(chosen, measure) {
  if (measure === "value") return chosen.unit;
  if (measure === "change") return chosen.quantity === "percent" ? `change, percentage points` : `change, ${chosen.unit}`;
  if (measure === "percent_change") return "change, % of baseline";
  return chosen.quantity === "ratio" ? "log ratio to baseline" : "change in log-odds";
}

function summaryOf(chosen, measure) {
  return table("summary").rows.filter((row) => row.measure === measure && seriesKey(row) === chosen.key && row.n > 0);
}

const shown = (value, measure) => (measure === "log_odds_change" ? value.toFixed(2).replace("-", "−") : number(value));

function meanPoints(rows, visits) {
  return rows.filter((row) => Number.isFinite(row.mean) && Number.isFinite(row.planned_day)).map((row) => ({
    day: row.planned_day, value: row.mean, low: row.low, high: row.high, place: visits.findIndex((visit) => visit.label === row.visit),
    tip: [`${row.dose_group === "all" ? "All doses" : `Dose group ${row.dose_group}`}, ${row.visit}`, `mean ${shown(row.mean, row.measure)}, n = ${row.n}`,
      row.low === null ? "no interval: fewer than 2 subjects" : `95 % t interval ${shown(row.low, row.measure)} to ${shown(row.high, row.measure)}`],
  })).sort((a, b) => a.day - b.day);
}

function seriesView(chosen, measure) {
  const visits = visitsOf(chosen.rows);
  const found = usablePoints(chosen.rows, measure);
  const summary = summaryOf(chosen, measure);
  const allDays = [...visits.map((visit) => visit.day), ...found.map((point) => point.day)];
  const days = [Math.min(...allDays) - 8, Math.max(...allDays) + 8];
  const frame = { days, values: extent(found.map((point) => point.value), measure !== "value"), visits, unit: unitOf(chosen, measure) };
  const names = unique([...PAGE.groups.map((group) => String(group.name)), ...chosen.rows.map((row) => row.dose_group)])
    .filter((name) => chosen.rows.some((row) => row.dose_group === name));
  const figures = names.length > 1 && summary.length ? names.length + 1 : names.length;
  const columns = chartColumns(figures);
  frame.width = Math.min(680, columns.width);
  const grid = el("div", { class: "charts" }, names.map((name) => groupFigure(chosen, measure, name, found, summary, frame)));
  grid.style.gridTemplateColumns = `repeat(${columns.count}, ${frame.width}px)`;
  if (names.length > 1 && summary.length) grid.append(meansFigure(chosen, measure, names, summary, frame));
  const heading = el("h3", {}, `${chosen.label}, ${chosen.unit}`, el("small", {}, ` ${measureLabel(chosen, measure)}; panel ${chosen.panel}`));
  const means = summary.length ? meansTable(chosen, measure, names, summary, visits)
    : el("p", { class: "notice" }, "No means here: values beyond a limit of quantification would be missing from them. The page Laboratory values counts up and down.");
  return [heading, chartLegend(measure), grid, means, ...changesOverview(chosen)];
}

// As many charts in a row as are readable, and no row with a single straggler if two even rows will do.
function chartColumns(figures) {
  const room = document.getElementById("trajectories").clientWidth || 1100;
  let count = Math.max(1, Math.min(figures, Math.floor((room + 18) / 388)));
  if (count > 2 && figures % count === 1) count = Math.ceil(figures / Math.ceil(figures / count));
  return { count, width: Math.floor((room - 18 * (count - 1)) / count) };
}

function chartLegend(measure) {
  const line = (kind) => svg("svg", { class: "key", viewBox: "0 0 30 16", "aria-hidden": "true" }, kind);
  return el("p", { class: "legend" },
    el("span", {}, line([svg("line", { class: "thin", x1: 1, x2: 29, y1: 8, y2: 8 }), svg("circle", { cx: 15, cy: 8, r: 3 })]), "one subject"),
    el("span", {}, line(svg("line", { class: "thin", x1: 1, x2: 29, y1: 8, y2: 8, "stroke-dasharray": "3 4" })), "across a visit without usable value"),
    el("span", {}, line([svg("path", { class: "bar", d: "M15 .8v14.4M12 .8h6M12 15.2h6" }), svg("rect", { x: 11.5, y: 4.5, width: 7, height: 7 })]), "mean of the dose group, 95 % t interval (no cap where it leaves the chart)"),
    el("span", {}, el("i", { class: "absent" }, "×"), " no usable value (reason on hover)"),
    el("span", {}, line(svg("path", { class: "infusion", d: "M11.5 11.5h7l-3.5 -7z" })), "infusion"),
    measure === "value" ? null : el("span", {}, line(svg("line", { class: "baseline", x1: 1, x2: 29, y1: 8, y2: 8 })), "no change"));
}

function groupFigure(chosen, measure, name, found, summary, frame) {
  const colour = groupColour(name);
  const rows = chosen.rows.filter((row) => row.dose_group === name);
  const chart = new Chart({ title: `${chosen.label}, ${frame.unit}, dose group ${name}`, ...frame }).axes(frame.visits, frame.unit);
  if (measure !== "value") chart.baseline(0);
  const group = PAGE.groups.find((one) => String(one.name) === name);
  chart.infusions((group && group.infusion_days) || []);
  const own = groupBy(found.filter((point) => point.row.dose_group === name), (point) => point.row.subject);
  const lines = new Map([...own].sort(([a], [b]) => placeIn(subjectPlaces, a) - placeIn(subjectPlaces, b)));
  const keys = el("div", { class: "subjects" });
  for (const [subject, list] of lines) {
    const withTips = list.map((point) => ({ ...point, tip: pointTip(point, chosen, measure) }));
    const drawn = chart.line(withTips, { class: "subject", stroke: colour, fill: colour });
    const sample = (list.at(-1).row.sample_id || "").split("/")[0];
    const key = sample ? el("a", { href: linkTo({ ...readState(), tab: "samples", sample }), title: "show the last of these samples" }, subject)
      : el("span", { tabindex: 0 }, subject); // of a laboratory value there is no tube to show
    const light = (on) => { chart.root.classList.toggle("dimmed", on); drawn.classList.toggle("lit", on); key.classList.toggle("lit", on); };
    for (const part of [drawn, key]) {
      for (const [event, on] of [["mouseenter", true], ["mouseleave", false], ["focusin", true], ["focusout", false]]) {
        part.addEventListener(event, () => light(on));
      }
    }
    keys.append(key);
  }
  for (const subject of unique(rows.map((row) => row.subject))) {
    if (!lines.has(subject)) keys.append(el("span", { class: "dim" }, `${subject} (none usable)`));
  }
  chart.mean(meanPoints(summary.filter((row) => row.dose_group === name), frame.visits), colour).absent(absentOf(rows, found, frame.visits));
  return el("figure", { class: "trajectory" }, el("figcaption", {}, el("span", { class: "chip", "data-group": name }), el("b", {}, `Dose group ${name}`), keys), chart.root);
}

function pointTip({ row, value, day }, chosen, measure) {
  const lines = [`${row.subject}, ${row.visit} (day ${day})`, `${unitOf(chosen, measure)}: ${shown(value, measure)}`];
  if (measure !== "value") lines.push(`${chosen.unit}: ${number(row.value)}, baseline ${number(row.baseline)}`);
  if (row.count !== null) lines.push(`${whole(row.count)} events${row.denominator_count === null ? "" : ` of ${whole(row.denominator_count)}`}`);
  return row.status === "ok" ? lines : [...lines, row.status];
}

// A baseline has no change of its own: it is not counted as absent from a plot of changes.
function absentOf(rows, found, visits) {
  const shown = new Set(found.map((point) => point.row));
  const days = new Map(visits.map((visit) => [visit.label, visit.day]));
  const absent = rows.filter((row) => !shown.has(row) && row.status !== "ok" && days.has(row.visit));
  return [...groupBy(absent, (row) => days.get(row.visit))].map(([day, list]) => [
    day, list.map((row) => `${row.subject}: ${row.status}${row.reason ? `, ${row.reason}` : ""}`),
  ]);
}

function meansFigure(chosen, measure, names, summary, frame) {
  const means = new Map(names.map((name) => [name, meanPoints(summary.filter((row) => row.dose_group === name), frame.visits)]));
  const chart = new Chart({ title: `Means of the dose groups, ${frame.unit}`, ...frame }).axes(frame.visits, frame.unit);
  if (measure !== "value") chart.baseline(0);
  names.forEach((name, i) => chart.mean(means.get(name), groupColour(name), (i - (names.length - 1) / 2) * 6, 3));
  const key = el("div", { class: "subjects" }, names.map((name) => el("span", {}, el("span", { class: "chip", "data-group": name }), name)));
  return el("figure", { class: "trajectory" }, el("figcaption", {}, el("b", {}, "Means of the dose groups"), key), chart.root);
}

function meansTable(chosen, measure, names, summary, visits) {
  const cell = (name, visit) => {
    const row = summary.find((one) => one.dose_group === name && one.visit === visit.label);
    if (!row) return el("td", { class: "n dim" }, "none");
    const range = row.low === null ? "no interval" : `${shown(row.low, measure)} to ${shown(row.high, measure)}`;
    return el("td", { class: "n" }, shown(row.mean, measure), el("small", {}, range), el("small", {}, `n = ${row.n}`));
  };
  const line = (name) => el("tr", {}, el("th", { scope: "row" }, el("span", { class: "chip", "data-group": name }), name === "all" ? "All doses" : name),
    visits.map((visit) => cell(name, visit)));
  return el("div", { class: "scroll" }, el("table", { class: "plain means" },
    el("caption", {}, `Mean ${unitOf(chosen, measure)} over subjects (95 % t interval)`),
    el("thead", {}, el("tr", {}, el("th", {}, "Dose group"), visits.map((visit) => el("th", { scope: "col", class: "n" }, visit.label)))),
    el("tbody", {}, [...names, "all"].map(line))));
}

section("trajectories", (state) => {
  renderTrajectories(state);
  paintChips();
});
