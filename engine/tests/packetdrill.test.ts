// Scripts in packetdrill's language, written for this repository: each holds a rule of TCP to the packet.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCode } from '../machine/packetdrill/expression.ts';
import { runPacketdrill } from '../machine/packetdrill/run.ts';
import { parseScript } from '../machine/packetdrill/script.ts';

const DIR = 'engine/tests/packetdrill';

describe('packetdrill', () => {
  it.each(readdirSync(DIR).filter((f) => f.endsWith('.pkt')))('%s holds', (file) => {
    expect(runPacketdrill(readFileSync(`${DIR}/${file}`, 'utf8'))).toEqual({ verdict: 'pass', message: '' });
  });

  it('a packet that does not come, and one that comes otherwise, fail with their line', () => {
    const open =
      '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n+0 < S 0:0(0) win 1000 <mss 1000>\n';
    expect(runPacketdrill(`${open}+0 > S. 0:0(0) ack 2 <mss 1460>`)).toMatchObject({
      verdict: 'fail',
      message: expect.stringContaining('line 5: acknowledgment') as string,
    });
    expect(runPacketdrill(`${open}+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 > . 1:1(0) ack 1`)).toMatchObject({
      verdict: 'fail',
      message: expect.stringContaining('line 6: no packet') as string,
    });
    expect(runPacketdrill('0 epoll_create(1) = 3').verdict).toBe('unsupported');
  });

  it('reads times, ranges, options and comments', () => {
    const { events } = parseScript('// c\n+.1~+.105 > P. 1:11(10) ack 1 <nop,nop,sack 1:2 3:4> /* d */\n0...0.2 accept(3, ..., ...) = 4\n');
    expect(events[0]).toMatchObject({ relative: true, time: 0.1, until: 0.105 });
    expect(events[1].action).toMatchObject({ kind: 'call', name: 'accept', args: ['3', '...', '...'], result: '4', end: 0.2 });
  });

  it('evaluates assertions as Python does', () => {
    const names = new Map([
      ['a', 5],
      ['b', 0],
    ]);
    expect(runCode('assert 1 <= a <= 5 and not b, a\nassert a // 2 == 2 and a * 2 - 1 == 9', names)).toBeUndefined();
    expect(runCode('assert a == 4, a', names)).toContain('assert a == 4');
  });
});
