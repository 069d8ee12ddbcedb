import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A wire to a controller that can be listened to, and cut. */
export type Wire = {
  readonly url: string;
  /** The first bytes of each request that went over it, as text. */
  readonly heads: readonly string[];
  /** Ends all connections; new ones are refused until `mend`. */
  readonly cut: () => void;
  readonly mend: () => void;
  readonly close: () => Promise<void>;
};

const HEAD = /^(?:GET|POST) [\s\S]*?\r\n\r\n/gm;

/** A wire to the server at this address. */
export const wireTo = async (url: string): Promise<Wire> => {
  const { hostname, port } = new URL(url);
  const heads: string[] = [];
  const open = new Set<Socket>();
  let isCut = false;
  const join = (near: Socket): void => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => socket.destroy());
    }
    near.on('data', (bytes) => heads.push(...(bytes.toString('latin1').match(HEAD) ?? [])));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.pipe(far);
    far.pipe(near);
  };
  const server = createServer(join);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const end = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heads,
    cut: () => {
      isCut = true;
      end();
    },
    mend: () => {
      isCut = false;
    },
    close: async () => {
      end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
