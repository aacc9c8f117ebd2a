// Where the picture lies on a canvas. A camera is its centre as fractions of the picture, and its zoom: 1 shows it all.

const MOST_ZOOM = 64;

// Picture pixels to canvas pixels: `left + scale * x`, `top + scale * y`.
export function placed(camera, picture, canvas) {
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height) * camera.zoom;
  return {
    scale,
    left: canvas.width / 2 - camera.x * picture.width * scale,
    top: canvas.height / 2 - camera.y * picture.height * scale,
  };
}

// The nearest camera that shows no more empty canvas than it must.
export function clamped(camera, picture, canvas) {
  const zoom = Math.min(MOST_ZOOM, Math.max(1, camera.zoom));
  const { scale } = placed({ ...camera, zoom }, picture, canvas);
  const within = (centre, shown, whole) => {
    const half = shown / 2 / (whole * scale);
    return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, centre));
  };
  return {
    zoom,
    x: within(camera.x, canvas.width, picture.width),
    y: within(camera.y, canvas.height, picture.height),
  };
}

// `at`, in canvas pixels, stays over the same point of the picture, unless the border is in the way.
export function zoomed(camera, factor, at, picture, canvas) {
  const before = placed(camera, picture, canvas);
  const zoom = Math.min(MOST_ZOOM, Math.max(1, camera.zoom * factor));
  const after = placed({ ...camera, zoom }, picture, canvas);
  const moved = (point, size, origin, whole) =>
    ((point - origin) / before.scale - (point - size / 2) / after.scale) / whole;
  return clamped(
    {
      zoom,
      x: moved(at.x, canvas.width, before.left, picture.width),
      y: moved(at.y, canvas.height, before.top, picture.height),
    },
    picture,
    canvas,
  );
}

export function moved(camera, dx, dy, picture, canvas) {
  const { scale } = placed(camera, picture, canvas);
  const centre = { x: camera.x + dx / (picture.width * scale), y: camera.y + dy / (picture.height * scale) };
  return clamped({ ...camera, ...centre }, picture, canvas);
}

// The pixel of the picture under a point of the canvas, or null beside the picture.
export function pixelAt(camera, at, picture, canvas) {
  const { scale, left, top } = placed(camera, picture, canvas);
  const x = Math.floor((at.x - left) / scale);
  const y = Math.floor((at.y - top) / scale);
  return x < 0 || y < 0 || x >= picture.width || y >= picture.height ? null : { x, y };
}

// The part of the picture that is on the canvas, in whole pixels.
export function visible(camera, picture, canvas) {
  const { scale, left, top } = placed(camera, picture, canvas);
  const x = Math.max(0, Math.floor(-left / scale + 1e-6));
  const y = Math.max(0, Math.floor(-top / scale + 1e-6));
  const right = Math.min(picture.width, Math.ceil((canvas.width - left) / scale - 1e-6));
  const bottom = Math.min(picture.height, Math.ceil((canvas.height - top) / scale - 1e-6));
  return { x, y, width: right - x, height: bottom - y };
}

// The rectangle between two pixels, both included, within the picture.
export function spanned(one, other, picture) {
  const [x, right] = [Math.min(one.x, other.x), Math.max(one.x, other.x)];
  const [y, bottom] = [Math.min(one.y, other.y), Math.max(one.y, other.y)];
  const from = { x: Math.max(0, x), y: Math.max(0, y) };
  return {
    ...from,
    width: Math.min(picture.width - 1, right) - from.x + 1,
    height: Math.min(picture.height - 1, bottom) - from.y + 1,
  };
}

// The longest of 1, 2, 5, 10 … metres that fits into `most` canvas pixels.
export function scaleBar(metresPerPixel, scale, most) {
  const longest = (most / scale) * metresPerPixel;
  const power = 10 ** Math.floor(Math.log10(longest));
  const metres = [5, 2, 1].map((step) => step * power).find((step) => step <= longest * (1 + 1e-9));
  const label = metres >= 1000 ? `${metres / 1000} km` : metres >= 1 ? `${metres} m` : `${Math.round(metres * 100)} cm`;
  return { metres, pixels: (metres / metresPerPixel) * scale, label };
}
