// Keys, and the beginning.

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
byId("decisions").addEventListener("click", () => act(showDecisions));
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
  window.setTimeout(() => act(() => ask("ready")), 3000); // what the first moved gate needs is read meanwhile
}
