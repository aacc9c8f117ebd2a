// An exported model in ONNX Runtime Web: WebGPU where there is one, else WebAssembly with SIMD, with threads where the
// page is isolated from other origins. Pictures larger than a window go in overlapping windows, of which the middle
// counts.

const COLOURS = ["red", "green", "blue"];
const KINDS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };

export class Engine {
  // `base`: address of the runtime's files. `bytes`: the model, image (1, H, W, C) → mask uint8 (1, H, W).
  // `tiling`: side of a `window`, and the `margin` of it that does not count, in pixels (core/infer/tiling.py); its
  // `bands` { names, depth } are what the model takes, colours where they are not there.
  static async start(base, bytes, tiling) {
    const adapter = navigator.gpu ? await navigator.gpu.requestAdapter().catch(() => null) : null;
    if (adapter) {
      try {
        return await Engine.open(base, bytes, tiling, "webgpu");
      } catch (error) {
        console.warn("WebGPU could not run this model; WebAssembly does.", error);
      }
    }
    return Engine.open(base, bytes, tiling, "wasm");
  }

  static async open(base, bytes, tiling, backend) {
    const ort = await import(`${base}ort.${backend}.min.mjs`);
    const threads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
    ort.env.wasm.wasmPaths = base;
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    const options = { executionProviders: [backend], graphOptimizationLevel: "all" };
    const session = await ort.InferenceSession.create(bytes, options);
    const engine = new Engine(ort, session, tiling, backend, threads);
    await engine.pass(engine.made(64), 64, 64);
    return engine;
  }

  constructor(ort, session, tiling, backend, threads) {
    const { names, depth } = tiling.bands ?? { names: COLOURS, depth: "uint8" };
    Object.assign(this, { ort, session, tiling, backend, threads, channels: names.length, depth });
  }

  get name() {
    if (this.backend === "webgpu") return "WebGPU";
    return `WebAssembly, ${this.threads} thread${this.threads > 1 ? "s" : ""}`;
  }

  async pass(values, height, width) {
    const image = new this.ort.Tensor(this.depth, values, [1, height, width, this.channels]);
    const { mask } = await this.session.run({ image });
    const data = await mask.getData();
    mask.dispose();
    return data;
  }

  // A picture { width, height, rgba }, or with the { values, channels } of other bands → class indices (H, W).
  async segment({ width, height, rgba, values = null }) {
    const given = { width, values: values ?? rgba, step: values ? this.channels : 4 };
    const mask = new Uint8Array(height * width);
    for (const row of windows(height, this.tiling)) {
      for (const column of windows(width, this.tiling)) {
        const found = await this.pass(this.cut(given, row, column), row.length, column.length);
        for (let y = row.from; y < row.to; y += 1) {
          const start = (y - row.start) * column.length + (column.from - column.start);
          mask.set(found.subarray(start, start + column.to - column.from), y * width + column.from);
        }
      }
    }
    return mask;
  }

  // A picture of side², of made-up values.
  made(side) {
    return KINDS[this.depth].from({ length: side * side * this.channels }, (_, index) => (index * 7919) % 256);
  }

  // The values of one window of a picture, of which every pixel takes `step` places.
  cut({ width, values, step }, row, column) {
    const { channels } = this;
    const found = new KINDS[this.depth](row.length * column.length * channels);
    let at = 0;
    for (let y = row.start; y < row.start + row.length; y += 1) {
      let from = (y * width + column.start) * step;
      for (let x = 0; x < column.length; x += 1, from += step) {
        for (let band = 0; band < channels; band += 1) found[at++] = values[from + band];
      }
    }
    return found;
  }

  // Milliseconds: the median of warm passes over one picture of side².
  async latency(side, passes = 7) {
    const picture = this.made(side);
    const taken = [];
    for (let turn = 0; turn < passes + 2; turn += 1) {
      const begun = performance.now();
      await this.pass(picture, side, side);
      if (turn >= 2) taken.push(performance.now() - begun);
    }
    return taken.sort((a, b) => a - b)[passes >> 1];
  }
}

// Where windows of a side start, how long they are, and which part of each counts (`from` to `to`).
function windows(length, { window, margin }) {
  if (length <= window) return [{ start: 0, length, from: 0, to: length }];
  const gaps = Math.ceil((length - window) / (window - 2 * margin));
  const starts = Array.from({ length: gaps + 1 }, (_, index) => Math.round((index * (length - window)) / gaps));
  const middle = (index) => (starts[index] + window + starts[index + 1]) >> 1;
  return starts.map((start, index) => ({
    start, length: window, from: index ? middle(index - 1) : 0, to: index < gaps ? middle(index) : length,
  }));
}
