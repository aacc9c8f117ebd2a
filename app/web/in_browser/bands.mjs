// The bands of a GeoTIFF that a model takes, as the numbers that they are, and the colours in which a person sees them;
// by the rules of core/imagery/band_files.py and core/imagery/pixels.py.

import { kindOf } from "./samples.mjs";

const KINDS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };
const FEW_VALUES = 16;
const UNTOLD = -9999;
const LARGEST = 1e30;
const SAMPLED = 1_000_000;
const LOW = 0.02, HIGH = 0.98;
const COLOURS = ["red", "green", "blue"];

const plain = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
const text = (bytes) => new TextDecoder().decode(Uint8Array.from(bytes ?? [])).replace(/\0[\s\S]*$/, "");

// `all`: values of every band. `wanted`: { names, depth, shown } of the model. `mask`: which pixels are seen, or null.
export function takeBands(all, tags, wanted, mask) {
  const Kind = checkedKind(tags, wanted);
  const bands = tags.bands ?? 1;
  const places = placesOf(tags, wanted.names, bands);
  const count = tags.width * tags.height;
  const values = new Kind(count * places.length);
  for (let at = 0, to = 0; at < count; at += 1) for (const place of places) values[to++] = all[at * bands + place];
  const lacks = lacking(all, tags, places, bands, mask);
  const seen = new Uint8Array(count);
  for (let at = 0; at < count; at += 1) {
    if (lacks(at)) values.fill(0, at * places.length, (at + 1) * places.length);
    else seen[at] = 1;
  }
  return { values, channels: places.length, rgba: composite(values, places.length, wanted.shown, seen) };
}

function checkedKind(tags, { depth }) {
  const held = kindOf(tags);
  if (depth !== "float32" && held !== KINDS[depth]) {
    throw new Error(`it holds ${held.name.replace("Array", "").toLowerCase()} values, and the model takes ${depth}`);
  }
  return KINDS[depth];
}

// Where the wanted bands lie: as all their names say, else in their order where there are as many.
function placesOf(tags, names, bands) {
  const described = Array.from({ length: bands }, () => "");
  for (const [, attributes, name] of text(tags.metadata).matchAll(/<Item ([^>]*)>([^<]*)<\/Item>/g)) {
    const sample = /sample="(\d+)"/.exec(attributes);
    if (/name="DESCRIPTION"/.test(attributes) && sample) described[Number(sample[1])] = plain(name);
  }
  const single = (name) => described.filter((each) => each === plain(name)).length === 1;
  if (names.every(single)) return names.map((name) => described.indexOf(plain(name)));
  // The server knows red, green and blue by other words too, and then the order may be another.
  const others = names.filter((name) => !COLOURS.includes(name));
  if (described.some(Boolean) && others.length < names.length && others.length && others.every(single)) {
    throw new Error(`its bands are not called ${names.join(", ")}, as the model's are: rename them`);
  }
  const all = Array.from({ length: bands }, (_, at) => at);
  const own = bands === names.length + 1 ? all.filter((at) => at !== alphaPlace(tags, bands)) : all;
  if (own.length === names.length) return own;
  throw new Error(`it has ${bands} bands, and the model sees ${names.join(", ")}: bring one with these bands alone`);
}

// The band that the file calls transparency; -1 where none is.
function alphaPlace({ extra = [] }, bands) {
  const found = extra.findIndex((meaning) => meaning === 1 || meaning === 2);
  return found < 0 ? -1 : bands - extra.length + found;
}

// Whether a pixel holds no data.
function lacking(all, tags, places, bands, mask) {
  const kind = kindOf(tags);
  const isFloat = kind === Float32Array || kind === Float64Array;
  const isSigned = isFloat || kind === Int8Array || kind === Int16Array || kind === Int32Array;
  const alpha = alphaOf(all, tags, places, bands);
  const told = Boolean(mask) || alpha >= 0;
  const single = kind === Float32Array ? Math.fround : (value) => value;
  const given = tags.nodata ? Number(text(tags.nodata).trim() || NaN) : NaN;
  const [least, most] = rangeOf(kind, isSigned);
  const fits = isFloat ? Math.abs(given) < LARGEST : Number.isInteger(given) && given >= least && given <= most;
  const extreme = given === 0 || (!isFloat && given === most);
  const any = fits && !extreme ? single(given) : null;
  const together = [];
  if (fits && extreme && !told) together.push(single(given));
  if (!tags.nodata && isSigned && kind !== Int8Array) together.push(UNTOLD);
  return (at) => {
    if (mask && !mask[at]) return true;
    if (alpha >= 0 && !(all[at * bands + alpha] > 0)) return true;
    const has = (test) => places.some((place) => test(all[at * bands + place]));
    if (isFloat && has((value) => !(Math.abs(value) < LARGEST))) return true;
    if (any !== null && has((value) => value === any)) return true;
    return together.some((value) => !has((each) => each !== value));
  };
}

function rangeOf(kind, isSigned) {
  const bits = 8 * kind.BYTES_PER_ELEMENT;
  return isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

// The same where it hides something. One that varies as a colour does hides nothing.
function alphaOf(all, tags, places, bands) {
  const place = alphaPlace(tags, bands);
  if (place < 0 || places.includes(place)) return -1;
  const counts = new Map();
  for (let at = place; at < all.length; at += bands) counts.set(all[at], (counts.get(all[at]) ?? 0) + 1);
  counts.delete(0);
  if (!counts.size) return -1;
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const largest = counts.get([...counts.keys()].reduce((one, other) => Math.max(one, other)));
  return counts.size > FEW_VALUES && largest < total / 2 ? -1 : place;
}

// What a person sees: 8-bit values as they are, deeper ones from their 2nd to their 98th percentile, one scale for all.
function composite(values, channels, shown, seen) {
  const places = shown.length === 3 ? shown : [shown[0], shown[0], shown[0]];
  const [low, high] = values instanceof Uint8Array ? [0, 255] : stretch(values, channels, shown, seen);
  const rgba = new Uint8ClampedArray(4 * seen.length);
  for (let at = 0; at < seen.length; at += 1) {
    places.forEach((place, band) => {
      rgba[4 * at + band] = (255 * (values[at * channels + place] - low)) / (high - low);
    });
    rgba[4 * at + 3] = seen[at] ? 255 : 0;
  }
  return rgba;
}

function stretch(values, channels, shown, seen) {
  const step = Math.max(1, Math.floor(seen.length / SAMPLED));
  const found = [];
  for (let at = 0; at < seen.length; at += step) {
    if (seen[at]) for (const place of shown) found.push(values[at * channels + place]);
  }
  if (!found.length) return [0, 1];
  const sorted = Float64Array.from(found).sort();
  const [low, high] = [LOW, HIGH].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  return high > low ? [low, high] : [sorted[0], Math.max(sorted[sorted.length - 1], sorted[0] + 1)];
}
