// The numbers beside the picture: measured over a rectangle, laid out as tables, and as CSV.

import { agreement, bands, borders, calibration, confidences, confusion, near, scores, share } from "./scores.mjs";

export const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
const decimal = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));

const AT_ONCE_MS = 8;

// Everything for each model, a little at a time. `stale()` is asked in between; when it says so, null comes back.
export async function measure(scene, rect, stale) {
  let since = performance.now();
  const inParts = async (work) => {
    for (const band of bands(rect)) {
      work(band);
      if (performance.now() - since < AT_ONCE_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      since = performance.now();
      if (stale()) return false;
    }
    return true;
  };
  const found = [];
  for (const panel of scene.panels.filter((other) => other.role !== "truth")) {
    const own = await measureOne(scene, panel, rect, inParts);
    if (!own) return null;
    found.push(own);
  }
  return found;
}

async function measureOne(scene, panel, rect, inParts) {
  const { width, ignore } = scene;
  const count = scene.classes.length;
  const teacher = scene.panels.find((other) => other.role === "teacher");
  const truth = scene.panels.find((other) => other.role === "truth");
  const own = { title: panel.title, role: panel.role, withTeacher: new Float64Array(count * count) };
  const compared = (band) => confusion(teacher.plane, panel.plane, width, band, count, own.withTeacher);
  if (!(await inParts(compared))) return null;
  const columns = [...Array(count).keys()].map((column) => own.withTeacher.filter((_, i) => i % count === column));
  own.area = columns.map((column) => column.reduce((total, pixels) => total + pixels, 0) / (rect.width * rect.height));
  if (panel === teacher) own.withTeacher = null;
  else if (!(await alongBorders(own, [panel.plane, teacher.plane], width, rect, inParts))) return null;
  if (own.withTeacher) own.teacher = agreement(own.withTeacher, count);
  if (!truth) return own;
  own.withTruth = new Float64Array(count * count);
  const held = new Float64Array(512);
  const score = (band) => {
    confusion(truth.plane, panel.plane, width, band, count, own.withTruth);
    if (panel.confidence) confidences(panel.plane, panel.confidence, truth.plane, width, band, ignore, held);
  };
  if (!(await inParts(score))) return null;
  own.calibration = panel.confidence ? calibration(held) : null;
  return Object.assign(own, { truth: scores(own.withTruth, count, ignore) });
}

async function alongBorders(own, planes, width, rect, inParts) {
  const [one, other] = planes.map(() => new Uint8Array(rect.width * rect.height));
  const total = { count: 0, hits: 0 };
  const draw = (band) => [one, other].forEach((found, index) => borders(planes[index], width, rect, band, found));
  const add = (band) => [near(one, other, rect, band), near(other, one, rect, band)].forEach(({ count, hits }) => {
    total.count += count;
    total.hits += hits;
  });
  if (!(await inParts(draw)) || !(await inParts(add))) return false;
  own.border = share(total.hits, total.count);
  return true;
}

const SUMMARY = [
  ["Agreement", "Share of pixels with the teacher's class", (own) => percent(own.teacher?.agreement)],
  ["Cohen's κ", "Agreement beyond chance: 1 is full, 0 is chance", (own) => decimal(own.teacher?.kappa)],
  ["Borders within 3 px", "Share of border pixels near one of the teacher's", (own) => percent(own.border)],
];
const AGAINST_TRUTH = [
  ["mIoU", "Mean over the classes in the known mask; unlabelled pixels left out", (own) => percent(own.truth.miou)],
  ["Accuracy", "Share of labelled pixels with the right class", (own) => percent(own.truth.accuracy)],
  ["Calibration error", "ECE, 10 bins: how far confidence is from accuracy", (own) => percent(own.calibration?.ece)],
];
export const PER_CLASS = {
  area: ["Area", (own, index) => own.area[index]],
  teacher: ["IoU with teacher", (own, index) => own.teacher?.iou[index]],
  iou: ["IoU", (own, index) => own.truth?.iou[index]],
  precision: ["Precision", (own, index) => own.truth?.precision[index]],
  recall: ["Recall", (own, index) => own.truth?.recall[index]],
};

export const summaryRows = (found) => {
  const rows = found.some((own) => own.teacher) ? SUMMARY : [];
  const all = found[0].truth ? [...rows, ...AGAINST_TRUTH] : rows;
  return all.map(([name, help, cell]) => [name, help, found.map(cell)]);
};

// A class and its cells for each measure that is there.
export const classRows = (found, classes, measure) =>
  classes.map(({ name }, index) => [name, found.map((own) => percent(PER_CLASS[measure][1](own, index)))]);

export const classMeasures = (found) =>
  Object.keys(PER_CLASS).filter((name) =>
    found.some((own) => name === "area" || (name === "teacher" ? own.teacher : own.truth)));

// The whole table for a spreadsheet.
export function asCsv(found, classes, where) {
  // A name that begins like a formula must not become one; a number stays as it is. As core/spreadsheet.py does it.
  const number = /^ *[+-]?(\d+([.,]\d+)*|\.\d+)(e[+-]?\d+)?\s*%? *$/i;
  const formula = /^(?=\s*[=+@|＝＋－＠-]|[\t\r\n])/;
  const harmless = (text) => number.test(text) ? String(text) : String(text).replace(formula, "'");
  const quoted = (text) => `"${harmless(text).replaceAll('"', '""')}"`;
  const lines = [[where, ...found.map((own) => own.title)]];
  for (const [name, , cells] of summaryRows(found)) lines.push([name, ...cells]);
  for (const measure of classMeasures(found)) {
    const title = PER_CLASS[measure][0];
    for (const [name, cells] of classRows(found, classes, measure)) lines.push([`${title}: ${name}`, ...cells]);
  }
  return lines.map((cells) => cells.map(quoted).join(",")).join("\r\n");
}

// With more classes than these, tables hold those that occur, and the matrix the commonest.
export const MOST_CLASSES = 24;

// Whether a model or the known mask has pixels of a class.
export function occurs(found, index, count) {
  return found.some((own) => {
    if (own.area[index] > 0) return true;
    for (let other = 0; own.withTruth && other < count; other++) if (own.withTruth[index * count + other]) return true;
    return false;
  });
}

// Of `indices` the `MOST_CLASSES` with most pixels in the rows and columns of a matrix of `count` classes, in order.
export function commonest(counts, indices, count) {
  if (indices.length <= MOST_CLASSES) return indices;
  const pixels = new Map(indices.map((index) => [index, 0]));
  for (const wanted of indices) {
    for (const found of indices) {
      const value = counts[wanted * count + found];
      if (!value) continue;
      pixels.set(wanted, pixels.get(wanted) + value);
      pixels.set(found, pixels.get(found) + value);
    }
  }
  const there = indices.filter((index) => pixels.get(index) > 0);
  return there.sort((a, b) => pixels.get(b) - pixels.get(a)).slice(0, MOST_CLASSES).sort((a, b) => a - b);
}
