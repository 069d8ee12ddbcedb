import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseWitnessLine, type WitnessLine } from '../seal/witness-line.js';
import type { EvidenceItem } from './sources.js';

/** Told of a line that cannot be read; its number counts from 1. */
type OnDamage = (line: number, error: unknown) => void;

/** What a witness file holds, line by line. `name`: what to call it. Lines that cannot be read are left out, and told. */
export const witnessSource = async function* (
  path: string,
  name: string,
  onDamage: OnDamage,
): AsyncGenerator<EvidenceItem> {
  let number = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (text === '') continue;
    let line: WitnessLine;
    try {
      line = parseWitnessLine(text);
    } catch (error) {
      onDamage(number, error);
      continue;
    }
    const { after, leaves, head } = line;
    yield {
      leaves: { after, bytes: leaves },
      ...(head === undefined ? {} : { head: { ...head, from: name, outside: true } }),
    };
  }
};
