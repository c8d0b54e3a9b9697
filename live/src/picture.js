// Images of a user: decoded upright by the browser, in sRGB.

const LARGEST = 2048; // pixels of the longer side that is shown and saved

/** The pixels of a file or a canvas: whole, over white, and at most `LARGEST`, with their opacity. */
export async function read(source) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(source);
  } catch {
    throw new Error('This is not an image that your browser can read.');
  }
  const whole = pixelsOf(bitmap, bitmap.width, bitmap.height, true);
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const shown = scale < 1 ? pixelsOf(bitmap, width, height, true) : { ...whole, pixels: whole.pixels.slice() };
  const bare = pixelsOf(bitmap, width, height, false).pixels;
  shown.opacity = Uint8Array.from({ length: width * height }, (_, i) => bare[4 * i + 3]);
  bitmap.close();
  return { whole, shown };
}

function pixelsOf(bitmap, width, height, white) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  if (white) {
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(bitmap, 0, 0, width, height);
  return { pixels: context.getImageData(0, 0, width, height).data, width, height };
}

/** Draw RGBA pixels on a canvas of their size. */
export function draw(canvas, pixels, width, height) {
  Object.assign(canvas, { width, height });
  canvas.getContext('2d').putImageData(new ImageData(pixels, width, height), 0, 0);
}

/** A matte as grey pixels. */
export function grey(alpha) {
  const pixels = new Uint8ClampedArray(4 * alpha.length);
  for (let i = 0; i < alpha.length; i += 1) {
    pixels.fill(Math.round(255 * alpha[i]), 4 * i, 4 * i + 3);
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

/** Lay a cut-out, which is on a canvas, over a background: a colour, an image bitmap, or the image itself, blurred. */
export function compose(canvas, cutout, background) {
  Object.assign(canvas, { width: cutout.width, height: cutout.height });
  const context = canvas.getContext('2d');
  if (typeof background === 'string') {
    context.fillStyle = background;
    context.fillRect(0, 0, canvas.width, canvas.height);
  } else {
    const { source, blur } = background; // the largest centred part of the canvas's shape
    const scale = Math.max(canvas.width / source.width, canvas.height / source.height);
    const [width, height] = [source.width * scale, source.height * scale];
    const radius = blur ? Math.max(canvas.width, canvas.height) / 40 : 0;
    context.filter = blur ? `blur(${radius}px)` : 'none';
    // a blurred image fades at its edge: it is drawn a little larger
    context.drawImage(
      source,
      (canvas.width - width) / 2 - 2 * radius,
      (canvas.height - height) / 2 - 2 * radius,
      width + 4 * radius,
      height + 4 * radius,
    );
    context.filter = 'none';
  }
  context.drawImage(cutout, 0, 0);
}

/** Save a canvas as a PNG file. */
export function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }, 'image/png');
}
