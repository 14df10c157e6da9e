// Keys, the commit, and the beginning.

const KEYS = [
  ["J K", "next, previous sample"], ["arrows", "go through the gallery; move a border or corner that has the focus"], ["Enter", "open the chosen sample"],
  ["Esc", "back to the gallery"], ["A", "approve, and on to the next"], ["Q", "query: somebody is to answer"], ["X", "reject, with a reason"],
  ["Z", "take back the gate that was moved last"], ["C", "commit the moved gates, with a reason"], ["?", "these keys"],
];

function showKeys() {
  const rows = KEYS.map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", { class: "words" }, what)));
  dialog(el("h2", {}, "Keys"), el("table", { class: "numbers" }, rows), el("div", { class: "buttons" }, el("button", { class: "main", onclick: closeDialog }, "Close")));
}

async function showAgain() {
  const open = desk.open && desk.open.sample_id;
  await refresh();
  if (open) await openSample(open);
  else showGallery();
}

async function undo() {
  const samples = await ask("undo");
  await showAgain();
  say(samples.length ? `Taken back: ${samples.join(", ")}` : "There is no moved gate to take back.", true);
}

function pendingRows(draft) {
  const part = (pair) => (pair && pair[1] ? `${whole(pair[0])} (${percentOf((100 * pair[0]) / pair[1])})` : "none");
  return Object.entries(draft.after).map(([population, pair]) => el("tr", {}, el("td", {}, draft.sample), el("td", { class: "words" }, population),
    el("td", {}, part(draft.before[population])), el("td", { class: "changed" }, part(pair))));
}

async function showPending() {
  const drafts = await ask("pending");
  if (!drafts.length) { say("There is no moved gate to commit.", true); return; }
  const outdated = drafts.filter((draft) => draft.outdated).map(({ sample }) => sample);
  // The drafts of a sample add up: the last one's numbers hold them all.
  const last = new Map(drafts.map((draft) => [draft.sample, draft]));
  const text = el("textarea", { "aria-label": "reason", placeholder: "Why: it stands beside every value that moves" });
  const head = el("tr", {}, ["Sample", "Population", "before", "after"].map((name) => el("th", {}, name)));
  dialog(el("h2", {}, `Commit ${drafts.length} moved ${drafts.length === 1 ? "gate" : "gates"}`),
    outdated.length ? el("p", { class: "why" }, `Changed since: ${outdated.join(", ")}. Take those back first (Z).`) : null,
    el("div", { class: "scroll" }, el("table", { class: "numbers" }, el("thead", {}, head), el("tbody", {}, [...last.values()].flatMap(pendingRows)))),
    text,
    el("div", { class: "buttons" }, el("button", { class: "main", onclick: () => act(() => commit(text.value)) }, "Commit"),
      el("button", { onclick: closeDialog }, "Not yet")));
  text.focus();
}

async function commit(reason) {
  closeDialog();
  say("Bringing the run up to date ...", true);
  const { decisions } = await ask("commit", { reason });
  await showAgain();
  say(`${decisions} ${decisions === 1 ? "decision" : "decisions"} written; the run is up to date.`, true);
}

function go(by) {
  if (desk.open) { step(by); return; }
  desk.chosen = Math.min(shown().length - 1, Math.max(0, desk.chosen + by));
  markChosen();
}

const EVERYWHERE = { j: () => go(1), k: () => go(-1), "?": showKeys, z: () => act(undo), c: () => act(showPending) };
const IN_SAMPLE = { Escape: () => showGallery(), a: () => act(() => judge("approved")), q: () => askNote("query"), x: () => askNote("rejected") };
const IN_GALLERY = { ArrowRight: () => go(1), ArrowLeft: () => go(-1), ArrowDown: () => go(rowLength()), ArrowUp: () => go(-rowLength()) };

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
  byId("study").textContent = `${study}: review by ${reviewer}`;
  document.title = `${study} - review desk`;
  showProgress(progress);
  await choosePanel(panels[0].name);
});
