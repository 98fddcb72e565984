// Upscaling on this device: tiles with the network's reach around them, one after the other, nothing uploaded.
const SIDE = 128; // of a tile, in pixels of the photo
const REACH = 16; // at least as far as the little networks look
const KEEP = SIDE - 2 * REACH;
const SCALE = 4;
const RECYCLE = 64; // tiles after which the worker is replaced
const PATIENCE = 60_000; // milliseconds for one tile
const PROBING = 20_000; // milliseconds in which a probe tile must be there
const WORTH_IT = 16; // tiles from which on it is worth to see whether WebGPU works here
export const LARGEST = 1_000_000; // pixels of a photo: sixteen times that is what a phone's canvas holds

// Whether this browser keeps the engine for when the service is gone, which browsers do for secure pages alone.
export async function isKept() {
  return Boolean(navigator.serviceWorker?.controller && (await caches.match("/vendor/ort.wasm.bundle.min.mjs")));
}

class Network {
  constructor(settings, patience = PATIENCE) {
    this.patience = patience;
    this.worker = new Worker("network.js", { type: "module" });
    this.ready = this.ask(settings);
  }

  ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no answer in time")), this.patience);
      this.worker.onmessage = ({ data }) => {
        clearTimeout(timer);
        data.error ? reject(new Error(data.error)) : resolve(data.levels);
      };
      this.worker.onerror = (event) => {
        clearTimeout(timer);
        reject(new Error(event.message || "the worker could not start"));
      };
      this.worker.postMessage(message, transfer);
    });
  }

  async tile(pixels, share) {
    await this.ready;
    return this.ask({ pixels, side: SIDE, share }, [pixels.buffer]);
  }

  end() {
    this.ready.catch(() => {});
    this.worker.terminate();
  }
}

// Which networks make a style at a strength, the plain one first.
function networks(style, strength) {
  if (style === "faithful" || strength === 0) return ["networks/faithful.onnx"];
  return strength === 1 ? ["networks/natural.onnx"] : ["networks/faithful.onnx", "networks/natural.onnx"];
}

function probe() {
  return Float32Array.from({ length: 3 * SIDE * SIDE }, (_, at) => ((at * 7919) % 251) / 250);
}

// WebGPU, if it is there and gives for a probe tile what WebAssembly gives; remembered on this device.
async function worksOnGpu() {
  const remembered = localStorage.getItem("webgpu");
  if (remembered) return remembered === "yes";
  if (!navigator.gpu || !(await navigator.gpu.requestAdapter().catch(() => null))) return false;
  localStorage.setItem("webgpu", "no"); // also if the browser does not survive the attempt
  const both = [false, true].map((wanted) => new Network({ gpu: wanted, networks: networks("faithful", 1) }, PROBING));
  try {
    const [plain, fast] = await Promise.all(both.map((one) => one.tile(probe(), 1)));
    if (plain.some((level, at) => Math.abs(level - fast[at]) > 2)) return false;
  } catch {
    return false;
  } finally {
    both.forEach((one) => one.end());
  }
  localStorage.setItem("webgpu", "yes");
  return true;
}

const mirrored = (at, length) => {
  const place = ((at % (2 * length)) + 2 * length) % (2 * length);
  return Math.min(place, 2 * length - 1 - place);
};

// The window of a tile whose kept part begins at (left, top), as planes in 0..1.
function window_(image, left, top) {
  const { width, height, data } = image;
  const planes = new Float32Array(3 * SIDE * SIDE);
  const columns = Array.from({ length: SIDE }, (_, x) => mirrored(left - REACH + x, width));
  for (let y = 0; y < SIDE; y++) {
    const row = mirrored(top - REACH + y, height) * width;
    for (let x = 0; x < SIDE; x++) {
      const from = 4 * (row + columns[x]);
      for (let c = 0; c < 3; c++) planes[(c * SIDE + y) * SIDE + x] = data[from + c] / 255;
    }
  }
  return planes;
}

// The kept part of an answer, as pixels for a canvas.
function inner(levels, width, height) {
  const wide = SIDE * SCALE;
  const part = new ImageData(width * SCALE, height * SCALE);
  let to = 0;
  for (let y = REACH * SCALE; y < (REACH + height) * SCALE; y++) {
    for (let x = REACH * SCALE; x < (REACH + width) * SCALE; x++, to += 4) {
      const from = y * wide + x;
      part.data[to] = levels[from];
      part.data[to + 1] = levels[from + wide * wide];
      part.data[to + 2] = levels[from + 2 * wide * wide];
      part.data[to + 3] = 255;
    }
  }
  return part;
}

function canvas(width, height) {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  return made;
}

// The photo upright in this device's colours, and whether one can see through it.
async function opened(file) {
  const bitmap = await createImageBitmap(file);
  if (bitmap.width * bitmap.height > LARGEST) throw Object.assign(new Error("too large"), { kind: "too-many-pixels-here" });
  const drawn = canvas(bitmap.width, bitmap.height);
  const context = drawn.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const image = context.getImageData(0, 0, drawn.width, drawn.height);
  return { image, drawn, clear: image.data.some((level, at) => at % 4 === 3 && level < 255) };
}

// Upscale a file. onTile(done, total, canvas) is called after each tile; aborting the signal stops between two.
export async function restore(file, { style, strength }, onTile, signal) {
  const { image, drawn, clear } = await opened(file);
  const chosen = style === "auto" ? (file.type === "image/jpeg" ? "natural" : "faithful") : style;
  const total = Math.ceil(image.width / KEEP) * Math.ceil(image.height / KEEP);
  const gpu = total >= WORTH_IT && (await worksOnGpu());
  const settings = { gpu, networks: networks(chosen, strength) };
  const result = canvas(image.width * SCALE, image.height * SCALE);
  const context = result.getContext("2d");
  const began = performance.now();
  let network = new Network(settings);
  let done = 0;
  try {
    for (let top = 0; top < image.height; top += KEEP) {
      for (let left = 0; left < image.width; left += KEEP) {
        signal.throwIfAborted();
        if (done && done % RECYCLE === 0) {
          network.end();
          network = new Network(settings);
        }
        const levels = await network.tile(window_(image, left, top), strength);
        const size = [image.width - left, image.height - top].map((rest) => Math.min(KEEP, rest));
        context.putImageData(inner(levels, ...size), left * SCALE, top * SCALE);
        onTile(++done, total, result);
      }
    }
  } finally {
    network.end();
  }
  if (clear) {
    context.globalCompositeOperation = "destination-in";
    context.imageSmoothingQuality = "high";
    context.drawImage(drawn, 0, 0, result.width, result.height);
  }
  const type = file.type === "image/jpeg" ? "image/jpeg" : "image/png";
  const blob = await new Promise((resolve) => result.toBlob(resolve, type, 0.95));
  if (!blob) throw new Error("this device could not make a file of the picture");
  const name = file.name.replace(/\.[^.]*$/, "") + (type === "image/jpeg" ? "_x4.jpg" : "_x4.png");
  return { blob, name, seconds: (performance.now() - began) / 1000, engine: gpu ? "WebGPU" : "WebAssembly", style: chosen };
}
