// The blobs of app/services/overlays.py: a JSON header behind its length, then pictures back to back; and the shares.

import { SHARES } from "./layers.mjs";

// What this session asks for (a header of its own in front), and the scene with the bytes of its parts.
export function unpack(bytes) {
  const own = header(bytes, 0);
  const scene = header(bytes, own.end);
  const part = (span) => cut(bytes, span, scene.end);
  return {
    session: own.json,
    scene: {
      ...scene.json,
      photo: part(scene.json.photo),
      panels: scene.json.panels.map((panel) => ({ ...panel, plane: part(panel.classes) })),
    },
  };
}

const cut = (bytes, [offset, length], start = 0) => bytes.subarray(start + offset, start + offset + length);

function header(bytes, at) {
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
  const end = at + 4 + length;
  return { json: JSON.parse(new TextDecoder().decode(bytes.subarray(at + 4, end))), end };
}

// Of the RGBA pixels of a grey picture one byte each.
export function greys(pixels) {
  const plane = new Uint8Array(pixels.length / 4);
  for (let i = 0, at = 0; i < plane.length; i++, at += 4) plane[i] = pixels[at];
  return plane;
}

// Values must come out as they went in, so the browser is told to leave the colours alone.
async function planeOf(png) {
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }), plain);
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return greys(context.getImageData(0, 0, bitmap.width, bitmap.height).data);
}

// All that the first paint needs.
export async function decode(scene) {
  const photo = createImageBitmap(new Blob([scene.photo], { type: "image/webp" }));
  const panels = scene.panels.map(async (panel) => ({ ...panel, plane: await planeOf(panel.plane) }));
  return { ...scene, photo: [await photo], panels: await Promise.all(panels) };
}

// The picture at half, a quarter … as well, so that a frame never reads more of it than the screen shows.
export async function addLevels({ photo }) {
  for (let last = photo.at(-1); Math.max(last.width, last.height) > 600; last = photo.at(-1)) {
    const size = { resizeWidth: Math.ceil(last.width / 2), resizeHeight: Math.ceil(last.height / 2) };
    photo.push(await createImageBitmap(last, { ...size, resizeQuality: "medium" }));
  }
}

// Confidence and entropy of every model, from where the server keeps them.
export async function addShares(scene, address) {
  // What is asked for in part is not packed once more on its way: PNG would only cost time.
  const answer = await fetch(address, { headers: { Range: "bytes=0-" } });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (new TextDecoder().decode(bytes.subarray(0, scene.id.length)) !== scene.id) throw new Error("Of another image.");
  await Promise.all(scene.panels.map(async (panel) => {
    const planes = await Promise.all(panel.shares.map((span) => planeOf(cut(bytes, span))));
    planes.forEach((plane, index) => (panel[SHARES[index]] = plane));
  }));
}
