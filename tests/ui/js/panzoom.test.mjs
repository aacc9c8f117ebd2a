import assert from "node:assert/strict";
import { test } from "node:test";
import { pixelAt, placed, visible } from "../../../app/web/shared/camera.mjs";
import { PanZoom } from "../../../app/web/shared/panzoom.mjs";

const picture = { width: 400, height: 200 };

// A canvas of 400 x 200 CSS pixels at 10, 20 of the window, with twice as many of its own.
function fake({ width = 800, height = 400 } = {}) {
  const listeners = {};
  return {
    width, height, captured: [], listeners,
    getBoundingClientRect: () => ({ left: 10, top: 20, width: 400, height: 200 }),
    setPointerCapture(id) { this.captured.push(id); },
    addEventListener: (name, act) => (listeners[name] = act),
  };
}

function made(options = {}) {
  const canvas = fake();
  const told = [];
  const pan = new PanZoom({ picture: () => picture, canvas: () => canvas, changed: () => told.push(pan.camera), ...options });
  const event = (x, y, more = {}) => ({
    currentTarget: canvas, pointerId: 1, clientX: 10 + x, clientY: 20 + y, prevented: false,
    preventDefault() { this.prevented = true; }, ...more,
  });
  const under = (x, y) => pixelAt(pan.camera, pan.at(event(x, y)), picture, canvas);
  return { pan, canvas, told, event, under };
}

test("a drag takes the pixel under the pointer along, also where the resolution changes on the way", () => {
  const { pan, canvas, event, under } = made();
  pan.goTo({ zoom: 8, x: 0.5, y: 0.5 });
  const pixel = under(200, 100);
  pan.grab(event(200, 100));
  assert.deepEqual(canvas.captured, [1]);
  pan.drag(event(220, 90));
  assert.deepEqual(under(220, 90), pixel);
  [canvas.width, canvas.height] = [400, 200];
  pan.drag(event(150, 120));
  assert.deepEqual(under(150, 120), pixel);
  pan.release(event(150, 120));
  const { camera } = pan;
  pan.drag(event(0, 0));
  assert.equal(pan.camera, camera);
});

test("two pointers zoom by their distance", () => {
  const { pan, event } = made();
  pan.grab(event(100, 100));
  pan.grab(event(200, 100, { pointerId: 2 }));
  pan.drag(event(300, 100, { pointerId: 2 }));
  assert.ok(Math.abs(pan.camera.zoom - 2) < 1e-9);
  pan.drag(event(300, 100, { pointerId: 2 }));
  assert.ok(Math.abs(pan.camera.zoom - 2) < 1e-9);
});

test("the wheel zooms at the pointer; where all is shown, rolling back is left to the page", () => {
  const { pan, event, under, told } = made();
  const back = event(50, 50, { deltaY: 100 });
  pan.roll(back);
  assert.equal(back.prevented, false);
  assert.equal(told.length, 0);
  const pixel = under(300, 50);
  const closer = event(300, 50, { deltaY: -300 });
  pan.roll(closer);
  assert.equal(closer.prevented, true);
  assert.ok(Math.abs(pan.camera.zoom - Math.E) < 1e-9);
  assert.deepEqual(under(300, 50), pixel);
});

test("keys zoom, move and show all; others, and those of the browser, are left alone", () => {
  const { pan, event } = made({ factor: 2, share: 1 / 8 });
  const press = (key, more) => pan.press(event(0, 0, { key, ...more }));
  assert.ok(press("+") && press("=") && pan.camera.zoom === 4);
  assert.ok(press("-") && pan.camera.zoom === 2);
  const before = placed(pan.camera, picture, { width: 800, height: 400 }).left;
  assert.ok(press("ArrowRight"));
  assert.ok(Math.abs(before - placed(pan.camera, picture, { width: 800, height: 400 }).left - 100) < 1e-9);
  for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.equal(press("+", { [held]: true }), false);
  assert.equal(press("x"), false);
  assert.equal(pan.camera.zoom, 2);
  assert.ok(press("0"));
  assert.deepEqual(pan.camera, { zoom: 1, x: 0.5, y: 0.5 });
});

test("the small picture goes to where it is pressed or dragged", () => {
  const { pan } = made();
  const map = fake();
  pan.steer(map);
  pan.goTo({ zoom: 4, x: 0.5, y: 0.5 });
  map.listeners.pointerdown({ clientX: 10 + 300, clientY: 20 + 150 });
  assert.deepEqual([pan.camera.x, pan.camera.y], [0.75, 0.75]);
  map.listeners.pointermove({ clientX: 10 + 200, clientY: 20 + 100, buttons: 0 });
  assert.equal(pan.camera.x, 0.75);
  map.listeners.pointermove({ clientX: 10 + 200, clientY: 20 + 100, buttons: 1 });
  assert.deepEqual([pan.camera.x, pan.camera.y], [0.5, 0.5]);
});

test("no way of moving leaves the picture, and each is told once", () => {
  const { pan, canvas, event, told } = made();
  const ways = [() => pan.closer(), () => pan.move(1e6, -1e6), () => pan.zoom(1e9), () => pan.farther(), () => pan.goTo({ zoom: 0, x: 9, y: -9 }),
    () => pan.roll(event(0, 0, { deltaY: -500 })), () => pan.fit()];
  ways.forEach((way, index) => {
    way();
    assert.equal(told.length, index + 1);
    const { x, y, width, height } = visible(pan.camera, picture, canvas);
    assert.ok(x >= 0 && y >= 0 && x + width <= picture.width && y + height <= picture.height && pan.camera.zoom >= 1);
  });
});
