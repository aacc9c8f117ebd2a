import assert from "node:assert/strict";
import { test } from "node:test";
import { clamped, moved, pixelAt, placed, scaleBar, spanned, visible, zoomed } from "../../../app/web/shared/camera.mjs";

const picture = { width: 400, height: 200 };
const canvas = { width: 800, height: 400 };
const whole = { zoom: 1, x: 0.5, y: 0.5 };

test("zoom 1 shows the whole picture, whatever the shape of the canvas", () => {
  for (const size of [canvas, { width: 300, height: 900 }, { width: 901, height: 77 }]) {
    assert.deepEqual(visible(clamped({ zoom: 0.2, x: 0, y: 1 }, picture, size), picture, size), { x: 0, y: 0, ...picture });
  }
});

test("what is under the pointer stays under it", () => {
  const at = { x: 313, y: 171 };
  const under = (camera) => {
    const { scale, left, top } = placed(camera, picture, canvas);
    return [(at.x - left) / scale, (at.y - top) / scale];
  };
  let camera = whole;
  const [x, y] = under(camera);
  for (const factor of [1.3, 2, 1.7, 0.6, 3]) {
    camera = zoomed(camera, factor, at, picture, canvas);
    assert.ok(Math.hypot(under(camera)[0] - x, under(camera)[1] - y) < 1e-9);
  }
});

test("no move leaves the picture", () => {
  let camera = zoomed(whole, 4, { x: 1, y: 1 }, picture, canvas);
  for (const [dx, dy] of [[-1e4, 0], [1e5, 1e5], [-3, -1e6]]) {
    camera = moved(camera, dx, dy, picture, canvas);
    const part = visible(camera, picture, canvas);
    // A pixel that is cut by the border of the canvas counts as seen.
    assert.ok([100, 101].includes(part.width) && [50, 51].includes(part.height));
    assert.ok(part.x >= 0 && part.y >= 0 && part.x + part.width <= 400 && part.y + part.height <= 200);
  }
});

test("a move of the pointer moves the picture as far", () => {
  const camera = { zoom: 4, x: 0.5, y: 0.5 };
  const [before, after] = [camera, moved(camera, 24, -8, picture, canvas)].map((one) => placed(one, picture, canvas));
  assert.ok(Math.abs(before.left - after.left - 24) < 1e-9 && Math.abs(before.top - after.top + 8) < 1e-9);
});

test("pixels are found, and nothing beside the picture", () => {
  assert.deepEqual(pixelAt(whole, { x: 0, y: 0 }, picture, canvas), { x: 0, y: 0 });
  assert.deepEqual(pixelAt(whole, { x: 799, y: 399 }, picture, canvas), { x: 399, y: 199 });
  assert.equal(pixelAt(whole, { x: 5, y: 10 }, picture, { width: 400, height: 400 }), null);
});

test("a region is the same from any corner, and lies in the picture", () => {
  const expected = { x: 3, y: 5, width: 8, height: 2 };
  assert.deepEqual(spanned({ x: 3, y: 5 }, { x: 10, y: 6 }, picture), expected);
  assert.deepEqual(spanned({ x: 10, y: 5 }, { x: 3, y: 6 }, picture), expected);
  assert.deepEqual(spanned({ x: -9, y: -9 }, { x: 999, y: 999 }, picture), { x: 0, y: 0, ...picture });
});

test("the scale bar is a round length that fits", () => {
  for (const metresPerPixel of [0.07, 0.3, 1, 10, 30]) {
    for (const scale of [0.1, 0.9, 4, 37]) {
      const { metres, pixels } = scaleBar(metresPerPixel, scale, 120);
      assert.ok(pixels <= 120 + 1e-6 && pixels >= 47);
      assert.ok([1, 2, 5].includes(Number((metres / 10 ** Math.floor(Math.log10(metres) + 1e-9)).toFixed(6))));
      assert.ok(Math.abs(pixels - (metres / metresPerPixel) * scale) < 1e-6);
    }
  }
  assert.equal(scaleBar(10, 0.1, 120).label, "10 km");
});
