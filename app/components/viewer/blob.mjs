// The packed blob of app/services/overlays.py: a JSON header behind its length, then pictures back to back.

// What this session asks for (a header of its own in front), and the scene with the bytes of its parts.
export function unpack(bytes) {
  const own = header(bytes, 0);
  const scene = header(bytes, own.end);
  const part = ([offset, length]) => bytes.subarray(scene.end + offset, scene.end + offset + length);
  return {
    session: own.json,
    scene: {
      ...scene.json,
      photo: part(scene.json.photo),
      panels: scene.json.panels.map((panel) => ({ ...panel, planes: part(panel.planes) })),
    },
  };
}

function header(bytes, at) {
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
  const end = at + 4 + length;
  return { json: JSON.parse(new TextDecoder().decode(bytes.subarray(at + 4, end))), end };
}

// One of the channels of RGBA pixels as a plane of its own.
export function channel(pixels, index) {
  const plane = new Uint8Array(pixels.length / 4);
  for (let i = 0, at = index; i < plane.length; i++, at += 4) plane[i] = pixels[at];
  return plane;
}

// Values must come out as they went in, so the browser is told to leave the colours alone.
async function pixelsOf(png) {
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }), plain);
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

// The picture at full size, half, a quarter … so that a frame never reads more of it than the screen shows.
async function photoLevels(webp) {
  const levels = [await createImageBitmap(new Blob([webp], { type: "image/webp" }))];
  for (let last = levels[0]; Math.max(last.width, last.height) > 600; [last] = levels.slice(-1)) {
    const size = { resizeWidth: Math.ceil(last.width / 2), resizeHeight: Math.ceil(last.height / 2) };
    levels.push(await createImageBitmap(last, { ...size, resizeQuality: "medium" }));
  }
  return levels;
}

async function panelOf(panel) {
  const pixels = await pixelsOf(panel.planes);
  if (panel.role === "truth") return { ...panel, plane: channel(pixels, 0) };
  return { ...panel, plane: channel(pixels, 0), confidence: channel(pixels, 1), entropy: channel(pixels, 2) };
}

export async function decode(scene) {
  const [photo, ...panels] = await Promise.all([photoLevels(scene.photo), ...scene.panels.map(panelOf)]);
  return { ...scene, photo, panels };
}
