import assert from "node:assert/strict";
import { test } from "node:test";
import { clamped, visible, zoomed } from "../../../app/web/shared/camera.mjs";
import { contains, wanted } from "../../../app/web/close_look/rest.mjs";

const picture = { width: 12000, height: 9000, most: 4096 };
const canvas = { width: 800, height: 600 };
const overview = { width: 1600, height: 1200 };
const near = (zoom, x, y) => clamped({ zoom, x, y }, picture, canvas);
const within = ({ x, y, width, height }) =>
  [x, y, width, height].every(Number.isInteger) && contains({ x: 0, y: 0, ...picture }, { x, y, width, height })
  && Math.max(width, height) <= picture.most;

test("nothing is asked for while the overview is sharp enough, or the part too large", () => {
  for (const zoom of [1, 2, 2.4]) assert.equal(wanted(near(zoom, 0.5, 0.5), picture, canvas, overview, null), null);
  assert.ok(wanted(near(4, 0.5, 0.5), picture, canvas, overview, null));
});

test("what is asked for lies in the picture and holds all that is seen, wherever one looks", () => {
  for (const zoom of [3.5, 5, 9, 20, 64]) {
    for (const [x, y] of [[0, 0], [1, 1], [0.5, 0.5], [0.31, 0.97]]) {
      const camera = near(zoom, x, y);
      const part = wanted(camera, picture, canvas, overview, null);
      assert.ok(within(part), JSON.stringify(part));
      assert.ok(contains(part, visible(camera, picture, canvas)), JSON.stringify([zoom, x, y, part]));
    }
  }
});

test("a small step or a step back needs nothing new; a long one, or more zoom than the part is sharp for, does", () => {
  const camera = near(4, 0.5, 0.5);
  const part = wanted(camera, picture, canvas, overview, null);
  const shrunk = { ...part, image: { width: Math.ceil(part.width / 2), height: Math.ceil(part.height / 2) } };
  assert.equal(wanted(camera, picture, canvas, overview, shrunk), null);
  assert.equal(wanted({ ...camera, x: 0.505 }, picture, canvas, overview, shrunk), null);
  assert.ok(wanted(near(4, 0.2, 0.2), picture, canvas, overview, shrunk));
  const closer = zoomed(camera, 8, { x: 400, y: 300 }, picture, canvas);
  assert.ok(wanted(closer, picture, canvas, overview, shrunk));
  const again = wanted(closer, picture, canvas, overview, shrunk);
  assert.equal(wanted(closer, picture, canvas, overview, { ...again, image: { width: 9, height: 9 } }), null);
  const full = { ...part, image: part };
  assert.equal(wanted(closer, picture, canvas, overview, full), null);
});
