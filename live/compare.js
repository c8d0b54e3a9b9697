// What this page computes, for Python's tests to compare with their own: node compare.js REQUEST.json > ANSWER.json

import fs from 'node:fs';
import path from 'node:path';
import * as ort from 'onnxruntime-web/wasm';
import { countParts, meansSeveral } from './src/answer.js';
import { Model } from './src/model.js';
import { resizeColour, resizeMatte } from './src/resize.js';

const request = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const folder = path.dirname(process.argv[2]);
const bytes = (name) => new Uint8Array(fs.readFileSync(path.join(folder, name)));
const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');

ort.env.wasm.numThreads = 1;
const about = JSON.parse(fs.readFileSync(path.join(request.model, 'model.json'), 'utf8'));
const graphs = {};
for (const [name, { file }] of Object.entries(about.graphs)) {
  if (request.predict) graphs[name] = new Uint8Array(fs.readFileSync(path.join(request.model, file)));
}
const model = await Model.create(ort, about, graphs);
const answer = {
  ids: request.sentences.map((sentence) => model.tokens(sentence).ids),
  several: request.sentences.map(meansSeveral),
  parts: request.mattes.map(({ file, width, height }) => {
    const alpha = Float32Array.from(bytes(file), (value) => value / 255);
    return countParts(alpha, width, height);
  }),
  resized: request.images.map(({ file, width, height, to }) => base64(resizeColour(bytes(file), width, height, ...to))),
  enlarged: request.mattes.map(({ file, width, height, to }) => {
    const alpha = Float32Array.from(bytes(file), (value) => value / 255);
    return base64(resizeMatte(alpha, width, height, ...to));
  }),
};
if (request.predict) {
  const { file, width, height, sentences } = request.predict;
  await model.setImage(bytes(file), width, height);
  answer.predicted = [];
  for (const sentence of sentences) {
    const { alpha, logits, score, answer: found } = await model.predict(sentence);
    answer.predicted.push({ alpha: base64(alpha), logits: base64(logits), score, answer: found });
  }
}
process.stdout.write(JSON.stringify(answer));
