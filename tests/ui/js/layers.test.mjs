import assert from "node:assert/strict";
import { test } from "node:test";
import { packed, ramp } from "../../../app/web/shared/colours.mjs";
import { UNLIKE, compose, hasShare, layerOf, outlined, votes } from "../../../app/web/viewer/layers.mjs";

const classes = [[10, 0, 0], [0, 20, 0], [0, 0, 30], [9, 9, 9]].map((safe, index) => ({ safe, colour: [index, index, index] }));
const panel = (role, ...plane) => ({ role, plane: Uint8Array.from(plane), confidence: new Uint8Array(plane.length).fill(255), entropy: new Uint8Array(plane.length) });
const scene = () => ({
  classes, ignore: 3, width: 2, height: 2,
  panels: [panel("truth", 0, 1, 2, 3), panel("teacher", 0, 1, 1, 1), panel("student", 0, 2, 1, 1), panel("student", 1, 2, 1, 0)],
});
const view = (changes) => ({ layer: "classes", hidden: new Set(), colours: "safe", cell: null, ...changes });
const shown = (made, index, changes, size = { width: 2, height: 2 }) => {
  const out = new Uint32Array(size.width * size.height);
  const place = { scale: size.width / made.width, left: 0, top: 0 };
  compose(out, size, place, made, layerOf(made.panels[index], made, view(changes)));
  return [...out];
};
const pink = packed(UNLIKE);
const [a, b, c] = classes.map(({ safe }) => packed(safe));

test("bytes are red, green, blue, alpha in memory", () => {
  assert.deepEqual([...new Uint8Array(Uint32Array.of(packed([1, 2, 3], 4)).buffer)], [1, 2, 3, 4]);
});

test("classes have their colours, hidden ones none, and the dataset's on request", () => {
  assert.deepEqual(shown(scene(), 2), [a, c, b, b]);
  assert.deepEqual(shown(scene(), 2, { hidden: new Set([1]) }), [a, c, 0, 0]);
  assert.deepEqual(shown(scene(), 2, { colours: "colour" })[1], packed([2, 2, 2]));
});

test("disagreement is where a student is not its teacher; on the teacher, how many are not", () => {
  assert.deepEqual(shown(scene(), 2, { layer: "disagreement" }), [0, pink, 0, 0]);
  assert.deepEqual(shown(scene(), 3, { layer: "disagreement", hidden: new Set([0]) }), [0, pink, 0, pink]);
  assert.deepEqual(shown(scene(), 1, { layer: "disagreement" }).map((value) => value >>> 24), [128, 255, 0, 128]);
  assert.deepEqual([...votes(Uint8Array.of(1, 1), [Uint8Array.of(1, 2), Uint8Array.of(0, 0)])], [1, 2]);
});

test("errors leave unlabelled pixels out, and the known mask shows its classes", () => {
  assert.deepEqual(shown(scene(), 1, { layer: "errors" }), [0, 0, pink, 0]);
  assert.deepEqual(shown(scene(), 0, { layer: "errors" }), [a, b, c, packed([9, 9, 9])]);
});

test("a cell of the confusion matrix shows its pixels and no others", () => {
  const cell = { against: "truth", wanted: 1, found: 2 };
  assert.deepEqual(shown(scene(), 2, { cell }), [0, pink, 0, 0]);
  assert.deepEqual(shown(scene(), 1, { cell }), [0, 0, 0, 0]);
});

test("confidence and entropy run from dark to light", () => {
  const light = ([r, g, b]) => 0.3 * r + 0.6 * g + 0.1 * b;
  for (let share = 0; share < 1; share += 0.05) assert.ok(light(ramp(share + 0.05)) > light(ramp(share)));
  assert.equal(shown(scene(), 1, { layer: "confidence" })[0], packed(ramp(1)));
  assert.equal(shown(scene(), 1, { layer: "entropy" })[0], packed(ramp(0)));
});

test("a committee shows how much its members disagree, and other models their classes", () => {
  const made = scene();
  assert.equal(hasShare(made, "members"), false);
  made.panels[1].members = Uint8Array.of(0, 255, 0, 0);
  assert.equal(hasShare(made, "members"), true);
  assert.equal(hasShare({ panels: [{ shares: [1, 2, 3] }] }, "members"), true);
  assert.equal(hasShare({ panels: [{ shares: [1, 2] }] }, "members"), false);
  assert.deepEqual(shown(made, 1, { layer: "members" }), [ramp(0), ramp(1), ramp(0), ramp(0)].map((colour) => packed(colour)));
  assert.deepEqual(shown(made, 2, { layer: "members" }), shown(made, 2, {}));
});

test("every canvas pixel shows the picture's pixel under its middle, at any scale and place", () => {
  const picture = { width: 7, height: 5 };
  const plane = Uint8Array.from({ length: 35 }, (_, i) => (i * 11) % 4);
  const table = new Uint32Array(65536);
  for (let i = 0; i < 4; i++) table[(i << 8) | i] = i + 1;
  const canvas = { width: 23, height: 17 };
  for (const place of [{ scale: 1, left: 0, top: 0 }, { scale: 3.7, left: -4.2, top: 2.1 }, { scale: 0.6, left: 9, top: 8 }]) {
    const out = new Uint32Array(23 * 17);
    compose(out, canvas, place, picture, { first: plane, second: plane, table });
    for (let y = 0; y < 17; y++) for (let x = 0; x < 23; x++) {
      const column = Math.floor((x + 0.5 - place.left) / place.scale);
      const row = Math.floor((y + 0.5 - place.top) / place.scale);
      const inside = column >= 0 && row >= 0 && column < 7 && row < 5;
      assert.equal(out[y * 23 + x], inside ? plane[row * 7 + column] + 1 : 0, `${x} ${y}`);
    }
  }
});

test("a part of the columns leaves the others alone", () => {
  const made = scene();
  const out = new Uint32Array(16).fill(77);
  const layer = layerOf(made.panels[1], made, view());
  compose(out, { width: 4, height: 4 }, { scale: 2, left: 0, top: 0 }, made, layer, 2);
  for (let y = 0; y < 4; y++) assert.deepEqual([...out.slice(4 * y, 4 * y + 2)], [77, 77]);
  assert.equal(out[2], b);
});

test("outlines stand only where classes meet", () => {
  const out = new Uint32Array(25);
  for (let i = 0; i < 25; i++) out[i] = i % 5 < 2 ? 5 : 6;
  outlined(out, { width: 5, height: 5 });
  assert.deepEqual([...out.slice(10, 15)], [0, 5, 6, 0, 0]);
});
