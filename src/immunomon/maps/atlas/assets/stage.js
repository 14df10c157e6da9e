/// The plots: who paints them, in which order, and what the mouse, the wheel and fingers do to all of them at once.

const plots = [];

function sideOf(most) {
  // A small plot's, in pixels: two stand side by side on a telephone.
  return Math.min(most, Math.floor((document.documentElement.clientWidth - 56) / 2));
}

function addPlot(holder, side, visit, cells) {
  holder.style.width = holder.style.height = `${side}px`;
  const plot = {holder, side, visit, cells, painter: null, drawn: null, title: holder.parentElement.querySelector("h2")};
  plots.push(plot);
  attach(plot);
}

// ---- painters

let cards = [], released = () => {}, gone = new Promise(() => {});

function release() {
  released();
  gone = new Promise((done) => { released = done; });  // what is being drawn will not be, and nobody waits for it
  plots.forEach((plot) => { if (plot.painter) plot.painter.release(); plot.holder.querySelectorAll("canvas").forEach((canvas) => canvas.remove()); });
  cards.forEach((card) => card.renderer.destroy());
  cards = [];
}

function useProcessor(why) {
  release();
  for (const plot of plots) plot.painter = processorPainter(canvasIn(plot), plot.side);
  [state.painter, state.why] = ["processor", why];
}

function canvasIn(plot) {
  const canvas = document.createElement("canvas");
  canvas.style.width = canvas.style.height = `${plot.side}px`;
  plot.holder.prepend(canvas);
  return canvas;
}

function useCard() {
  release();
  const points = pointsOf(DATA, WHOLE), bySide = new Map();
  for (const plot of plots) {
    if (!bySide.has(plot.side)) {
      const card = cardOf(plot.side);
      card.canvas.addEventListener("webglcontextlost", () => { useProcessor("the graphics card was lost"); repaint(); });
      bySide.set(plot.side, card);
      cards.push(card);
    }
    plot.painter = cardPainter(canvasIn(plot), plot.side, bySide.get(plot.side), points, WHOLE);
  }
  cards.points = points;
  [state.painter, state.why] = ["graphics card", ""];
}

function missing() {
  // Why the graphics card cannot be used, if it cannot.
  if (typeof createScatterplot === "undefined") return "regl-scatterplot was not packed when immunomon was installed";
  const gl = document.createElement("canvas").getContext("webgl"), info = gl && gl.getExtension("WEBGL_debug_renderer_info");
  if (!gl) return "this browser has no WebGL here";
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name) ? "this browser works WebGL out by the processor, too" : "";
}

async function choosePainter(wanted) {
  const why = wanted === "processor" ? "asked for" : missing();
  if (why && (wanted !== "card" || typeof createScatterplot === "undefined")) { useProcessor(why); return repaint(); }
  try {
    useCard();
    await repaint();
    const begin = performance.now();
    await paint(plots[0]);
    waited(plots[0]);
    const took = performance.now() - begin;
    if (wanted !== "card" && took > SLOW_MS) useProcessor(`this browser's WebGL took ${took.toFixed(0)} ms a picture`);
    else if (wanted !== "card") return null;
  } catch (error) {
    useProcessor(`the graphics card cannot be used: ${error.message}`);
  }
  return repaint();
}

// ---- drawing: however often it is asked for, one after the other, and the last one is drawn

let asked = null, again = false;

function repaint() {
  again = true;
  moveCanvases();
  if (!asked) asked = drawAll().finally(() => { asked = null; });
  return asked;
}

async function drawAll() {
  while (again) {
    again = false;
    for (const plot of plots) {
      await paint(plot);
      if (again && plot === plots[0]) break;  // still moving: the small plots wait
    }
  }
  foot();
}

async function paint(plot) {
  await new Promise((done) => requestAnimationFrame(done));
  const view = {...state.view};
  if (sight.index === null) return;
  if (cards.points && cards.turn !== sight.turn) {
    const {points} = cards;
    for (let i = 0; i < total; i++) { points[i][2] = sight.index[i]; points[i][3] = states[i]; }
    cards.turn = sight.turn;
  }
  const painter = plot.painter;
  await Promise.race([painter.draw(view, zoomOf(), plot.cells, {...sight}), gone]);
  if (plot.painter !== painter) { again = true; return; }
  plot.drawn = view;
  moveCanvas(plot);
}

function waited(plot) {
  // Read back, so that nothing of the picture is still being worked out.
  return plot.holder.querySelector("canvas").getContext("2d").getImageData(0, 0, 1, 1).data.length;
}

function moveCanvas(plot) {
  // Until it is drawn anew, the picture that is there is moved and stretched to where its cells belong.
  const canvas = plot.holder.querySelector("canvas"), was = plot.drawn, view = state.view;
  if (!was || !canvas) return;
  const kx = (was.x1 - was.x0) / (view.x1 - view.x0), ky = (was.y1 - was.y0) / (view.y1 - view.y0);
  const left = plot.side * (was.x0 - view.x0) / (view.x1 - view.x0), top = plot.side * (view.y1 - was.y1) / (view.y1 - view.y0);
  canvas.style.transform = kx === 1 && ky === 1 && left === 0 && top === 0 ? "" : `translate(${left}px, ${top}px) scale(${kx}, ${ky})`;
}

function moveCanvases() {
  plots.forEach(moveCanvas);
  mark();
}

// ---- moving, zooming, drawing around cells

function setView(view) {
  state.view = view;
  return repaint();
}

function zoomAt(plot, event, factor) {
  const {x, y} = placeOf(plot, event), view = state.view;
  const width = (view.x1 - view.x0) * factor, whole = WHOLE.x1 - WHOLE.x0;
  if (width > 2 * whole || width < whole / 1000) return;
  setView({x0: x - (x - view.x0) * factor, x1: x + (view.x1 - x) * factor, y0: y - (y - view.y0) * factor, y1: y + (view.y1 - y) * factor});
}

function placeOf(plot, event) {
  const frame = plot.holder.getBoundingClientRect(), view = state.view;
  const across = (event.clientX - frame.left) / frame.width, down = (event.clientY - frame.top) / frame.height;
  return {x: view.x0 + across * (view.x1 - view.x0), y: view.y1 - down * (view.y1 - view.y0)};
}

function attach(plot) {
  const {holder} = plot;
  let way = null, from = null, mode = "";
  holder.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    holder.setPointerCapture(event.pointerId);
    mode = event.shiftKey ? "move" : document.querySelector("input[name=mode]:checked").value;
    way = [placeOf(plot, event)];
    from = {x: event.clientX, y: event.clientY, view: {...state.view}, far: false};
  });
  holder.addEventListener("pointermove", (event) => {
    if (!way) return;
    from.far ||= Math.hypot(event.clientX - from.x, event.clientY - from.y) > 4;
    if (mode === "move") {
      const {view} = from, dx = (event.clientX - from.x) / plot.side * (view.x1 - view.x0), dy = (event.clientY - from.y) / plot.side * (view.y1 - view.y0);
      setView({x0: view.x0 - dx, x1: view.x1 - dx, y0: view.y0 + dy, y1: view.y1 + dy});
      return;
    }
    way.push(placeOf(plot, event));
    drawWay(plot, way);
  });
  holder.addEventListener("pointerup", (event) => {
    const drawn = way, clicked = drawn && !from.far;
    way = null;
    drawWay(plot, null);
    if (clicked) { const cell = nearest(drawn[0].x, drawn[0].y, 8); if (cell >= 0) pick(cell); else select(null); }
    else if (drawn && mode === "draw" && drawn.length > 2) select(cornersOf({type: "poly", x: drawn.map((at) => at.x), y: drawn.map((at) => at.y)}, 60));
  });
  holder.addEventListener("pointercancel", () => { way = null; drawWay(plot, null); });
  holder.addEventListener("wheel", (event) => { event.preventDefault(); zoomAt(plot, event, Math.exp(0.0015 * event.deltaY)); }, {passive: false});
  holder.addEventListener("dblclick", () => setView({...WHOLE}));
}

function drawWay(plot, way) {
  const line = plot.holder.querySelector("polygon"), view = state.view;
  const at = ({x, y}) => `${plot.side * (x - view.x0) / (view.x1 - view.x0)},${plot.side * (view.y1 - y) / (view.y1 - view.y0)}`;
  line.setAttribute("points", way ? way.map(at).join(" ") : "");
}

function foot() {
  byId("painter").textContent = `Drawn by the ${state.painter}${state.why && state.why !== "asked for" ? `: ${state.why}` : ""}.`;
}
