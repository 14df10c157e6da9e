// Inflate (RFC 1950 and 1951) in a page that opens from a file, in any browser, without waiting.

const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193,
  12289, 16385, 24577,
];
const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

// A canonical Huffman code: how many codes have each length, and the symbols in code order.
function huffman(lengths) {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length] += 1;
  counts[0] = 0;
  const places = new Uint16Array(16);
  for (let length = 1; length < 16; length += 1) places[length] = places[length - 1] + counts[length - 1];
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length) symbols[places[length]++] = symbol;
  });
  return { counts, symbols };
}

const FIXED = {
  literals: huffman([...Array(144).fill(8), ...Array(112).fill(9), ...Array(24).fill(7), ...Array(8).fill(8)]),
  distances: huffman(Array(30).fill(5)),
};

class BitReader {
  constructor(bytes, start) {
    Object.assign(this, { bytes, place: start, held: 0, holding: 0 });
  }

  bits(count) {
    while (this.holding < count) {
      if (this.place >= this.bytes.length) throw new Error("compressed data end too early");
      this.held |= this.bytes[this.place++] << this.holding;
      this.holding += 8;
    }
    const value = this.held & ((1 << count) - 1);
    this.held >>>= count;
    this.holding -= count;
    return value;
  }

  symbol({ counts, symbols }) {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length += 1) {
      code |= this.bits(1);
      const count = counts[length];
      if (code - count < first) return symbols[index + (code - first)];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new Error("compressed data are damaged");
  }
}

function readCodes(reader) {
  const literals = reader.bits(5) + 257;
  const distances = reader.bits(5) + 1;
  const orders = reader.bits(4) + 4;
  const order = Array(19).fill(0);
  for (let i = 0; i < orders; i += 1) order[CODE_ORDER[i]] = reader.bits(3);
  const code = huffman(order);
  const lengths = [];
  while (lengths.length < literals + distances) {
    const symbol = reader.symbol(code);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) lengths.push(...Array(3 + reader.bits(2)).fill(lengths.at(-1)));
    else lengths.push(...Array(symbol === 17 ? 3 + reader.bits(3) : 11 + reader.bits(7)).fill(0));
  }
  return { literals: huffman(lengths.slice(0, literals)), distances: huffman(lengths.slice(literals, literals + distances)) };
}

// zlib stream -> bytes; the result has the size that is known beforehand.
const inflate = (bytes, size) => inflateRaw(bytes, size, 2, new Uint8Array(0));

// A deflate stream that begins at a place and may refer to a dictionary, as if that stood before it.
function inflateRaw(bytes, size, start, dictionary) {
  const out = new Uint8Array(dictionary.length + size);
  out.set(dictionary);
  const reader = new BitReader(bytes, start);
  let end = dictionary.length;
  let last = 0;
  while (!last) {
    last = reader.bits(1);
    const kind = reader.bits(2);
    if (kind === 0) {
      reader.held = reader.holding = 0;
      const length = bytes[reader.place] | (bytes[reader.place + 1] << 8);
      out.set(bytes.subarray(reader.place + 4, reader.place + 4 + length), end);
      reader.place += 4 + length;
      end += length;
      continue;
    }
    const { literals, distances } = kind === 1 ? FIXED : readCodes(reader);
    for (let symbol = reader.symbol(literals); symbol !== 256; symbol = reader.symbol(literals)) {
      if (symbol < 256) {
        out[end++] = symbol;
        continue;
      }
      let length = LENGTHS[symbol - 257] + reader.bits(LENGTH_BITS[symbol - 257]);
      const far = reader.symbol(distances);
      const distance = DISTANCES[far] + reader.bits(DISTANCE_BITS[far]);
      for (; length > 0; length -= 1, end += 1) out[end] = out[end - distance];
    }
  }
  return out.subarray(dictionary.length);
}

const textOf = (bytes) => new TextDecoder().decode(bytes);
const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
