// What the matte of a sentence answers, as rimlib.prediction.answer: yes, nothing here, or several that it may mean.
// Python reads the sentence by a grammar; here a few words and endings decide, which is the same for nearly all.

const COMPARABLE = 0.25; // the least area of a part that counts, as a share of the largest one's
const SEVERAL = new Set('both all two three four several many these those pair everything'.split(' '));
const PLURALS = new Set('people men women children mice geese feet teeth sheep fish everybody everyone'.split(' '));
const AFTER = new RegExp(
  '\\b(?:on|in|at|to|of|with|without|by|from|near|nearest|next|\\w+ing|behind|beside' +
    '|between|under|underneath|above|below|over|left|right|farthest|closest|close|which|that|who|is|are|wearing)\\b',
);

/** Does a sentence mean more than one, by its first words or by the ending of its noun? */
export function meansSeveral(sentence) {
  const words = sentence.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.slice(0, 2).some((word) => SEVERAL.has(word))) return true;
  if (!words.length) return false;
  if (/(?:\band|&) (?:the|an?) /.test(words.join(' '))) return true;
  const before = words.slice(1).join(' ').split(AFTER)[0].split(/\s+/).filter(Boolean);
  const last = before.at(-1) ?? words[0];
  const noun = ['the', 'a', 'an'].includes(last) ? (words[2] ?? '') : last;
  return PLURALS.has(noun) || /[^sui]s$/.test(noun);
}

/** How many separate parts of comparable size a matte has, cut at one half; corners connect. */
export function countParts(alpha, width, height) {
  const seen = new Uint8Array(alpha.length);
  const areas = [];
  const stack = [];
  for (let start = 0; start < alpha.length; start += 1) {
    if (seen[start] || !(alpha[start] > 0.5)) continue;
    seen[start] = 1;
    stack.push(start);
    let size = 0;
    while (stack.length) {
      const at = stack.pop();
      size += 1;
      const [y, x] = [Math.floor(at / width), at % width];
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v += 1) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u += 1) {
          const next = v * width + u;
          if (seen[next] || !(alpha[next] > 0.5)) continue;
          seen[next] = 1;
          stack.push(next);
        }
      }
    }
    areas.push(size);
  }
  const least = COMPARABLE * Math.max(...areas, 0);
  return areas.filter((size) => size >= least).length;
}
