// tcpdump over a veth pair: what it prints, counts, writes and reads again.
import { beforeEach, describe, expect, test } from 'vitest';
import { textToBytes } from '../../base/byte_text.ts';
import type { Process } from '../../kernel/process.ts';
import { runFor, spawnSpec } from '../../testkit/kernel_fixture.ts';
import * as lab from '../../testkit/lab.ts';
import { bootTools, type ToolFixture } from '../../testkit/tool_fixture.ts';

let f: ToolFixture;

beforeEach(() => {
  f = bootTools();
  const setup = [
    'ip netns add t',
    'ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns t',
    'ip addr add 10.0.0.1/24 dev v0',
    'ip -n t addr add 10.0.0.2/24 dev v1',
    'ip link set lo up',
    'ip link set v0 up',
    'ip -n t link set v1 up',
  ];
  for (const command of setup) expect(f.run(command).err).toBe('');
  runFor(f.sim, 5e9);
});

interface Job {
  readonly process: Process;
  out: string;
  err: string;
}

function start(command: string): Job {
  f.kernel.procs.drainOutput();
  const process = f.kernel.procs.spawn(spawnSpec(command.split(' '), ''));
  if ('errno' in process) throw new Error(command);
  return { process, out: '', err: '' };
}

/** Runs the world and gives what the job printed in that time. */
function during(job: Job, seconds: number): Job {
  runFor(f.sim, seconds * 1e9);
  for (const o of f.kernel.procs.drainOutput()?.out ?? []) {
    if (o.pid !== job.process.pid) continue;
    if (o.fd === 1) job.out += o.data;
    else job.err += o.data;
  }
  return job;
}

const untimed = (text: string): string => text.replace(/^\d\d:\d\d:\d\d\.\d{6} /gm, '').replace(/\bid \d+/g, 'id N');

function pingDuring(command: string, ping = 'ping -c 1 10.0.0.2'): Job {
  const job = start(command);
  const p = f.kernel.procs.spawn(spawnSpec(ping.split(' '), ''));
  if ('errno' in p) throw new Error(ping);
  during(job, 2);
  f.kernel.procs.kill(job.process.pid, 2);
  return during(job, 0.1);
}

describe('a capture', () => {
  test('prints both directions and, interrupted, its statistics', () => {
    const job = pingDuring('tcpdump -n -e -i v0 icmp or arp');
    expect(untimed(job.out)).toBe(
      '02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n' +
        '02:00:00:00:00:02 > 02:00:00:00:00:01, ethertype ARP (0x0806), length 42: Reply 10.0.0.2 is-at 02:00:00:00:00:02, length 28\n' +
        '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 98: 10.0.0.1 > 10.0.0.2: ICMP echo request, id N, seq 1, length 64\n' +
        '02:00:00:00:00:02 > 02:00:00:00:00:01, ethertype IPv4 (0x0800), length 98: 10.0.0.2 > 10.0.0.1: ICMP echo reply, id N, seq 1, length 64\n\n',
    );
    expect(job.err).toBe(
      'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\nlistening on v0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n' +
        '4 packets captured\n4 packets received by filter\n0 packets dropped by kernel\n',
    );
    expect(job.process.status).toBe(0);
    expect(f.run('dmesg').out.match(/device v0 (entered|left) promiscuous mode/g)).toHaveLength(2);
  });

  test('ends by itself after -c packets', () => {
    const job = pingDuring('tcpdump -n -i v0 -c 2 -v icmp');
    expect(job.process.status).toBe(0);
    expect(untimed(job.out)).toBe(
      'IP (tos 0x0, ttl 64, id N, offset 0, flags [DF], proto ICMP (1), length 84)\n    10.0.0.1 > 10.0.0.2: ICMP echo request, id N, seq 1, length 64\n' +
        'IP (tos 0x0, ttl 64, id N, offset 0, flags [none], proto ICMP (1), length 84)\n    10.0.0.2 > 10.0.0.1: ICMP echo reply, id N, seq 1, length 64\n',
    );
    expect(job.err).toContain('tcpdump: listening on v0,');
  });

  test('of loopback shows each packet once and counts it twice', () => {
    const job = pingDuring('tcpdump -n -i lo', 'ping -c 1 127.0.0.1');
    expect(job.out.match(/echo/g)).toHaveLength(2);
    expect(job.err).toContain('2 packets captured\n4 packets received by filter\n');
  });

  test('of any interface names it and the direction', () => {
    const job = pingDuring('tcpdump -n -i any -t icmp');
    expect(untimed(job.out)).toBe(
      'v0    Out IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id N, seq 1, length 64\nv0    In  IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id N, seq 1, length 64\n\n',
    );
    expect(job.err).toMatch(/^tcpdump: data link type LINUX_SLL2\n/);
  });

  test('takes one direction with -Q', () => {
    expect(pingDuring('tcpdump -n -i v0 -Q in icmp').out).not.toContain('request');
    expect(pingDuring('tcpdump -n -i v0 icmp and outbound').out).not.toContain('reply');
  });
});

test('an interface that goes down and up again is captured on; one that goes away ends it', () => {
  const again = start('tcpdump -n -i v0 -Q out icmp');
  f.run('ip link set v0 down');
  f.run('ip link set v0 up');
  runFor(f.sim, 3e9);
  const p = f.kernel.procs.spawn(spawnSpec('ping -c 1 10.0.0.2'.split(' '), ''));
  expect('errno' in p).toBe(false);
  expect(during(again, 2).out).toContain('ICMP echo request');
  expect(again.process.exited).toBe(false);
  const del = f.kernel.procs.spawn(spawnSpec('ip link del v0'.split(' '), ''));
  expect('errno' in del).toBe(false);
  during(again, 0.1);
  expect(again.err).toContain('tcpdump: pcap_loop: The interface disappeared\n');
  expect(again.process.status).toBe(1);
  expect(f.run('dmesg').out).toContain('device v0 left promiscuous mode');
});

describe('a file', () => {
  test('holds the bytes of the packets and is read again', () => {
    const job = pingDuring('tcpdump -i v0 -w /tmp/a.pcap arp or icmp');
    expect(job.out).toBe('');
    expect(f.kernel.vfs.stat(f.kernel.vfs.rootContext(), '/tmp/a.pcap')).toMatchObject({ size: 24 + 2 * (16 + 42) + 2 * (16 + 98) });
    const bytes = textToBytes(f.run('cat /tmp/a.pcap').out);
    expect([...bytes.subarray(0, 24)]).toEqual([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    expect([...bytes.subarray(40, 54)]).toEqual([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
    const r = f.run('tcpdump -n -r /tmp/a.pcap icmp');
    expect(r.err).toBe('reading from file /tmp/a.pcap, link-type EN10MB (Ethernet), snapshot length 262144\n');
    expect(r.out.match(/ICMP echo/g)).toHaveLength(2);
    expect(f.run('tcpdump -n -r - arp', { stdin: f.run('cat /tmp/a.pcap').out }).out.match(/ARP/g)).toHaveLength(2);
  });

  test('that is cut or is none is told as libpcap tells it', () => {
    const cat = (text: string): string => {
      f.kernel.vfs.writeFile(f.kernel.vfs.rootContext(), '/tmp/x', text);
      return f.run('tcpdump -r /tmp/x').err;
    };
    expect(cat('')).toBe('tcpdump: truncated dump file; tried to read 4 file header bytes, only got 0\n');
    expect(cat('hello world')).toBe('tcpdump: unknown file format\n');
    expect(f.run('tcpdump -r /tmp/nosuch')).toEqual({ status: 1, out: '', err: 'tcpdump: /tmp/nosuch: No such file or directory\n' });
  });
});

test.each([
  ['tcpdump -i nosuch', 'tcpdump: nosuch: No such device exists\n(No such device exists)\n'],
  [
    'setpriv --reuid=65534 tcpdump -i v0',
    "tcpdump: v0: You don't have permission to perform this capture on that device\n(socket: Operation not permitted)\n",
  ],
  ['tcpdump -i v0 tcp port', "tcpdump: can't parse filter expression: syntax error\n"],
  ['tcpdump -i v0 host nosuch', "tcpdump: unknown host 'nosuch'\n"],
  ['tcpdump -i v0 -c 0', 'tcpdump: invalid packet count 0\n'],
])('%s is refused', (command, err) => {
  expect(f.run(command)).toEqual({ status: 1, out: '', err });
});

test('-D lists what can be captured on, the most useful first', () => {
  expect(f.run('tcpdump -D').out).toMatch(
    /^1\.v0 \[Up, Running, Connected\]\n2\.any \(Pseudo-device that captures on all interfaces\) \[Up, Running\]\n3\.lo \[Up, Running, Loopback\]\n4\.bluetooth-monitor /,
  );
  f.run('ip link set v0 down');
  expect(f.run('tcpdump -i v0').err).toBe('tcpdump: v0: That device is not up\n');
  // libpcap asks for promiscuous mode before it binds, and only binding tells that the device is down
  expect(f.run('dmesg').out.match(/device v0 (entered|left) promiscuous mode/g)).toHaveLength(2);
  expect(f.run('tcpdump -D').out).toMatch(/\d\.v0 \[none, Disconnected\]\n$/);
});

test('a fork captures on by itself, and what it writes is the same', () => {
  const s = lab.openLab('two-hosts');
  lab.command(s, 'h1', 'tcpdump -i eth0 -w /tmp/a.pcap host 10.0.0.2');
  lab.command(s, 'h1', 'tcpdump -i any -n -vv tcp or icmp');
  lab.command(s, 'h1', 'ping -c 3 10.0.0.2');
  lab.runFor(s, 1.5e9);
  const fork = s.fork();
  const before = s.hash();
  expect(fork.hash()).toBe(before);
  lab.runFor(fork, 3e9);
  expect(s.hash()).toBe(before);
  lab.runFor(s, 3e9);
  expect(s.hash()).toBe(fork.hash());
});
