import assert from 'node:assert/strict';
import test from 'node:test';
import { countParts, meansSeveral } from '../src/answer.js';
import { boxMean, cutOut } from '../src/foreground.js';
import { enlargeMatte, resizeColour, resizeMatte } from '../src/resize.js';
import { Tokenizer } from '../src/tokenizer.js';

test('a smaller image has the mean of each area', () => {
  const pixels = Uint8Array.from([0, 0, 0, 100, 50, 10, 20, 20, 20, 80, 30, 11]);
  assert.deepEqual([...resizeColour(pixels, 2, 2, 1, 1)], [50, 25, 10]);
  const line = Uint8Array.from([0, 0, 0, 90, 90, 90, 180, 180, 180]);
  assert.deepEqual([...resizeColour(line, 3, 1, 2, 1)].filter((_, i) => i % 3 === 0), [30, 150]);
});

test('an image of one colour stays so at any size', () => {
  for (const [width, height] of [[5, 7], [40, 3], [11, 11]]) {
    const grey = new Uint8Array(width * height * 3).fill(77);
    assert.ok(resizeColour(grey, width, height, 11, 11).every((value) => value === 77));
  }
});

test('a matte is enlarged without leaving its range', () => {
  const found = enlargeMatte(Float32Array.from([0, 1, 1, 0]), 2, 2, 5, 5);
  assert.equal(found[0], 0);
  assert.equal(found[4], 1);
  assert.ok(found.every((value) => value >= 0 && value <= 1));
  assert.equal(resizeMatte(Float32Array.from([0, 1, 1, 0]), 2, 2, 1, 1)[0], 0.5);
});

test('merges are made in their order, and what follows the end is zero', () => {
  const merges = ['o g</w>', 'd og</w>'];
  const tokenizer = new Tokenizer({ merges, start: 514, end: 515, length: 6 });
  assert.deepEqual(tokenizer.encode('Dog'), { ids: [514, 513, 515, 0, 0, 0], cut: false });
  assert.equal(tokenizer.encode('dog dog dog dog dog').cut, true);
  assert.equal(tokenizer.encode('dog dog dog dog dog').ids.at(-1), 515);
});

test('two parts of comparable size are two, a speck is none', () => {
  const alpha = new Float32Array(9 * 20);
  const block = (x, y, width, height) => {
    for (let v = y; v < y + height; v += 1) alpha.fill(1, v * 20 + x, v * 20 + x + width);
  };
  assert.equal(countParts(alpha, 20, 9), 0);
  block(2, 2, 5, 5);
  block(19, 0, 1, 1);
  assert.equal(countParts(alpha, 20, 9), 1);
  block(12, 2, 4, 5);
  assert.equal(countParts(alpha, 20, 9), 2);
  assert.ok(meansSeveral('the dogs on the lawn') && meansSeveral('both dogs'));
  assert.ok(!meansSeveral('the glass on the left') && !meansSeveral('dog'));
});

test('a cut-out has the colours of the object, not those that its background mixed in', () => {
  const [width, height] = [40, 20]; // red on blue, an edge of eight pixels
  const edge = (x) => Math.min(1, Math.max(0, (x - 15) / 8));
  const alpha = Float32Array.from({ length: width * height }, (_, i) => edge(i % width));
  const rgba = new Uint8ClampedArray(4 * alpha.length);
  alpha.forEach((a, i) => rgba.set([200 * a, 0, 200 * (1 - a), 255], 4 * i));
  const found = cutOut(rgba, alpha, width, height);
  const middle = 4 * (10 * width + 19);
  assert.ok(found[middle] > 180 && found[middle + 2] < 20, [...found.slice(middle, middle + 4)].join());
  assert.equal(found[middle + 3], 128);
});

test('the mean of a square stops at the edge', () => {
  assert.deepEqual([...boxMean(Float32Array.from([0, 3, 6]), 3, 1, 1)], [1.5, 3, 4.5]);
});
