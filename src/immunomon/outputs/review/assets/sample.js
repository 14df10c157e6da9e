// One sample: the gate under review large, its tree of plots, the same gate at the subject's other visits and in the batch.

async function openSample(sampleId) {
  const turn = (desk.turn += 1);
  const sample = await ask("sample", { sample: sampleId });
  if (turn !== desk.turn) return; // they went on meanwhile: what comes late must not take the page back
  if (!desk.open || desk.open.sample_id !== sampleId) desk.view.ranges = null;
  desk.open = sample;
  desk.moving = null;
  PAGE.ticks = sample.ticks;
  const at = shown().findIndex((entry) => entry.sample_id === sampleId);
  if (at >= 0) desk.chosen = at;
  showSample();
}

const entryOf = (sampleId) => desk.entries.find((entry) => entry.sample_id === sampleId)
  || { sample_id: sampleId, reasons: [], review: null };
const labelOf = (population) => panelOf(desk.panel).populations.find(({ id }) => id === population).label;

function showSample() {
  choices();
  hideTip();
  const { open } = desk;
  const entry = entryOf(open.sample_id);
  const plot = plotUnderReview();
  const drawn = plot && !plot.problem;
  const big = el("div", { class: "big" });
  const left = el("section", { class: "panel", "aria-label": "the gate under review" },
    el("h2", {}, `${nameOf(entry)}: ${labelOf(desk.population)}`),
    drawn ? [viewBar(), big, el("p", { id: "seen", class: "facts" })]
      : el("p", { class: "quiet" }, plot ? plot.problem : unplacedWords(open.gates[desk.population])),
    el("div", { class: "buttons" }, verdictButtons(entry)),
    el("p", { id: "spoken", class: "unseen", role: "status" }));
  const right = el("div", { class: "about" }, el("section", { class: "panel", "aria-label": "why, and the numbers" }, reasonsOf(entry), placedWords(), el("div", { id: "moved" })),
    el("div", {}, stepsOf(), besideOf(entry)));
  byId("main").replaceChildren(el("div", { class: "sample" }, left, right));
  if (drawn) {
    drawBig(big, plot, {});
    if (!isWhole()) act(() => look({}));
    askGhosts(entry);
  }
  showMoved();
  act(foreseeDrafts);
  byId("main").focus();
  window.scrollTo(0, 0);
}

function step(by) {
  const list = shown();
  if (list.length) act(() => openSample(list[(desk.chosen + by + list.length) % list.length].sample_id));
}

function verdictButtons(entry) {
  return [
    el("button", { onclick: () => showGallery() }, "Gallery (Esc)"),
    el("button", { onclick: () => step(-1) }, "Previous (K)"),
    el("button", { onclick: () => step(1) }, "Next (J)"),
    el("button", { class: "good", onclick: () => act(() => judge("approved")) }, "Approve (A)"),
    el("button", { class: "warn", onclick: () => askNote("query") }, "Query (Q)"),
    el("button", { class: "bad", onclick: () => askNote("rejected") }, "Reject (X)"),
    ...decisionButtons(),
    entry.review ? el("button", { onclick: () => act(() => judge("withdrawn")) }, "Withdraw the verdict") : null,
  ];
}

// What goes beyond a verdict: the sample out of the tables, or a failed acquisition accepted; drafts until the commit.
function decisionButtons() {
  const { open } = desk;
  const made = (action) => open.drafts.some((draft) => draft.action === action);
  const button = (action, words) => el("button", { class: "bad", disabled: made(action), onclick: () => act(() => decide(action)) }, made(action) ? `${words}: a draft` : words);
  return [button("drop-sample", "Drop the sample"), open.quality === "fail" ? button("accept-warning", "Accept the warning") : null];
}

async function decide(action) {
  const samples = targets();
  await ask("decide", { samples, action });
  await showAgain();
  const words = action === "drop-sample" ? "dropped" : "accepted";
  say(`${samples.length === 1 ? "It is" : `${samples.length} are`} ${words} with the next commit: Z takes it back, C commits.`, true);
}

function reasonsOf(entry) {
  const parts = [el("h2", {}, "Why look at it")];
  parts.push(entry.reasons.length ? el("ul", { class: "why" }, entry.reasons.map((reason) => el("li", {}, reason)))
    : el("p", { class: "facts" }, "Nothing speaks against this gate."));
  const { review } = entry;
  if (review) {
    const changed = review.verdict === "approved" && !review.holds ? "; the sample has changed since then" : "";
    const when = review.utc.slice(0, 16).replace("T", " ");
    parts.push(el("p", { class: "facts" }, `${review.verdict} by ${review.by}, ${when} UTC${review.note ? `: ${review.note}` : ""}${changed}`));
  }
  return parts;
}

function unplacedWords(gate) {
  if (!gate) return "There is no gate of this name in the sample.";
  return gate.failure || "This gate has no borders on a plot: it combines other populations.";
}

function placedWords() {
  const gate = desk.open.gates[desk.population];
  if (!gate) return [];
  const words = [`Placed by ${gate.placed_by}${gate.source ? ` (${gate.source})` : ""}, method ${gate.method}.`, ...(gate.note ? [gate.note] : [])];
  if (gate.placed_by === "person" && !String(gate.note).includes("heard among the other samples")) words.push("The other samples do not hear of it.");
  return words.map((text) => el("p", { class: "facts" }, text));
}

function stepsOf() {
  const steps = desk.open.plots.filter((plot) => !plot.problem).map((plot) => {
    const canvas = el("canvas", { width: THUMB, height: THUMB });
    drawThumbnail(canvas, plot);
    const name = plot.gates.map(({ label }) => label).join(", ");
    const chosen = plot.populations.includes(desk.population) ? " chosen" : "";
    return el("button", { class: `card${chosen}`, onclick: () => act(() => choose(plot.populations[0])), tip: [name, `of ${plot.parent_label}`] },
      canvas, el("span", { class: "wide" }, name.length > 34 ? `${name.slice(0, 32)} ...` : name));
  });
  return el("section", {}, el("h3", {}, "All gates of this sample"), el("div", { class: "steps" }, steps));
}

const BESIDE = 12;
const more = (list) => (list.length > BESIDE ? [el("p", { class: "facts" }, `The first ${BESIDE} of ${list.length}; all are in the gallery (Esc).`)] : []);

function besideOf(entry) {
  const others = desk.entries.filter((other) => other.sample_id !== entry.sample_id);
  const row = (title, list) => (list.length ? [el("h3", {}, title), el("div", { class: "beside" }, list.slice(0, BESIDE).map(card)), ...more(list)] : []);
  return el("section", {},
    row(`${labelOf(desk.population)} at the subject's other visits`, others.filter(({ subject }) => subject && subject === entry.subject)),
    row("In others of the batch", others.filter(({ batch, subject }) => batch && batch === entry.batch && !(subject && subject === entry.subject))));
}

async function judge(verdict, note = "") {
  const samples = targets();
  if (!samples.length) return;
  const seen = Object.fromEntries(samples.map((name) => [name, desk.open ? desk.open.seen : entryOf(name).seen]));
  const list = shown();
  const next = list[list.findIndex((entry) => entry.sample_id === samples[0]) + 1];
  await ask("judge", { seen, verdict, note });
  await refresh();
  if (desk.open) await openSample(verdict === "approved" && next ? next.sample_id : samples[0]);
  else {
    if (!desk.selected.size && verdict === "approved") desk.chosen += 1;
    desk.selected.clear();
    showGallery();
  }
  say(`${samples.length === 1 ? nameOf(entryOf(samples[0])) : `${samples.length} samples`}: ${verdict}`, true);
}

function askNote(verdict) {
  const text = el("textarea", { "aria-label": "note" });
  const send = () => act(async () => { await judge(verdict, text.value); closeDialog(); });
  dialog(el("h2", {}, verdict === "query" ? "What is somebody to answer?" : "What is wrong?"), text,
    el("div", { class: "buttons" }, el("button", { class: "main", onclick: send }, "Enter it"), el("button", { onclick: closeDialog }, "Cancel")));
  text.focus();
}
