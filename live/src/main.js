// The page: what is chosen, typed and shown. What is typed stays text; the model is in worker.js.

import { compose, draw, grey, read, save } from './picture.js';

const at = (id) => document.getElementById(id);
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
const waiting = new Map();
const state = { number: 0, asked: [], current: null, background: '#2a6f97', shown: null, first: null };
const SHORT = { nothing: 'nothing', ambiguous: 'several' };
const said = (text) => (text.length <= 60 ? text : `${text.slice(0, 60).trimEnd()}…`);

worker.addEventListener('message', ({ data }) => {
  if (data.kind === 'progress') at('progress').value = data.share;
  if (data.kind === 'failed') tell(`The model cannot be loaded: ${data.message}`, true);
  if (data.kind === 'ready') {
    at('progress').hidden = true;
    at('side').textContent = data.size;
    state.ready = true;
  }
  if (data.kind === 'done') {
    waiting.get(data.id)(data);
    waiting.delete(data.id);
  }
});
worker.addEventListener('error', (event) => {
  event.preventDefault();
  tell(`The model cannot be loaded${event.message ? `: ${event.message}` : ''}. A newer browser may help.`, true);
});

/** Give the worker a task; resolves with what it found. */
function compute(kind, given) {
  state.number += 1;
  const id = state.number;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    worker.postMessage({ id, kind, ...given });
  });
}

function tell(text, warn = false) {
  at('status').textContent = text;
  at('status').classList.toggle('warn', warn);
}

async function choose(source, sentences, button) {
  let image;
  try {
    image = await read(source);
  } catch (error) {
    tell(error.message, true);
    return;
  }
  for (const other of at('samples').children) other.setAttribute('aria-pressed', other === button);
  Object.assign(state, { asked: [], current: null, shown: image.shown });
  draw(at('image'), image.shown.pixels, image.shown.width, image.shown.height);
  at('results').hidden = true;
  at('find').disabled = true;
  suggest(sentences);
  list();
  tell(state.ready ? 'Looking at the image …' : 'Loading the model …');
  document.body.dataset.state = 'encoding';
  const shown = image.shown;
  const found = await compute('image', image);
  if (state.shown !== shown) return; // another one was chosen meanwhile
  if (found.error) {
    tell(found.error, true);
    return;
  }
  at('find').disabled = false;
  document.body.dataset.state = 'ready';
  const seconds = found.seconds.toFixed(1);
  tell(`The image has been encoded, in ${seconds}\u00a0s. Type what you want, or take one of the sentences.`);
}

async function ask(text) {
  const sentence = text.trim().split(/\s+/).join(' ');
  if (!sentence) {
    tell('Write what you want, such as “the brown dog”.', true);
    return;
  }
  if (at('find').disabled) return;
  at('sentence').value = sentence;
  at('find').disabled = true;
  document.body.dataset.state = 'computing';
  tell('Looking for it …');
  const { shown } = state;
  const found = await compute('sentence', { text: sentence });
  if (state.shown !== shown) return;
  at('find').disabled = false;
  if (found.error) {
    tell(found.error, true);
    return;
  }
  state.asked = [{ ...found, sentence }, ...state.asked.filter((other) => other.sentence !== sentence)].slice(0, 30);
  show(state.asked[0]);
  document.body.dataset.seconds = found.seconds.toFixed(3);
  document.body.dataset.first ??= (performance.now() / 1000).toFixed(3);
  document.body.dataset.answer = found.answer;
  document.body.dataset.state = 'done';
}

function show(result) {
  const { alpha, cutout, width, height, answer, score, sentence, cut, seconds } = result;
  state.current = result;
  const asked = `“${said(sentence)}”`;
  const rounded = `score ${score.toFixed(2)}`;
  const end = cut ? ' The sentence is longer than the model reads: its end was left out.' : '';
  if (answer === 'nothing') {
    tell(`Nothing in this image fits ${asked} (${rounded}).${end}`, true);
  } else if (answer === 'ambiguous') {
    const which = 'Say which: by its side, its order or its colour.';
    tell(`${asked} fits more than one thing here (${rounded}). ${which}${end}`, true);
  } else {
    tell(`Found ${asked}: ${rounded}, ${seconds.toFixed(1)}\u00a0s.${end}`);
  }
  at('results').hidden = false;
  draw(at('matte'), grey(alpha), width, height);
  draw(at('cutout'), cutout, width, height);
  recompose();
  list();
}

function recompose() {
  if (!state.current) return;
  const blurred = state.background === 'blur';
  compose(at('composite'), at('cutout'), blurred ? { source: at('image'), blur: true } : state.background);
  at('blur').setAttribute('aria-pressed', blurred);
}

function list() {
  at('none').hidden = state.asked.length > 0;
  at('history').replaceChildren(
    ...state.asked.map((result) => {
      const tags = ['button', 'canvas', 'span', 'small'];
      const [button, canvas, text, score] = tags.map((tag) => document.createElement(tag));
      button.type = 'button';
      button.setAttribute('aria-current', result === state.current);
      draw(canvas, grey(result.alpha), result.width, result.height);
      text.textContent = result.sentence;
      score.textContent = SHORT[result.answer] ?? result.score.toFixed(2);
      button.append(canvas, text, score);
      button.addEventListener('click', () => {
        at('sentence').value = result.sentence;
        show(result);
      });
      const item = document.createElement('li');
      item.append(button);
      return item;
    }),
  );
}

function suggest(sentences) {
  at('suggestions').replaceChildren(
    ...sentences.map((sentence) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = sentence;
      button.addEventListener('click', () => ask(sentence));
      return button;
    }),
  );
}

async function begin() {
  const samples = await (await fetch(new URL('./samples/samples.json', import.meta.url))).json();
  at('samples').replaceChildren(
    ...samples.map(({ file, name, sentences }) => {
      const [button, image] = ['button', 'img'].map((tag) => document.createElement(tag));
      const address = new URL(`./samples/${file}`, import.meta.url);
      button.type = 'button';
      Object.assign(image, { src: address, alt: name });
      button.append(image);
      button.addEventListener('click', async () => choose(await (await fetch(address)).blob(), sentences, button));
      return button;
    }),
  );
  at('samples').firstElementChild?.click();
}

at('form').addEventListener('submit', (event) => {
  event.preventDefault();
  ask(at('sentence').value);
});
at('file').addEventListener('change', ({ target }) => {
  if (target.files[0]) choose(target.files[0], []);
  target.value = '';
});
for (const kind of ['dragover', 'dragleave', 'drop']) {
  at('drop').addEventListener(kind, (event) => {
    event.preventDefault();
    at('drop').classList.toggle('over', kind === 'dragover');
    if (kind === 'drop' && event.dataTransfer.files[0]) choose(event.dataTransfer.files[0], []);
  });
}
at('colour').addEventListener('input', ({ target }) => {
  state.background = target.value;
  recompose();
});
at('background').addEventListener('change', async ({ target }) => {
  const file = target.files[0];
  target.value = '';
  if (!file) return;
  try {
    state.background = { source: await createImageBitmap(file), blur: false };
    recompose();
  } catch {
    tell('This background is not an image that your browser can read.', true);
  }
});
at('blur').addEventListener('click', () => {
  state.background = state.background === 'blur' ? at('colour').value : 'blur';
  recompose();
});
for (const button of document.querySelectorAll('[data-save]')) {
  button.addEventListener('click', () => {
    const words = state.current.sentence.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['result'];
    save(at(button.dataset.save), `${words.slice(0, 8).join('-')}-${button.dataset.save}.png`);
  });
}
begin().catch((error) => tell(`The images to begin with cannot be loaded: ${error.message}`, true));
