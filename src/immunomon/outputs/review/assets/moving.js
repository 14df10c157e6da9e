// Moving a gate: borders, corners or the whole of it are dragged; the numbers follow while the mouse moves.

function drawBig(box, plot, answer = {}) {
  const { open } = desk;
  const drafted = open.drafts.find(({ population, gate }) => gate && population === desk.population);
  const held = desk.moving; // a gate that was moved and not let go yet stays where it is while the view changes
  const root = gatingPlot(plot, () => {});
  root.querySelectorAll("g.gate").forEach((group) => {
    if (group.dataset.population !== desk.population) group.classList.add("other");
  });
  layOver(root, plot, answer);
  const overlay = svg("g");
  root.append(overlay);
  box.replaceChildren(root);
  root.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 0.8 : 1.25, fromEvent(event)); }, { passive: false });
  const placed = open.gates[desk.population];
  const gate = held ? held.gate : drafted ? drafted.gate : placed && placed.gate;
  desk.moving = { plot, root, overlay, gate: structuredClone(gate), updates: [], busy: false, waiting: null, counts: held ? held.counts : null, foreseen: held ? held.foreseen : null };
  if (!gate) return;
  drawHandles();
}

// Between coordinates of the display scale and of the drawing.
function toDrawing(name, value) {
  const [low, high] = desk.moving.plot.frame[name].range;
  const part = (value - low) / (high - low);
  return name === "x" ? PLOT.left + part * PLOT.w : PLOT.top + (1 - part) * PLOT.h;
}

function fromDrawing([x, y]) {
  const parts = { x: (x - PLOT.left) / PLOT.w, y: 1 - (y - PLOT.top) / PLOT.h };
  return Object.fromEntries(["x", "y"].map((name) => {
    const [low, high] = desk.moving.plot.frame[name].range;
    return [name, low + parts[name] * (high - low)];
  }));
}

// Where the mouse is, or the nearest point of the plot.
function fromEvent(event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(desk.moving.root.getScreenCTM().inverse());
  const clamp = (value, low, size) => Math.min(low + size, Math.max(low, value));
  return fromDrawing([clamp(x, PLOT.left, PLOT.w), clamp(y, PLOT.top, PLOT.h)]);
}

const drawingAxis = (axis) => ["x", "y"].find((name) => desk.moving.plot.frame[name].axis === axis);
const isTurned = (gate) => desk.moving.plot.frame.x.axis !== gate.x;

function draggable(element, change) {
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    const { moving } = desk; // another, if the page was drawn anew meanwhile: then nothing is held any more
    let before = fromEvent(event);
    let moved = false;
    const move = (motion) => {
      if (desk.moving !== moving) return;
      const point = fromEvent(motion);
      change(point, before);
      before = point;
      moved = true;
      redrawLive(); // the handles stay while the mouse holds one; what is drawn follows
      recount();
    };
    const stop = () => {
      element.removeEventListener("pointermove", move);
      if (!moved || desk.moving !== moving) return;
      drawHandles();
      act(settle, settle);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", stop, { once: true });
    element.addEventListener("pointercancel", stop, { once: true });
  });
}

// A border moves by the arrow keys too: a hundredth of the plot, a thousandth with Shift; Enter keeps the draft.
function nudged(element, change) {
  const ways = { ArrowLeft: ["x", -1], ArrowRight: ["x", 1], ArrowDown: ["y", -1], ArrowUp: ["y", 1] };
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter") act(settle, settle);
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    const [low, high] = desk.moving.plot.frame[way[0]].range;
    change({ x: 0, y: 0, [way[0]]: way[1] * (high - low) * (event.shiftKey ? 0.001 : 0.01) });
    const label = element.getAttribute("aria-label");
    drawHandles();
    desk.moving.overlay.querySelector(`[aria-label="${CSS.escape(label)}"]`).focus();
    recount();
  });
}

const redrawLive = () => desk.moving.updates.forEach((update) => update());

// One question at a time; what is dragged meanwhile is asked next, what lies between is not.
function recount() {
  const { moving, open } = desk;
  window.clearTimeout(restTimer);
  moving.waiting = structuredClone(moving.gate);
  if (moving.busy) return;
  moving.busy = true;
  act(async () => {
    try {
      while (moving.waiting) {
        const gate = moving.waiting;
        moving.waiting = null;
        const answer = await ask("move", { sample: open.sample_id, population: desk.population, gate });
        if (desk.moving !== moving) return;
        moving.counts = answer.counts;
        moving.foreseen = null; // of where the gate was
        showMoved();
      }
      foreseeSoon(moving);
    } finally { moving.busy = false; }
  });
}

// Where it was let go it becomes a draft, counted as a run would count it.
async function settle() {
  const { moving, open } = desk;
  if (!moving) return;
  await ask("draft", { sample: open.sample_id, population: desk.population, gate: moving.gate });
  await refresh();
  await openSample(open.sample_id);
  say("Kept as a draft: Z takes it back, C commits it.", true);
}
