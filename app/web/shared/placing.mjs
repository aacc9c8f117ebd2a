// Where a small panel stands beside what it belongs to, so that no edge of the window cuts it. All in CSS pixels.

// `from` at least, and `size` long: moved so that it ends before `most`, where it is not longer than that.
const within = (from, size, least, most) => Math.max(least, Math.min(from, most - size));

// Below `anchor` and aligned with its right edge; above it where there is more room; never outside of `area`.
export function besideAnchor(anchor, size, area, gap = 4) {
  const below = area.bottom - anchor.bottom - gap;
  const above = anchor.top - gap - area.top;
  const under = size.height <= below || below >= above;
  const height = Math.min(size.height, Math.max(under ? below : above, 0));
  return {
    left: within(anchor.right - size.width, size.width, area.left, area.right),
    top: under ? anchor.bottom + gap : anchor.top - gap - height,
    height,
  };
}

// To the lower right of a point, on its other side where the edge is too near; the point itself stays free.
export function besidePoint(point, size, area, gap = 14) {
  const side = (at, length, least, most) => {
    const after = at + gap;
    const before = at - gap - length;
    if (after + length <= most || before < least) return within(after, length, least, most);
    return before;
  };
  return {
    left: side(point.x, size.width, area.left, area.right),
    top: side(point.y, size.height, area.top, area.bottom),
  };
}

// Columns for `count` pictures of `shape` (height over width) in a box, so that they come out as large as they can.
export function arranged(count, box, shape, { gap = 8, caption = 0 } = {}) {
  let best = null;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const width = (box.width - gap * (columns - 1)) / columns;
    const height = (box.height - gap * (rows - 1)) / rows - caption;
    const shown = Math.min(width, height / shape);
    if (!best || shown > best.shown) best = { columns, width, height: Math.max(height, 40), shown };
  }
  return best;
}

// The same for pictures that are to be `least` wide: as many at once as can be, the rest below, a scroll away.
export function filling(count, box, shape, { gap, caption, least = 0 }) {
  for (let seen = count; seen > 0; seen--) {
    const best = arranged(seen, box, shape, { gap, caption });
    if (seen === count && best.shown >= least) return best;
    if (best.shown >= least || seen === 1) return { ...best, height: Math.min(best.height, best.width * shape) };
  }
}
