// The column of numbers: what part of the picture they are of, tables, the confusion matrix, the reliability curve.

import { choice, element, table } from "../shared/dom.mjs";
import {
  MOST_CLASSES, PER_CLASS, classMeasures, classRows, commonest, occurs, percent, summaryRows,
} from "./report.mjs";

const SVG = "http://www.w3.org/2000/svg";

export function numbersOf(found, scene, chosen, act) {
  const heads = found.map((own) => own.title);
  const measures = classMeasures(found);
  const usual = measures.includes("iou") ? "iou" : measures[0];
  const measure = measures.includes(chosen.measure) ? chosen.measure : usual;
  const options = measures.map((name) => [name, PER_CLASS[name][0]]);
  const rows = summaryRows(found);
  const perClass = classRows(found, scene.classes, measure)
    .filter((_, index) =>
      (index !== scene.ignore && scene.classes.length <= MOST_CLASSES) || occurs(found, index, scene.classes.length))
    .map(([name, cells]) => [name, "", cells]);
  return [
    rows.length ? table("Agreement and scores", heads, rows) : null,
    together(element("label", { class: "pick" }, "Each class ",
      choice("Measure of each class", options, measure, (value) => act({ measure: value }))),
    table(PER_CLASS[measure][0], heads, perClass)),
    ...confusionOf(found, scene, chosen, act),
  ].filter(Boolean);
}

// A menu and the table that it is of stay in one column, however many there are.
const together = (...nodes) => element("div", { class: "block" }, ...nodes);

// Which model, against whom: truth where it is known, else the teacher.
function confusionOf(found, scene, chosen, act) {
  const pairs = found.flatMap((own, index) => [
    ...(own.withTruth ? [[`${index}.truth`, `${own.title} against the known mask`]] : []),
    ...(own.withTeacher ? [[`${index}.teacher`, `${own.title} against the teacher`]] : []),
  ]);
  if (!pairs.length) return [];
  const usual = pairs.find(([value]) => value === "1.truth") || pairs[0];
  const [value] = pairs.find(([pair]) => pair === chosen.pair) || usual;
  const [index, against] = value.split(".");
  const own = found[Number(index)];
  const counts = against === "truth" ? own.withTruth : own.withTeacher;
  return [
    together(element("label", { class: "pick" }, "Confusion ",
      choice("Confusion of", pairs, value, (pair) => act({ pair, cell: null }))),
    matrix(counts, scene, { ...chosen, against }, act)),
    against === "truth" && own.calibration ? reliability(own.calibration) : null,
  ];
}

function matrix(counts, { classes, ignore }, chosen, act) {
  const rows = classes.map((_, index) => index).filter((index) => chosen.against !== "truth" || index !== ignore);
  const columns = commonest(counts, rows.filter((index) => index !== ignore), classes.length);
  const totals = new Map(columns.map((wanted) =>
    [wanted, rows.reduce((total, column) => total + counts[wanted * classes.length + column], 0)]));
  const some = columns.length < rows.filter((index) => index !== ignore).length;
  const cell = (wanted, found) => {
    const row = totals.get(wanted);
    const count = counts[wanted * classes.length + found];
    const share = row ? count / row : null;
    const { cell: shown } = chosen;
    const own = shown && shown.wanted === wanted && shown.found === found;
    const pressed = Boolean(own && shown.against === chosen.against);
    const told = `${classes[wanted].name} taken for ${classes[found].name}: ${count.toLocaleString("en")} pixels`;
    return element("td", {}, element("button", {
      type: "button", title: told, "aria-label": told, "aria-pressed": String(pressed), style: `--share: ${share ?? 0}`,
      "data-cell": `${wanted}.${found}`, class: wanted === found ? "right" : null,
      onclick: () => act({ cell: pressed ? null : { against: chosen.against, wanted, found } }),
    }, share === null ? "–" : `${Math.round(100 * share)}`));
  };
  const short = (index) => element("th", { scope: "col", title: classes[index].name }, classes[index].name);
  return element("table", { class: "matrix" },
    element("caption", {},
      `Per cent of each row${some ? `, of the ${columns.length} commonest classes` : ""}; a click shows the pixels`),
    element("thead", {}, element("tr", {}, element("td", {}), ...columns.map(short))),
    element("tbody", {}, ...columns.map((wanted) =>
      element("tr", {}, element("th", { scope: "row" }, classes[wanted].name),
        ...columns.map((found) => cell(wanted, found))))));
}

// Accuracy over confidence; the diagonal is a model that knows how sure it may be.
function reliability({ ece, bins }) {
  const filled = bins.filter((bin) => bin.count);
  const told = filled.map((bin) => `${percent(bin.confidence)} sure, ${percent(bin.accuracy)} right`);
  const svg = document.createElementNS(SVG, "svg");
  const draw = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    svg.append(node);
  };
  const label = `Reliability: ${told.join("; ")}`;
  const attributes = { viewBox: "-2 -2 104 104", role: "img", "aria-label": label, class: "curve" };
  Object.entries(attributes).forEach(([name, value]) => svg.setAttribute(name, value));
  draw("rect", { x: 0, y: 0, width: 100, height: 100, class: "frame" });
  bins.forEach(({ count, accuracy }, index) => {
    const height = 100 * accuracy;
    if (count) draw("rect", { x: 10 * index + 0.5, y: 100 - height, width: 9, height, class: "bar" });
  });
  draw("line", { x1: 0, y1: 100, x2: 100, y2: 0, class: "even" });
  return element("figure", { class: "reliability" },
    element("figcaption", {},
      `How often it is right (up), by how sure it is (across). Calibration error ${percent(ece)}.`), svg);
}
