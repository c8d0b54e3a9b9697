// The three graphs of `rim export`: an image once, a sentence once, a matte for each pair. Runs in a browser's worker
// and in node; the runtime, onnxruntime-web, is given.

import { countParts, meansSeveral } from './answer.js';
import { resizeColour } from './resize.js';
import { Sentences } from './sentences.js';
import { Tokenizer } from './tokenizer.js';

const LEAST = 0.5 / 255; // an alpha below it cannot be seen
const EDGE = 1e-4; // a score is kept this far from 0 and 1, where a logarithm would be infinite

export class Model {
  /**
   * @param ort onnxruntime-web
   * @param about model.json
   * @param {Record<string, Uint8Array>} graphs the bytes of image.onnx, text.onnx and matte.onnx
   */
  static async create(ort, about, graphs) {
    const model = new Model();
    Object.assign(model, { ort, about, size: about.image.size, sessions: {} });
    model.tokenizer = new Tokenizer(about.text);
    model.sentences = new Sentences(about.sentences);
    const options = { executionProviders: ['wasm'], logSeverityLevel: 3 }; // its warnings are for those who build it
    for (const [name, bytes] of Object.entries(graphs)) {
      model.sessions[name] = await ort.InferenceSession.create(bytes, options);
    }
    return model;
  }

  /** Encode an image: RGBA bytes, opaque. What sentences found in the one before is forgotten. */
  async setImage(rgba, width, height) {
    this.features = await this.run('image', { image: this.square(rgba, width, height) });
  }

  /** The image as the graph takes it: a square of the model's size, resized by area, RGB in [0, 1], channels first. */
  square(rgba, width, height) {
    const rgb = new Uint8Array(width * height * 3);
    for (let i = 0, k = 0; i < rgb.length; k += 1) {
      rgb[i++] = rgba[k++];
      rgb[i++] = rgba[k++];
      rgb[i++] = rgba[k++];
    }
    const pixels = resizeColour(rgb, width, height, this.size, this.size);
    const area = this.size * this.size;
    const values = new Float32Array(3 * area);
    for (let i = 0; i < area; i += 1) {
      for (let c = 0; c < 3; c += 1) values[c * area + i] = pixels[3 * i + c] / 255;
    }
    return new this.ort.Tensor('float32', values, [1, 3, this.size, this.size]);
  }

  /** Token ids of what somebody typed, and whether it was cut at the model's length. */
  tokens(sentence) {
    return this.tokenizer.encode(this.sentences.canonical(sentence, this.about.text.template));
  }

  /** What a sentence finds in the image: its matte of the model's size, its score in [0, 1], and what that answers. */
  async predict(sentence) {
    const { ids, cut } = this.tokens(sentence);
    const text = await this.run('text', {
      ids: new this.ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
    });
    const output = await this.run('matte', { ...this.features, ...text });
    const alpha = output.alpha.data;
    const score = this.calibrated(output.score.data[0]);
    const found = score >= this.about.score.threshold && alpha.some((value) => value >= LEAST);
    const several = found && !meansSeveral(sentence) && countParts(alpha, this.size, this.size) > 1;
    const answer = found ? (several ? 'ambiguous' : 'yes') : 'nothing';
    return { alpha, score, answer, cut, logits: output.trimap_logits.data };
  }

  /** The probability that the sentence fits something, of the graph's score. */
  calibrated(score) {
    const given = this.about.score.calibration;
    if (!given) return score;
    const kept = Math.min(1 - EDGE, Math.max(EDGE, score));
    return 1 / (1 + Math.exp(-(given.low * Math.log(kept) - given.high * Math.log1p(-kept) + given.offset)));
  }

  async run(name, given) {
    const { inputs } = this.about.graphs[name];
    return this.sessions[name].run(Object.fromEntries(inputs.map((input) => [input, given[input]])));
  }
}
