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

function densityPicture(levels, rows, columns) {
  const canvas = el("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  const colours = colourTable();
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const level = levels[row * columns + column];
      const place = ((rows - 1 - row) * columns + column) * 4; // the page's rows run downwards
      if (level) picture.data.set([...colours[level], 255], place);
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas.toDataURL("image/png");
}
