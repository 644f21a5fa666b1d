// What an 82574L can be set to: packet split, delays, thresholds, the interrupt pin, loopback, flow control, descriptors of all kinds (82574L datasheet).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUFFER, DATA, E1000eScript as Script, RING, RX, TX } from '../../testkit/e1000e_script.ts';
import { fuzzRuns } from '../../testkit/fuzz.ts';
import { frame, l4Start, payload } from '../../testkit/frames.ts';
import { PCI_COMMAND, PciHeader } from '../../pci/config_space.ts';
import {
  E1000_DESC_SIZE,
  RXDPS_HDRSP,
  RxDescLegacy,
  RxDescSplit,
  RxDescSplitRead,
  TXD_CMD,
  TXD_DTYP_DATA,
  TxDescContext,
  TxDescData,
  TxDescLegacy,
} from '../../pci/e1000e_desc.ts';
import { BMCR, PHY } from '../../pci/e1000e_phy.ts';
import { CTRL, DELAY_FPD, E1000, ICR, RCTL, RFCTL, STATUS, TXDCTL } from '../../pci/e1000e_regs.ts';
import { pauseFrame } from './pause.ts';

/** Descriptors of 32 bytes: headers in 256, then two buffers of 4 KB and none. */
function splitRing(s: Script): void {
  const { ram } = s.platform;
  s.w(E1000.PSRCTL, 2 | (4 << 8) | (4 << 16));
  s.w(E1000.RFCTL, RFCTL.EXTEN);
  for (let i = 0; i < RING / 2; i++) {
    const at = RX + 32 * i;
    RxDescSplitRead.buffer_addr0.set(ram, at, DATA + 0x10000 * i);
    RxDescSplitRead.buffer_addr1.set(ram, at, DATA + 0x10000 * i + 0x1000);
    RxDescSplitRead.buffer_addr2.set(ram, at, DATA + 0x10000 * i + 0x2000);
    RxDescSplitRead.buffer_addr3.set(ram, at, 0);
  }
  ram.touch(0x80000);
  s.w(E1000.RCTL, RCTL.EN | RCTL.BAM | RCTL.LPE | RCTL.SECRC | RCTL.DTYP_PS);
}
const lengths = (s: Script, at: number): number[] =>
  [RxDescSplit.length0, RxDescSplit.length1, RxDescSplit.length2, RxDescSplit.length3].map((f) => f.get(s.platform.ram, at));

describe('packet split', () => {
  test('§7.1.6: headers go to the first buffer, payload to the others, over several descriptors; head and tail count 16 bytes', () => {
    const s = new Script();
    s.start();
    splitRing(s);
    const o = { tcp: true };
    const bytes = frame(payload(9000), o);
    s.receive(bytes);
    const { ram } = s.platform;
    const header = l4Start(o) + 20;
    expect(lengths(s, RX)).toEqual([header, 4096, 4096, 0]);
    expect(lengths(s, RX + 32)).toEqual([0, 9000 - 8192, 0, 0]);
    expect(RxDescSplit.header_status.get(ram, RX)).toBe(RXDPS_HDRSP | header);
    expect([RX, RX + 32].map((at) => RxDescSplit.status_error.get(ram, at) & 3)).toEqual([1, 3]);
    const got = new Uint8Array(4096);
    ram.read(DATA + 0x1000, got, 0, 4096);
    expect(got).toEqual(bytes.subarray(header, header + 4096));
    expect(s.r(E1000.RDH0)).toBe(4);
  });

  test('§7.1.6.3: what has no headers to split fills the buffers from the first on', () => {
    const s = new Script();
    s.start();
    splitRing(s);
    const bytes = frame(payload(300));
    bytes.set([0x88, 0xb5], 12);
    s.receive(bytes);
    expect(lengths(s, RX)).toEqual([256, bytes.length - 256, 0, 0]);
    expect(RxDescSplit.header_status.get(s.platform.ram, RX)).toBe(0);
  });
});

describe('delays', () => {
  test('§10.2.4.11: a receive interrupt waits until packets stop for RDTR, RADV at the latest; the flush bit ends the wait', () => {
    const s = new Script();
    // the last eighth of the ring would interrupt at once (RXDMT0)
    s.start(RCTL.SECRC | (2 << RCTL.RDMTS_SHIFT));
    s.w(E1000.IMS, ICR.RXT0);
    s.w(E1000.RDTR, 200);
    s.w(E1000.RADV, 500);
    const icr = (): number => s.nic.regs.get(E1000.ICR) & ICR.RXT0;
    const came: number[] = [];
    for (let i = 0; i < 5; i++) {
      s.nic.receiveFrame({ bytes: frame(payload(60)), id: i, skb: 0 });
      s.run(150_000);
      came.push(icr());
    }
    // 200 units are 205 µs and start anew with each packet; 500 units after the first it comes all the same
    expect(came).toEqual([0, 0, 0, ICR.RXT0, ICR.RXT0]);
    s.r(E1000.ICR);
    s.w(E1000.RDT0, 4);
    s.nic.receiveFrame({ bytes: frame(payload(60)), id: 9, skb: 0 });
    s.run(10_000);
    expect(icr()).toBe(0);
    s.w(E1000.RDTR, 200 | DELAY_FPD);
    expect(icr()).toBe(ICR.RXT0);
  });

  test('§10.2.6.9: TIDV delays the interrupts of descriptors that allow it (IDE), and only those', () => {
    const s = new Script();
    s.start();
    s.w(E1000.TIDV, 2000);
    const txdw = (): number => s.nic.regs.get(E1000.ICR) & ICR.TXDW;
    s.send(frame(payload(60)), TXD_CMD.EOP | TXD_CMD.RS | TXD_CMD.IFCS | TXD_CMD.IDE);
    expect(txdw()).toBe(0);
    s.run(3e6);
    expect(txdw()).toBe(ICR.TXDW);
    s.r(E1000.ICR);
    s.send(frame(payload(60)));
    expect(txdw()).toBe(ICR.TXDW);
  });

  test("§7.2.4.1: with WTHRESH the chip writes descriptors back in batches, TIDV at the latest; QEMU's model each at once", () => {
    const reported = (chip: 'intel' | 'qemu', packets: number, wait: number): number[] => {
      const s = new Script(chip);
      s.start();
      s.w(E1000.TXDCTL0, TXDCTL.GRAN | (3 << TXDCTL.WTHRESH_SHIFT));
      s.w(E1000.TIDV, 5000);
      const at = Array.from({ length: packets }, () => s.send(frame(payload(60))));
      s.run(wait);
      return at.map((d) => TxDescLegacy.status.get(s.platform.ram, d) & 1);
    };
    expect(reported('intel', 2, 0)).toEqual([0, 0]);
    expect(reported('intel', 3, 0)).toEqual([1, 1, 1]);
    expect(reported('intel', 4, 0)).toEqual([1, 1, 1, 0]);
    expect(reported('intel', 2, 6e6)).toEqual([1, 1]);
    expect(reported('qemu', 2, 0)).toEqual([1, 1]);
  });
});

test('PCI 3.0 §6.2.3: the pin follows ICR and IMS, and is in the status register; messages keep it silent', () => {
  const s = new Script();
  const pin = (): boolean => (PciHeader.status.get(s.nic.fn.config, 0) & 0x8) !== 0;
  s.w(E1000.IMS, ICR.RXT0);
  s.w(E1000.ICS, ICR.TXDW);
  expect(pin()).toBe(false);
  s.w(E1000.ICS, ICR.RXT0);
  expect(pin()).toBe(true);
  s.r(E1000.ICR);
  expect(pin()).toBe(false);
  s.enableMsix();
  s.w(E1000.ICS, ICR.RXT0);
  expect(pin()).toBe(false);
});

test("§8.4: in PHY loopback what is sent comes back; the chip has a link for it, QEMU's model only once negotiation is over", () => {
  const back = (chip: 'intel' | 'qemu'): boolean => {
    const s = new Script(chip);
    s.start();
    s.phyWrite(PHY.BMCR, BMCR.ANENABLE | BMCR.ANRESTART);
    s.phyWrite(PHY.BMCR, BMCR.LOOPBACK | BMCR.FULLDPLX | BMCR.SPEED1000);
    const bytes = frame(payload(100));
    s.send(bytes);
    expect(s.wire.sent).toHaveLength(0);
    return RxDescLegacy.length.get(s.platform.ram, RX) === bytes.length;
  };
  expect([back('intel'), back('qemu')]).toEqual([true, false]);
});

describe('flow control', () => {
  const fill = (s: Script): void => {
    s.w(E1000.CTRL, s.r(E1000.CTRL) | CTRL.RFCE | CTRL.TFCE);
    s.w(E1000.FCAL, 0x00c28001);
    s.w(E1000.FCAH, 0x0100);
    s.w(E1000.FCT, 0x8808);
    s.w(E1000.FCTTV, 0x680);
    s.w(E1000.FCRTH, 4000);
    s.w(E1000.FCRTL, 0x80000000 | 1000);
  };

  test('§3.2.3.4: a buffer that fills sends XOFF with the time asked for, and XON when it is empty again', () => {
    const s = new Script();
    s.start();
    fill(s);
    s.w(E1000.RDT0, s.r(E1000.RDH0));
    for (let i = 0; i < 5; i++) s.receive(frame(payload(900)));
    expect(s.wire.sent.map((f) => f.bytes)).toEqual([pauseFrame(s.nic.regs, 0x680)]);
    s.w(E1000.RDT0, RING - 1);
    s.run();
    expect(s.wire.sent.map((f) => (f.bytes[16] << 8) | f.bytes[17])).toEqual([0x680, 0]);
    expect([s.r(E1000.XOFFTXC), s.r(E1000.XONTXC)]).toEqual([1, 1]);
  });

  test('IEEE 802.3 §31B.2: a received pause stops the transmitter for its quanta, is in STATUS, and goes no further', () => {
    const s = new Script();
    s.start();
    fill(s);
    s.nic.receiveFrame({ bytes: pauseFrame(s.nic.regs, 10_000), id: 1, skb: 0 });
    s.send(frame(payload(60)));
    expect(s.wire.sent).toHaveLength(0);
    expect(s.r(E1000.STATUS) & STATUS.TXOFF).toBe(STATUS.TXOFF);
    // 10000 quanta of 512 bit times at 1 Gb/s
    s.run(5.12e6);
    expect(s.wire.sent).toHaveLength(1);
    expect(s.r(E1000.STATUS) & STATUS.TXOFF).toBe(0);
    expect([s.r(E1000.XOFFRXC), s.r(E1000.GPRC)]).toEqual([1, 0]);
  });
});

describe('descriptors of any content', () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const context = fc.record({
    kind: fc.constant('context' as const),
    offsets: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    word,
    last: word,
  });
  const data = fc.record({
    kind: fc.constant('data' as const),
    at: fc.integer({ min: 0, max: 0x30000 }),
    length: fc.integer({ min: 0, max: 20_000 }),
    command: word,
    last: word,
  });
  const legacy = fc.record({ kind: fc.constant('legacy' as const), at: fc.integer({ min: 0, max: 0x30000 }), word, last: word });

  test('contexts, segments, checksums outside the packet, lengths and addresses of any kind: every descriptor is consumed, nothing is thrown or kept', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(context, data, legacy), { minLength: 1, maxLength: RING - 1 }),
        fc.constantFrom('intel' as const, 'qemu' as const),
        (list, chip) => {
          const s = new Script(chip);
          s.start();
          const { ram } = s.platform;
          ram.write(DATA, frame(payload(1500), { tcp: true }), 0, 1500);
          for (const [i, d] of list.entries()) {
            const at = TX + i * E1000_DESC_SIZE;
            if (d.kind === 'context') {
              ram.write(at, d.offsets, 0, 8);
              TxDescContext.cmd_and_length.set(ram, at, ((d.word & ~TXD_DTYP_DATA) | TXD_CMD.DEXT) >>> 0);
            } else {
              TxDescData.buffer_addr.set(ram, at, d.at);
              const command =
                d.kind === 'data' ? (d.command & 0xfff00000) | d.length | TXD_CMD.DEXT | TXD_DTYP_DATA : d.word & ~TXD_CMD.DEXT;
              TxDescData.cmd_and_length.set(ram, at, command >>> 0);
            }
            ram.setU32(at + 12, d.last);
          }
          s.w(E1000.TDT0, list.length);
          s.run(5e9);
          expect(s.r(E1000.TDH0)).toBe(list.length);
          expect(s.sim.peek()).toBeUndefined();
          expect(s.wire.sent.every((f) => f.bytes.length >= 60)).toBe(true);
        },
      ),
      fuzzRuns(200),
    );
  });

  test('receive descriptors of either format with any addresses: a frame ends in memory or as a counted drop', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 128, maxLength: 128 }),
        fc.boolean(),
        word,
        fc.integer({ min: 0, max: 9000 }),
        (ring, split, psrctl, length) => {
          const s = new Script();
          s.start();
          s.w(E1000.PSRCTL, psrctl);
          s.w(E1000.RFCTL, split ? RFCTL.EXTEN : 0);
          s.w(E1000.RCTL, RCTL.EN | RCTL.BAM | RCTL.LPE | (split ? RCTL.DTYP_PS : 0));
          s.platform.ram.write(RX, ring, 0, 128);
          s.receive(frame(payload(length)));
          s.run(5e9);
          const { drops } = s.nic;
          expect(s.r(E1000.GPRC) + drops.rx_dma + s.nic.rx.waiting).toBe(1);
          expect(s.sim.peek()).toBeUndefined();
        },
      ),
      fuzzRuns(200),
    );
  });
});

test('what is in the buffers beyond a frame stays as it was', () => {
  const s = new Script();
  s.start();
  const { ram } = s.platform;
  ram.fill((DATA + BUFFER) as never, 0xa5, BUFFER);
  s.receive(frame(payload(100)));
  const n = RxDescLegacy.length.get(ram, RX);
  const rest = new Uint8Array(BUFFER - n);
  ram.read(DATA + BUFFER + n, rest, 0, rest.length);
  expect(rest.every((b) => b === 0xa5)).toBe(true);
});

test('§10.1.1.5: the registers are reached through I/O space as well: an address, then data', () => {
  const s = new Script();
  const { fn } = s.nic;
  fn.configWrite(PciHeader.command.offset, 2, PCI_COMMAND.IO | PCI_COMMAND.MEMORY);
  const port = fn.barAddress(fn.bars.find((b) => b.kind === 'io')!);
  const { ports } = s.platform;
  ports.write(port, 4, E1000.RDLEN0);
  ports.write(port + 4, 4, 0x1000);
  expect([s.r(E1000.RDLEN0), ports.read(port + 4, 4), ports.read(port, 4)]).toEqual([0x1000, 0x1000, E1000.RDLEN0]);
});
