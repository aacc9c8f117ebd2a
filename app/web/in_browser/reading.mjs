// A file that a visitor chose → what the page shows and the model takes. Raises an Error whose message is a sentence.

import { readGeotiff } from "./geotiff.mjs";

const MOST_PIXELS = 16_000_000;

// `bands`: those that the model takes, or nothing for colours. Gives { width, height, bitmap, name, rgba, transform,
// epsg }, and of other bands { values, channels }.
export async function readPicture(file, bands) {
  if (/\.tiff?$/i.test(file.name ?? "")) return fromGeotiff(file, bands);
  const name = file.name || "This file";
  if (bands) throw new Error(`${name} is no GeoTIFF, and this model sees ${bands.names.join(", ")}: choose one.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${name} is no picture that this browser can read: choose a PNG, JPEG, WebP or GeoTIFF.`);
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    const size = Math.round((width * height) / 1e6);
    throw new Error(`This picture has ${size} megapixels; 16 are the most here. Crop it, or make it smaller.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  return { width, height, bitmap, name: file.name || "scene", rgba, transform: null, epsg: null };
}

async function fromGeotiff(file, bands) {
  try {
    const found = await readGeotiff(await file.arrayBuffer(), bands);
    const bitmap = await createImageBitmap(new ImageData(found.rgba, found.width, found.height));
    return { ...found, bitmap, name: file.name, bands: bands?.names };
  } catch (error) {
    throw new Error(`${file.name} cannot be read here: ${error.message}.`);
  }
}
