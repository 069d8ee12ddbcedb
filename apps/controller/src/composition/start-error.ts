import { createServer } from 'node:net';
import { databaseTrouble } from './database-trouble.js';

/** Why a controller cannot start, with the remedy: its message is all that a person needs. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** An address to listen on, and the variable that sets its port. */
export type Door = {
  readonly what: string;
  readonly host: string;
  readonly port: number;
  readonly variable: 'HEADGATE_PORT' | 'HEADGATE_SYNC_PORT';
};

const NO_SUCH_HOST = /^(EADDRNOTAVAIL|ENOTFOUND|EAI_|EINVAL)/;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The same error with a remedy where it is about the address; any other as it is. */
export const cannotListen = ({ what, host, port, variable }: Door, error: unknown): unknown => {
  const code = codeOf(error);
  if (NO_SUCH_HOST.test(code))
    return new StartError(
      `${what} cannot listen on ${host}, which is not an address of this machine (${code}): set HEADGATE_HOST to one, or to 0.0.0.0 for all.`,
      { cause: error },
    );
  if (code === 'EADDRINUSE')
    return new StartError(
      `${what} cannot listen on ${host} port ${port}, which is taken already: end the program that listens there, or set ${variable} to another port.`,
      { cause: error },
    );
  if (code === 'EACCES')
    return new StartError(
      `${what} may not listen on ${host} port ${port} as this user: set ${variable} to a port above 1023.`,
      { cause: error },
    );
  return error;
};

/** Rejects when the address cannot be listened on now, so that nothing is started in vain. */
export const tryDoor = (door: Door): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(cannotListen(door, error)));
    server.listen(door.port, door.host, () => server.close(() => resolve()));
  });

export const cannotUseFolder = (folder: string, error: unknown): StartError =>
  new StartError(
    `The data folder ${folder} cannot be used (${messageOf(error)}): set HEADGATE_DATA_DIR to a folder that this user may write to.`,
    { cause: error },
  );

/** The same error with a remedy where the database that DATABASE_URL names is the reason; any other as it is. */
export const cannotReachDatabase = (error: unknown): unknown => {
  const trouble = databaseTrouble(error);
  return trouble === undefined ? error : new StartError(trouble.message, { cause: error });
};
