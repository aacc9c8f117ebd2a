// What is laid over the picture. Every layer is a table of colours over two planes of bytes, so that one loop draws all
// of them, and only as many pixels as the screen has, whatever the size of the picture.

import { packed, ramp } from "../shared/colours.mjs";

export const UNLIKE = [236, 32, 96];
// The planes of shares of a panel, in the order of app/services/overlays.py; only committees have the last one.
export const SHARES = ["confidence", "entropy", "members"];
const CLEAR = 0;

// A table for the pairs (first, second) of bytes; `colour(first, second)` is asked for `firsts` x `seconds` of them.
function pairTable(firsts, seconds, colour) {
  const table = new Uint32Array(65536);
  for (let first = 0; first < firsts; first++) {
    for (let second = 0; second < seconds; second++) table[(first << 8) | second] = colour(first, second);
  }
  return table;
}

// Whether any panel has, or will have, this plane.
export function hasShare(scene, name) {
  return scene.panels.some((panel) => panel[name] || (panel.shares?.length ?? 0) > SHARES.indexOf(name));
}

// How many of `planes` differ from `reference`, for every pixel.
export function votes(reference, planes) {
  const found = new Uint8Array(reference.length);
  for (const plane of planes) for (let i = 0; i < found.length; i++) if (plane[i] !== reference[i]) found[i]++;
  return found;
}

function classLayer(panel, scene, view) {
  const colours = scene.classes.map((entry) => packed(entry[view.colours]));
  const table = pairTable(colours.length, colours.length, (first, second) =>
    first === second && !view.hidden.has(first) ? colours[first] : CLEAR);
  return { first: panel.plane, second: panel.plane, table };
}

// Where `panel` is not `against`, for the classes of `against` that are shown; `ignore` never counts.
function unlikeLayer(panel, against, scene, view, ignore) {
  const count = scene.classes.length;
  const colour = packed(UNLIKE);
  const table = pairTable(count, count, (wanted, found) =>
    found !== wanted && wanted !== ignore && !view.hidden.has(wanted) ? colour : CLEAR);
  return { first: against.plane, second: panel.plane, table };
}

// On the teacher: the more students differ, the more opaque.
function voteLayer(teacher, scene, view) {
  const students = scene.panels.filter((panel) => panel.role === "student").map((panel) => panel.plane);
  scene.votes ??= votes(teacher.plane, students);
  const table = pairTable(scene.classes.length, students.length + 1, (wanted, count) =>
    count && !view.hidden.has(wanted) ? packed(UNLIKE, Math.round((255 * count) / students.length)) : CLEAR);
  return { first: teacher.plane, second: scene.votes, table };
}

function shareLayer(panel, values, scene, view) {
  const colours = Array.from({ length: 256 }, (_, value) => packed(ramp(value / 255)));
  const table = pairTable(scene.classes.length, 256, (own, value) => (view.hidden.has(own) ? CLEAR : colours[value]));
  return { first: panel.plane, second: values, table };
}

// The pixels of one cell of the confusion matrix: `wanted` in the reference, `found` in the model.
function cellLayer(panel, scene, { against, wanted, found }) {
  const reference = scene.panels.find((other) => other.role === against);
  const table = pairTable(wanted + 1, found + 1, (first, second) =>
    first === wanted && second === found ? packed(UNLIKE) : CLEAR);
  return { first: reference.plane, second: panel.plane, table };
}

// The layer of one panel for what `view` asks; a panel that has no such layer shows its classes.
export function layerOf(panel, scene, view) {
  const teacher = scene.panels.find((other) => other.role === "teacher");
  const truth = scene.panels.find((other) => other.role === "truth");
  const asked = view.cell && panel.role !== "truth" && panel.role !== view.cell.against;
  if (asked) return cellLayer(panel, scene, view.cell);
  if (view.layer === "disagreement" && panel.role === "teacher") return voteLayer(panel, scene, view);
  if (view.layer === "disagreement" && panel.role === "student") return unlikeLayer(panel, teacher, scene, view, -1);
  if (view.layer === "errors" && truth && panel !== truth) return unlikeLayer(panel, truth, scene, view, scene.ignore);
  if (SHARES.includes(view.layer) && panel[view.layer]) return shareLayer(panel, panel[view.layer], scene, view);
  return classLayer(panel, scene, view);
}

// Columns `from` to `to` of a canvas: packed RGBA into `out` (width * height) for a picture that lies at `place`.
export function compose(out, canvas, place, picture, layer, from = 0, to = canvas.width) {
  const { first, second, table } = layer;
  const { scale, left, top } = place;
  const columns = new Int32Array(canvas.width);
  for (let x = from; x < to; x++) columns[x] = Math.floor((x + 0.5 - left) / scale);
  while (from < to && columns[from] < 0) from++;
  while (to > from && columns[to - 1] >= picture.width) to--;
  let above = -1;
  for (let y = 0; y < canvas.height; y++) {
    const row = Math.floor((y + 0.5 - top) / scale);
    if (row < 0 || row >= picture.height) continue;
    const start = y * canvas.width;
    if (row === above) {
      out.copyWithin(start + from, start - canvas.width + from, start - canvas.width + to);
      continue;
    }
    above = row;
    const base = row * picture.width;
    for (let x = from; x < to; x++) {
      const i = base + columns[x];
      out[start + x] = table[(first[i] << 8) | second[i]];
    }
  }
}

// Only the lines between classes: what differs from its left or upper neighbour keeps its colour, two pixels wide.
export function outlined(out, canvas) {
  const filled = out.slice();
  const { width, height } = canvas;
  out.fill(CLEAR);
  for (let y = 1; y < height; y++) {
    for (let i = y * width + 1; i < (y + 1) * width; i++) {
      if (filled[i] === filled[i - 1] && filled[i] === filled[i - width]) continue;
      out[i] = filled[i];
      out[i - 1] = filled[i - 1];
      out[i - width] = filled[i - width];
    }
  }
}
