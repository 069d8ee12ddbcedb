/** A piece of HTML that is safe to put into a page. */
export type Html = { readonly html: string };

type Piece = Html | string | number | null | readonly Html[];

/** Control characters, and those that turn the direction of text around or cannot be seen. */
// oxlint-disable-next-line no-control-regex -- control characters are what this looks for
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const escape = (text: string): string =>
  text
    .replace(/[&<>"'`]/g, (char) => `&#${char.charCodeAt(0)};`)
    .replace(UNSEEN, (char) => `[U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);

const render = (piece: Piece): string => {
  if (piece === null) return '';
  if (typeof piece === 'string') return escape(piece);
  if (typeof piece === 'number') return String(piece);
  return 'html' in piece ? piece.html : piece.map(({ html }) => html).join('');
};

/** HTML from a template: all that is put in is text unless it was made by this, too. Attributes stand in quotes. */
export const html = (parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html => ({
  html: parts.map((part, n) => part + render(pieces[n] ?? null)).join(''),
});
