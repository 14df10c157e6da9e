// All populations at once: the mean change in log-odds of each at each visit, so that nothing is looked for in vain.

function changesOverview(chosen) {
  const state = readState();
  const known = new Set(table("summary").rows.map((row) => row.dose_group));
  const group = known.has(state.dose) ? state.dose : "all";
  const rows = table("summary").rows.filter((row) => row.dose_group === group && row.measure === "log_odds_change");
  if (!rows.length) return [];
  const options = [["all", "all doses"], ...PAGE.groups.filter((one) => known.has(String(one.name))).map((one) => [String(one.name), `dose group ${one.name}`])];
  const head = el("div", { class: "bar subbar" }, el("h3", {}, "All populations: mean change in log-odds"),
    select("Subjects", options, group, (value) => setState({ dose: value })));
  return [head, changesTable(rows, chosen)];
}

function changesTable(rows, chosen) {
  const visits = visitsOf(rows).filter((visit) => rows.some((row) => row.visit === visit.label));
  const bySeries = groupBy(rows, seriesKey);
  const largest = Math.max(0.1, ...rows.map((row) => Math.abs(row.mean)).filter(Number.isFinite));
  const lines = series().filter((one) => bySeries.has(one.key)).map((one) => {
    const link = linkTo({ ...readState(), tab: "trajectories", on: one.panel, population: one.population, quantity: one.quantity, denominator: one.denominator || "", measure: "log_odds_change" });
    return el("tr", { class: one.key === chosen.key ? "lit" : null }, el("td", { class: "dim" }, one.panel),
      el("th", { scope: "row" }, el("a", { href: link }, one.label), el("small", {}, ` ${one.unit}`)),
      visits.map((visit) => changeCell(bySeries.get(one.key).find((row) => row.visit === visit.label), largest)));
  });
  const head = el("tr", {}, el("th", {}, "Panel"), el("th", {}, "Population"), visits.map((visit) => el("th", { scope: "col", class: "n" }, visit.label)));
  return el("div", { class: "scroll" }, el("table", { class: "plain heat" },
    el("caption", {}, "Estimates to look further into, not tests: nothing is adjusted for how many there are."),
    el("thead", {}, head), el("tbody", {}, lines)));
}

function changeCell(row, largest) {
  if (!row || row.n === 0 || row.mean === null) return el("td", { class: "n dim" }, "none");
  const strength = Math.min(1, Math.abs(row.mean) / largest);
  const range = row.low === null ? "no interval: fewer than 2 subjects" : `95 % t interval ${number(row.low)} to ${number(row.high)}`;
  const cell = el("td", { class: "n", tip: [`${row.label}, ${row.visit}`, `mean ${number(row.mean)}, n = ${row.n}`, range] },
    `${row.mean > 0 ? "+" : ""}${row.mean.toFixed(2)}`.replace("-", "\u2212"));
  cell.style.background = `color-mix(in srgb, ${row.mean > 0 ? "var(--up)" : "var(--down)"} ${Math.round(60 * strength)}%, transparent)`;
  return cell;
}
