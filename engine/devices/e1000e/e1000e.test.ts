// The 82574L against a script: registers and their access words, PHY, legacy descriptors, VLAN, interrupts, faults (82574L datasheet).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { E1000eScript as Script, RING, RX, TX } from '../../testkit/e1000e_script.ts';
import { fuzzRuns } from '../../testkit/fuzz.ts';
import { frame, payload } from '../../testkit/frames.ts';
import { E1000_DESC_SIZE, RxDescLegacy, RxDescWriteback, TXD_CMD, TxDescLegacy } from '../../pci/e1000e_desc.ts';
import { BMCR, BMSR, NVM, NVM_SUM, NVM_WORDS, PHY } from '../../pci/e1000e_phy.ts';
import { CTRL, CTRL_EXT, E1000, EERD, ICR, MDIC, RCTL, RFCTL, STATUS } from '../../pci/e1000e_regs.ts';
import { PCI_COMMAND, PciHeader } from '../../pci/config_space.ts';
import { Cloner } from '../../sim/clone.ts';
import { hashOf } from '../../sim/hash.ts';
import { AUTONEG_TIME } from './phy.ts';

describe('registers', () => {
  test('§6.1: non-volatile memory holds the MAC address, and its words add up', () => {
    const s = new Script();
    let sum = 0;
    const words: number[] = [];
    for (let i = 0; i < NVM_WORDS; i++) {
      s.w(E1000.EERD, (i << EERD.ADDR_SHIFT) | EERD.START);
      expect(s.r(E1000.EERD) & EERD.DONE).not.toBe(0);
      words.push(s.r(E1000.EERD) >>> EERD.DATA_SHIFT);
      sum += words[i];
    }
    expect(sum & 0xffff).toBe(NVM_SUM);
    expect(words.slice(NVM.MAC0, 3)).toEqual([0x5452, 0, 0x0b00]);
    expect([s.r(E1000.RA), s.r(E1000.RA + 4)]).toEqual([0x00005452, 0x80000b00]);
  });

  test('§10.2.7: a statistic is cleared by reading, and writing it does nothing', () => {
    const s = new Script();
    s.start();
    s.send(frame(payload(50)));
    s.w(E1000.GPTC, 77);
    expect([s.r(E1000.GPTC), s.r(E1000.GPTC)]).toEqual([1, 0]);
    expect(s.r(E1000.GOTCL)).toBe(92);
  });

  test('read-only bits keep their value, unknown registers read 0, CTRL.RST clears itself and all else', () => {
    const s = new Script();
    s.w(E1000.FACTPS, 0);
    expect(s.r(E1000.FACTPS)).not.toBe(0);
    expect(s.r(0x1f000)).toBe(0);
    s.w(E1000.RDLEN0, 0xffffffff);
    expect(s.r(E1000.RDLEN0)).toBe(0xfff80);
    s.w(E1000.CTRL, s.r(E1000.CTRL) | CTRL.RST);
    expect([s.r(E1000.RDLEN0), s.r(E1000.CTRL) & CTRL.RST]).toEqual([0, 0]);
  });
});

describe('PHY', () => {
  test('IEEE 802.3 §28: the link comes when negotiation is over, with LSC; a forced speed needs none', () => {
    const s = new Script();
    s.nic.linkChanged(true);
    s.run(AUTONEG_TIME - 1e6);
    expect(s.r(E1000.STATUS) & STATUS.LU).toBe(0);
    s.run(2e6);
    expect(s.r(E1000.STATUS) & (STATUS.LU | STATUS.SPEED_1000)).toBe(STATUS.LU | STATUS.SPEED_1000);
    expect(s.phy(PHY.BMSR) & (BMSR.LSTATUS | BMSR.ANEGCOMPLETE)).toBe(BMSR.LSTATUS | BMSR.ANEGCOMPLETE);
    expect(s.r(E1000.ICR) & ICR.LSC).toBe(ICR.LSC);
    s.phyWrite(PHY.BMCR, BMCR.SPEED100 | BMCR.FULLDPLX);
    expect(s.r(E1000.STATUS) & (STATUS.LU | STATUS.SPEED_1000 | STATUS.SPEED_100)).toBe(STATUS.LU | STATUS.SPEED_100);
    s.phyWrite(PHY.BMCR, BMCR.PDOWN);
    expect(s.r(E1000.STATUS) & STATUS.LU).toBe(0);
  });

  test('§10.2.2.7: an address nobody has gives an error', () => {
    const s = new Script();
    s.w(E1000.MDIC, (3 << MDIC.PHY_SHIFT) | MDIC.OP_READ);
    expect(s.r(E1000.MDIC) & (MDIC.READY | MDIC.ERROR)).toBe(MDIC.READY | MDIC.ERROR);
  });
});

describe('rings', () => {
  test('§7.2.10.1: a legacy descriptor sends its packet and reports DD when asked to', () => {
    const s = new Script();
    s.start();
    const bytes = frame(payload(100));
    const reported = s.send(bytes);
    const silent = s.send(bytes, TXD_CMD.EOP | TXD_CMD.IFCS);
    expect(s.wire.sent.map((f) => f.bytes)).toEqual([bytes, bytes]);
    expect([reported, silent].map((at) => TxDescLegacy.status.get(s.platform.ram, at) & 1)).toEqual([1, 0]);
    expect(s.r(E1000.TDH0)).toBe(s.r(E1000.TDT0));
  });

  test('§7.1.4.1: a received packet is written with its length, DD and end of packet; with FCS unless that is stripped', () => {
    const s = new Script();
    s.start(0);
    const bytes = frame(payload(100));
    s.receive(bytes);
    expect(s.received(0).subarray(0, bytes.length)).toEqual(bytes);
    expect(s.received(0)).toHaveLength(bytes.length + 4);
    expect(RxDescLegacy.status.get(s.platform.ram, RX) & 3).toBe(3);
    expect(s.r(E1000.RDH0)).toBe(1);
  });

  test('IEEE 802.3 §3.2.9: the FCS is that of the frame', () => {
    const s = new Script();
    s.start(0);
    s.receive(new TextEncoder().encode('123456789'.repeat(8)).map((b, i) => (i < 6 ? 0xff : b)));
    const got = s.received(0);
    // the CRC over a frame and its FCS is the residue of the polynomial
    let c = 0xffffffff;
    for (const b of got) for (let k = 0, x = b; k < 8; k++, x >>= 1) c = ((c ^ x) & 1) !== 0 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    expect(c >>> 0).toBe(0xdebb20e3);
  });

  test('a packet larger than a buffer goes over several descriptors, the last marked', () => {
    const s = new Script();
    s.w(E1000.RFCTL, RFCTL.EXTEN);
    s.start(RCTL.SECRC | RCTL.LPE);
    s.receive(frame(payload(5000)));
    const { ram } = s.platform;
    const status = [0, 1, 2].map((i) => RxDescWriteback.status_error.get(ram, RX + i * E1000_DESC_SIZE) & 3);
    const lengths = [0, 1, 2].map((i) => RxDescWriteback.length.get(ram, RX + i * E1000_DESC_SIZE));
    expect(status).toEqual([1, 1, 3]);
    expect(lengths).toEqual([2048, 2048, 5042 - 4096]);
  });

  test('without descriptors frames wait, and go on when the tail moves', () => {
    const s = new Script();
    s.start();
    for (let i = 0; i < RING; i++) s.receive(frame(payload(60 + i)));
    expect([s.nic.rx.waiting, s.r(E1000.RNBC)]).toEqual([1, 1]);
    s.w(E1000.RDT0, 3);
    s.run();
    expect(s.nic.rx.waiting).toBe(0);
    expect(s.r(E1000.GPRC)).toBe(RING);
  });

  test('§7.4: a VLAN tag is inserted from the descriptor and stripped into it', () => {
    const s = new Script();
    s.start();
    s.w(E1000.CTRL, s.r(E1000.CTRL) | CTRL.VME);
    const bytes = frame(payload(100));
    s.send(bytes, TXD_CMD.EOP | TXD_CMD.RS | TXD_CMD.VLE, 0x2005);
    const tagged = s.wire.sent[0].bytes;
    expect([...tagged.subarray(12, 16)]).toEqual([0x81, 0x00, 0x20, 0x05]);
    s.receive(tagged);
    expect(s.received(0)).toEqual(bytes);
    expect(RxDescLegacy.special.get(s.platform.ram, RX)).toBe(0x2005);
  });
});

describe('interrupts', () => {
  test('§7.4.5: a cause with auto-clear sends its vector once, and again only after it was unmasked', () => {
    const s = new Script();
    s.start();
    s.enableMsix();
    s.w(E1000.CTRL_EXT, CTRL_EXT.EIAME);
    s.w(E1000.EIAC, ICR.RXQ0 | ICR.TXQ0);
    s.w(E1000.IMS, ICR.RXQ0 | ICR.TXQ0);
    s.receive(frame(payload(60)));
    expect(s.irqs.vectors).toEqual([0x40]);
    s.receive(frame(payload(60)));
    expect(s.irqs.vectors).toEqual([0x40]);
    s.w(E1000.IMS, ICR.RXQ0);
    s.run();
    expect(s.irqs.vectors).toEqual([0x40, 0x40]);
    s.send(frame(payload(60)));
    expect(s.irqs.vectors).toEqual([0x40, 0x40, 0x41]);
  });

  test('§10.2.4.10: a vector keeps still for its interval, then one message stands for all that came', () => {
    const s = new Script();
    s.start();
    s.enableMsix();
    s.w(E1000.EITR, 4000); // 1.024 ms
    s.w(E1000.EIAC, ICR.RXQ0);
    for (let i = 0; i < 5; i++) {
      s.w(E1000.IMS, ICR.RXQ0);
      s.nic.receiveFrame({ bytes: frame(payload(60)), id: i, skb: 0 });
      s.run(100_000);
    }
    expect(s.irqs.vectors).toEqual([0x40]);
    s.run(1e6);
    expect(s.irqs.vectors).toEqual([0x40, 0x40]);
  });

  test('§10.2.4.1: reading ICR clears it when an interrupt is asserted, and when nothing is unmasked', () => {
    const s = new Script();
    s.w(E1000.ICS, ICR.TXDW);
    expect([s.r(E1000.ICR), s.r(E1000.ICR)]).toEqual([ICR.TXDW, 0]);
    s.w(E1000.IMS, ICR.RXT0);
    s.w(E1000.ICS, ICR.TXDW);
    expect([s.r(E1000.ICR), s.r(E1000.ICR)]).toEqual([ICR.TXDW, ICR.TXDW]);
    s.w(E1000.ICS, ICR.RXT0);
    expect([s.r(E1000.ICR), s.r(E1000.ICR)]).toEqual([(ICR.INT_ASSERTED | ICR.TXDW | ICR.RXT0) >>> 0, 0]);
  });
});

describe('what a driver may do wrong', () => {
  test('PCI 3.0 §6.2.2: without bus mastering nothing is read and nothing is written', () => {
    const s = new Script();
    s.start();
    s.nic.fn.configWrite(PciHeader.command.offset, 2, PCI_COMMAND.MEMORY);
    const at = s.send(frame(payload(60)));
    s.receive(frame(payload(60)));
    expect(s.wire.sent).toHaveLength(0);
    expect(TxDescLegacy.status.get(s.platform.ram, at)).toBe(0);
    expect(RxDescLegacy.status.get(s.platform.ram, RX)).toBe(0);
    expect([s.nic.drops.tx_dma, s.nic.drops.rx_dma]).toEqual([1, 1]);
  });

  test('whatever is written to registers and rings, nothing is thrown and the world comes to rest', () => {
    const offsets = Object.values(E1000);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...offsets), fc.integer({ min: 0, max: 0xffffffff })), { maxLength: 40 }),
        fc.uint8Array({ minLength: 256, maxLength: 256 }),
        fc.constantFrom('intel' as const, 'qemu' as const),
        (writes, rings, chip) => {
          const s = new Script(chip);
          s.start();
          s.platform.ram.write(TX, rings, 0, 128);
          s.platform.ram.write(RX, rings, 128, 128);
          for (const [offset, value] of writes) s.w(offset, value);
          s.w(E1000.TDT0, 5);
          s.receive(frame(payload(200)));
          s.run(5e9);
          expect(s.sim.peek()).toBeUndefined();
        },
      ),
      fuzzRuns(200),
    );
  });
});

test('a device in the middle of its work can be forked, and both go on alike', () => {
  const s = new Script();
  s.start();
  s.wire.frameTime = 10_000;
  for (let i = 0; i < 4; i++) s.nic.receiveFrame({ bytes: frame(payload(100 + i)), id: i, skb: 0 });
  s.w(E1000.TDT0, 3);
  const scene = { sim: s.sim, platform: s.platform, nic: s.nic };
  const copy = new Cloner().clone(scene);
  expect(hashOf(copy)).toBe(hashOf(scene));
  for (const one of [scene, copy]) while (one.sim.step());
  expect(hashOf(copy)).toBe(hashOf(scene));
});
