// The compressions of a TIFF's blocks: bytes as they lie in the file → bytes of its pixels.

// `length`: how many bytes come out, at most.
export async function unpacked(packed, compression, length) {
  if (compression === 1) return packed.slice();
  if (compression === 8 || compression === 32946) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  if (compression === 5) return lzw(packed, length);
  return packBits(packed, length);
}

function packBits(packed, length) {
  const found = new Uint8Array(length);
  for (let at = 0, to = 0; at < packed.length && to < length;) {
    const code = (packed[at++] << 24) >> 24;
    if (code >= 0) for (let n = 0; n <= code; n += 1) found[to++] = packed[at++];
    else if (code > -128) { found.fill(packed[at++], to, to + 1 - code); to += 1 - code; }
  }
  return found;
}

function lzw(packed, length) {
  const found = new Uint8Array(length);
  const before = new Int32Array(4097), last = new Uint8Array(4097), long = new Int32Array(4097);
  for (let code = 0; code < 256; code += 1) { before[code] = -1; last[code] = code; long[code] = 1; }
  let to = 0, bit = 0, width = 9, next = 258, old = -1;
  while (bit + width <= packed.length * 8 && to < length) {
    const byte = bit >> 3;
    const three = (packed[byte] << 16) | ((packed[byte + 1] ?? 0) << 8) | (packed[byte + 2] ?? 0);
    const code = (three >> (24 - width - (bit & 7))) & ((1 << width) - 1);
    bit += width;
    if (code === 257) break;
    if (code === 256) { width = 9; next = 258; old = -1; continue; }
    if (code > next || (old < 0 && code > 255)) throw new Error("its LZW is damaged");
    let shown = code < next ? code : old;
    const size = long[shown] + (code < next ? 0 : 1);
    if (size > long[shown]) found[to + size - 1] = firstOf(before, last, old);
    for (let at = to + long[shown] - 1; shown >= 0; at -= 1, shown = before[shown]) found[at] = last[shown];
    if (old >= 0 && next < 4096) {
      before[next] = old; last[next] = found[to]; long[next] = long[old] + 1;
      next += 1;
    }
    to += size;
    old = code;
    if (next >= (1 << width) - 1 && width < 12) width += 1;
  }
  return found;
}

function firstOf(before, last, code) {
  while (before[code] >= 0) code = before[code];
  return last[code];
}
