// Keys, the commit, and the beginning.

const KEYS = [
  ["J K", "next, previous sample"], ["arrows", "go through the gallery; move a border or corner that has the focus"], ["Space", "select the chosen sample; Ctrl-click and Shift-click too"], ["Enter", "open the chosen sample"],
  ["Esc", "back to the gallery"], ["A", "approve, and on to the next"], ["Q", "query: somebody is to answer"], ["X", "reject, with a reason"],
  ["Z", "take back the last draft"], ["C R", "commit the drafts: every value that moves, and the reason"], ["+ \u2212 0", "zoom in and out; the whole plot"], ["D F", "dots or density; the FMO tube"], ["?", "these keys"],
];

function showKeys() {
  const rows = KEYS.map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", { class: "words" }, what)));
  dialog(el("h2", {}, "Keys"), el("table", { class: "numbers" }, rows), el("div", { class: "buttons" }, el("button", { class: "main", onclick: closeDialog }, "Close")));
}

async function showAgain(anew = false) {
  const open = desk.open && desk.open.sample_id;
  await refresh(anew);
  if (open) await openSample(open);
  else showGallery();
}

async function undo() {
  const samples = await ask("undo");
  await showAgain();
  say(samples.length ? `Taken back: ${samples.map((name) => nameOf(entryOf(name))).join(", ")}` : "There is no draft to take back.", true);
}

function pendingRows(draft) {
  const part = (pair) => (pair && pair[1] ? `${whole(pair[0])} (${percentOf((100 * pair[0]) / pair[1])})` : "none");
  if (draft.action !== "move-gate") return [el("tr", {}, el("td", {}, draft.sample), el("td", { class: "words changed" }, draft.action === "drop-sample" ? "dropped" : "its warning accepted"), el("td", {}), el("td", {}))];
  return Object.entries(draft.after).map(([population, pair]) => el("tr", {}, el("td", {}, draft.sample), el("td", { class: "words" }, population),
    el("td", {}, part(draft.before[population])), el("td", { class: "changed" }, part(pair))));
}

async function showPending() {
  const drafts = await ask("pending");
  if (!drafts.length) { closeDialog(); say("There is no draft to commit.", true); return; }
  // The drafts of a sample add up: the last one's numbers hold them all.
  const last = new Map(drafts.map((draft) => [`${draft.action} ${draft.sample}`, draft]));
  const text = el("textarea", { "aria-label": "reason", placeholder: "Why: it stands beside every value that moves" });
  const head = el("tr", {}, ["Sample", "Population", "before", "after"].map((name, i) => el("th", { class: i < 2 ? "words" : null }, name)));
  dialog(el("h2", {}, `Commit ${drafts.length} ${drafts.length === 1 ? "draft" : "drafts"}`),
    ...outdatedWords(drafts),
    el("div", { class: "scroll" }, el("table", { class: "numbers" }, el("thead", {}, head), el("tbody", {}, [...last.values()].flatMap(pendingRows)))),
    el("details", { open: false, ontoggle: (event) => act(() => showEffects(event.currentTarget)) }, el("summary", {}, "Every value of the run that moves"), el("div", { class: "scroll" })),
    reasonChoice(text), text,
    el("div", { class: "buttons" }, el("button", { class: "main", onclick: () => act(() => commit(text.value)) }, "Commit"),
      el("button", { onclick: closeDialog }, "Not yet")));
  text.focus();
}

const REASONS = ["the border stood in a peak", "the valley is elsewhere", "the stain is weak", "debris or doublets were let in", "cells of the population were cut off", "the FMO tube says otherwise", "clotted, or too few events"];

// A reason from the list begins the text, which may go on in one's own words.
const reasonChoice = (text) => select("Reason", [["", "in your own words"], ...REASONS.map((reason) => [reason, reason])], "",
  (reason) => { text.value = reason; text.focus(); });

const MOST_ROWS = 1000;
const cellText = (value) => (value === null ? "none" : typeof value === "number" && !Number.isInteger(value) ? number(value, 4) : String(value));

// What a run with the drafts would write, beside what it wrote: counts, percents, medians, changes from baseline, means.
async function showEffects(details) {
  const box = details.querySelector(".scroll");
  if (!details.open || box.childElementCount) return;
  box.replaceChildren(el("p", { class: "facts" }, "Running the study with the drafts, beside the run ..."));
  const rows = await ask("effects");
  const head = el("tr", {}, ["Table", "Of what", "Value", "before", "after"].map((name, i) => el("th", { class: i < 3 ? "words" : null }, name)));
  const body = rows.slice(0, MOST_ROWS).map((row) => el("tr", {}, el("td", {}, row.table), el("td", { class: "words" }, row.about), el("td", { class: "words" }, row.value.replaceAll("_", " ")),
    el("td", {}, cellText(row.before)), el("td", { class: "changed" }, cellText(row.after))));
  const more = rows.length > MOST_ROWS ? ` The first ${MOST_ROWS} are shown.` : "";
  box.replaceChildren(el("p", { class: "facts" }, `${rows.length} ${rows.length === 1 ? "value moves" : "values move"}.${more}`),
    el("table", { class: "numbers" }, el("thead", {}, head), el("tbody", {}, body)));
}

function outdatedWords(drafts) {
  const samples = [...new Set(drafts.filter((draft) => draft.outdated).map(({ sample }) => sample))];
  if (!samples.length) return [];
  const discard = async () => { await ask("discard", { samples }); await showAgain(); await showPending(); };
  return [el("p", { class: "why" }, `Changed since a gate was moved on it: ${samples.join(", ")}. Somebody else decided meanwhile: take these drafts back and look again.`),
    el("button", { onclick: () => act(discard) }, `Take back the drafts of ${samples.length === 1 ? "it" : "them"}`)];
}

async function commit(reason) {
  say("Bringing the run up to date ...", true);
  const { decisions, failed } = await ask("commit", { reason });
  closeDialog();
  await showAgain(true);
  const written = `${decisions} ${decisions === 1 ? "decision" : "decisions"} written; the run is up to date`;
  if (failed.length) say(`${written}, but these files failed: ${failed.map((pair) => pair.join(": ")).join("; ")}`);
  else say(`${written}.`, true);
}

function go(by) {
  if (desk.open) { step(by); return; }
  desk.chosen = Math.min(shown().length - 1, Math.max(0, desk.chosen + by));
  markChosen();
}

const EVERYWHERE = { j: () => go(1), k: () => go(-1), "?": showKeys, z: () => act(undo), c: () => act(showPending), r: () => act(showPending) };
const press = (words) => { const button = [...document.querySelectorAll(".views button")].find((one) => one.textContent === words); if (button) button.click(); };
const IN_SAMPLE = { Escape: () => showGallery(), a: () => act(() => judge("approved")), q: () => askNote("query"), x: () => askNote("rejected"), "+": () => zoom(0.6), "-": () => zoom(1 / 0.6), 0: () => act(() => look({ ranges: null })), d: () => press("Dots"), f: () => press("FMO") };
const IN_GALLERY = { a: () => act(() => judge("approved")), q: () => askNote("query"), x: () => askNote("rejected"), " ": () => { const entry = shown()[desk.chosen]; if (entry) pick(entry.sample_id); }, ArrowRight: () => go(1), ArrowLeft: () => go(-1), ArrowDown: () => go(rowLength()), ArrowUp: () => go(-rowLength()) };

function onKey(event) {
  if (byId("dialog").open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const keys = { ...EVERYWHERE, ...(desk.open ? IN_SAMPLE : IN_GALLERY) };
  const key = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!key) return;
  event.preventDefault();
  key();
}

document.addEventListener("keydown", onKey);
byId("help").addEventListener("click", showKeys);
byId("pending").addEventListener("click", () => act(showPending));
darkPage.addEventListener("change", () => (desk.open ? showSample() : showGallery()));

act(async () => {
  desk.overview = await ask("overview");
  const { study, reviewer, progress, panels } = desk.overview;
  if (desk.overview.blind) desk.sort = "code";
  byId("study").textContent = `${study}: ${desk.overview.blind ? "blind review" : "review"} by ${reviewer}`;
  document.title = `${study} - review desk`;
  showProgress(progress);
  await begin(panels);
  if (desk.overview.remark) say(desk.overview.remark);
});

// An address such as /#panel=treg&population=cd4&sample=... opens what it names, as the report's links do.
async function begin(panels) {
  const named = new URLSearchParams(window.location.hash.slice(1));
  const panel = panels.find(({ name }) => name === named.get("panel")) || panels[0];
  const population = panel.populations.find(({ id }) => id === named.get("population"));
  desk.population = population ? population.id : desk.population;
  await choosePanel(panel.name);
  if (named.get("sample")) await openSample(named.get("sample"));
}
