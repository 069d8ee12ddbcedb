import { lookup as resolve, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Never a receiver: what stands for this machine or its link, the metadata services of clouds among them, and groups. */
const never = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  never.addSubnet(network, bits);
for (const [network, bits] of [
  ['::', 128],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
  ['ff00::', 8],
] as const)
  never.addSubnet(network, bits, 'ipv6');

const isIn = (list: BlockList, address: string): boolean => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && isIn(loopback, host));

const refusedAddress = (address: string, mayLoop: boolean): string | undefined => {
  if (isIn(never, address)) return `${address} is no address of a receiver`;
  if (isIn(loopback, address) && !mayLoop)
    return `${address} is this machine, which takes HEADGATE_HOOK_LOOPBACK=allow on the controllers`;
  return undefined;
};

/** Why no event may go to an address, as far as it can be seen without asking for its name; undefined: it may. */
export const refusedUrl = (url: URL, mayLoop: boolean): string | undefined => {
  const host = hostOf(url);
  if (isIP(host) !== 0) {
    const refused = refusedAddress(host, mayLoop);
    if (refused !== undefined) return refused;
  } else if (isLoopback(host) && !mayLoop)
    return `${host} is this machine, which takes HEADGATE_HOOK_LOOPBACK=allow on the controllers`;
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(host))) return undefined;
  return 'events are sent by https only';
};

/** A connection was not made, since the name leads to where no event may go. */
export class RefusedAddressError extends Error {
  override readonly name = 'RefusedAddressError';
}

/** Looks a name up for a connection, and refuses what it leads to: what was looked at is what is connected to. */
export const guardedLookup =
  (mayLoop: boolean): LookupFunction =>
  (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return done(error, '', 0);
      const refused = addresses.map(({ address }) => refusedAddress(address, mayLoop)).find((why) => why !== undefined);
      const [first] = addresses;
      if (refused !== undefined || first === undefined)
        return done(new RefusedAddressError(refused ?? `${host} has no address`), '', 0);
      return options.all === true ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
