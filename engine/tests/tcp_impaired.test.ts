// TCP over links that lose, reorder, duplicate, delay and corrupt: every stream arrives intact, nothing hangs, nothing leaks.
import { describe, expect, it } from 'vitest';
import { ipv4Net } from '../kernel/ipv4/ipv4_net.ts';
import { TCPEXT, TCPSTATS } from '../kernel/ipv4/mib.ts';
import { TCP } from '../kernel/ipv4/tcp_states.ts';
import { RandomStream } from '../sim/random.ts';
import { runFor } from '../testkit/kernel_fixture.ts';
import { bootImpaired, connectTcp, transfer } from '../testkit/tcp_fixture.ts';

/** TCP_PATTERNS=1000 for the long run of bench and conformance. */
const PATTERNS = Number((globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env.TCP_PATTERNS ?? 12);

describe('tcp over bad links', () => {
  it.each(Array.from({ length: PATTERNS }, (_, i) => i + 1))(
    'pattern %i: the stream arrives intact both ways and the connection ends',
    (seed) => {
      const r = new RandomStream(seed, 'pattern');
      const how = {
        delay: 1e5 + r.below(40) * 1e6,
        jitter: r.below(3) === 0 ? r.below(20) * 1e6 : 0,
        loss: r.below(4) === 0 ? 0 : r.below(15) / 100,
        duplicate: r.below(3) === 0 ? r.below(10) / 100 : 0,
        corrupt: r.below(3) === 0 ? r.below(5) / 100 : 0,
        rate: [1e7, 1e8, 1e9][r.below(3)],
        offloads: r.below(2) === 0,
      };
      const f = bootImpaired(how, seed);
      const live = f.kernel.skb.live;
      const [l, c, s] = connectTcp(f, f.test, '10.1.0.2', f.init);
      const length = 50_000 + r.below(150_000);
      expect(transfer(f, c, s, length), JSON.stringify(how)).toBe(length);
      expect(transfer(f, s, c, 20_000), JSON.stringify(how)).toBe(20_000);
      f.kernel.sockets.close(c);
      runFor(f.sim, 10e9);
      f.kernel.sockets.close(s);
      f.kernel.sockets.close(l);
      runFor(f.sim, 200e9);
      expect([c.state, s.state]).toEqual([TCP.CLOSE, TCP.CLOSE]);
      expect(f.kernel.skb.live).toBeLessThanOrEqual(live);
    },
  );

  it('a single loss in a full window is repaired by fast recovery, not by a timeout', () => {
    const f = bootImpaired({ loss: 0.002, delay: 10e6 }, 7);
    const [, c, s] = connectTcp(f, f.test, '10.1.0.2', f.init);
    expect(transfer(f, c, s, 3_000_000)).toBe(3_000_000);
    const { mib } = ipv4Net(f.init);
    expect(f.link.lost).toBeGreaterThan(0);
    expect(mib.tcpExt[TCPEXT.TCPSackRecovery]).toBeGreaterThan(0);
    expect(mib.tcpExt[TCPEXT.TCPTimeouts]).toBe(0);
    expect(mib.tcp[TCPSTATS.RetransSegs]).toBeLessThanOrEqual(3 * f.link.lost);
  });
});
