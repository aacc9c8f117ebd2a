// Colours as numbers: a pixel of an ImageData seen as 32 bits, and a scale for shares.

// From dark blue (low) to yellow (high): lightness rises evenly, so it reads without colour vision too (cividis).
const RAMP = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

export const packed = ([r, g, b], alpha = 255) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

// `share` from 0 to 1 → [r, g, b].
export function ramp(share) {
  const at = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[low].map((value, channel) => Math.round(value + (RAMP[low + 1][channel] - value) * (at - low)));
}
