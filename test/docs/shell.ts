export type ShellCommand = {
  /** Variables that are set for this command only, or by `export`. */
  readonly env: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  /** As it is written. */
  readonly text: string;
};

const WORD = /"((?:[^"\\]|\\.)*)"|'([^']*)'|((?:\$\([^)]*\)|[^\s"'&|;])+)|(&&|\|\||[|;])/y;

const SUBSTITUTION = /^\$\((.*)\)$/s;

const expand = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replace(/\$([A-Z_]+)/g, (whole, name: string) => variables[name] ?? whole);

type Token = { readonly text: string; readonly operator: boolean };

/** Splits a line into words as a shell does, as far as these documents need it. Throws for what it does not know. */
const tokensOf = (line: string, variables: Readonly<Record<string, string>>): readonly Token[] => {
  const tokens: Token[] = [];
  let word: string | undefined;
  const finish = (): void => {
    if (word !== undefined) tokens.push({ text: word, operator: false });
    word = undefined;
  };
  for (let at = 0; at < line.length;) {
    if (/\s/.test(line[at] ?? '')) {
      finish();
      at += 1;
      continue;
    }
    WORD.lastIndex = at;
    const match = WORD.exec(line);
    if (!match) throw new Error(`This shell line cannot be read at "${line.slice(at)}": ${line}`);
    const [whole, double, single, bare, operator] = match;
    at += whole.length;
    if (operator !== undefined) {
      finish();
      tokens.push({ text: operator, operator: true });
    } else word = (word ?? '') + (single ?? expand(double ?? bare ?? '', variables));
  }
  finish();
  return tokens;
};

const commandOf = (words: readonly string[], text: string): ShellCommand => {
  const env: Record<string, string> = {};
  let first = 0;
  for (; first < words.length; first += 1) {
    const [, name, value = ''] = /^([A-Z_]+)=(.*)$/s.exec(words[first] ?? '') ?? [];
    if (name === undefined) break;
    env[name] = value;
  }
  return { env, words: words.slice(first), text };
};

/** The commands of a block in order. `$NAME` is replaced where the variable is known. */
export const commandsOf = (block: string, variables: Readonly<Record<string, string>> = {}): readonly ShellCommand[] =>
  block
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
    .flatMap((line) => {
      const commands: ShellCommand[] = [];
      let words: string[] = [];
      for (const { text, operator } of tokensOf(line, variables)) {
        if (!operator) words.push(text);
        else {
          commands.push(commandOf(words, line));
          words = [];
        }
      }
      return [...commands, commandOf(words, line)];
    });

/** Commands whose output becomes a variable of this one: `NAME=$(...)`. */
export const innerCommandsOf = ({ env }: ShellCommand): readonly ShellCommand[] =>
  Object.values(env).flatMap((value) => {
    const inner = SUBSTITUTION.exec(value)?.[1];
    return inner === undefined ? [] : commandsOf(inner);
  });

/** What a curl command asks for. */
export type Curl = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
};

/** Reads the options of curl that these documents use. Throws for others. */
export const curlOf = ({ words, text }: ShellCommand): Curl => {
  const headers: Record<string, string> = {};
  let method = 'GET';
  let url = '';
  let body: string | undefined;
  const rest = words.slice(1);
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '-X') method = rest.shift() ?? '';
    else if (word === '-d') body = rest.shift() ?? '';
    else if (word === '-H') {
      const header = rest.shift() ?? '';
      const colon = header.indexOf(':');
      headers[header.slice(0, colon).toLowerCase()] = header.slice(colon + 1).trim();
    } else if (word === '-f' || word === '-i') continue;
    else if (word.startsWith('-')) throw new Error(`curl ${word} is not known here: ${text}`);
    else url = word;
  }
  return { method, url, headers, body };
};
