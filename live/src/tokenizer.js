// Sentences to token ids: CLIP's byte-pair encoding, with the merges of model.json. As rimlib.clipmat.tokenizer.

const WORDS = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;
const END = '</w>'; // of a word's last piece
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", apos: "'", nbsp: ' ' };

/** A sign that can be seen for each byte. */
function signs() {
  const bytes = [];
  for (const [first, last] of [['!', '~'], ['¡', '¬'], ['®', 'ÿ']]) {
    for (let code = first.charCodeAt(0); code <= last.charCodeAt(0); code += 1) bytes.push(code);
  }
  const found = new Map(bytes.map((byte) => [byte, String.fromCharCode(byte)]));
  let next = 256;
  for (let byte = 0; byte < 256; byte += 1) {
    if (!found.has(byte)) {
      found.set(byte, String.fromCharCode(next));
      next += 1;
    }
  }
  return found;
}

const unescaped = (text) => text.replace(/&(#39|\w+);/g, (all, name) => ENTITIES[name] ?? all);

export class Tokenizer {
  /** @param {{merges: string[], start: number, end: number, length: number}} text of model.json */
  constructor({ merges, start, end, length }) {
    Object.assign(this, { start, end, length });
    this.signs = signs();
    const pieces = [...this.signs.values()];
    const all = [...pieces, ...pieces.map((piece) => piece + END), ...merges.map((pair) => pair.replace(' ', ''))];
    this.ids = new Map(all.map((piece, id) => [piece, id]));
    this.ranks = new Map(merges.map((pair, rank) => [pair, rank]));
    this.known = new Map();
  }

  /** The ids of a text without start and end. */
  words(text) {
    const clean = unescaped(unescaped(text)).trim().split(/\s+/).join(' ').toLowerCase();
    return (clean.match(WORDS) ?? []).flatMap((word) => this.pieces(word));
  }

  /** Ids of one length, zeros after the end of the text, and whether the text was cut. */
  encode(text) {
    const words = this.words(text);
    const kept = words.slice(0, this.length - 2);
    const ids = [this.start, ...kept, this.end];
    return { ids: [...ids, ...new Array(this.length - ids.length).fill(0)], cut: kept.length < words.length };
  }

  pieces(word) {
    if (!this.known.has(word)) this.known.set(word, this.merged(word).map((piece) => this.ids.get(piece)));
    return this.known.get(word);
  }

  merged(word) {
    const parts = [...new TextEncoder().encode(word)].map((byte) => this.signs.get(byte));
    parts.push(parts.pop() + END);
    for (;;) {
      let best = Infinity;
      let pair;
      for (let i = 0; i + 1 < parts.length; i += 1) {
        const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
        if (rank < best) [best, pair] = [rank, [parts[i], parts[i + 1]]];
      }
      if (!pair) return parts;
      for (let i = 0; i + 1 < parts.length; i += 1) {
        if (parts[i] === pair[0] && parts[i + 1] === pair[1]) parts.splice(i, 2, pair.join(''));
      }
    }
  }
}
