// The gallery: a thumbnail a sample, drawn on canvas, in the order in which they need a person.

const THUMB = 144;
const percentOf = (value) => (value === null || value === undefined ? "no value" : `${number(value)} %`);
// A bridge tube is nobody's: it goes by its role and batch.
const nameOf = (entry) => (desk.overview.blind ? [entry.sample_id] : entry.subject ? [entry.subject, entry.visit] : [entry.role, entry.batch]).filter(Boolean).join(" ") || entry.sample_id;

function shown() {
  const places = new Map(desk.overview.visits.map((visit, i) => [visit, i]));
  const visit = (entry) => places.get(entry.visit) ?? places.size;
  const text = (a, b) => String(a).localeCompare(String(b), "en", { numeric: true });
  const subject = (a, b) => text(a.subject, b.subject) || visit(a) - visit(b);
  const need = (a, b) => b.need - a.need || (b.distance ?? 0) - (a.distance ?? 0) || subject(a, b);
  const orders = {
    need,
    ...Object.fromEntries(KINDS.map(([kind]) => [kind, (a, b) => b.kinds.includes(kind) - a.kinds.includes(kind) || need(a, b)])),
    distance: (a, b) => (b.distance ?? -1) - (a.distance ?? -1) || need(a, b),
    subject,
    visit: (a, b) => visit(a) - visit(b) || text(a.subject, b.subject),
    batch: (a, b) => text(a.batch, b.batch) || subject(a, b),
    code: () => 0, // as the desk gives them
    percent: (a, b) => (b.percent ?? -1) - (a.percent ?? -1),
  };
  const filters = {
    all: () => true,
    needs: (entry) => entry.need > 0,
    open: (entry) => !(entry.review && entry.review.is_approved),
    moved: (entry) => entry.moved || entry.drafted,
    query: (entry) => entry.review && entry.review.verdict === "query",
  };
  return desk.entries.filter(filters[desk.filter]).sort(orders[desk.sort]);
}

function marksOf(entry) {
  const marks = [];
  const { review } = entry;
  if (review && review.verdict === "approved") marks.push(review.holds ? ["approved", "approved"] : ["query", "changed since approval"]);
  else if (review) marks.push([review.verdict, review.verdict]);
  if (entry.drafted) marks.push(["draft", "draft"]);
  if (entry.moved) marks.push(["moved", "moved"]);
  if (entry.placed_by === "none") marks.push(["failed", "no gate"]);
  else if (entry.need >= 20) marks.push(["doubt", "look"]);
  if (entry.reportable === false) marks.push(["", "n.r."]);
  return marks.map(([kind, words]) => el("span", { class: `mark ${kind}` }, words));
}

function showGallery() {
  desk.turn += 1;
  desk.open = null;
  desk.moving = null;
  choices();
  const list = shown();
  if (!list.length) {
    byId("main").replaceChildren(el("p", { class: "quiet" }, "No sample is of this kind. Show all samples to see the others."));
    return;
  }
  desk.chosen = Math.min(desk.chosen, list.length - 1); // -1: none, as where nobody chooses
  const gallery = el("div", { class: "gallery", "data-population": desk.population }, list.map((entry) => card(entry)));
  byId("main").replaceChildren(gallery, selectionBar());
  markChosen();
}

// A picture is drawn when it comes near the window: of some hundred, those that are looked at stand there at once.
const nearby = new IntersectionObserver((seen) => seen.filter(({ isIntersecting }) => isIntersecting).forEach(({ target }) => {
  nearby.unobserve(target);
  drawThumbnail(target, undrawn.get(target));
  target.dataset.drawn = "";
}), { rootMargin: "100% 0px" });
const undrawn = new WeakMap();

function card(entry) {
  const canvas = el("canvas", { width: THUMB, height: THUMB });
  undrawn.set(canvas, entry.plot);
  nearby.observe(canvas);
  const numbers = `${percentOf(entry.percent)}, ${whole(entry.count)} of ${whole(entry.parent_count)}`;
  const far = isNumber(entry.distance) ? [`${number(entry.distance, 2)} standard errors from the consensus`] : [];
  const note = entry.review && entry.review.note ? [`${entry.review.by}: ${entry.review.note}`] : [];
  return el("button", {
    class: desk.selected.has(entry.sample_id) ? "card selected" : "card", "aria-pressed": desk.selected.has(entry.sample_id) ? "true" : null, tip: [nameOf(entry), numbers, ...far, ...entry.reasons, ...note], "data-sample": entry.sample_id,
    onclick: (event) => (event.ctrlKey || event.metaKey || event.shiftKey ? pick(entry.sample_id, event.shiftKey) : act(() => openSample(entry.sample_id))),
    "aria-label": `${nameOf(entry)}, ${numbers}${entry.reasons.length ? `; ${entry.reasons[0]}` : ""}`,
  }, canvas, el("b", {}, nameOf(entry)), el("span", {}, percentOf(entry.percent)), el("div", { class: "marks" }, marksOf(entry)));
}

function drawThumbnail(canvas, plot) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  if (!plot || plot.problem) {
    context.fillStyle = style.getPropertyValue("--dim");
    context.font = "12px system-ui, sans-serif";
    context.fillText(plot ? "cannot be drawn" : "no plot of this gate", 12, THUMB / 2);
    return;
  }
  drawDensity(context, plot);
  context.lineWidth = 1.6;
  context.strokeStyle = style.getPropertyValue("--gate");
  for (const gate of plot.gates) {
    context.globalAlpha = gate.population === desk.population ? 1 : 0.35;
    for (const line of gate.lines) {
      context.beginPath();
      line.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x * THUMB, (1 - y) * THUMB));
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

const scratch = document.createElement("canvas");

function drawDensity(context, plot) {
  context.drawImage(paintDensity(scratch, levelsOf(plot), ...plot.shape), 0, 0, THUMB, THUMB);
}

const cards = () => [...document.querySelectorAll(".gallery .card")];

function markChosen() {
  cards().forEach((element, i) => element.classList.toggle("chosen", i === desk.chosen));
  const chosen = cards()[desk.chosen];
  if (!chosen) return;
  chosen.scrollIntoView({ block: "nearest" });
  chosen.focus({ preventScroll: true });
  hideTip();
}

// How many cards stand in a row: what an arrow downwards goes on by.
function rowLength() {
  const all = cards();
  return Math.max(1, all.filter((element) => element.offsetTop === all[0].offsetTop).length);
}

// Samples are selected with Space or Ctrl-click, and all between with Shift-click: what is decided then is of all of them.
function pick(sampleId, between = false) {
  const list = shown().map((entry) => entry.sample_id);
  const at = list.indexOf(sampleId);
  const range = between ? list.slice(Math.min(at, desk.chosen), Math.max(at, desk.chosen) + 1) : [sampleId];
  const add = between || !desk.selected.has(sampleId);
  range.forEach((name) => (add ? desk.selected.add(name) : desk.selected.delete(name)));
  desk.chosen = at;
  cards().forEach((element) => {
    const isSelected = desk.selected.has(element.dataset.sample);
    element.classList.toggle("selected", isSelected);
    if (isSelected) element.setAttribute("aria-pressed", "true"); else element.removeAttribute("aria-pressed");
  });
  document.querySelector(".selection").replaceWith(selectionBar());
  markChosen();
}

function selectionBar() {
  const count = desk.selected.size;
  const clear = () => { desk.selected.clear(); showGallery(); };
  return el("div", { class: "selection buttons", hidden: !count, role: "group", "aria-label": "the selection" }, el("b", {}, `${count} selected`),
    el("button", { class: "good", onclick: () => act(() => judge("approved")) }, "Approve (A)"),
    el("button", { class: "warn", onclick: () => askNote("query") }, "Query (Q)"),
    el("button", { class: "bad", onclick: () => askNote("rejected") }, "Reject (X)"),
    el("button", { class: "bad", onclick: () => act(() => decide("drop-sample")) }, "Drop"),
    el("button", { onclick: clear }, "Clear"));
}

// Whom a decision is of: the open sample, else the selection, else the chosen card.
function targets() {
  if (desk.open) return [desk.open.sample_id];
  if (desk.selected.size) return [...desk.selected];
  const entry = shown()[desk.chosen];
  return entry ? [entry.sample_id] : [];
}
