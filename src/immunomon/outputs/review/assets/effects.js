// What a moved gate changes: its counts and those below it, what may be reported, and changes from baseline.

// The same borders, in intensities, in other samples: each is gated anew and is a draft of its own.
function spreadButtons() {
  const { open, moving } = desk;
  if (!moving || !moving.gate || !open.drafts.some(({ population }) => population === desk.population)) return [];
  const entry = entryOf(open.sample_id);
  const others = desk.entries.filter((other) => other.sample_id !== open.sample_id);
  const groups = [
    ["the subject's other visits", others.filter(({ subject }) => subject && subject === entry.subject)],
    ["the batch", others.filter(({ batch }) => batch && batch === entry.batch)],
    ["the selection", others.filter(({ sample_id: sampleId }) => desk.selected.has(sampleId))],
  ];
  return groups.filter(([, list]) => list.length).map(([words, list]) => el("button", { onclick: () => act(() => spread(words, list)) }, `Same gate in ${words} (${list.length})`));
}

// Each of them is gated anew, and what that changes is shown before the drafts are kept.
async function spread(words, list) {
  const { open, population } = desk;
  const { gate } = desk.moving;
  say(`Gating ${list.length} more ...`, true);
  const changed = await ask("draft", { sample: open.sample_id, population, gate, others: list.map(({ sample_id: sampleId }) => sampleId) });
  await refresh();
  await openSample(open.sample_id);
  const rows = changed.filter(({ sample }) => sample !== open.sample_id).flatMap(movedRows);
  dialog(el("h2", {}, `The same gate in ${words}: what it changes`),
    el("div", { class: "scroll" }, el("table", { class: "numbers" }, movedHead(), el("tbody", {}, rows))),
    el("div", { class: "buttons" }, el("button", { class: "main", onclick: closeDialog }, "Keep the drafts"), el("button", { onclick: () => { closeDialog(); act(undo); } }, "Take them back (Z)")));
  say("");
}

const REST = 150; // milliseconds that the mouse rests, until what follows from the counts is asked for
let restTimer = 0;

// What may be reported and how changes from baseline move: asked for while a dragged gate rests, and of drafts.
function foreseeSoon(moving) {
  const { open, population } = desk;
  window.clearTimeout(restTimer);
  restTimer = window.setTimeout(() => act(async () => {
    const { gate } = moving;
    const asked = structuredClone(gate);
    const foreseen = await ask("foresee", { sample: open.sample_id, population, gate });
    if (desk.moving !== moving || JSON.stringify(asked) !== JSON.stringify(moving.gate)) return;
    moving.foreseen = foreseen;
    showMoved();
  }), REST);
}

async function foreseeDrafts() {
  const { open } = desk;
  if (!open.drafts.some(({ gate }) => gate)) return;
  const foreseen = await ask("foresee", { sample: open.sample_id });
  if (desk.open !== open) return;
  open.foreseen = foreseen;
  showMoved();
}

function showMoved() {
  const { open, moving } = desk;
  const moves = open.drafts.filter(({ gate }) => gate);
  const drafted = moves.length ? moves[moves.length - 1].after : {}; // the last one's numbers hold all
  const isDragged = moving && moving.counts;
  const counts = isDragged ? moving.counts : drafted;
  relabel(counts);
  const foreseen = (isDragged ? moving.foreseen : open.foreseen) || null;
  const known = Object.values(open.gates).filter(({ population }) => isNumber(open.counts[population]));
  const moved = known.filter(({ population }) => counts[population]); // they are in sight while the mouse holds the gate
  const rows = [...moved, ...known.filter((gate) => !moved.includes(gate))].map((gate) => movedRow(gate, counts[gate.population], foreseen));
  const head = ["Population", "Events", "% of parent", "moved: events", "% of parent", "may be reported", "change from baseline"].slice(0, foreseen ? 7 : 5);
  byId("moved").replaceChildren(el("div", { class: "buttons" }, spreadButtons()), ...hearChoice(),
    el("table", { class: "numbers" }, el("thead", {}, el("tr", {}, head.map((name) => el("th", {}, name)))), el("tbody", {}, rows)), ...elsewhere(foreseen));
}

// The labels on the plot go with the numbers, and a screen reader hears the one of the gate that is moved.
function relabel(counts) {
  const { moving, population } = desk;
  if (!moving || !moving.root) return;
  moving.root.querySelectorAll("text.gatelabel").forEach((text) => {
    const [count, of] = counts[text.dataset.population] || [];
    if (!of) return;
    text.lastChild.textContent = percentOf((100 * count) / of);
    text.classList.add("relabelled");
  });
  const own = moving.counts && counts[population];
  if (own) byId("spoken").textContent = `${labelOf(population)}: ${own[0]} of ${own[1]} events${own[1] ? `, ${percentOf((100 * own[0]) / own[1])}` : ""}`;
}

function movedRow(gate, now, foreseen) {
  const { open } = desk;
  const size = (name) => (name === "root" ? open.events : open.counts[name]);
  const part = ([count, of]) => (of ? percentOf((100 * count) / of) : "none");
  const was = [open.counts[gate.population], size(gate.parent)];
  const same = !now || (now[0] === was[0] && now[1] === was[1]);
  return el("tr", { "data-population": gate.population }, el("td", {}, gate.label), el("td", {}, whole(was[0])), el("td", {}, part(was)),
    el("td", { class: "changed" }, same ? "" : whole(now[0])), el("td", { class: "changed" }, same ? "" : part(now)),
    ...(foreseen ? [reportableCell(foreseen.reportable[gate.population]), changeCell(gate, foreseen)] : []));
}

function reportableCell(verdict) {
  if (!verdict) return el("td", {});
  const { before, after } = verdict;
  const reasons = [...(after ? [after] : []), ...(before && before !== after ? [`before: ${before}`] : [])];
  const words = !before === !after ? (after ? "no" : "yes") : after ? `no longer: ${after}` : "becomes reportable";
  return el("td", { class: !before === !after ? null : "changed", tip: reasons.length ? reasons : null }, words);
}

const signed = (value) => (value === null ? "none" : `${value > 0 ? "+" : ""}${number(value)}`);
const changeWords = (row) => `${signed(row.change_before)} \u2192 ${signed(row.change)}`;

function changeCell(gate, { changes }) {
  const own = changes.find((row) => row.is_own && row.population === gate.population && row.quantity === "percent" && row.denominator === gate.parent);
  const moves = own && own.change !== own.change_before;
  return el("td", { class: moves ? "changed" : null }, moves ? changeWords(own) : "");
}

const QUANTITIES = { percent: "% of", cells_per_ul: "cells/\u00b5L", ratio: "ratio to" };

// What is not of this visit's percentages of the parent: other denominators, absolute counts, ratios, later visits.
function elsewhere(foreseen) {
  if (!foreseen) return [];
  const parents = new Map(Object.values(desk.open.gates).map(({ population, parent }) => [population, parent]));
  const rows = foreseen.changes.filter((row) => row.change !== row.change_before && !(row.is_own && row.quantity === "percent" && parents.get(row.population) === row.denominator));
  const list = rows.map((row) => el("li", {}, `${row.label}, ${QUANTITIES[row.quantity]} ${row.denominator || ""}`.trim(), `, ${row.visit}: `, el("b", { class: "changed" }, changeWords(row))));
  const words = foreseen.unchecked.length ? [el("p", { class: "facts" }, "Whether other visits and tubes contradict the new values is checked when all drafts are run (C).")] : [];
  return [...(list.length ? [el("details", { open: list.length < 5 }, el("summary", {}, `Other changes from baseline that move (${list.length})`), el("ul", {}, list))] : []), ...words];
}

// A moved border is of its sample alone, unless the person wants the other samples that share the gate to hear of it.
function hearChoice() {
  const { open } = desk;
  const draft = open.drafts.find(({ population, gate }) => gate && population === desk.population);
  const isShared = desk.entries.some(({ source }) => String(source || "").startsWith("consensus"));
  if (!draft || !isShared) return [];
  const hear = (wanted) => act(async () => {
    await ask("hear", { sample: open.sample_id, population: desk.population, wanted });
    await openSample(open.sample_id);
    say(wanted ? "The moved border has a say in where the other samples' lie." : "The moved border is of this sample alone.", true);
  });
  const box = el("input", { type: "checkbox", checked: draft.in_consensus, onchange: (event) => hear(event.target.checked) });
  return [el("label", { class: "hear" }, box, " The other samples hear of it: the moved border takes the place of this sample's own estimate in their consensus")];
}
