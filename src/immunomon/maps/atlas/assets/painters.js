/// What puts cells on a canvas: the graphics card, by regl-scatterplot, or the processor. Both draw the same colours.

const LARGEST_DOT = 4, PALE_OPACITY = 0.08;

function dotOf(side, cells, zoom) {
  // The radius in pixels of the screen: few cells are large dots, and all grow as one comes nearer.
  const plain = (side / 560) * Math.pow(2e5 / Math.max(cells, 1), 0.25);
  return Math.min(LARGEST_DOT, Math.max(1, plain) * Math.min(Math.sqrt(zoom), 2.5));
}

function processorPainter(canvas, side) {
  const size = Math.round(side * Math.min(window.devicePixelRatio || 1, 2)), context = canvas.getContext("2d");
  canvas.width = canvas.height = size;
  const picture = context.createImageData(size, size), bytes = new Uint32Array(picture.data.buffer);
  return {
    async draw(box, zoom, cells, sight) {
      bytes.fill(0);
      paintCells(bytes, size, box, cells, sight.data, sight, dotOf(size, cells.length, zoom));
      context.putImageData(picture, 0, 0);
    },
    release() {},
  };
}

// ---- the graphics card

function cardOf(side) {
  // One card for all plots of a size: its cells, each [x, y, place in the palette, state], are shared by the plots.
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.round(side * (window.devicePixelRatio || 1));
  const renderer = createScatterplot.createRenderer({canvas});
  if (!renderer.isSupported) throw new Error("it cannot draw into textures of floating-point numbers");
  return {canvas, renderer, side};
}

function pointsOf(data, whole) {
  const kx = 2 / (whole.x1 - whole.x0), ky = 2 / (whole.y1 - whole.y0), points = new Array(data.umap1.length);
  for (let i = 0; i < points.length; i++) points[i] = [(data.umap1[i] - whole.x0) * kx - 1, (data.umap2[i] - whole.y0) * ky - 1, 0, 0];
  return points;
}

function viewOf(box, whole) {
  // The matrix that puts a box of the plane onto the plot, where the whole plane goes from -1 to 1.
  const sx = (whole.x1 - whole.x0) / (box.x1 - box.x0), sy = (whole.y1 - whole.y0) / (box.y1 - box.y0);
  const middle = (low, high, begin, end) => (low + high - begin - end) / (end - begin);
  const tx = -sx * middle(box.x0, box.x1, whole.x0, whole.x1), ty = -sy * middle(box.y0, box.y1, whole.y0, whole.y1);
  return new Float32Array([sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, 1, 0, tx, ty, 0, 1]);
}

function cardPainter(canvas, side, card, points, whole) {
  const plot = createScatterplot.default({
    renderer: card.renderer, canvas, width: side, height: side, pointScaleMode: "constant", colorBy: "valueZ",
    opacityBy: "valueW", sizeBy: "valueW", opacity: [1, PALE_OPACITY, 0], pointSize: [2, 2, 0],
  });
  const kinds = {zDataType: "categorical", wDataType: "categorical"};
  let index = null, drawn = null, size = 0;
  return {
    async draw(box, zoom, cells, sight) {
      // The library's own index of places is that of one point: this page looks up cells by itself.
      if (index === null) { await plot.draw([[0, 0, 0, 0]], kinds); index = plot.get("spatialIndex"); }
      const dot = 2 * dotOf(side, cells.length, zoom);
      if (Math.abs(dot - size) > 0.01) { size = dot; plot.set({pointSize: [dot, dot, 0]}); }
      plot.view(viewOf(box, whole));
      if (drawn !== null && drawn.cells === cells && drawn.turn === sight.turn) {
        await new Promise((done) => plot.subscribe("draw", done, 1));
        return;
      }
      // Both before the next frame: no picture shows old places in new colours.
      plot.set({pointColor: [...sight.palette, "#d0d0d0"]});
      const own = Array.from(cells, (i) => points[i]);
      if (own.length > 0) await plot.draw(own, {...kinds, spatialIndex: index});
      else await plot.draw([[0, 0, 0, HIDDEN]], {...kinds, spatialIndex: index});
      drawn = {cells, turn: sight.turn};
    },
    release() { plot.destroy(); },
  };
}
