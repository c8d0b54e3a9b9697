// Images at another size, as rimlib.io.images.resize makes them by OpenCV: where an axis shrinks each pixel is the mean
// of the area that it covers; where it grows, colour is cubic and a matte linear.

/** To the nearest whole number, halves to the even one, as OpenCV rounds. */
const rint = (value) => {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest === 0.5) return down % 2 === 0 ? down : down + 1;
  return rest < 0.5 ? down : down + 1;
};

const clampByte = (value) => Math.min(255, Math.max(0, value));

/** Colour pixels, 3 bytes each, row by row, of `width` x `height`, at `newWidth` x `newHeight`. */
export function resizeColour(pixels, width, height, newWidth, newHeight) {
  const smallWidth = Math.min(width, newWidth);
  const smallHeight = Math.min(height, newHeight);
  let found = pixels;
  if (smallWidth !== width || smallHeight !== height) found = area(found, width, height, smallWidth, smallHeight);
  if (smallWidth !== newWidth || smallHeight !== newHeight) {
    found = cubic(found, smallWidth, smallHeight, newWidth, newHeight);
  }
  return found;
}

/** Which pixels of a line, and with which weights, make each pixel of a shorter one. */
function shares(length, newLength) {
  const scale = length / newLength;
  const found = [];
  for (let i = 0; i < newLength; i += 1) {
    const start = i * scale;
    const end = start + scale;
    const cell = Math.min(scale, length - start);
    const last = Math.min(Math.floor(end), length - 1);
    const first = Math.min(Math.ceil(start), last);
    const parts = [];
    if (first - start > 1e-3) parts.push([first - 1, Math.fround((first - start) / cell)]);
    for (let at = first; at < last; at += 1) parts.push([at, Math.fround(1 / cell)]);
    if (end - last > 1e-3) parts.push([last, Math.fround(Math.min(Math.min(end - last, 1), cell) / cell)]);
    found.push(parts);
  }
  return found;
}

function area(pixels, width, height, newWidth, newHeight) {
  if (width % newWidth === 0 && height % newHeight === 0) {
    return wholeArea(pixels, width, newWidth, newHeight, width / newWidth, height / newHeight);
  }
  const columns = shares(width, newWidth);
  const rows = shares(height, newHeight);
  const line = new Float32Array(newWidth * 3); // one row of the image, shortened
  const sum = new Float32Array(newWidth * 3);
  const result = new Uint8Array(newWidth * newHeight * 3);
  rows.forEach((parts, y) => {
    parts.forEach(([row, weight], number) => {
      shorten(pixels, row * width * 3, columns, line);
      for (let i = 0; i < line.length; i += 1) {
        sum[i] = number === 0 ? line[i] * weight : sum[i] + Math.fround(line[i] * weight);
      }
    });
    for (let i = 0; i < sum.length; i += 1) result[y * sum.length + i] = clampByte(rint(sum[i]));
  });
  return result;
}

function shorten(pixels, start, columns, line) {
  line.fill(0);
  for (let x = 0; x < columns.length; x += 1) {
    for (const [column, weight] of columns[x]) {
      for (let c = 0; c < 3; c += 1) line[3 * x + c] += Math.fround(pixels[start + 3 * column + c] * weight);
    }
  }
}

/** Blocks of whole pixels: sums are whole numbers. */
function wholeArea(pixels, width, newWidth, newHeight, across, down) {
  const result = new Uint8Array(newWidth * newHeight * 3);
  const scale = Math.fround(1 / (across * down));
  const isFour = across === 2 && down === 2; // OpenCV has a way of its own for it, whose halves go up
  for (let y = 0; y < newHeight; y += 1) {
    for (let x = 0; x < newWidth; x += 1) {
      for (let c = 0; c < 3; c += 1) {
        let sum = 0;
        for (let dy = 0; dy < down; dy += 1) {
          for (let dx = 0; dx < across; dx += 1) sum += pixels[3 * ((y * down + dy) * width + x * across + dx) + c];
        }
        result[3 * (y * newWidth + x) + c] = isFour ? (sum + 2) >> 2 : rint(Math.fround(sum * scale));
      }
    }
  }
  return result;
}

/** The place in the old line of each pixel's centre, as a whole part and the rest. */
function places(length, newLength) {
  return Array.from({ length: newLength }, (_, i) => {
    const at = Math.fround((i + 0.5) * (length / newLength) - 0.5);
    const whole = Math.floor(at);
    return [whole, Math.fround(at - whole)];
  });
}

const inside = (index, length) => Math.min(length - 1, Math.max(0, index));

function cubicWeights(rest) {
  const a = -0.75;
  const far = ((a * (rest + 1) - 5 * a) * (rest + 1) + 8 * a) * (rest + 1) - 4 * a;
  const near = ((a + 2) * rest - (a + 3)) * rest * rest + 1;
  const next = ((a + 2) * (1 - rest) - (a + 3)) * (1 - rest) * (1 - rest) + 1;
  return [far, near, next, 1 - far - near - next].map((weight) => rint(weight * 2048)); // OpenCV's fixed point
}

function cubic(pixels, width, height, newWidth, newHeight) {
  const columns = places(width, newWidth).map(([whole, rest]) => [whole, cubicWeights(rest)]);
  const rows = places(height, newHeight).map(([whole, rest]) => [whole, cubicWeights(rest)]);
  const wide = new Int32Array(newWidth * height * 3);
  for (let y = 0; y < height; y += 1) {
    columns.forEach(([whole, weights], x) => {
      for (let c = 0; c < 3; c += 1) {
        let sum = 0;
        for (let k = 0; k < 4; k += 1) sum += weights[k] * pixels[3 * (y * width + inside(whole - 1 + k, width)) + c];
        wide[3 * (y * newWidth + x) + c] = sum;
      }
    });
  }
  const result = new Uint8Array(newWidth * newHeight * 3);
  rows.forEach(([whole, weights], y) => {
    for (let i = 0; i < newWidth * 3; i += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1) sum += weights[k] * wide[inside(whole - 1 + k, height) * newWidth * 3 + i];
      result[y * newWidth * 3 + i] = clampByte(rint(sum / (2048 * 2048)));
    }
  });
  return result;
}

/** A matte, Float32Array row by row, at a size that is at least as large on each side, by linear interpolation. */
export function enlargeMatte(alpha, width, height, newWidth, newHeight) {
  const columns = places(width, newWidth);
  const rows = places(height, newHeight);
  const result = new Float32Array(newWidth * newHeight);
  rows.forEach(([row, down], y) => {
    const upper = inside(row, height) * width;
    const lower = inside(row + 1, height) * width;
    columns.forEach(([column, right], x) => {
      const [a, b] = [inside(column, width), inside(column + 1, width)];
      const top = alpha[upper + a] * (1 - right) + alpha[upper + b] * right;
      const bottom = alpha[lower + a] * (1 - right) + alpha[lower + b] * right;
      result[y * newWidth + x] = top * (1 - down) + bottom * down;
    });
  });
  return result;
}

/** A matte at any size: the mean of areas where an axis shrinks, linear where it grows. */
export function resizeMatte(alpha, width, height, newWidth, newHeight) {
  const smallWidth = Math.min(width, newWidth);
  const smallHeight = Math.min(height, newHeight);
  let found = alpha;
  if (smallWidth !== width || smallHeight !== height) {
    const columns = shares(width, smallWidth);
    found = new Float32Array(smallWidth * smallHeight);
    shares(height, smallHeight).forEach((parts, y) => {
      for (const [row, down] of parts) {
        columns.forEach((others, x) => {
          for (const [column, right] of others) found[y * smallWidth + x] += alpha[row * width + column] * right * down;
        });
      }
    });
  }
  return enlargeMatte(found, smallWidth, smallHeight, newWidth, newHeight);
}
