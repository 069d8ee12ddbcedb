import type { ServerWritableStream } from '@grpc/grpc-js';
import type { RulesetSnapshot } from '../feed.js';
import { encodeRuleset, type Encoded, type SyncRequest } from './wire.js';

export type SyncCall = ServerWritableStream<SyncRequest, Encoded>;

type Frame = { readonly generation: number; readonly message: Encoded };

type Subscriber = { readonly call: SyncCall; readonly token: string; sent: number; busy: boolean };

/**
 * The streams of one target. A ruleset is encoded once for all of them; a stream that has not taken the last one yet
 * gets only the newest when it has.
 */
export class Broadcast {
  private readonly subscribers = new Set<Subscriber>();
  private frame: Frame;

  constructor(snapshot: RulesetSnapshot) {
    this.frame = { generation: snapshot.generation, message: encodeRuleset(snapshot.text) };
  }

  get size(): number {
    return this.subscribers.size;
  }

  /** Sends the newest ruleset at once, and every newer one until the stream ends. */
  add(call: SyncCall, token: string): void {
    const subscriber = { call, token, sent: 0, busy: false };
    const remove = () => this.subscribers.delete(subscriber);
    call.on('cancelled', remove).on('close', remove).on('error', remove);
    this.subscribers.add(subscriber);
    this.send(subscriber);
  }

  publish(snapshot: RulesetSnapshot): void {
    if (snapshot.generation <= this.frame.generation) return;
    this.frame = { generation: snapshot.generation, message: encodeRuleset(snapshot.text) };
    for (const subscriber of this.subscribers) this.send(subscriber);
  }

  tokens(): ReadonlySet<string> {
    return new Set([...this.subscribers].map((subscriber) => subscriber.token));
  }

  /** Ends the streams of the token, or all. Clients only reconnect when a stream ends with an error. */
  end(status: { readonly code: number; readonly details: string }, token?: string): void {
    for (const subscriber of this.subscribers) {
      if (token === undefined || subscriber.token === token) subscriber.call.emit('error', status);
    }
  }

  private send(subscriber: Subscriber): void {
    const { generation, message } = this.frame;
    if (subscriber.busy || subscriber.sent >= generation || !this.subscribers.has(subscriber)) return;
    subscriber.busy = true;
    subscriber.sent = generation;
    subscriber.call.write(message, () => {
      subscriber.busy = false;
      this.send(subscriber);
    });
  }
}
