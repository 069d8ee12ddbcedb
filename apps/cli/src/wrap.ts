// oxlint-disable-next-line no-control-regex -- colours are escape sequences
const COLOUR = /\u001b\[(\d+)m/g;
const SPACE_THAT_HOLDS = '\u00a0';

/** How many columns a text takes: colours take none. */
export const visible = (text: string): number => text.replace(COLOUR, '').length;

/** Makes a text, such as a time, one word for wrapping. */
export const solid = (text: string): string => text.replaceAll(' ', SPACE_THAT_HOLDS);

/** Width of the longest word, below which a text cannot be wrapped at word ends. */
export const longestWord = (text: string): number => Math.max(0, ...text.split(' ').map(visible));

/** Characters of a word with the colours that stand before each. */
const glyphs = (word: string): string[] =>
  // oxlint-disable-next-line no-control-regex -- colours are escape sequences
  word.match(/(?:\u001b\[\d+m)*[^\u001b](?:(?:\u001b\[\d+m)+$)?/gu) ?? [word];

/** A word that fits no line, cut where it has a joint in the last half of the line, else at the end of the line. */
const cut = (word: string, width: number): string[] => {
  const rest = glyphs(word);
  const parts: string[] = [];
  while (rest.length > width) {
    const head = rest.slice(0, width).map((glyph) => glyph.replace(COLOUR, ''));
    const joint = head.findLastIndex((glyph, index) => index >= width / 2 && '-./,_'.includes(glyph));
    parts.push(rest.splice(0, joint < 0 ? width : joint + 1).join(''));
  }
  return [...parts, rest.join('')];
};

const OPENED_BY: Readonly<Record<string, (code: number) => boolean>> = {
  39: (code) => code >= 30 && code <= 37,
  22: (code) => code === 1 || code === 2,
};

/** Ends colours at the end of each line and begins them again in the next, so that no neighbour is coloured. */
const closed = (lines: readonly string[]): string[] => {
  let open: number[] = [];
  return lines.map((line) => {
    const before = open.map((code) => `\u001b[${code}m`).join('');
    for (const [, digits = ''] of line.matchAll(COLOUR)) {
      const closes = OPENED_BY[digits];
      open = closes ? open.filter((code) => !closes(code)) : [...open, Number(digits)];
    }
    const after = [...new Set(open.map((code) => (code <= 2 ? 22 : 39)))].map((code) => `\u001b[${code}m`).join('');
    return `${before}${line}${after}`;
  });
};

/** Lines of at most `width` columns, broken at word ends; only a word that is longer than a line is cut. */
export const wrap = (text: string, width: number): string[] => {
  const room = Math.max(1, width);
  if (visible(text) <= room) return [text.replaceAll(SPACE_THAT_HOLDS, ' ')];
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of text.split(' ').flatMap((each) => (visible(each) > room ? cut(each, room) : [each]))) {
    if (line === undefined) line = word;
    else if (visible(line) + 1 + visible(word) <= room) line = `${line} ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return closed([...lines, line ?? '']).map((each) => each.replaceAll(SPACE_THAT_HOLDS, ' '));
};

/** One long line in lines of at most `width` columns, all but the first of them `indent` columns in. */
export const hang = (text: string, width: number, indent: number): string => {
  if (visible(text) <= width) return text;
  const lead = /^ */.exec(text)?.[0] ?? '';
  const inside = Math.min(indent, Math.floor(width / 2));
  const [first = '', ...more] = wrap(`${solid(lead)}${text.slice(lead.length)}`, width);
  const rest = more.length === 0 ? [] : wrap(more.join(' '), width - inside);
  return [first, ...rest.map((line) => ' '.repeat(inside) + line)].join('\n');
};
