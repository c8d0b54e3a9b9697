// The one form of what somebody types, as rimlib.sentences.canonical: the lists come from model.json.

const SIGN = String.raw`[\p{L}\p{N}_]`; // Python's \w
const LETTER = String.raw`[\p{L}\p{Nl}\p{No}]`;
const QUOTE = new RegExp(`(?<!${SIGN})'|'(?!${SIGN})`, 'gu');
const GREY = new RegExp(`grey(?!${SIGN})`, 'gu');
const FRAME = /^(?:a|an|the) (?:photo|photograph|image|picture|foreground|mask|alpha matte) of /u;
const WORD = new RegExp(`^${LETTER}+(?:['-]${LETTER}+)*$`, 'u');
const CUT_OUT = /^(?:cut|crop|pick|take) (.+) out(?: of (?:the|this|that) (?:image|photo|picture))?$/u;
const POINTED = 'this|that|these|those|my|our|your|some|any';

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);

export class Sentences {
  /** @param rules `sentences` of model.json, see rimlib.sentences.rules */
  constructor(rules) {
    this.rules = rules;
    const edge = [...rules.edge].map(escaped).join('');
    this.edge = new RegExp(`^[${edge}]+|[${edge}]+$`, 'gu');
    this.openers = new RegExp(`^(?:${rules.openers.join('|')})[,:]? (?=\\S)`, 'u');
    this.closers = new RegExp(`(?<=\\S)(?:,? (?:${rules.closers.join('|')}))+$`, 'u');
    const after = rules.no_noun.join('|');
    this.pointed = new RegExp(`^(?:${POINTED}) (?!(?:${after})(?!${SIGN}))(?=\\S)`, 'u');
    this.somebody = new RegExp(`(?<!${SIGN})(?:${Object.keys(rules.somebody).join('|')})(?!${SIGN})`, 'gu');
    this.article = new RegExp(`^(?:${rules.articles.join('|')}) (?=\\S)`, 'u');
    this.noArticle = new Set(rules.no_article);
    this.determiners = new Set(rules.determiners);
  }

  /** @returns the sentence in the form that the model reads; `template` is that of one or two plain words. */
  canonical(sentence, template) {
    const text = this.normalise(sentence);
    if (FRAME.test(text)) return text;
    let bare = text.replace(this.article, '');
    const words = bare.split(/\s+/).filter(Boolean);
    const first = words[0]?.replace(/,+$/, '');
    if (!words.length || (bare === text && (this.noArticle.has(words[0]) || !WORD.test(first)))) return text;
    bare = this.rules.human[bare] ?? bare;
    const plain = words.length <= 2 && words.every((word) => WORD.test(word) && !this.determiners.has(word));
    return (plain ? template : this.rules.the).replaceAll('{keyword}', () => bare);
  }

  normalise(sentence) {
    let text = this.spelt(sentence).replace(this.somebody, (name) => this.rules.somebody[name]);
    for (;;) {
      const cutOut = CUT_OUT.exec(text);
      let rest = cutOut ? cutOut[1] : text.replace(this.openers, '').replace(this.closers, '');
      rest = this.stripped(rest);
      if (this.pointed.test(rest)) rest = `the ${rest.replace(this.pointed, '')}`;
      if (!rest || rest === text) return text;
      text = rest;
    }
  }

  spelt(sentence) {
    let text = this.marked(sentence);
    if (/[^\0-\x7f]/.test(text)) {
      text = this.marked(text.normalize('NFKC').toLowerCase().normalize('NFKC')).replace(/\p{Cf}/gu, '');
    }
    text = text.toLowerCase().replace(QUOTE, '').replace(/\s+/gu, ' ');
    text = text.replace(/ ([.,;:!?])/g, '$1').replace(GREY, 'gray').trim();
    return this.stripped(text) || text;
  }

  marked(text) {
    return [...text].map((sign) => this.rules.marks[sign] ?? sign).join('');
  }

  stripped(text) {
    return text.replace(this.edge, '');
  }
}
