// A GeoTIFF in memory → its colours, or the bands of a model, and its place: colours of 8 bits, 1 to 4 bands; for a
// model 1 to 16 bands of any type; in tiles or strips, plain, deflated, LZW or packed bits, with a predictor. What it
// cannot read it says in a sentence. Nothing leaves the page.
// What holds no data is transparent, by the rules of core/imagery/pixels.py: a mask inside, transparency, or a value.

import { takeBands } from "./bands.mjs";
import { bytesIn, kindOf, numbers } from "./samples.mjs";
import { unpacked } from "./unpacking.mjs";

const SIZES = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 11: 4, 12: 8, 16: 8, 17: 8 };
const TAGS = {
  254: "subfile", 256: "width", 257: "height", 258: "bits", 259: "compression", 262: "meaning", 273: "stripAt",
  277: "bands", 278: "rows", 279: "stripLong", 284: "planar", 317: "predictor", 322: "tileWidth", 323: "tileHeight",
  324: "tileAt", 325: "tileLong", 338: "extra", 339: "format", 33550: "scale", 33922: "tie", 34264: "matrix",
  34735: "keys", 42112: "metadata", 42113: "nodata",
};
const MOST_PIXELS = 16_000_000;
const MOST_VALUES = 80_000_000;
const MOST_DIRECTORIES = 64;
const IS_MASK = 4;
const FEW_VALUES = 16;

// Bytes of a file → { width, height, rgba, transform, epsg }; `transform` (a, b, c, d, e, f) and `epsg` may be null.
// With `wanted`, the { names, depth, shown } of a model's bands, also { values (H, W, channels), channels }.
export async function readGeotiff(buffer, wanted = null) {
  const view = new DataView(buffer);
  const tags = directory(view);
  const { width, height } = tags;
  if (!width || !height) throw new Error("it has no pixels");
  if (width * height > MOST_PIXELS) {
    throw new Error(`it has ${Math.round((width * height) / 1e6)} megapixels, and 16 are the most here`);
  }
  if (![1, 5, 8, 32773, 32946].includes(tags.compression ?? 1)) {
    throw new Error("its compression is not read here: save it plain, with DEFLATE or with LZW");
  }
  const bands = tags.bands ?? 1;
  if (wanted) {
    if (width * height * bands > MOST_VALUES) throw new Error("its bands are too large for a page: crop it");
    const all = await pixels(buffer, tags, bands);
    return { width, height, ...takeBands(all, tags, wanted, await maskOf(buffer, view, tags)), ...place(tags) };
  }
  if (tags.bits.some((bits) => bits !== 8)) throw new Error(`it has ${tags.bits[0]} bits a value, and 8 are read here`);
  if ((tags.format?.[0] ?? 1) !== 1) throw new Error("its values are no whole numbers");
  if (bands > 4 || (tags.meaning > 2 && tags.meaning !== 5)) throw new Error("its bands are not red, green and blue");
  const values = await pixels(buffer, tags, bands);
  const seen = transparency(values, bands, tags);
  const rgba = colours(values, width * height, bands, { ...tags, seen });
  const mask = await maskOf(buffer, view, tags);
  for (let at = 0; mask && at < mask.length; at += 1) if (!mask[at]) rgba[4 * at + 3] = 0;
  hideNoData(rgba, values, bands, tags, mask || seen);
  return { width, height, rgba, ...place(tags) };
}

// A mask that lies in the file, as the directory of the same size that says so; else null.
async function maskOf(buffer, view, { width, height, next }) {
  for (let count = 0; next && count < MOST_DIRECTORIES; count += 1) {
    const tags = directory(view, next);
    if (tags.subfile & IS_MASK && tags.width === width && tags.height === height) return pixels(buffer, tags, 1);
    ({ next } = tags);
  }
  return null;
}

// The no-data value in any band of colour hides a pixel. 0 and 255 are colours too: they do so only where all of these
// bands hold them, and nothing better tells (`told`).
function hideNoData(rgba, values, bands, { nodata }, told) {
  const hidden = nodata ? Number(String.fromCharCode(...nodata).replace(/[\0\s]+$/, "") || NaN) : NaN;
  const colour = hidden === 0 || hidden === 255;
  if (!(hidden >= 0 && hidden <= 255) || (colour && told)) return;
  const shown = bands < 3 ? 1 : 3;
  const needed = colour ? shown : 1;
  for (let at = 0; 4 * at < rgba.length; at += 1) {
    let found = 0;
    for (let band = 0; band < shown; band += 1) if (values[at * bands + band] === hidden) found += 1;
    if (found >= needed) rgba[4 * at + 3] = 0;
  }
}

function directory(view, from = null) {
  const order = view.byteLength > 8 ? view.getUint16(0) : 0;
  const little = order === 0x4949;
  const magic = order ? view.getUint16(2, little) : 0;
  if ((order !== 0x4949 && order !== 0x4d4d) || (magic !== 42 && magic !== 43)) throw new Error("it is no TIFF");
  const big = magic === 43;
  const whole = (at) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const start = from ?? whole(big ? 8 : 4);
  const count = big ? Number(view.getBigUint64(start, little)) : view.getUint16(start, little);
  if (count > 4096) throw new Error("its directory is damaged");
  const found = { little, bits: [from ? 1 : 8], next: whole(start + (big ? 8 + 20 * count : 2 + 12 * count)) };
  for (let index = 0; index < count; index += 1) {
    const at = start + (big ? 8 + 20 * index : 2 + 12 * index);
    const name = TAGS[view.getUint16(at, little)];
    if (name) found[name] = entry(view, at, little, big, whole);
  }
  const single = ["subfile", "width", "height", "compression", "meaning", "bands", "rows", "planar", "predictor"];
  for (const name of [...single, "tileWidth", "tileHeight"]) if (found[name]) [found[name]] = found[name];
  return found;
}

function entry(view, at, little, big, whole) {
  const kind = view.getUint16(at + 2, little);
  const count = whole(at + 4);
  const size = SIZES[kind];
  if (!size || count * size > view.byteLength) throw new Error("its directory is damaged");
  const inside = at + (big ? 12 : 8);
  const from = count * size <= (big ? 8 : 4) ? inside : whole(inside);
  const read = {
    1: (p) => view.getUint8(p), 3: (p) => view.getUint16(p, little), 4: (p) => view.getUint32(p, little),
    12: (p) => view.getFloat64(p, little), 16: (p) => Number(view.getBigUint64(p, little)),
    11: (p) => view.getFloat32(p, little),
  }[kind] ?? ((p) => view.getUint8(p));
  return Array.from({ length: count }, (_, index) => read(from + index * size));
}

async function pixels(buffer, tags, bands) {
  const { width, height, planar = 1 } = tags;
  const tiled = Boolean(tags.tileAt);
  const wide = tiled ? tags.tileWidth : width;
  const tall = tiled ? tags.tileHeight : Math.min(tags.rows ?? height, height);
  const starts = tags.tileAt ?? tags.stripAt;
  const lengths = tags.tileLong ?? tags.stripLong;
  if (!starts || !lengths || !wide || !tall) throw new Error("its directory is damaged");
  const across = Math.ceil(width / wide);
  const down = Math.ceil(height / tall);
  const depth = planar === 2 ? 1 : bands;
  const values = new (kindOf(tags))(width * height * bands);
  for (let index = 0; index < across * down * (planar === 2 ? bands : 1); index += 1) {
    if (!lengths[index]) continue;
    if (!(starts[index] + lengths[index] <= buffer.byteLength)) throw new Error("a part of it is missing");
    const packed = new Uint8Array(buffer, starts[index], lengths[index]);
    const bytes = await unpacked(packed, tags.compression ?? 1, bytesIn(tags, wide, depth, tall));
    const block = numbers(bytes, tags, wide, depth, tall);
    const plane = Math.floor(index / (across * down));
    const x = (index % across) * wide;
    const y = (Math.floor(index / across) % down) * tall;
    put(values, block, { x, y, wide, tall, depth, plane, width, height, bands });
  }
  return values;
}

function put(values, block, { x, y, wide, tall, depth, plane, width, height, bands }) {
  const columns = Math.min(wide, width - x);
  for (let row = 0; row < Math.min(tall, height - y); row += 1) {
    let to = ((y + row) * width + x) * bands + plane;
    let from = row * wide * depth;
    for (let column = 0; column < columns; column += 1, from += depth, to += bands) {
      for (let band = 0; band < depth; band += 1) values[to + band] = block[from + band];
    }
  }
}

function colours(values, count, bands, { seen, meaning }) {
  const rgba = new Uint8ClampedArray(4 * count);
  const grey = bands < 3;
  for (let at = 0; at < count; at += 1) {
    const from = at * bands;
    for (let band = 0; band < 3; band += 1) rgba[4 * at + band] = values[from + (grey ? 0 : band)];
    rgba[4 * at + 3] = seen ? values[from + bands - 1] : 255;
  }
  if (meaning === 0) for (let at = 0; at < 4 * count; at += 1) if (at % 4 < 3) rgba[at] = 255 - rgba[at];
  return rgba;
}

// Whether the last band says how much is seen. Many writers mark the fourth of four bands so: one that varies as a
// colour does, with many values and seldom its largest, hides nothing (core/imagery/bands.py).
function transparency(values, bands, { extra }) {
  if (!(bands === 2 || bands === 4) || !extra?.[0]) return false;
  const counts = new Uint32Array(256);
  for (let at = bands - 1; at < values.length; at += bands) counts[values[at]] += 1;
  const shown = counts.subarray(1).filter((count) => count > 0);
  const total = shown.reduce((sum, count) => sum + count, 0);
  return !(shown.length > FEW_VALUES && shown[shown.length - 1] < total / 2);
}

function place(tags) {
  let transform = null;
  if (tags.matrix) {
    const [a, b, , c, d, e, , f] = tags.matrix;
    transform = [a, b, c, d, e, f];
  } else if (tags.scale && tags.tie) {
    const [column, row, , x, y] = tags.tie;
    const [wide, tall] = tags.scale;
    transform = [wide, 0, x - column * wide, 0, -tall, y + row * tall];
  }
  if (transform) {
    const [a, b, , d, e] = transform;
    // Pixels without a size have no place.
    if (!transform.every(Number.isFinite) || a * e === b * d) return { transform: null, epsg: null };
  }
  const keys = {};
  for (let at = 4; at + 3 < (tags.keys?.length ?? 0); at += 4) {
    if (!tags.keys[at + 1]) keys[tags.keys[at]] = tags.keys[at + 3];
  }
  if (keys[1025] === 2 && transform) {
    // The coordinates are of the middles of pixels.
    const [a, b, c, d, e, f] = transform;
    transform = [a, b, c - (a + b) / 2, d, e, f - (d + e) / 2];
  }
  const epsg = keys[3072] ?? keys[2048] ?? null;
  return { transform, epsg: epsg && epsg < 32767 ? epsg : null };
}
