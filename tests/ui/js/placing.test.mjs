import assert from "node:assert/strict";
import { test } from "node:test";
import { arranged, filling, besideAnchor, besidePoint } from "../../../app/web/shared/placing.mjs";

const area = { left: 6, top: 6, right: 384, bottom: 838 };
const sizes = [{ width: 60, height: 30 }, { width: 200, height: 120 }, { width: 378, height: 400 }];
const grid = [6, 20, 100, 195, 300, 370, 384];

test("a panel beside a button is never cut by an edge, wherever the button is", () => {
  for (const left of grid) for (const top of [6, 100, 420, 700, 800]) for (const size of sizes) {
    const anchor = { left: left - 40, right: left, top, bottom: top + 30 };
    const at = besideAnchor(anchor, size, area);
    assert.ok(at.left >= area.left && at.left + size.width <= area.right, JSON.stringify({ anchor, size, at }));
    assert.ok(at.top >= area.top && at.top + at.height <= area.bottom, JSON.stringify({ anchor, size, at }));
    assert.ok(at.top >= anchor.bottom || at.top + at.height <= anchor.top);
  }
});

test("values beside a point are never cut by an edge, and leave the point free where there is room", () => {
  for (const x of grid) for (const y of [6, 30, 420, 800, 838]) for (const size of sizes.slice(0, 2)) {
    const at = besidePoint({ x, y }, size, area);
    assert.ok(at.left >= area.left && at.left + size.width <= area.right, JSON.stringify({ x, y, size, at }));
    assert.ok(at.top >= area.top && at.top + size.height <= area.bottom, JSON.stringify({ x, y, size, at }));
    const covered = at.left <= x && x <= at.left + size.width && at.top <= y && y <= at.top + size.height;
    assert.ok(!covered, JSON.stringify({ x, y, size, at }));
  }
});

test("pictures are arranged so that no other number of columns shows them larger", () => {
  for (const count of [1, 2, 3, 4, 5]) for (const [width, height] of [[1264, 590], [1904, 950], [374, 720]]) {
    for (const shape of [0.4, 0.67, 1, 2.5]) {
      const best = arranged(count, { width, height }, shape, { gap: 8, caption: 26 });
      for (let columns = 1; columns <= count; columns++) {
        const rows = Math.ceil(count / columns);
        const wide = (width - 8 * (columns - 1)) / columns;
        const tall = ((height - 8 * (rows - 1)) / rows - 26) / shape;
        assert.ok(best.shown >= Math.min(wide, tall) - 1e-9);
      }
      const rows = Math.ceil(count / best.columns);
      assert.ok(rows * (best.height + 26) + 8 * (rows - 1) <= height + 1e-6, "all of it is on the screen");
    }
  }
});

test("the whole screen never shows a picture smaller than it was", () => {
  for (const count of [1, 2, 3, 4]) for (const least of [100, 340, 426, 600]) {
    const box = { width: 1264, height: 590 };
    const { columns, width, height } = filling(count, box, 0.75, { gap: 8, caption: 26, least });
    assert.ok(Math.min(width, height / 0.75) >= least - 1e-9, JSON.stringify({ count, least, columns, width, height }));
  }
});
