// The commit of drafts, what it moves, and decisions that are taken back.

const sampleWords = (name) => nameOf(entryOf(name));
const populationWords = (name) => (desk.overview.panels.flatMap(({ populations }) => populations).find(({ id }) => id === name) || { label: name }).label;
const countWords = (pair) => (pair && pair[1] ? `${whole(pair[0])} (${percentOf((100 * pair[0]) / pair[1])})` : "none");

// Every count of a sample that a move changes, before and after.
function movedRows({ sample, before, after }) {
  const changed = Object.entries(after);
  const cells = (name, words, was, now) => el("tr", {}, el("td", {}, name), el("td", { class: "words" }, words), el("td", {}, was), el("td", { class: "changed" }, now));
  if (!changed.length) return [cells(sampleWords(sample), "the gate moves, no count changes", "", "")];
  return changed.map(([population, pair], i) => cells(i ? "" : sampleWords(sample), populationWords(population), countWords(before[population]), countWords(pair)));
}

const movedHead = () => el("thead", {}, el("tr", {}, ["Sample", "Population", "before", "after"].map((name, i) => el("th", { class: i < 2 ? "words" : null }, name))));

function pendingRows(draft) {
  if (draft.action === "move-gate") return movedRows(draft);
  return [el("tr", {}, el("td", {}, sampleWords(draft.sample)), el("td", { class: "words changed" }, draft.action === "drop-sample" ? "dropped" : "its warning accepted"), el("td", {}), el("td", {}))];
}

async function showPending() {
  const drafts = await ask("pending");
  if (!drafts.length) { closeDialog(); say("There is no draft to commit.", true); return; }
  // The drafts of a sample add up: the last one's numbers hold them all.
  const last = new Map(drafts.map((draft) => [`${draft.action} ${draft.sample}`, draft]));
  const text = el("textarea", { "aria-label": "reason", placeholder: "Why: it stands beside every value that moves" }, desk.reason);
  dialog(el("h2", {}, `Commit ${drafts.length} ${drafts.length === 1 ? "draft" : "drafts"}`),
    ...outdatedWords(drafts),
    el("div", { class: "scroll" }, el("table", { class: "numbers" }, movedHead(), el("tbody", {}, [...last.values()].flatMap(pendingRows)))),
    ...heardWords(drafts), ...lockedWords(),
    el("details", { open: false, ontoggle: (event) => act(() => showEffects(event.currentTarget)) }, el("summary", {}, "Every value of the run that moves"), el("div", { class: "scroll" })),
    reasonChoice(text), text,
    el("div", { class: "buttons" }, el("button", { class: "main", onclick: () => act(() => commit(text.value)) }, "Commit"),
      el("button", { onclick: closeDialog }, "Not yet")));
  text.focus();
}

// What the others make of a border that they hear is known only when all of them are settled anew.
const heardWords = (drafts) => (drafts.some((draft) => draft.in_consensus)
  ? [el("p", { class: "facts" }, "A moved border is heard by the other samples: their gates move with it, and counts here may yet differ. The list below has them as the run will have them.")] : []);

const lockedWords = () => (desk.locked ? [el("p", { class: "why" }, `The run was ${desk.locked}. This changes it all the same: the trail lists every value that moves, and it is locked anew.`)] : []);

const REASONS = ["the border stood in a peak", "the valley is elsewhere", "the stain is weak", "debris or doublets were let in", "cells of the population were cut off", "the FMO tube says otherwise", "clotted, or too few events"];

// A reason from the list begins the text, which may go on in one's own words.
const reasonChoice = (text) => select("Reason", [["", "in your own words"], ...REASONS.map((reason) => [reason, reason])], "",
  (reason) => { text.value = reason; text.focus(); });

function outdatedWords(drafts) {
  const samples = [...new Set(drafts.filter((draft) => draft.outdated).map(({ sample }) => sample))];
  if (!samples.length) return [];
  const discard = async () => { await ask("discard", { samples }); await showAgain(); await showPending(); };
  return [el("p", { class: "why" }, `Changed since a gate was moved on it: ${samples.map(sampleWords).join(", ")}. Somebody else decided meanwhile: take these drafts back and look again.`),
    el("button", { onclick: () => act(discard) }, `Take back the drafts of ${samples.length === 1 ? "it" : "them"}`)];
}

// The page stays usable meanwhile: what is looked at is the run as it was, what is decided waits.
async function commit(reason) {
  desk.reason = reason; // it is there again if nothing was written
  if (!reason.trim()) throw new Error("A decision needs a reason.");
  closeDialog();
  say("Bringing the run up to date; you may look on meanwhile ...", true, null, true);
  const { decisions, failed } = await ask("commit", { reason });
  desk.reason = "";
  await showAgain(true);
  const written = `${decisions} ${decisions === 1 ? "decision" : "decisions"} written; the run is up to date`;
  if (failed.length) say(`${written}, but these files failed: ${failed.map((pair) => pair.join(": ")).join("; ")}`);
  else say(`${written}.`, true);
}

const MOST_ROWS = 1000;
const cellText = (value) => (value === null ? "none" : typeof value === "number" && !Number.isInteger(value) ? number(value, 4) : String(value));

// What a run with the drafts, or without a decision, would write, beside what it wrote: counts, percents, medians, changes from baseline, means.
async function showEffects(details, asked = {}) {
  const box = details.querySelector(".scroll");
  if (!details.open || box.childElementCount) return;
  box.replaceChildren(el("p", { class: "facts" }, "Running the study beside the run ..."));
  const rows = await ask("effects", asked);
  const head = el("tr", {}, ["Table", "Of what", "Value", "before", "after"].map((name, i) => el("th", { class: i < 3 ? "words" : null }, name)));
  const body = rows.slice(0, MOST_ROWS).map((row) => el("tr", {}, el("td", {}, row.table), el("td", { class: "words" }, row.about), el("td", { class: "words" }, row.value.replaceAll("_", " ")),
    el("td", {}, cellText(row.before)), el("td", { class: "changed" }, cellText(row.after))));
  const more = rows.length > MOST_ROWS ? ` The first ${MOST_ROWS} are shown.` : "";
  box.replaceChildren(el("p", { class: "facts" }, `${rows.length} ${rows.length === 1 ? "value moves" : "values move"}.${more}`),
    el("table", { class: "numbers" }, el("thead", {}, head), el("tbody", {}, body)));
}

const ACTIONS = { "move-gate": "gate moved", "drop-sample": "dropped", "accept-warning": "warning accepted" };

// What was decided, by whom and why; each can be taken back, which is a decision, too.
async function showDecisions() {
  const decisions = await ask("decisions");
  const rows = decisions.map((decision) => el("tr", {}, el("td", {}, sampleWords(decision.target.sample)),
    el("td", { class: "words" }, [ACTIONS[decision.target.action], populationWords(decision.target.population), decision.target.check].filter(Boolean).join(" ")), el("td", { class: "words" }, decision.reason),
    el("td", {}, el("button", { onclick: () => askWithdrawal(decision) }, "Take back"))));
  const head = el("tr", {}, ["Sample", "What", "By whom and why", ""].map((name) => el("th", { class: "words" }, name)));
  dialog(el("h2", {}, "Decisions that stand"),
    rows.length ? el("div", { class: "scroll" }, el("table", { class: "numbers" }, el("thead", {}, head), el("tbody", {}, rows))) : el("p", { class: "facts" }, "Nobody decided on a sample of this run yet."),
    el("div", { class: "buttons" }, el("button", { onclick: closeDialog }, "Close")));
}

function askWithdrawal({ target, seen, reason }) {
  const text = el("textarea", { "aria-label": "reason", placeholder: "Why it is taken back" });
  const send = () => act(async () => {
    say("Bringing the run up to date ...", true);
    const { failed } = await ask("withdraw", { target, seen, reason: text.value });
    closeDialog();
    await showAgain(true);
    if (failed.length) say(`Taken back, but these files failed: ${failed.map((pair) => pair.join(": ")).join("; ")}`);
    else say("Taken back; the run is up to date. The trail keeps both.", true);
  });
  dialog(el("h2", {}, `Take back: ${[sampleWords(target.sample), ACTIONS[target.action], populationWords(target.population)].filter(Boolean).join(", ")}`), el("p", { class: "facts" }, reason),
    el("details", { open: false, ontoggle: (event) => act(() => showEffects(event.currentTarget, { withdrawn: target })) }, el("summary", {}, "Every value of the run that moves"), el("div", { class: "scroll" })),
    ...lockedWords(), text, el("div", { class: "buttons" }, el("button", { class: "main", onclick: send }, "Take it back"), el("button", { onclick: closeDialog }, "Leave it")));
  text.focus();
}
