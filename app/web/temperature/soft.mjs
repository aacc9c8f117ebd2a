// Softened distributions of single pixels: right, as in core/losses/soft_targets.py, and wrong. Held by a test.

// IEEE half precision, little-endian, as numbers.
export function halves(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const [sign, exponent, rest] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return rest ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
  });
}

// The logits of pixel `i` out of planes (classes, pixels).
export const pixel = (logits, i, classes, pixels) =>
  Array.from({ length: classes }, (_, index) => logits[index * pixels + i]);

// q_i = exp(z_i / T) / sum_j exp(z_j / T)
export function softened(logits, temperature) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp((logit - most) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// Two formulas that are often written by mistake. Probabilities lie within 1 of each other, so both flatten everything.
export const onProbabilities = (logits, temperature) => softened(softened(logits, 1), temperature);
export const softmaxTwice = (logits, temperature) => softened(softened(logits, temperature), 1);

// From 0 (one class is certain) to 1 (all are alike).
export function entropy(shares) {
  return shares.reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0) / Math.log(shares.length);
}

export function divergence(teacher, student, temperature) {
  const [wanted, found] = [softened(teacher, temperature), softened(student, temperature)];
  const part = (share, i) => (share > 0 ? share * Math.log(share / Math.max(found[i], 1e-300)) : 0);
  return wanted.reduce((sum, share, i) => sum + part(share, i), 0);
}

// Of KL(teacher || student) at T times `factor`, by the student's logits: factor / T * (student's share - teacher's).
export function gradient(teacher, student, temperature, factor = temperature ** 2) {
  const [wanted, found] = [softened(teacher, temperature), softened(student, temperature)];
  return found.map((share, i) => (factor / temperature) * (share - wanted[i]));
}

export const size = (vector) => Math.hypot(...vector);

// Entropy of every pixel at T, as bytes.
export function entropyMap(logits, classes, pixels, temperature) {
  const found = new Uint8Array(pixels);
  const scale = 255 / Math.log(classes);
  for (let i = 0; i < pixels; i++) {
    let [most, total, weighted] = [-Infinity, 0, 0];
    for (let at = i; at < logits.length; at += pixels) if (logits[at] > most) most = logits[at];
    for (let at = i; at < logits.length; at += pixels) {
      const scaled = (logits[at] - most) / temperature;
      const power = Math.exp(scaled);
      total += power;
      weighted += power * scaled;
    }
    // With p = e^s / total: -sum p log p = log total - sum p s.
    found[i] = Math.round(scale * (Math.log(total) - weighted / total));
  }
  return found;
}
