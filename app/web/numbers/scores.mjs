// Scores over a rectangle of the picture. The same laws as core/metrics.py and core/agreement.py, held by tests.

const NEAR = 3;
const BINS = 10;

// A rectangle in flat parts, so that the page can breathe between them.
export function* bands(rect, pixels = 1 << 18) {
  const rows = Math.max(1, Math.floor(pixels / Math.max(rect.width, 1)));
  for (let y = 0; y < rect.height; y += rows) yield { ...rect, y: rect.y + y, height: Math.min(rows, rect.height - y) };
}

// Counts over a rectangle, rows `reference` and columns `plane`, as one array of classes * classes; added to `counts`.
export function confusion(reference, plane, width, rect, classes, counts = new Float64Array(classes * classes)) {
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    const end = y * width + rect.x + rect.width;
    for (let i = y * width + rect.x; i < end; i++) counts[reference[i] * classes + plane[i]]++;
  }
  return counts;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
export const share = (part, whole) => (whole ? part / whole : null);
const mean = (values) => {
  const known = values.filter((value) => value !== null);
  return known.length ? sum(known) / known.length : null;
};

// Row and column sums and the diagonal. Rows from `ignore` on are left out where it is given.
function margins(counts, classes, ignore = classes) {
  const rows = new Array(classes).fill(0);
  const columns = new Array(classes).fill(0);
  const hits = new Array(classes).fill(0);
  for (let row = 0; row < ignore; row++) {
    for (let column = 0; column < classes; column++) {
      rows[row] += counts[row * classes + column];
      columns[column] += counts[row * classes + column];
    }
    hits[row] = counts[row * classes + row];
  }
  return { rows, columns, hits, total: sum(rows) };
}

// Share of equal pixels, Cohen's kappa (null where chance alone agrees fully), and each class's IoU between the two.
export function agreement(counts, classes) {
  const { rows, columns, hits, total } = margins(counts, classes);
  const equal = share(sum(hits), total);
  const chance = total ? sum(rows.map((row, index) => row * columns[index])) / total ** 2 : 1;
  const iou = hits.map((hit, index) => share(hit, rows[index] + columns[index] - hit));
  return { agreement: equal, kappa: chance < 1 ? (equal - chance) / (1 - chance) : null, iou, total };
}

// Against the known mask, whose `ignore` pixels (the last class) are left out. A class that is nowhere in the mask has
// null: it counts in no mean, as in core/metrics.py. Its precision is 0 where it was predicted.
export function scores(counts, classes, ignore) {
  const { rows, columns, hits, total } = margins(counts, classes, ignore);
  const scored = [...Array(ignore).keys()];
  const iou = scored.map((index) => (rows[index] ? hits[index] / (rows[index] + columns[index] - hits[index]) : null));
  return {
    miou: mean(iou),
    accuracy: share(sum(hits), total),
    iou,
    precision: scored.map((index) => (rows[index] + columns[index] ? hits[index] / Math.max(columns[index], 1) : null)),
    recall: scored.map((index) => share(hits[index], rows[index])),
  };
}

// Into `found` (as large as `rect`): 1 where a pixel's class differs from its right or lower neighbour inside `rect`,
// for the rows of `band`.
export function borders(plane, width, rect, band = rect, found = new Uint8Array(rect.width * rect.height)) {
  const right = rect.width - 1;
  const bottom = rect.y + rect.height - 1;
  for (let y = band.y; y < band.y + band.height; y++) {
    const from = y * width + rect.x;
    const to = (y - rect.y) * rect.width;
    for (let x = 0; x <= right; x++) {
      const own = plane[from + x];
      const across = x < right && own !== plane[from + x + 1];
      if (across || (y < bottom && own !== plane[from + x + width])) found[to + x] = 1;
    }
  }
  return found;
}

const DISC = [];
for (let dy = -NEAR; dy <= NEAR; dy++) {
  for (let dx = -NEAR; dx <= NEAR; dx++) if (dx * dx + dy * dy <= NEAR * NEAR) DISC.push([dx, dy]);
}
DISC.sort((one, other) => one[0] ** 2 + one[1] ** 2 - other[0] ** 2 - other[1] ** 2);

// Among the border pixels `one` of the rows of `band`: how many, and how many have one of `other` within 3 pixels.
export function near(one, other, rect, band = rect) {
  let [count, hits] = [0, 0];
  for (let row = band.y - rect.y; row < band.y - rect.y + band.height; row++) {
    for (let column = 0; column < rect.width; column++) {
      if (!one[row * rect.width + column]) continue;
      count++;
      for (const [dx, dy] of DISC) {
        const [x, y] = [column + dx, row + dy];
        if (x < 0 || y < 0 || x >= rect.width || y >= rect.height || !other[y * rect.width + x]) continue;
        hits++;
        break;
      }
    }
  }
  return { count, hits };
}

// Share of all border pixels of two masks that have one of the other within 3 pixels; null without any border.
export function borderAgreement(one, other, width, rect) {
  const [first, second] = [borders(one, width, rect), borders(other, width, rect)];
  const [there, back] = [near(first, second, rect), near(second, first, rect)];
  return share(there.hits + back.hits, there.count + back.count);
}

// For each byte of confidence how many labelled pixels have it, and how many of these are right; added to `held`.
export function confidences(plane, confidence, truth, width, rect, ignore, held = new Float64Array(512)) {
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    const end = y * width + rect.x + rect.width;
    for (let i = y * width + rect.x; i < end; i++) {
      if (truth[i] === ignore) continue;
      held[confidence[i]]++;
      if (truth[i] === plane[i]) held[256 + confidence[i]]++;
    }
  }
  return held;
}

// Expected calibration error over 10 bins, and for each bin count, mean confidence and accuracy.
export function calibration(held) {
  const bins = Array.from({ length: BINS }, () => ({ count: 0, confidence: 0, accuracy: 0 }));
  for (let value = 0; value < 256; value++) {
    const bin = bins[Math.min(BINS - 1, Math.floor((value / 255) * BINS))];
    bin.count += held[value];
    bin.confidence += (held[value] * value) / 255;
    bin.accuracy += held[256 + value];
  }
  const total = sum(bins.map((bin) => bin.count));
  for (const bin of bins.filter(({ count }) => count)) {
    bin.confidence /= bin.count;
    bin.accuracy /= bin.count;
  }
  const gaps = bins.map((bin) => bin.count * Math.abs(bin.confidence - bin.accuracy));
  return { ece: share(sum(gaps), total), bins };
}
