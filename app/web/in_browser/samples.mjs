// The values of a TIFF: bytes of a block as they were unpacked → numbers of the type that the file names.

const KINDS = {
  "8,1": Uint8Array, "16,1": Uint16Array, "32,1": Uint32Array, "8,2": Int8Array, "16,2": Int16Array,
  "32,2": Int32Array, "32,3": Float32Array, "64,3": Float64Array,
};

// The typed array that holds the values of a directory. One bit is widened to a byte.
export function kindOf({ bits, format = [1] }) {
  const kind = KINDS[`${bits[0] === 1 ? 8 : bits[0]},${format[0]}`];
  const alike = bits.every((each) => each === bits[0]) && format.every((each) => each === format[0]);
  if (!kind || !alike) throw new Error(`its values have ${bits[0]} bits of a kind that is not read here`);
  return kind;
}

// `bytes` of `rows` of `wide` x `depth` values, whose predictor is undone.
export function numbers(bytes, tags, wide, depth, rows) {
  const Kind = kindOf(tags);
  const { predictor = 1, little } = tags;
  if (![1, 2, 3].includes(predictor)) throw new Error("its predictor is not read here");
  const isFloat = Kind === Float32Array || Kind === Float64Array;
  if (predictor > 1 && (predictor === 3) !== isFloat) throw new Error("its predictor is not read here");
  const count = wide * depth * rows;
  if (tags.bits[0] === 1) return bitsOf(bytes, wide, count);
  const size = Kind.BYTES_PER_ELEMENT;
  const whole = new Uint8Array(count * size);
  whole.set(bytes.subarray(0, whole.length));
  if (predictor === 3) unshuffle(whole, wide * depth, depth, size);
  else if (!little && size > 1) swap(whole, size);
  const found = new Kind(whole.buffer);
  if (predictor === 2) undo(found, wide, depth);
  return found;
}

// Eight values of one bit lie in a byte, and a row of them begins with a byte.
function bitsOf(bytes, wide, count) {
  const long = Math.ceil(wide / 8);
  return Uint8Array.from({ length: count }, (_, at) => {
    const column = at % wide;
    return (bytes[Math.floor(at / wide) * long + (column >> 3)] >> (7 - (column & 7))) & 1;
  });
}

// Bytes of a block of so many values before they are numbers.
export function bytesIn({ bits }, wide, depth, rows) {
  return bits[0] === 1 ? Math.ceil((wide * depth) / 8) * rows : (wide * depth * rows * bits[0]) / 8;
}

function undo(values, wide, depth) {
  for (let row = 0; row + wide * depth <= values.length; row += wide * depth) {
    for (let at = row + depth; at < row + wide * depth; at += 1) values[at] += values[at - depth];
  }
}

// The predictor of floats: a row holds first the highest bytes of all its values, then the next, each as a difference.
function unshuffle(bytes, long, depth, size) {
  const row = new Uint8Array(long * size);
  for (let start = 0; start < bytes.length; start += row.length) {
    for (let at = start + depth; at < start + row.length; at += 1) bytes[at] += bytes[at - depth];
    row.set(bytes.subarray(start, start + row.length));
    for (let at = 0; at < long; at += 1) {
      for (let byte = 0; byte < size; byte += 1) bytes[start + at * size + byte] = row[(size - 1 - byte) * long + at];
    }
  }
}

function swap(bytes, size) {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
