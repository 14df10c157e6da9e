/// Back-gating: a sample's gates, and where the cells that are selected, or the one that was clicked, lie on them.

const samples = new Map();

async function gatesOf(sample) {
  if (!META.gates.includes(sample)) return null;
  if (!samples.has(sample)) {
    const text = new TextDecoder().decode(await unpacked(`gates-${META.gates.indexOf(sample)}`));
    samples.set(sample, JSON.parse(text));
  }
  return samples.get(sample);
}

function mostOf(cells) {
  // The sample of most of these cells.
  if (!DATA.sample_id) return "";
  const counts = new Array(META.words.sample_id.length).fill(0);
  for (const i of cells) counts[DATA.sample_id[i]]++;
  return META.words.sample_id[counts.indexOf(Math.max(...counts))];
}

let shownSample = "";
async function showGates(sample) {
  shownSample = sample;
  const known = await gatesOf(sample);
  byId("gated").hidden = !META.gates.length;
  if (!known) { if (sample && META.gates.length) byId("gates").textContent = `The gates of ${sample} are not in this page.`; return; }
  await load(["sample_id"]);
  if (shownSample !== sample) return;  // another has been asked for meanwhile
  byId("sample").value = sample;
  // Places in the page -> places among the sample's own cells.
  const own = all.filter((i) => META.words.sample_id[DATA.sample_id[i]] === sample), place = new Map([...own].map((i, k) => [i, k]));
  const selected = state.marked >= 0 ? [state.marked] : state.selected || [], here = selected.filter((i) => place.has(i));
  const chosen = here.filter((i) => place.get(i) < known.placed), shown = (cells) => cells.length.toLocaleString("en");
  const without = chosen.length < here.length ? ` The page has the places of ${known.placed.toLocaleString("en")} of its ${shown(own)} cells: ${shown(chosen)} of those.` : "";
  byId("chosen").textContent = selected.length ? `${shown(here)} of ${shown(selected)} selected cells are of this sample.${without}` : "Draw around cells, or click one, to see where they lie.";
  if (state.marked >= 0 && chosen.length) {
    const names = known.populations.filter((population) => population.cells.includes(place.get(state.marked))).map((population) => population.label);
    byId("chosen").textContent = `This cell is in: ${names.join(" › ") || "no population"}.`;
  }
  byId("gates").replaceChildren(...known.plots.map((plot) => gateFigure(plot, chosen, place)));
}

function gateFigure(plot, chosen, place) {
  const figure = document.createElement("figure"), canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
  const side = sideOf(210), at = new Map(plot.cells.map((k, n) => [k, n])), here = chosen.filter((i) => at.has(place.get(i)));
  canvas.width = canvas.height = side * 2;
  figure.style.width = canvas.style.width = canvas.style.height = `${side}px`;
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  drawDensity(context, plot, side);
  drawGates(context, plot, side);
  for (const i of here) {
    const n = at.get(place.get(i)), large = state.marked >= 0 ? 5 : here.length > 60 ? 2 : 3.2;
    context.beginPath();
    context.arc(plot.x[n] / 1000 * side, (1 - plot.y[n] / 1000) * side, large, 0, 2 * Math.PI);
    context.fillStyle = sight.palette[sight.index[i]] || "#d0d0d0";
    context.strokeStyle = "#000";
    context.lineWidth = 0.7;
    context.fill();
    context.stroke();
  }
  caption.innerHTML = `<b>${escaped(plot.parent)}</b>${!chosen.length ? "" : state.marked >= 0 ? (here.length ? ", the cell is here" : "") : `, ${here.length.toLocaleString("en")} of them here`}<br>`
    + `<span class="faint">x ${escaped(plot.across)}, y ${escaped(plot.up)}</span><br>`
    + plot.gates.map((gate) => `${escaped(gate.label)} ${gate.percent === null ? "" : `${gate.percent} %`}`).join("<br>");
  figure.append(canvas, caption);
  figure.dataset.here = here.length;
  return figure;
}

function drawDensity(context, plot, side) {
  const [rows, columns] = plot.shape, levels = Uint8Array.from(atob(plot.levels), (letter) => letter.charCodeAt(0));
  const small = document.createElement("canvas"), inks = inksOf(META.density);
  [small.width, small.height] = [columns, rows];
  const picture = small.getContext("2d").createImageData(columns, rows), bytes = new Uint32Array(picture.data.buffer);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const level = levels[row * columns + column];
      bytes[(rows - 1 - row) * columns + column] = level ? inks[Math.min(inks.length - 1, level * inks.length >> 8)] : 0xffffffff;
    }
  }
  small.getContext("2d").putImageData(picture, 0, 0);
  context.globalAlpha = 0.45;  // so that the cells stand out
  context.drawImage(small, 0, 0, side, side);
  context.globalAlpha = 1;
}

function drawGates(context, plot, side) {
  context.strokeStyle = "#222";
  context.lineWidth = 1.2;
  for (const line of plot.gates.flatMap((gate) => gate.lines)) {
    context.beginPath();
    line.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](x * side, (1 - y) * side));
    context.stroke();
  }
}
