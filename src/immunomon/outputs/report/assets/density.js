// A density of 256 levels as a small picture; what is empty stays clear.

const colourTables = new Map();

function colourTable() {
  const key = shade();
  if (!colourTables.has(key)) {
    const stops = PAGE.density[key].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    const levels = Array.from({ length: 256 }, (_, level) => {
      const place = (Math.max(level - 1, 0) / 254) * (stops.length - 1);
      const low = Math.min(Math.floor(place), stops.length - 2);
      return stops[low].map((value, i) => value + (stops[low + 1][i] - value) * (place - low));
    });
    colourTables.set(key, levels);
  }
  return colourTables.get(key);
}

// Paints a density on a canvas, a pixel a bin.
function paintDensity(canvas, levels, rows, columns) {
  fill(canvas, { width: columns, height: rows }, []); // that clears it, too
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(columns, rows);
  const colours = colourTable();
  levels.forEach((level, i) => {
    if (!level) return;
    const pixel = ((rows - 1 - Math.floor(i / columns)) * columns + (i % columns)) * 4; // the page's rows run downwards
    const [red, green, blue] = colours[level];
    picture.data[pixel] = red;
    picture.data[pixel + 1] = green;
    picture.data[pixel + 2] = blue;
    picture.data[pixel + 3] = 255;
  });
  context.putImageData(picture, 0, 0);
  return canvas;
}

const densityPicture = (levels, rows, columns) => paintDensity(el("canvas"), levels, rows, columns).toDataURL("image/png");
