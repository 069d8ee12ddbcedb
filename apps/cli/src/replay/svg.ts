/** Text made safe inside HTML and SVG. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const number = (value: number): string => String(Number(value.toFixed(1)));

/** Attributes of an element; numbers keep one decimal. */
const attributesOf = (attributes: Readonly<Record<string, string | number>>): string =>
  Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${typeof value === 'number' ? number(value) : escape(value)}"`)
    .join('');

/** One element with what it holds, which must be safe already. */
export const element = (name: string, attributes: Readonly<Record<string, string | number>>, inner = ''): string =>
  inner === '' ? `<${name}${attributesOf(attributes)}/>` : `<${name}${attributesOf(attributes)}>${inner}</${name}>`;

export const text = (x: number, y: number, words: string, kind = '', anchor = 'start'): string =>
  element('text', { x, y, class: kind, 'text-anchor': anchor }, escape(words));

export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  element('line', { x1, y1, x2, y2, class: kind });

/** A rectangle with a note that shows while the pointer rests on it. */
export const bar = (x: number, y: number, width: number, height: number, kind: string, note = ''): string =>
  element(
    'rect',
    { x, y, width: Math.max(0, width), height, rx: Math.min(3, height / 2), class: kind },
    note === '' ? '' : element('title', {}, escape(note)),
  );

/** A line through points, straight or in steps. */
export const path = (points: readonly (readonly [x: number, y: number])[], kind: string, isStep = false): string => {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  const moves = rest.map(([x, y]) => (isStep ? `H${number(x)}V${number(y)}` : `L${number(x)} ${number(y)}`));
  return element('path', { d: `M${number(first[0])} ${number(first[1])}${moves.join('')}`, class: kind });
};

/** A drawing that scales with its frame; `label` says what it shows to those who cannot see it. */
export const drawing = (width: number, height: number, label: string, inner: string): string =>
  `<svg viewBox="0 0 ${number(width)} ${number(height)}" role="img" aria-label="${escape(label)}">${inner}</svg>`;

/** From one range of values to another. */
export const scale =
  (from: number, to: number, start: number, end: number) =>
  (value: number): number =>
    to === from ? start : start + ((value - from) / (to - from)) * (end - start);

/** At most so many round values between two ends, both within them. */
export const ticks = (from: number, to: number, most: number): readonly number[] => {
  const rough = (to - from) / Math.max(1, most);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((each) => each * size >= rough) ?? 10) * size;
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.max(0, Math.floor(to / step + 1e-9) - first + 1);
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(12)));
};
