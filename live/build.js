// `npm run build [-- FOLDER]`: the page and the runtime beside each other, nothing bundled. Model and images are added
// by `make live`.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.resolve(process.argv[2] ?? path.join(here, '..', '_build', 'live'));
const runtime = path.join(here, 'node_modules', 'onnxruntime-web');
const files = ['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];

fs.cpSync(path.join(here, 'src'), target, { recursive: true });
fs.mkdirSync(path.join(target, 'ort'), { recursive: true });
for (const file of files) fs.copyFileSync(path.join(runtime, 'dist', file), path.join(target, 'ort', file));
const { version, license } = JSON.parse(fs.readFileSync(path.join(runtime, 'package.json'), 'utf8'));
fs.writeFileSync(
  path.join(target, 'ort', 'README.txt'),
  `onnxruntime-web ${version}, Copyright Microsoft Corporation, ${license} licence: https://onnxruntime.ai\n`,
);
console.log(target);
