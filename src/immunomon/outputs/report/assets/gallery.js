// One gate over all samples, side by side: those in doubt first, then by subject and visit.

const GALLERY_PAGE = 24;

const gatedSamples = () => sampleRows().filter((row) => row.status === "gated");

function galleryChoices(rows) {
  const panels = unique(rows.map((row) => row.panel));
  return new Map(panels.map((panel) => {
    const own = new Set(rows.filter((row) => row.panel === panel).map((row) => row.sample_id));
    const labels = new Map(table("populations").rows.filter((row) => own.has(row.sample_id)).map((row) => [row.population, row.label || row.population]));
    return [panel, labels];
  }).filter(([, labels]) => labels.size));
}

// A doubt is about one gate or, with the population "root", about the whole file.
const doubtsOf = (sampleId, population) => (PAGE.doubts[sampleId] || []).filter(([, about]) => about === population || about === "root").map(([code]) => code);

function renderGallery(state) {
  const host = document.getElementById("gallery");
  const all = gatedSamples();
  const choices = galleryChoices(all);
  if (!choices.size) {
    host.replaceChildren(el("p", { class: "notice" }, "No sample of this run was gated."));
    return;
  }
  const panel = choices.has(state.on) ? state.on : [...choices.keys()][0];
  const labels = choices.get(panel);
  const population = [state.population, ...USUAL].find((name) => labels.has(name)) || [...labels.keys()].at(-1);
  const only = state.only || "";
  const rows = all.filter((row) => row.panel === panel)
    .map((row) => ({ row, doubts: doubtsOf(row.sample_id, population) }))
    .filter(({ row, doubts }) => !only || (only === "doubt" ? doubts.length : row.role === "sample"))
    .sort((a, b) => b.doubts.length - a.doubts.length); // stable: within these by plan
  const pages = Math.max(1, Math.ceil(rows.length / GALLERY_PAGE));
  const page = Math.min(Math.max(1, Number(state.gpage) || 1), pages);
  const go = (to, text, label) => el("button", { type: "button", "aria-label": label, disabled: to < 1 || to > pages, onclick: () => setState({ gpage: to }) }, text);
  const bar = el("div", { class: "bar" },
    select("Panel", [...choices.keys()].map((name) => [name, name]), panel, (on) => setState({ on, population: "", gpage: "" })),
    select("Gate", [...labels], population, (value) => setState({ on: panel, population: value, gpage: "" })),
    select("Samples", [["", "all"], ["sample", "patients"], ["doubt", "with a doubt"]], only, (value) => setState({ only: value, gpage: "" })),
    el("div", { class: "stepper" }, go(page - 1, "‹", "Previous page"), el("span", {}, `page ${page} of ${pages}`), go(page + 1, "›", "Next page")),
    el("span", { class: "count" }, `${rows.length} samples; those in doubt first`));
  const shown = rows.slice((page - 1) * GALLERY_PAGE, page * GALLERY_PAGE);
  host.replaceChildren(bar, el("div", { class: "plots" }, shown.map(({ row, doubts }) => galleryCard(row, population, doubts))));
}

function galleryCard(row, population, doubts) {
  const plot = storedOf(row.sample_id).plots.find((one) => (one.gates || []).some((gate) => gate.population === population));
  const link = el("a", { href: linkTo({ tab: "samples", sample: row.sample_id }) }, sampleTitle(row));
  const why = doubts.length ? el("small", { class: "why" }, ` ${doubts.join(", ").replaceAll("_", " ")}`) : null;
  if (plot) {
    const { rows } = populationsOf(row.sample_id);
    const hidden = new Set(rows.filter((one) => one.reportable === false).map((one) => one.population));
    plot.gates = plot.gates.filter((gate) => gate.population === population).map((gate) => ({ ...gate, hidden: hidden.has(gate.population) }));
  }
  const drawn = !plot ? el("p", { class: "notice" }, "No plot of this gate was stored.") : plot.problem ? el("p", { class: "notice" }, plot.problem) : gatingPlot(plot, () => {});
  return el("figure", {}, el("figcaption", {}, link, why), drawn);
}

section("gates", renderGallery);
