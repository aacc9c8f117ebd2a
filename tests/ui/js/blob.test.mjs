import assert from "node:assert/strict";
import { test } from "node:test";
import { addShares, greys, unpack } from "../../../app/web/viewer/blob.mjs";

const framed = (json) => {
  const text = new TextEncoder().encode(JSON.stringify(json));
  return [...new Uint8Array(Uint32Array.of(text.length).buffer), ...text];
};
const panels = [{ role: "truth", classes: [2, 3], shares: [] }, { role: "teacher", classes: [5, 1], shares: [[2, 1], [3, 2]] }];

test("the header of the session, that of the scene and its parts come apart", () => {
  const bytes = [...framed({ opacity: 40 }), ...framed({ id: "ab", photo: [0, 2], panels }), 7, 8, 1, 2, 3, 9];
  // As the browser gives it: somewhere inside a larger buffer.
  const { session, scene } = unpack(Uint8Array.from([0, 0, 0, ...bytes]).subarray(3));
  assert.deepEqual(session, { opacity: 40 });
  assert.deepEqual([...scene.photo], [7, 8]);
  assert.deepEqual(scene.panels.map(({ plane }) => [...plane]), [[1, 2, 3], [9]]);
  assert.equal(scene.id, "ab");
});

test("of each pixel one byte is kept", () => {
  assert.deepEqual([...greys(Uint8ClampedArray.of(1, 1, 1, 255, 200, 200, 200, 255))], [1, 200]);
});

test("shares of another picture, and answers that are none, are refused", async (context) => {
  const answers = (status, text) => context.mock.method(globalThis, "fetch", async () => new Response(text, { status }));
  answers(206, "cd and more");
  await assert.rejects(addShares({ id: "ab", panels: [] }, "x"), /Of another image/);
  answers(404, "ab");
  await assert.rejects(addShares({ id: "ab", panels: [] }, "x"), /answered 404/);
  answers(206, "ab");
  await addShares({ id: "ab", panels: [{ shares: [] }] }, "x");
});
