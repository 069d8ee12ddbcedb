const TEXT = 25;
const INT4 = 23;
const HEADER = 20;

const header = (buffer: Buffer, type: number, count: number, hasNull: boolean): void => {
  buffer.writeInt32BE(count === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(hasNull ? 1 : 0, 4);
  buffer.writeInt32BE(type, 8);
  if (count === 0) return;
  buffer.writeInt32BE(count, 12);
  buffer.writeInt32BE(1, 16);
};

const empty = (type: number): Buffer => {
  const buffer = Buffer.allocUnsafe(12);
  header(buffer, type, 0, false);
  return buffer;
};

/** PostgreSQL's binary form of text[]: no quoting, which for JSON bodies is most of the work of the text form. */
export const textArray = (values: readonly (string | null)[]): Buffer => {
  if (values.length === 0) return empty(TEXT);
  let size = HEADER;
  for (const value of values) size += 4 + (value === null ? 0 : Buffer.byteLength(value));
  const buffer = Buffer.allocUnsafe(size);
  header(buffer, TEXT, values.length, values.includes(null));
  let at = HEADER;
  for (const value of values) {
    const length = value === null ? -1 : buffer.write(value, at + 4, 'utf8');
    buffer.writeInt32BE(length, at);
    at += 4 + Math.max(0, length);
  }
  return buffer;
};

/** PostgreSQL's binary form of integer[]. */
export const int4Array = (values: readonly number[]): Buffer => {
  if (values.length === 0) return empty(INT4);
  const buffer = Buffer.allocUnsafe(HEADER + values.length * 8);
  header(buffer, INT4, values.length, false);
  let at = HEADER;
  for (const value of values) {
    buffer.writeInt32BE(4, at);
    buffer.writeInt32BE(value, at + 4);
    at += 8;
  }
  return buffer;
};
