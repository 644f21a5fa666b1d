// Whatever a wire brings, the IP layers neither throw nor leak: mutated packets of every kind, and plain noise.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuzzRuns } from '../../testkit/fuzz.ts';
import { bootPair, device, echoRequest, ip, openSocket, type IpFixture } from '../../testkit/ip_fixture.ts';
import { runFor } from '../../testkit/kernel_fixture.ts';
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { ByteMem } from '../../base/memory.ts';
import { SOCK } from '../sock.ts';
import { PACKET_HOST } from '../skbuff.ts';

const be16 = (n: number): number[] => [(n >> 8) & 255, n & 255];

/** A frame for veth0 whose IPv4 header is right, so that fuzzing reaches what is behind it. */
function ipv4(proto: number, payload: ArrayLike<number>, options: readonly number[] = [], frag = 0): number[] {
  const header = [
    0x45 + options.length / 4,
    0,
    ...be16(20 + options.length + payload.length),
    0x12,
    0x34,
    ...be16(frag),
    64,
    proto,
    0,
    0,
    ...ip('10.0.0.2'),
    ...ip('10.0.0.1'),
    ...options,
  ];
  const sum = csumFold(csumPartial(new ByteMem(Uint8Array.from(header)), 0, header.length));
  header.splice(10, 2, ...be16(sum));
  return [...header, ...Array.from(payload)];
}

function ipv6(next: number, payload: ArrayLike<number>, dst: string): number[] {
  return [0x60, 0, 0, 0, ...be16(payload.length), next, 255, ...ip('fe80::1234'), ...ip(dst), ...Array.from(payload)];
}

const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
const options = fc.uint8Array({ minLength: 0, maxLength: 40 }).map((b) => Array.from(b.subarray(0, b.length & ~3)));
const protocol = fc.constantFrom(1, 2, 6, 17, 47, 255);
const next = fc.constantFrom(0, 17, 43, 44, 58, 59, 60, 255);
const type6 = fc.constantFrom(1, 2, 3, 4, 128, 129, 130, 131, 133, 134, 135, 136, 137, 143, 200);

/** [EtherType, packet] */
const packet: fc.Arbitrary<readonly [number, readonly number[]]> = fc.oneof(
  bytes(120).map((b) => [0x0800, Array.from(b)] as const),
  bytes(120).map((b) => [0x86dd, Array.from(b)] as const),
  bytes(40).map((b) => [0x0806, Array.from(b)] as const),
  bytes(20).map((b) => [0x0806, [0, 1, 8, 0, 6, 4, 0, 1, ...Array.from(b), ...ip('10.0.0.1')]] as const),
  fc
    .tuple(protocol, bytes(120), options, fc.constantFrom(0, 0, 0x2000, 0x2005, 0x0003))
    .map(([p, b, o, f]) => [0x0800, ipv4(p, b, o, f)] as const),
  fc.tuple(fc.constantFrom(0, 3, 4, 5, 8, 11, 12, 13, 17), fc.nat(20), bytes(100)).map(([t, c, b]) => {
    const body = [t, c, 0, 0, ...Array.from(b)];
    body.splice(2, 2, ...be16(csumFold(csumPartial(new ByteMem(Uint8Array.from(body)), 0, body.length))));
    return [0x0800, ipv4(1, body)] as const;
  }),
  fc.tuple(next, bytes(120), fc.constantFrom('ff02::1', 'fe80::1', 'ff02::1:ff00:1')).map(([n, b, d]) => [0x86dd, ipv6(n, b, d)] as const),
  fc.tuple(type6, bytes(100)).map(([t, b]) => {
    const body = [t, 0, 0, 0, ...Array.from(b)];
    const pseudo = [...ip('fe80::1234'), ...ip('ff02::1'), 0, 0, ...be16(body.length), 0, 0, 0, 58, ...body];
    body.splice(2, 2, ...be16(csumFold(csumPartial(new ByteMem(Uint8Array.from(pseudo)), 0, pseudo.length))));
    return [0x86dd, ipv6(58, body, 'ff02::1')] as const;
  }),
);

function inject(f: IpFixture, type: number, data: readonly number[]): void {
  const { kernel } = f;
  const dev = device(f.init, 'veth0');
  const skb = kernel.skb.netdev_alloc_skb(dev, 14 + data.length);
  if (skb === undefined) throw new Error('no memory');
  const at = kernel.skb.skb_put(skb, 14 + data.length);
  const frame = Uint8Array.from([...dev.dev_addr, 2, 0, 0, 0, 0, 9, ...be16(type), ...data]);
  kernel.platform.ram.write(at, frame, 0, frame.length);
  skb.protocol = kernel.net.eth.eth_type_trans(skb, dev);
  skb.pkt_type = PACKET_HOST;
  kernel.net.rx.netif_rx(skb);
}

describe('the IP layers', () => {
  it('survive anything that arrives and give every packet back', () => {
    const f = bootPair();
    const { kernel, sim, init } = f;
    const raw = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.setsockopt(raw, 'IP_RECVERR', 1);
    const raw6 = openSocket(kernel, init, 10, SOCK.RAW, 58);
    kernel.sockets.setsockopt(raw6, 'IPV6_RECVERR', 1);
    const udp = openSocket(kernel, init, 2, SOCK.DGRAM, 17);
    kernel.sockets.bind(udp, { family: 2, addr: ip('0.0.0.0'), port: 0x0102 });
    fc.assert(
      fc.property(fc.array(packet, { minLength: 1, maxLength: 8 }), (packets) => {
        for (const [type, data] of packets) inject(f, type, data);
        runFor(sim, 2e6);
        for (const sk of [raw, raw6, udp]) {
          for (const flags of [0, 0x2000]) for (let i = 0; i < 50 && typeof kernel.sockets.recvmsg(sk, 2048, flags) !== 'number'; i++);
        }
      }),
      fuzzRuns(400),
    );
    // reassembly and unresolved neighbours let go of the rest
    runFor(sim, 90e9);
    for (const sk of [raw, raw6, udp]) kernel.sockets.close(sk);
    expect(kernel.skb.live).toBe(0);
    const again = openSocket(kernel, init, 2, SOCK.RAW, 1);
    kernel.sockets.sendmsg(again, echoRequest(1, 1), { family: 2, addr: ip('10.0.0.2'), port: 0 });
    runFor(sim, 1e9);
    expect(typeof kernel.sockets.recvmsg(again, 2048, 0)).toBe('object');
  });
});
