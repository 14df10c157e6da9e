// How one sample's acquisition went: flow rate above, each channel's mean rank below, flagged stretches shaded.

const RUN = { width: 820, left: 44, right: 110, rate: [8, 62], signal: [74, 190], height: 214, named: 5 };

function acquisitionView(found) {
  if (!found) return null;
  const flagged = `${found.percent} % of the events flagged`;
  return el("details", { class: "acquisition", open: found.verdict === "warn" || found.verdict === "fail" },
    el("summary", {}, "Acquisition: ", el("b", {}, found.verdict), `, ${flagged}`),
    found.reason ? el("p", { class: "notice" }, found.reason) : null,
    found.edges.length || found.rate_edges.length ? acquisitionPicture(found) : null);
}

function acquisitionPicture(found) {
  RUN.width = Math.min(820, document.getElementById("samples").clientWidth || 820); // drawn in pixels: text keeps its size
  const x = (event) => RUN.left + (event / Math.max(1, found.events)) * (RUN.width - RUN.left - RUN.right);
  const root = svg("svg", { viewBox: `0 0 ${RUN.width} ${RUN.height}`, class: "chart run", role: "img",
    "aria-label": `Flow rate and signals over the acquisition; ${found.stretches.length} stretches flagged` });
  for (const [start, stop, check, reason] of found.stretches) {
    const shade = svg("rect", { class: `stretch ${check}`, x: x(start), y: RUN.rate[0], width: Math.max(1, x(stop) - x(start)),
      height: RUN.signal[1] - RUN.rate[0] });
    attachTip(shade, [check, reason]);
    root.append(shade);
  }
  root.append(...rateLine(found, x), ...signalLines(found, x));
  root.append(svg("text", { x: RUN.left, y: RUN.height - 6, class: "axislabel" }, `event 0 to ${whole(found.events)}, in the order of the file`));
  return root;
}

function frameLabel(text, [top, bottom]) {
  const y = (top + bottom) / 2;
  return [
    svg("rect", { class: "frame", x: RUN.left, y: top, width: RUN.width - RUN.left - RUN.right, height: bottom - top }),
    svg("text", { x: 14, y, class: "axislabel", "text-anchor": "middle", transform: `rotate(-90 14 ${y})` }, text),
  ];
}

// Logarithmic, from a thirtieth of the usual rate to ten times it.
function rateLine(found, x) {
  const [top, bottom] = RUN.rate;
  const y = (rate) => bottom - ((Math.log10(Math.min(10, Math.max(0.033, rate))) + 1.48) / 2.48) * (bottom - top);
  const steps = found.rates.flatMap((rate, i) => [[found.rate_edges[i], rate], [found.rate_edges[i + 1], rate]]);
  const line = steps.map(([event, rate]) => `${x(event).toFixed(1)},${y(rate).toFixed(1)}`).join(" ");
  return [...frameLabel("rate", RUN.rate), svg("polyline", { class: "rate", points: line })];
}

function signalLines(found, x) {
  const [top, bottom] = RUN.signal;
  const all = found.channels.flatMap((channel) => channel.levels);
  const low = Math.min(40, ...all), high = Math.max(60, ...all);
  const y = (level) => bottom - ((level - low) / (high - low)) * (bottom - top);
  const middles = found.edges.slice(1).map((stop, i) => (found.edges[i] + stop) / 2);
  const named = found.channels.filter((channel) => channel.shift > 0).slice(0, RUN.named);
  const lines = found.channels.map((channel) => {
    const place = named.indexOf(channel);
    const points = channel.levels.map((level, i) => `${x(middles[i]).toFixed(1)},${y(level).toFixed(1)}`).join(" ");
    const line = svg("polyline", { class: place < 0 ? "signal" : `signal named s${place}`, points });
    attachTip(line, [channel.name, `mean rank; largest change ${channel.shift}`]);
    return line;
  }).reverse();
  const names = named.map((channel, place) =>
    svg("text", { class: `name s${place}`, x: RUN.width - RUN.right + 8, y: top + 12 + 16 * place }, channel.name));
  return [...frameLabel("mean rank", RUN.signal), ...lines, ...names];
}
