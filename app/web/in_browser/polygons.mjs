// A mask → polygons along its pixels, in degrees where its place is known, with their areas: a GeoJSON (RFC 7946).

const MAJOR = 6378137;
const FLATTENING = 1 / 298.257223563;
const SQUARED = FLATTENING * (2 - FLATTENING);
const STEPS = [[1, 0], [0, 1], [-1, 0], [0, -1]];
const NO_DATA = 255;

// Rings in pixels of each connected region (neighbours across edges): [{ value, pixels, rings }], the outer ring first.
export function regions(mask, width, height) {
  const numbers = label(mask, width, height);
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? -1 : numbers[y * width + x]);
  const done = new Uint8Array(width * height);
  const found = new Map();
  for (let index = 0; index < mask.length; index += 1) {
    if (mask[index] === NO_DATA) continue;
    const own = numbers[index];
    if (!found.has(own)) found.set(own, { value: mask[index], pixels: 0, rings: [] });
    found.get(own).pixels += 1;
    const [x, y] = [index % width, Math.floor(index / width)];
    if (!done[index] && at(x, y - 1) !== own) found.get(own).rings.push(trace(at, own, x, y, done, width));
  }
  const all = [...found.values()];
  // The pixel that was met first lies on the outer border, which is traced first.
  return all;
}

// Of each pixel the number of its region.
function label(mask, width, height) {
  const numbers = new Int32Array(mask.length).fill(-1);
  const stack = [];
  for (let start = 0, next = 0; start < mask.length; start += 1) {
    if (numbers[start] >= 0) continue;
    numbers[start] = next;
    stack.push(start);
    while (stack.length) {
      const index = stack.pop();
      const x = index % width;
      for (const to of [x ? index - 1 : -1, x + 1 < width ? index + 1 : -1, index - width, index + width]) {
        if (to >= 0 && to < height * width && numbers[to] < 0 && mask[to] === mask[start]) {
          numbers[to] = next;
          stack.push(to);
        }
      }
    }
    next += 1;
  }
  return numbers;
}

// Once around, with the region on the right; a corner stands where the border turns, and where a third region begins.
function trace(at, own, startX, startY, done, width) {
  let [x, y, heading] = [startX, startY, 0];
  const ring = [];
  do {
    if (heading === 0) done[y * width + x] = 1;
    const [dx, dy] = STEPS[heading];
    const behind = beside(x, y, heading, -1);
    x += dx;
    y += dy;
    const left = beside(x, y, heading, -1);
    const right = beside(x, y, heading, 1);
    if (at(...right) !== own) heading = (heading + 1) % 4;
    else if (at(...left) === own) heading = (heading + 3) % 4;
    else {
      if (at(...behind) !== at(...left)) ring.push([x, y]);
      continue;
    }
    ring.push([x, y]);
  } while (x !== startX || y !== startY || heading !== 0);
  return [...ring, ring[0]];
}

// The pixel ahead of a corner, to the left (-1) or to the right (1) of where a border leads.
function beside(x, y, heading, side) {
  const [dx, dy] = STEPS[heading];
  const [sx, sy] = [-dy * side, dx * side];
  return [x + (dx + sx - 1) / 2, y + (dy + sy - 1) / 2];
}

// A file as text, and a note where the coordinates could not be put in degrees (null else).
export function toGeojson(mask, { width, height, transform, epsg }, classes) {
  const toDegrees = transform && degreesOf(epsg);
  const put = ([x, y]) => {
    if (!transform) return [x, -y];
    const [a, b, c, d, e, f] = transform;
    const east = a * x + b * y + c;
    const north = d * x + e * y + f;
    return toDegrees ? toDegrees(east, north) : [east, north];
  };
  const features = regions(mask, width, height).map(({ value, pixels, rings }) => {
    const placed = rings.map((ring) => ring.map(put));
    const area = toDegrees ? placed.map(areaOf).reduce((sum, part, index) => (index ? sum - part : part), 0) : null;
    const { name, colour } = classes[value];
    const hex = `#${colour.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
    return {
      type: "Feature",
      properties: { class: value, name, colour: hex, area_px: pixels, area_m2: area && Math.round(area * 1e4) / 1e4 },
      geometry: { type: "Polygon", coordinates: placed.map((ring, index) => turned(ring, index === 0)) },
    };
  });
  const head = { type: "FeatureCollection" };
  let note = null;
  if (transform && !toDegrees) {
    note = "Its coordinate system is not known here: the polygons have its own coordinates.";
    if (epsg) head.crs = { type: "name", properties: { name: `urn:ogc:def:crs:EPSG::${epsg}` } };
  }
  return { text: JSON.stringify({ ...head, features }), note, count: features.length };
}

// Outer rings against the clock, holes with it, as the standard wants them.
function turned(ring, outer) {
  let twice = 0;
  for (let at = 1; at < ring.length; at += 1) {
    twice += (ring[at][0] - ring[at - 1][0]) * (ring[at][1] + ring[at - 1][1]);
  }
  return twice < 0 === outer ? ring : [...ring].reverse();
}

// Square metres on the ellipsoid of what lies inside a ring of degrees.
export function areaOf(ring) {
  let sum = 0;
  for (let at = 1; at < ring.length; at += 1) {
    const [one, other] = [ring[at - 1], ring[at]];
    sum += ((other[0] - one[0]) * Math.PI / 180) * (zone(one[1]) + zone(other[1])) / 2;
  }
  return Math.abs(sum);
}

// The ellipsoid from the equator to a latitude, for one radian of longitude (Snyder 1987, 3-12).
function zone(latitude) {
  const sine = Math.sin(latitude * Math.PI / 180);
  const e = Math.sqrt(SQUARED);
  const share = sine / (1 - SQUARED * sine ** 2) + Math.atanh(e * sine) / e;
  return MAJOR ** 2 * (1 - SQUARED) / 2 * share;
}

// The way from a coordinate system to longitude and latitude; null where it is none of degrees, Web Mercator or UTM.
export function degreesOf(epsg) {
  if (epsg === 4326 || epsg === 4258 || epsg === 4269) return (east, north) => [east, north];
  if (epsg === 3857) {
    return (east, north) => [east / MAJOR * 180 / Math.PI, Math.atan(Math.sinh(north / MAJOR)) * 180 / Math.PI];
  }
  const zones = [[32600, 0, 60], [32700, 1e7, 60], [25800, 0, 60], [26900, 0, 23]];
  for (const [first, south, most] of zones) {
    const number = epsg - first;
    if (number >= 1 && number <= most) {
      return (east, north) => inverseMercator(east - 5e5, north - south, 6 * number - 183);
    }
  }
  return null;
}

// Transverse Mercator backwards (Krüger's series to the sixth order, as Karney 2011 gives it).
function inverseMercator(east, north, middle) {
  const n = FLATTENING / (2 - FLATTENING);
  const radius = MAJOR / (1 + n) * (1 + n ** 2 / 4 + n ** 4 / 64 + n ** 6 / 256);
  const beta = [
    n / 2 - 2 * n ** 2 / 3 + 37 * n ** 3 / 96 - n ** 4 / 360 - 81 * n ** 5 / 512 + 96199 * n ** 6 / 604800,
    n ** 2 / 48 + n ** 3 / 15 - 437 * n ** 4 / 1440 + 46 * n ** 5 / 105 - 1118711 * n ** 6 / 3870720,
    17 * n ** 3 / 480 - 37 * n ** 4 / 840 - 209 * n ** 5 / 4480 + 5569 * n ** 6 / 90720,
    4397 * n ** 4 / 161280 - 11 * n ** 5 / 504 - 830251 * n ** 6 / 7257600,
    4583 * n ** 5 / 161280 - 108847 * n ** 6 / 3991680,
    20648693 * n ** 6 / 638668800,
  ];
  const up = north / (0.9996 * radius);
  const right = east / (0.9996 * radius);
  let [xi, eta] = [up, right];
  beta.forEach((weight, index) => {
    const twice = 2 * (index + 1);
    xi -= weight * Math.sin(twice * up) * Math.cosh(twice * right);
    eta -= weight * Math.cos(twice * up) * Math.sinh(twice * right);
  });
  const tangent = Math.sin(xi) / Math.hypot(Math.sinh(eta), Math.cos(xi));
  const e = Math.sqrt(SQUARED);
  let guess = tangent / (1 - SQUARED);
  for (let turn = 0; turn < 6; turn += 1) {
    const sigma = Math.sinh(e * Math.atanh(e * guess / Math.hypot(1, guess)));
    const found = guess * Math.hypot(1, sigma) - sigma * Math.hypot(1, guess);
    const slope = (1 + (1 - SQUARED) * guess ** 2) / ((1 - SQUARED) * Math.hypot(1, found) * Math.hypot(1, guess));
    guess += (tangent - found) * slope;
  }
  return [middle + Math.atan2(Math.sinh(eta), Math.cos(xi)) * 180 / Math.PI, Math.atan(guess) * 180 / Math.PI];
}
