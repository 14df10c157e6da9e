// What the page holds, and how it asks the desk: no answer is lost in silence.

const darkPage = window.matchMedia("(prefers-color-scheme: dark)");
const shade = () => (darkPage.matches ? "dark" : "light");
const byId = (id) => document.getElementById(id);

const desk = {
  overview: null, panel: "", population: "", sort: "need", filter: "all", entries: [], chosen: 0, open: null, moving: null,
};

async function ask(name, asked = {}) {
  let response;
  try {
    response = await fetch(`/api/${name}`, { method: "POST", body: JSON.stringify(asked), credentials: "same-origin" });
  } catch {
    throw new Error("The desk does not answer: is immunomon review still running? What was committed and drafted is kept.");
  }
  const text = await response.text();
  let answer;
  try { answer = JSON.parse(text); } catch { throw new Error(text.trim() || `no answer to ${name}`); }
  if (!response.ok) throw new Error(answer.error || `no answer to ${name}`);
  return answer;
}

let messageTimer = 0;

function say(text, good = false) {
  const box = byId("message");
  window.clearTimeout(messageTimer);
  box.textContent = text;
  box.className = good ? "good" : "";
  box.hidden = !text;
  if (good && text) messageTimer = window.setTimeout(() => { box.hidden = true; }, 5000);
}

// Runs what a person asked for; what goes wrong is said where they look.
async function act(action) {
  try { await action(); } catch (error) { say(error.message); }
}

function showProgress(progress) {
  const { samples, approved, queries, rejected, drafts } = progress;
  const parts = [`${approved} of ${samples} approved`, `${queries} ${queries === 1 ? "query" : "queries"} open`];
  if (rejected) parts.push(`${rejected} rejected`);
  byId("progress").textContent = parts.join(", ");
  byId("pending").textContent = `Commit ${drafts} moved ${drafts === 1 ? "gate" : "gates"} (C)`;
  byId("pending").hidden = !drafts;
}

function dialog(...content) {
  const box = byId("dialog");
  box.replaceChildren(...content.filter(Boolean));
  if (!box.open) box.showModal();
}

const closeDialog = () => byId("dialog").close();
const panelOf = (name) => desk.overview.panels.find((panel) => panel.name === name);

const ORDERS = [["need", "needs a person"], ["subject", "subject, visit"], ["visit", "visit, subject"], ["batch", "batch"], ["percent", "percent"]];
const FILTERS = [["all", "all samples"], ["needs", "needing a person"], ["open", "not approved"], ["moved", "moved or drafted"], ["query", "queries"]];

function choices() {
  const gates = panelOf(desk.panel).populations.map(({ id, label, depth }) => [id, `${"\u2003".repeat(depth)}${label}`]);
  const reorder = (name) => (value) => { desk[name] = value; desk.chosen = 0; showGallery(); };
  byId("choices").replaceChildren(
    select("Panel", desk.overview.panels.map(({ name }) => [name, name]), desk.panel, (value) => act(() => choosePanel(value))),
    select("Gate", gates, desk.population, (value) => act(() => choose(value))),
    select("Order", ORDERS, desk.sort, reorder("sort")),
    select("Show", FILTERS, desk.filter, reorder("filter")),
  );
}

async function choosePanel(panel) {
  desk.panel = panel;
  const { populations } = panelOf(panel);
  await choose(populations.some(({ id }) => id === desk.population) ? desk.population : populations[0].id);
}

async function choose(population) {
  const sample = desk.open && desk.open.sample_id;
  desk.population = population;
  await refresh();
  if (sample && desk.entries.some((entry) => entry.sample_id === sample)) { await openSample(sample); return; }
  desk.chosen = 0;
  showGallery();
}

async function refresh() {
  desk.entries = await ask("gallery", { panel: desk.panel, population: desk.population });
  showProgress(await ask("progress"));
}
