// The colours of a foreground where its image mixes them with those of the background: blur fusion (Forte, Approximate
// fast foreground colour estimation, ICIP 2021). Means around a pixel, weighted by alpha and by 1 - alpha, estimate
// foreground and background; what they leave of the pixel itself is added. Python's own cut-outs solve for the colours
// (rimlib.matting.foreground), which takes more time than a page has.

const RADII = [30, 4]; // pixels: from far away first, then from beside the edge

/** RGBA of the foreground with a matte (Float32Array) as its transparency; `rgba` is opaque. */
export function cutOut(rgba, alpha, width, height) {
  let foreground = channels(rgba);
  let background = channels(rgba);
  for (const radius of RADII) {
    const inside = weightedMeans(foreground, alpha, width, height, radius);
    const outside = weightedMeans(background, alpha.map((a) => 1 - a), width, height, radius);
    foreground = inside.map((plane, c) =>
      plane.map((mean, i) => {
        const rest = rgba[4 * i + c] - alpha[i] * mean - (1 - alpha[i]) * outside[c][i];
        return Math.min(255, Math.max(0, mean + alpha[i] * rest));
      }),
    );
    background = outside;
  }
  const result = new Uint8ClampedArray(rgba.length);
  for (let i = 0; i < alpha.length; i += 1) {
    for (let c = 0; c < 3; c += 1) result[4 * i + c] = alpha[i] >= 1 ? rgba[4 * i + c] : foreground[c][i];
    result[4 * i + 3] = Math.round(255 * alpha[i]);
  }
  return result;
}

function channels(rgba) {
  return [0, 1, 2].map((c) => Float32Array.from({ length: rgba.length / 4 }, (_, i) => rgba[4 * i + c]));
}

function weightedMeans(planes, weights, width, height, radius) {
  const total = boxMean(weights, width, height, radius);
  return planes.map((plane) => {
    const sum = boxMean(plane.map((value, i) => value * weights[i]), width, height, radius);
    return sum.map((value, i) => (total[i] > 1e-5 ? value / total[i] : plane[i]));
  });
}

/** The mean of a square around each pixel, as far as the image reaches. */
export function boxMean(plane, width, height, radius) {
  const wide = new Float32Array(plane.length);
  for (let y = 0; y < height; y += 1) line(plane, wide, y * width, 1, width, radius);
  const result = new Float32Array(plane.length);
  for (let x = 0; x < width; x += 1) line(wide, result, x, width, height, radius);
  return result;
}

function line(from, to, start, step, length, radius) {
  let sum = 0;
  for (let i = 0; i < Math.min(radius, length); i += 1) sum += from[start + i * step];
  for (let i = 0; i < length; i += 1) {
    if (i + radius < length) sum += from[start + (i + radius) * step];
    if (i - radius - 1 >= 0) sum -= from[start + (i - radius - 1) * step];
    to[start + i * step] = sum / (Math.min(length - 1, i + radius) - Math.max(0, i - radius) + 1);
  }
}
