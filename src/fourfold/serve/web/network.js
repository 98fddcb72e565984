// A worker of the browser that runs the little network on one tile after the other. It is thrown away now and then, since
// engines in browsers do not give memory back.
let session = [];
let engine;

const LEVELS = 255;

async function load({ gpu, networks }) {
  engine = await import(gpu ? "./vendor/ort.webgpu.bundle.min.mjs" : "./vendor/ort.wasm.bundle.min.mjs");
  const name = gpu ? "ort-wasm-simd-threaded.asyncify.wasm" : "ort-wasm-simd-threaded.wasm";
  engine.env.wasm.numThreads = 1;
  engine.env.wasm.wasmPaths = { wasm: new URL(`./vendor/${name}`, import.meta.url).href };
  engine.env.logLevel = "error";
  for (const network of networks) {
    const answer = await fetch(network);
    if (!answer.ok) throw new Error(`${network}: ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    session.push(await engine.InferenceSession.create(bytes, { executionProviders: [gpu ? "webgpu" : "wasm"] }));
  }
}

// pixels: 3×side×side floats in 0..1; the answer: 3×4·side×4·side levels, of two networks mixed by their share.
async function run({ pixels, side, share }) {
  const input = new engine.Tensor("float32", pixels, [1, 3, side, side]);
  const made = [];
  for (const one of session) {
    const { [one.outputNames[0]]: output } = await one.run({ [one.inputNames[0]]: input });
    const levels = Uint8ClampedArray.from(await output.getData(), (value) => {
      if (!Number.isFinite(value)) throw new Error("the network answered with what is no number");
      return value * LEVELS; // rounds half to even and clamps, as the array does
    });
    output.dispose();
    made.push(levels);
  }
  if (made.length === 1) return made[0];
  return made[0].map((plain, at) => plain + share * (made[1][at] - plain));
}

self.addEventListener("message", async ({ data }) => {
  try {
    const levels = data.networks ? await load(data) : await run(data);
    self.postMessage({ levels }, levels ? [levels.buffer] : []);
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
});
