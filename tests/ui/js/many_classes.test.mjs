import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_CLASSES, commonest, occurs } from "../../../app/web/numbers/report.mjs";
import { packed } from "../../../app/web/shared/colours.mjs";
import { compose, layerOf } from "../../../app/web/viewer/layers.mjs";

const COUNT = 256;
const classes = Array.from({ length: COUNT }, (_, index) => ({ safe: [index, 1, 2], colour: [index, 3, 4] }));

test("each of 255 classes and the ignored one has its own colour, and errors know the last class", () => {
  const plane = Uint8Array.from({ length: COUNT }, (_, index) => index);
  const other = plane.slice();
  other[254] = 0;
  const panel = (role, own) => ({ role, plane: own, confidence: plane, entropy: plane });
  const made = { classes, ignore: 255, width: 16, height: 16,
    panels: [panel("truth", plane), panel("teacher", plane), panel("student", other)] };
  const view = { layer: "classes", hidden: new Set(), colours: "safe", cell: null };
  const shown = (index, changes) => {
    const out = new Uint32Array(COUNT);
    const place = { scale: 1, left: 0, top: 0 };
    compose(out, { width: 16, height: 16 }, place, made, layerOf(made.panels[index], made, { ...view, ...changes }));
    return out;
  };
  assert.deepEqual([...shown(0)], classes.map(({ safe }) => packed(safe)));
  assert.deepEqual([...shown(2, { layer: "errors" })].flatMap((value, index) => (value ? [index] : [])), [254]);
  assert.deepEqual(shown(0, { hidden: new Set([254]) })[254], 0);
});

test("of many classes the matrix holds the commonest and the tables those that occur", () => {
  const counts = new Float64Array(COUNT * COUNT);
  for (let index = 0; index < 100; index++) counts[index * COUNT + index] = index;
  const every = Array.from({ length: 255 }, (_, index) => index);
  const shown = commonest(counts, every, COUNT);
  assert.deepEqual(shown, every.slice(100 - MOST_CLASSES, 100));
  assert.deepEqual(commonest(counts, [0, 1, 2], COUNT), [0, 1, 2]);
  const found = [{ area: Float64Array.from({ length: COUNT }, (_, index) => (index === 7 ? 3 : 0)), withTruth: counts }];
  assert.deepEqual([7, 99, 0, 200].map((index) => occurs(found, index, COUNT)), [true, true, false, false]);
});
