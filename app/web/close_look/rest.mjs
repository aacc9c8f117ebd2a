// What a large picture is asked for where somebody looks at it closely. All rectangles are in its own pixels.

import { placed, visible } from "../shared/camera.mjs";

const MARGIN = 0.2;
const SNAP = 64;
const BLURRED = 1.2;

// The part to fetch, as integers, or null: the overview is sharp enough, or the part at hand is.
export function wanted(camera, picture, canvas, overview, detail) {
  const { scale } = placed(camera, picture, canvas);
  const seen = visible(camera, picture, canvas);
  if (scale <= (BLURRED * overview.width) / picture.width) return null;
  if (Math.max(seen.width, seen.height) > picture.most) return null;
  const sharp = detail && scale <= (BLURRED * detail.image.width) / detail.width;
  if (detail && contains(detail, seen) && (sharp || detail.image.width === detail.width)) return null;
  const part = around(seen, picture);
  // The same once more would be no sharper.
  return detail && ["x", "y", "width", "height"].every((name) => part[name] === detail[name]) ? null : part;
}

export function contains(outer, inner) {
  return outer.x <= inner.x && outer.y <= inner.y && outer.x + outer.width >= inner.x + inner.width
    && outer.y + outer.height >= inner.y + inner.height;
}

// A little more than what is seen, so that a small step needs nothing new; no more than may be asked for.
function around(seen, { width, height, most }) {
  const side = (from, size, whole) => {
    const more = Math.min(size * MARGIN, (most - size) / 2);
    const start = Math.max(0, Math.floor((from - more) / SNAP) * SNAP);
    const end = Math.min(whole, start + most, Math.ceil((from + size + more) / SNAP) * SNAP);
    return [Math.min(start, from), Math.max(end, from + size)];
  };
  const [left, right] = side(seen.x, seen.width, width);
  const [top, bottom] = side(seen.y, seen.height, height);
  return { x: left, y: top, width: Math.min(most, right - left), height: Math.min(most, bottom - top) };
}
