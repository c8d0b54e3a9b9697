// The model, away from the page's own thread, so that the page stays alive while it computes.

import * as ort from './ort/ort.wasm.min.mjs';
import { cutOut } from './foreground.js';
import { Model } from './model.js';
import { resizeMatte } from './resize.js';

ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need a page that is cross-origin isolated

const folder = new URL('./model/', import.meta.url);
const loading = load();
let image;

async function load() {
  const about = await (await fetched('model.json')).json();
  const graphs = {};
  const names = Object.keys(about.graphs);
  await Promise.all(
    names.map(async (name) => {
      graphs[name] = new Uint8Array(await (await fetched(about.graphs[name].file)).arrayBuffer());
      postMessage({ kind: 'progress', share: Object.keys(graphs).length / (names.length + 1) });
    }),
  );
  const model = await Model.create(ort, about, graphs);
  postMessage({ kind: 'ready', size: model.size });
  return model;
}

async function fetched(name) {
  const response = await fetch(new URL(name, folder));
  if (!response.ok) throw new Error(`${name} cannot be loaded (${response.status})`);
  return response;
}

const tasks = {
  /** An image: RGBA as the model sees it, whole, and as it is shown. */
  async image({ whole, shown }) {
    const model = await loading;
    await model.setImage(whole.pixels, whole.width, whole.height);
    image = shown;
    return {};
  },
  /** A sentence about it: its matte and its cut-out at the size that is shown. */
  async sentence({ text }) {
    const model = await loading;
    const { alpha, logits, ...found } = await model.predict(text);
    const { pixels, width, height } = image;
    const large = resizeMatte(alpha, model.size, model.size, width, height);
    for (let i = 0; i < large.length; i += 1) large[i] = Math.min(large[i], image.opacity[i] / 255);
    const kept = found.answer === 'nothing' ? large.fill(0) : large;
    return { ...found, logits: logits.length, alpha: kept, cutout: cutOut(pixels, kept, width, height), width, height };
  },
};

let queue = loading.catch((error) => postMessage({ kind: 'failed', message: error.message }));

addEventListener('message', ({ data: { id, kind, ...given } }) => {
  queue = queue.then(async () => {
    const start = performance.now();
    try {
      const found = await tasks[kind](given);
      postMessage({ kind: 'done', id, seconds: (performance.now() - start) / 1000, ...found });
    } catch (error) {
      postMessage({ kind: 'done', id, error: error.message });
    }
  });
});
