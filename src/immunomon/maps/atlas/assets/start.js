/// Everything is put in its place, and drawn.

function options(select, words, value) {
  select.replaceChildren(...words.map(([name, title]) => Object.assign(document.createElement("option"), {value: name, textContent: title})));
  select.value = value;
}

async function start() {
  if (typeof DecompressionStream === "undefined") { byId("painter").textContent = "This browser is too old to unpack the page: it has no DecompressionStream."; return; }
  const visits = META.words.visit || [], groups = META.words.dose_group || [];
  await load(["umap1", "umap2", "visit", "dose_group"]);
  options(byId("colour"), Object.keys(META.shown).map((name) => [name, META.titles[name] || name]), META.first);
  options(byId("before"), visits.map((visit) => [visit, visit]), visits[0]);
  options(byId("after"), visits.map((visit) => [visit, visit]), visits[visits.length >> 1]);
  options(byId("dose"), [["", "all"], ...groups.map((group) => [group, group])], "");
  options(byId("sample"), META.gates.map((sample) => [sample, sample]), META.gates[0]);
  byId("gated").hidden = !META.gates.length;
  addPlot(byId("all"), Math.min(620, document.documentElement.clientWidth - 32), "", all);
  document.querySelectorAll("[data-visit]").forEach((holder) => addPlot(holder, sideOf(230), holder.dataset.visit, all));
  document.documentElement.style.setProperty("--difference", `${sideOf(230)}px`);
  byId("found").innerHTML = byId("help").innerHTML;
  byId("colour").addEventListener("change", () => { state.colour = byId("colour").value; recolour(); });
  for (const id of ["before", "after", "dose"]) byId(id).addEventListener("change", compare);
  byId("sample").addEventListener("change", () => showGates(byId("sample").value));
  byId("clear").addEventListener("click", () => { state.marked = -1; select(null); setView({...WHOLE}); });
  byId("every").addEventListener("click", () => { state.hidden = {}; select(state.corners); });
  byId("legend").addEventListener("click", (event) => {
    const word = event.target.closest("[data-word]");
    if (word) toggle(Number(word.dataset.word), event.altKey || event.detail === 2);
  });
  const [, wanted] = /draw=(card|processor)/.exec(location.hash) || [];
  useProcessor("");
  await recolour();
  await choosePainter(wanted);
  if (visits.length) await compare();
  if (META.gates.length) await showGates(META.gates[0]);
  document.documentElement.dataset.ready = "yes";
}

// For whoever drives the page: what it shows, as numbers.
const atlasPage = {
  answer: () => ({
    painter: state.painter, why: state.why, colour: state.colour, shown: shownCells().length, marked: state.marked,
    selected: state.selected ? state.selected.length : 0, corners: state.corners, view: state.view,
    legend: META.shown[state.colour].kind === "words" ? countsIn(state.colour) : [],
  }),
  recolour: (name) => { state.colour = byId("colour").value = name; return recolour(); },
  moveBy: (dx, dy) => { const {view} = state; return setView({x0: view.x0 + dx, x1: view.x1 + dx, y0: view.y0 + dy, y1: view.y1 + dy}); },
  pictured: () => plots.length > 0 && plots[0].drawn !== null, idle: () => asked === null, settled: () => waited(plots[0]),
  mainDrawn: async () => { while (plots[0].drawn === null || plots[0].drawn.x0 !== state.view.x0) await new Promise(requestAnimationFrame); },
  setView, select, toggle, pick, choosePainter,
};
globalThis.atlasPage = atlasPage;
start();
