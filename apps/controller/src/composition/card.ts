import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '#libs/application';

const EVERY_MS = 1_000;

const Named = z.object({ pid: z.int().positive() });

export type Card = { readonly url: string; readonly syncPort: number };

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** Whether the file leads to a controller; one that was killed leaves its own behind. */
const leadsSomewhere = (text: string | undefined): boolean => {
  if (text === undefined) return false;
  try {
    const named = Named.safeParse(JSON.parse(text));
    return named.success && isAlive(named.data.pid);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
};

const writeWhole = (file: string, text: string): void => {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text, { mode: 0o600 });
  renameSync(partial, file);
};

/**
 * Names this controller in `controller.json` of the data folder, by which others on this machine find it, and does so
 * again when the controller that was named there has gone. The returned function takes it back, if it is still ours.
 */
export const leaveCard = (dataDir: string, card: Card, log: Log): (() => void) => {
  const file = join(dataDir, 'controller.json');
  const ours = `${JSON.stringify({ ...card, pid: process.pid })}\n`;
  const read = (): string | undefined => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
  let complained = false;
  const look = (): void => {
    try {
      if (!leadsSomewhere(read())) writeWhole(file, ours);
      complained = false;
    } catch (error) {
      // Others may be reading, moving or deleting the folder; the controller works without.
      if (!complained)
        log.error(`${file} cannot be written: programs on this machine find this controller by HEADGATE_URL only.`, {
          error: String(error),
        });
      complained = true;
    }
  };
  writeWhole(file, ours);
  const timer = setInterval(look, EVERY_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    if (read() === ours) rmSync(file, { force: true });
  };
};
