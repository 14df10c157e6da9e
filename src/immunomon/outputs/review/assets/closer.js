// How closely a gate is looked at: zoom, density or dots, back-gating, the FMO tube, and where the gate lay otherwise.

const WHOLE = { ranges: null, dots: false, over: "", control: false };
const isWhole = () => Object.entries(WHOLE).every(([name, value]) => desk.view[name] === value);

async function look(change) {
  Object.assign(desk.view, change);
  const { open, population } = desk;
  const box = document.querySelector(".big");
  if (!box) return;
  let answer = { plot: plotUnderReview(), ticks: open.ticks };
  try {
    if (!isWhole()) answer = await ask("closer", { sample: open.sample_id, population, view: desk.view });
  } catch (error) {
    desk.view = { ...WHOLE }; // what cannot be shown is not asked for again
    if (desk.open === open) showSample();
    throw error;
  }
  if (desk.open !== open || desk.population !== population) return; // they went on meanwhile
  PAGE.ticks = answer.ticks;
  drawBig(box, answer.plot, answer);
}

const plotUnderReview = () => desk.open.plots.find(({ populations }) => (populations || []).includes(desk.population));

function viewBar() {
  const { view, open } = desk;
  const toggle = (name, words, title) => el("button", {
    "aria-pressed": String(Boolean(view[name])), title, onclick: (event) => {
      event.currentTarget.setAttribute("aria-pressed", String(!view[name]));
      act(() => look({ [name]: !view[name] }));
    },
  }, words);
  const names = [["", "nothing"], ...Object.values(open.gates).map(({ population, label }) => [population, label])];
  return el("div", { class: "buttons views", role: "group", "aria-label": "how the gate is shown" },
    el("button", { title: "Zoom in (+, or the wheel)", "aria-label": "Zoom in", onclick: () => zoom(0.6) }, "+"),
    el("button", { title: "Zoom out (-)", "aria-label": "Zoom out", onclick: () => zoom(1 / 0.6) }, "\u2212"),
    el("button", { title: "The whole plot (0)", onclick: () => act(() => look({ ranges: null })) }, "Whole"),
    toggle("dots", "Dots", "Single events in place of the density"),
    toggle("control", "FMO", "The events of the nearest FMO tube, gated alike"),
    select("Back-gate", names, view.over, (over) => act(() => look({ over }))));
}

let zoomTimer = 0;

// about: a point on the display scale that stays where it is; by default the middle.
function zoom(factor, about = null) {
  const { moving } = desk;
  if (!moving) return;
  const whole = plotUnderReview().frame;
  const ranges = {};
  for (const name of ["x", "y"]) {
    const now = (desk.view.ranges || {})[name] || moving.plot.frame[name].range;
    const [low, high] = whole[name].range;
    const fixed = about ? about[name] : (now[0] + now[1]) / 2;
    ranges[name] = [Math.max(low, fixed - (fixed - now[0]) * factor), Math.min(high, fixed + (now[1] - fixed) * factor)];
    if (ranges[name][1] - ranges[name][0] < (high - low) / 200) return;
  }
  const isAll = ["x", "y"].every((name) => ranges[name].every((end, i) => end === whole[name].range[i]));
  desk.view.ranges = isAll ? null : ranges;
  window.clearTimeout(zoomTimer);
  zoomTimer = window.setTimeout(() => act(() => look({})), about ? 120 : 0);
}

function layOver(root, plot, answer) {
  const frame = { x: PLOT.left, y: PLOT.top, width: PLOT.w, height: PLOT.h, preserveAspectRatio: "none" };
  const style = getComputedStyle(document.documentElement);
  const density = root.querySelector("image");
  const words = [];
  const add = (dots, colour, size) => density.after(svg("image", { ...frame, href: dotsPicture(dots, style.getPropertyValue(colour), size) }));
  if (answer.control) {
    const { tube, marker, near, dots } = answer.control;
    words.push(tube ? `Blue: FMO tube ${tube} (without ${marker}), of the same ${near}, gated alike.` : "There is no FMO tube of these axes.");
    if (tube) add(dots, "--control", 2);
  }
  if (answer.over) {
    const { label } = desk.open.gates[desk.view.over] || { label: desk.view.over };
    words.push(`Orange: ${label}, ${answer.over.events === null ? "not gated here" : `${whole(answer.over.events)} events`}.`);
    add(answer.over.dots, "--moved", 2);
  }
  if (desk.view.dots && answer.dots) density.setAttribute("href", dotsPicture(answer.dots, style.getPropertyValue("--ink"), 1));
  for (const ghost of desk.open.ghosts || []) {
    words.push(`Dotted: ${ghost.name}.`);
    for (const line of ghost.lines) root.append(svg("polyline", { class: "ghost", points: points(line.map((point) => zoomed(point, plot))) }));
  }
  byId("seen").textContent = words.join(" ");
}

// Lines of the whole plot, in fractions of the one that is shown.
function zoomed(point, plot) {
  const whole = plotUnderReview().frame;
  return ["x", "y"].map((name, i) => {
    const [low, high] = whole[name].range;
    const [from, to] = plot.frame[name].range;
    return (low + point[i] * (high - low) - from) / (to - from);
  });
}

function dotsPicture(dots, colour, size) {
  const [width, height] = [4 * PLOT.w, 4 * PLOT.h].map(Math.round);
  const canvas = el("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = colour;
  for (const [x, y] of dots) context.fillRect(x * width - size, (1 - y) * height - size, 2 * size + 1, 2 * size + 1);
  return canvas.toDataURL("image/png");
}

// Where the gate lay otherwise is asked for only where it did: it costs a look at the file's first estimates.
function askGhosts(entry) {
  const { open, population } = desk;
  if (!entry.moved && !entry.outlier && !(entry.distance >= 1)) return;
  act(async () => {
    const ghosts = await ask("ghosts", { sample: open.sample_id, population });
    if (desk.open !== open || desk.population !== population) return;
    open.ghosts = ghosts;
    await look({});
  });
}
