// nc, ss and iperf3 on one machine: what they say of connections that are there.
import { describe, expect, it } from 'vitest';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';
import { runFor, spawnSpec } from '../../testkit/kernel_fixture.ts';
import type { Process } from '../../kernel/process.ts';

function background(f: ToolFixture, command: string): Process {
  const p = f.kernel.procs.spawn({ ...spawnSpec(command.split(' '), ''), stdin: { kind: 'host' } });
  if ('errno' in p) throw new Error(`${command}: ${p.errno}`);
  runFor(f.sim, 1e7);
  return p;
}
function boot(): ToolFixture {
  const f = bootTools();
  f.run('ip link set lo up');
  return f;
}

describe('sockets from the command line', () => {
  it('nc carries what is typed to the listener and ends with the stream', () => {
    const f = boot();
    const server = background(f, 'nc -l -p 7000');
    f.kernel.procs.drainOutput();
    const p = background(f, 'nc -N 127.0.0.1 7000');
    f.kernel.procs.feed(p.pid, 'hello\n', true);
    runFor(f.sim, 1e9);
    const out = f.kernel.procs.drainOutput()?.out ?? [];
    expect(out.filter((o) => o.pid === server.pid).map((o) => o.data)).toEqual(['hello\n']);
    expect([server.exited, p.exited, p.status]).toEqual([true, true, 0]);
  });

  it('nc -z tells a port that answers from one that does not', () => {
    const f = boot();
    background(f, 'nc -l -p 80 -k');
    expect(f.run('nc -z -v 127.0.0.1 80')).toMatchObject({ status: 0, err: 'Connection to 127.0.0.1 80 port [tcp/http] succeeded!\n' });
    expect(f.run('nc -z -v 127.0.0.1 81')).toMatchObject({
      status: 1,
      err: 'nc: connect to 127.0.0.1 port 81 (tcp) failed: Connection refused\n',
    });
  });

  it('ss lists listeners, connections and what waits in TIME_WAIT, in columns as wide as their contents', () => {
    const f = boot();
    const server = background(f, 'nc -l -p 7000 -k');
    expect(f.run('ss -tln').out).toBe(
      'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nLISTEN 0      1            0.0.0.0:7000      0.0.0.0:*          \n',
    );
    expect(f.run('ss -tlnp').out).toContain(`users:(("nc",pid=${server.pid},fd=3))`);
    const client = background(f, 'nc 127.0.0.1 7000');
    expect(f.run('ss -Htn state established').out.trim().split('\n').length).toBe(2);
    expect(f.run('ss -Htni sport = :7000').out).toMatch(/cubic wscale:\d+,\d+ rto:\S+ rtt:\S+ mss:\d+ pmtu:65535/);
    f.kernel.procs.kill(client.pid, 15);
    runFor(f.sim, 1e8);
    expect(f.run('ss -Htano').out).toMatch(/TIME-WAIT .*timer:\(timewait,59sec,0\)/);
    expect(f.run('ss state bogus')).toMatchObject({ status: 255, err: 'ss: wrong state name: bogus\n' });
  });

  it('iperf3 moves data both ways and both ends agree on how much', () => {
    const f = boot();
    background(f, 'iperf3 -s');
    for (const extra of ['-n 2M', '-n 2M -R', '-n 2M -P 2', '-t 1 -u -b 10M']) {
      const r = f.run(`iperf3 -c 127.0.0.1 ${extra}`);
      expect(r).toMatchObject({ status: 0, err: '' });
      expect(r.out).toContain('iperf Done.');
      expect(r.out).toMatch(/receiver\n/);
    }
    expect(f.run('iperf3 -c 127.0.0.1 -p 9 -t 1')).toMatchObject({ status: 1, out: '' });
  });
});
