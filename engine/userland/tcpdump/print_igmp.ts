// IGMP (RFC 2236, RFC 3376).
import { csumFold, csumPartial } from '../../wire/checksum.ts';
import { hex, type Printer } from './printer.ts';
import type { Snapshot } from './snapshot.ts';

/** Record types of IGMPv3 and MLDv2 reports (RFC 3376 §4.2.12, RFC 3810 §5.2.12). */
export const RECORD_TYPES = ['', 'is_in', 'is_ex', 'to_in', 'to_ex', 'allow', 'block'] as const;

export function printIgmp(p: Printer, s: Snapshot, at: number, length: number): void {
  p.protocol = 'igmp';
  const type = s.u8(at);
  switch (type) {
    case 0x11:
      p.print('igmp query');
      if (length >= 12) printQuery3(p, s, at);
      else {
        const resp = s.u8(at + 1);
        p.print(resp === 0 ? ' v1' : ' v2');
        if (resp !== 0 && resp !== 100) p.print(` [max resp time ${resp}]`);
        if (s.u32be(at + 4) !== 0) p.print(` [gaddr ${p.host4(s, at + 4)}]`);
        if (length !== 8) p.print(` [len ${length}]`);
      }
      break;
    case 0x12:
    case 0x16:
      p.print(`igmp v${type === 0x12 ? 1 : 2} report ${p.host4(s, at + 4)}`);
      if (length !== 8) p.print(` [len ${length}]`);
      break;
    case 0x17:
      p.print(`igmp leave ${p.host4(s, at + 4)}`);
      break;
    case 0x22:
      p.print('igmp v3 report');
      printReport3(p, s, at);
      break;
    default:
      p.print(`igmp-${type}`);
  }
  if (p.verbose > 0 && s.has(at, length) && csumFold(csumPartial(s, at, length)) !== 0) p.print(` bad igmp cksum ${hex(s.u16be(at + 2))}!`);
}

function printQuery3(p: Printer, s: Snapshot, at: number): void {
  const code = s.u8(at + 1);
  // RFC 3376 §4.1.1: above 127 a floating-point number
  const resp = code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
  p.print(' v3');
  if (p.verbose > 0 && resp !== 100)
    p.print(` [max resp time ${resp < 100 ? `0.${String(resp).padStart(2, '0')}` : (resp / 10).toFixed(1)}s]`);
  if (s.u32be(at + 4) === 0) return;
  const sources = s.u16be(at + 10);
  p.print(` [gaddr ${p.host4(s, at + 4)}`);
  if (sources > 0 && p.verbose > 1) {
    p.print(' {');
    for (let i = 0; i < sources; i++) p.print(` ${p.host4(s, at + 12 + 4 * i)}`);
    p.print(' }');
  } else if (sources > 0) p.print(`, ${sources} source(s)`);
  p.print(']');
}

function printReport3(p: Printer, s: Snapshot, at: number): void {
  const groups = s.u16be(at + 6);
  p.print(`, ${groups} group record(s)`);
  if (p.verbose === 0) return;
  let group = at + 8;
  for (let g = 0; g < groups; g++) {
    const type = s.u8(group);
    const sources = s.u16be(group + 2);
    p.print(` [gaddr ${p.host4(s, group + 4)} ${(RECORD_TYPES[type] as string | undefined) || ` [v3-report-#${type}]`}`);
    if (p.verbose === 1) p.print(`, ${sources} source(s)`);
    else {
      p.print(' {');
      for (let i = 0; i < sources; i++) p.print(` ${p.host4(s, group + 8 + 4 * i)}`);
      p.print(' }');
    }
    p.print(']');
    group += 8 + 4 * sources;
  }
}
