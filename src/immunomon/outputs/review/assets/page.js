// What the page holds, and how it asks the desk: no answer is lost in silence.

const isNumber = (value) => value !== null && value !== undefined && Number.isFinite(value);
const byId = (id) => document.getElementById(id);

const desk = {
  overview: null, panel: "", population: "", sort: "need", filter: "all", entries: [], reason: "", chosen: 0, open: null, moving: null,
  selected: new Set(), turn: 0, view: { ranges: null, dots: false, over: "", control: false },
};

const CHANGING = new Set(["draft", "decide", "hear", "undo", "discard", "commit", "judge", "withdraw"]);
const PAUSES = [300, 700, 1500, 3000]; // milliseconds before each next attempt

// What changes something has an id: when the answer is lost on the way it is asked for again, and done once.
async function ask(name, asked = {}) {
  const body = JSON.stringify(CHANGING.has(name) ? { ...asked, request: requestId() } : asked);
  const response = await answered(`/api/${name}`, body);
  const text = await response.text();
  let answer;
  try { answer = JSON.parse(text); } catch { throw new Error(text.trim() || `no answer to ${name}`); }
  if (!response.ok) throw new Error(answer.error || `no answer to ${name}`);
  return answer;
}

const requestId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");

async function answered(address, body) {
  for (const pause of [...PAUSES, null]) {
    try {
      const response = await fetch(address, { method: "POST", body, credentials: "same-origin" });
      if (pause !== PAUSES[0]) say("");
      return response;
    } catch {
      if (pause === null) break;
      say("No connection to the desk; trying again ...");
      await new Promise((resolve) => { window.setTimeout(resolve, pause); });
    }
  }
  throw new Error("The desk does not answer: is immunomon review still running? What was committed and drafted is kept.");
}

let messageTimer = 0;

// again: what to offer where something failed. A dialog lies above the page: it shows what is said while it is open.
function say(text, good = false, again = null, stays = false) {
  const box = byId("message");
  window.clearTimeout(messageTimer);
  box.replaceChildren(text);
  if (again) box.append(" ", el("button", { onclick: () => { say(""); act(again, again); } }, "Try again"));
  box.className = good ? "good" : "";
  box.hidden = !text;
  (byId("dialog").open ? byId("dialog") : document.body).append(box);
  if (good && text && !stays) messageTimer = window.setTimeout(() => { box.hidden = true; }, 5000);
}

// Runs what a person asked for; what goes wrong is said where they look.
async function act(action, again = null) {
  try { await action(); } catch (error) { say(error.message, false, again); }
}

function showProgress(progress) {
  const { samples, approved, queries, rejected, drafts, locked } = progress;
  desk.locked = locked;
  const parts = [`${approved} of ${samples} approved`, `${queries} ${queries === 1 ? "query" : "queries"} open`];
  if (rejected) parts.push(`${rejected} rejected`);
  if (locked) parts.push(`run ${locked}`);
  byId("progress").textContent = parts.join(", ");
  byId("pending").textContent = `Commit ${drafts} ${drafts === 1 ? "draft" : "drafts"} (C)`;
  byId("pending").hidden = !drafts;
}

function dialog(...content) {
  const box = byId("dialog");
  document.body.append(byId("message"));
  box.replaceChildren(...content.filter(Boolean));
  if (!box.open) box.showModal();
}

const closeDialog = () => { document.body.append(byId("message")); byId("dialog").close(); };
const panelOf = (name) => desk.overview.panels.find((panel) => panel.name === name);

// Those of one kind come first, then what else needs a person.
const KINDS = [["doubt", "doubts"], ["distance", "distance from the consensus"], ["outlier", "out of line, not followed"], ["fallback", "fallbacks"], ["implausible", "implausible"], ["quality", "acquisition quality"]];
const NEEDS = [["need", "needs a person"], { label: "by one reason", options: KINDS }];
const ORDERS = [...NEEDS, ["subject", "subject, visit"], ["visit", "visit, subject"], ["batch", "batch"], ["percent", "percent"]];
const BLIND_ORDERS = [["code", "random"], ...NEEDS, ["batch", "batch"], ["percent", "percent"]];
const FILTERS = [["all", "all samples"], ["needs", "needing a person"], ["open", "not approved"], ["moved", "moved or drafted"], ["query", "queries"]];

function choices() {
  const gates = panelOf(desk.panel).populations.map(({ id, label, depth }) => [id, `${"\u2003".repeat(depth)}${label}`]);
  const reorder = (name) => (value) => { desk[name] = value; desk.chosen = 0; showGallery(); };
  byId("choices").replaceChildren(
    select("Panel", desk.overview.panels.map(({ name }) => [name, name]), desk.panel, (value) => act(() => choosePanel(value))),
    select("Gate", gates, desk.population, (value) => act(() => choose(value))),
    select("Order", desk.overview.blind ? BLIND_ORDERS : ORDERS, desk.sort, reorder("sort")),
    select("Show", FILTERS, desk.filter, reorder("filter")),
  );
}

async function choosePanel(panel) {
  desk.panel = panel;
  desk.selected.clear();
  const { populations } = panelOf(panel);
  await choose(populations.some(({ id }) => id === desk.population) ? desk.population : populations[0].id);
}

async function choose(population) {
  desk.population = population;
  desk.view.ranges = null;
  await refresh(true);
  if (desk.population !== population) return; // another was chosen meanwhile
  const sample = desk.open && desk.open.sample_id;
  if (sample && desk.entries.some((entry) => entry.sample_id === sample)) { await openSample(sample); return; }
  desk.chosen = 0;
  showGallery();
}

// Pictures are asked for once: a verdict or a draft changes the marks, only another run the pictures.
async function refresh(anew = false) {
  const progress = await ask("progress");
  const isSame = !anew && progress.made === desk.made; // another desk may have had the run made again
  desk.made = progress.made;
  const known = new Map(!isSame ? [] : desk.entries.map(({ sample_id: sampleId, plot }) => [sampleId, plot]));
  const asked = { panel: desk.panel, population: desk.population };
  const entries = await ask("gallery", { ...asked, plots: !known.size });
  desk.entries = known.size ? entries.map((entry) => ({ ...entry, plot: known.get(entry.sample_id) })) : entries;
  showProgress(progress);
}
