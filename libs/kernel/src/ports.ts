/** Epoch milliseconds. */
export abstract class Clock {
  abstract now(): number;
}

/** New identifiers (UUIDv7: in order of time). */
export abstract class Ids {
  abstract next(): string;
}
