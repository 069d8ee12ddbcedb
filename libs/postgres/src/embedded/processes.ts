import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { errorCode } from './errors.js';

/** A process that has ended but whose parent never asked: usual in containers, where nobody adopts orphans. */
const isZombie = (pid: number): boolean => {
  if (process.platform !== 'linux') return false;
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
};

/** Whether a process with this number runs; it may be another than the one meant. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  return !isZombie(pid);
};

/** False only where it is certain that the process is something else than PostgreSQL. */
export const mayBePostgres = (pid: number): boolean => {
  if (!isAlive(pid)) return false;
  const name = `/proc/${pid}/comm`;
  return !existsSync(name) || readFileSync(name, 'utf8').trim() === 'postgres';
};

const listenOnce = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });

/** The preferred port where it is free, otherwise any free one. */
export const freePort = async (preferred: number | undefined): Promise<number> => {
  const port = (preferred === undefined ? undefined : await listenOnce(preferred)) ?? (await listenOnce(0));
  if (port === undefined)
    throw new Error('No free TCP port on 127.0.0.1: close programs that listen there and start again.');
  return port;
};
