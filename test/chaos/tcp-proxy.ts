import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export type Place = { readonly host: string; readonly port: number };

/** What lies between two processes: a way that can be slow, silent, or gone. */
export class TcpProxy {
  /** Milliseconds that every piece takes, in each direction. */
  delayMs = 0;
  readonly #open = new Set<Socket>();
  readonly #server: Server;
  readonly #target: () => Place | undefined;
  #state: 'passing' | 'silent' | 'gone' = 'passing';

  private constructor(target: () => Place | undefined) {
    this.#target = target;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** `target` is asked for each connection; where it names nobody, the connection ends. */
  static async open(target: () => Place | undefined): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, and new ones at once. */
  vanish(): void {
    this.#state = 'gone';
    this.cut();
  }

  /** Lets nothing through, and ends nothing. */
  fallSilent(): void {
    this.#state = 'silent';
  }

  /** What was said into the silence is lost with its connections. */
  comeBack(): void {
    const wasSilent = this.#state === 'silent';
    this.#state = 'passing';
    if (wasSilent) this.cut();
  }

  cut(): void {
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket): void {
    const place = this.#state === 'gone' ? undefined : this.#target();
    if (!place) {
      near.destroy();
      return;
    }
    const far = connect(place);
    this.#join(near, far);
    this.#join(far, near);
  }

  #join(from: Socket, to: Socket): void {
    this.#open.add(from);
    from.setNoDelay(true);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#open.delete(from);
      to.destroy();
    });
    from.on('data', (piece: Buffer) => {
      if (this.#state === 'silent') return;
      if (this.delayMs === 0) to.write(piece);
      else setTimeout(() => to.writable && to.write(piece), this.delayMs);
    });
  }
}
