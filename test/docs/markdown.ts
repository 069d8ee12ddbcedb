import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A fenced block: `sh run` has the language `sh` and the note `run`. */
export type Fence = {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly note: string;
  readonly text: string;
};
export type Link = { readonly file: string; readonly target: string };

const markdownIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return markdownIn(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });

/** Every document of the repository, by its path from the root. */
export const documents = (): readonly string[] =>
  ['README.md', 'CONTRIBUTING.md', ...markdownIn('docs')].filter((file) => existsSync(file));

export const readText = (file: string): string => readFileSync(file, 'utf8');

export const fencesOf = (file: string): readonly Fence[] => {
  const fences: Fence[] = [];
  let open: { line: number; language: string; note: string; lines: string[] } | undefined;
  for (const [index, line] of readText(file).split('\n').entries()) {
    const [, language = '', note = ''] = /^```(\w*) *(.*)$/.exec(line) ?? [];
    if (!line.startsWith('```')) open?.lines.push(line);
    else if (open) {
      fences.push({ file, line: open.line, language: open.language, note: open.note, text: open.lines.join('\n') });
      open = undefined;
    } else open = { line: index + 1, language, note, lines: [] };
  }
  if (open) throw new Error(`${file}:${open.line}: this block is never closed.`);
  return fences;
};

/** Links to files of the repository; the part after # is left out. */
export const linksOf = (file: string): readonly Link[] =>
  [...readText(file).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) =>
    /^[a-z]+:/.test(target) ? [] : [{ file, target }],
  );

/** The anchors that headings of a document have. */
export const anchorsOf = (file: string): readonly string[] =>
  [...readText(file).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
