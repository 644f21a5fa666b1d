// The 82574L against a script: registers and their access words, PHY, legacy descriptors, VLAN, interrupts, faults (82574L datasheet).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PciHost } from '../pci_host.ts';
import { frame, mac, payload } from '../../testkit/frames.ts';
import { runFor } from '../../testkit/kernel_fixture.ts';
import { TestWire } from '../../testkit/nic_fixture.ts';
import { bareMachine, type IrqLog } from '../../testkit/scripted_driver.ts';
import { E1000_DESC_SIZE, RxDescLegacy, RxDescWriteback, TXD_CMD, TxDescLegacy } from '../../pci/e1000e_desc.ts';
import { BMCR, BMSR, NVM, NVM_SUM, NVM_WORDS, PHY } from '../../pci/e1000e_phy.ts';
import { CTRL, CTRL_EXT, E1000, EERD, ICR, IVAR, MDIC, RCTL, RFCTL, STATUS, TCTL } from '../../pci/e1000e_regs.ts';
import { MsixEntry, PCI_MSIX_FLAGS } from '../../pci/capabilities.ts';
import { PCI_COMMAND, PCI_DEVFN, PciHeader } from '../../pci/config_space.ts';
import { MSI_ADDR_LOGICAL } from '../../platform/apic.ts';
import { MSI_BASE } from '../../platform/bus.ts';
import type { Platform } from '../../platform/platform.ts';
import { Cloner } from '../../sim/clone.ts';
import { hashOf } from '../../sim/hash.ts';
import { Sim } from '../../sim/sim.ts';
import { Trace } from '../../trace/trace.ts';
import { E1000e } from './e1000e.ts';
import { AUTONEG_TIME } from './phy.ts';

const RING = 8;
const TX = 0x10000;
const RX = 0x11000;
const DATA = 0x20000;
const BUFFER = 2048;

/** A script that drives one 82574L over its BAR, and nothing else. */
class Script {
  readonly sim = new Sim(1);
  readonly platform: Platform;
  readonly irqs: IrqLog;
  readonly nic: E1000e;
  readonly wire: TestWire;
  private readonly base: number;
  private readonly msix: number;
  private tail = 0;

  constructor() {
    ({ platform: this.platform, irqs: this.irqs } = bareMachine(this.sim, new Trace(this.sim), 'm'));
    const host = new PciHost(this.platform);
    this.nic = new E1000e(this.platform, { portName: 'm:nic0', slot: '00:02.0', mac: Uint8Array.from(mac(0x0b)) });
    host.addFunction(PCI_DEVFN(2, 0), this.nic.fn);
    host.firmware();
    this.nic.fn.configWrite(PciHeader.command.offset, 2, PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER);
    this.wire = new TestWire(this.sim);
    this.nic.plug(this.wire);
    this.base = this.nic.fn.barAddress(this.nic.fn.bars[0]);
    this.msix = this.nic.fn.barAddress(this.nic.fn.bars.find((b) => b.index === 3)!);
  }

  r(offset: number): number {
    return this.platform.bus.read(this.base + offset, 4);
  }
  w(offset: number, value: number): void {
    this.platform.bus.write(this.base + offset, 4, value >>> 0);
  }
  phy(register: number): number {
    this.w(E1000.MDIC, (register << MDIC.REG_SHIFT) | (1 << MDIC.PHY_SHIFT) | MDIC.OP_READ);
    return this.r(E1000.MDIC) & 0xffff;
  }
  phyWrite(register: number, value: number): void {
    this.w(E1000.MDIC, (register << MDIC.REG_SHIFT) | (1 << MDIC.PHY_SHIFT) | MDIC.OP_WRITE | value);
  }
  run(nanoseconds = 1e6): void {
    runFor(this.sim, nanoseconds);
  }

  /** Link up, both rings set up with legacy descriptors and buffers, everything unmasked. */
  start(rctl: number = RCTL.SECRC): void {
    this.nic.linkChanged(true);
    this.run(AUTONEG_TIME);
    this.w(E1000.TDBAL0, TX);
    this.w(E1000.TDLEN0, 128);
    this.w(E1000.TCTL, TCTL.EN | TCTL.PSP);
    this.w(E1000.RDBAL0, RX);
    this.w(E1000.RDLEN0, 128);
    for (let i = 0; i < RING; i++) RxDescLegacy.buffer_addr.set(this.platform.ram, RX + i * E1000_DESC_SIZE, DATA + (i + 1) * BUFFER);
    this.w(E1000.RCTL, RCTL.EN | RCTL.BAM | rctl);
    this.w(E1000.RDT0, RING - 1);
    this.platform.ram.touch(0x40000);
  }

  /** Vectors 0 to 2 unmasked, with messages 0x40 to 0x42. */
  enableMsix(): void {
    this.nic.fn.configWrite(0xa2, 2, PCI_MSIX_FLAGS.ENABLE);
    for (let v = 0; v < 3; v++) {
      this.platform.bus.write(this.msix + v * MsixEntry.$size, 4, MSI_BASE + (1 << 12) + MSI_ADDR_LOGICAL);
      this.platform.bus.write(this.msix + v * MsixEntry.$size + MsixEntry.data.offset, 4, 0x40 + v);
      this.platform.bus.write(this.msix + v * MsixEntry.$size + MsixEntry.vector_ctrl.offset, 4, 0);
    }
    this.w(E1000.IVAR, IVAR.VALID | ((IVAR.VALID | 1) << IVAR.TXQ0_SHIFT) | ((IVAR.VALID | 2) << IVAR.OTHER_SHIFT));
  }

  send(bytes: Uint8Array, cmd = TXD_CMD.EOP | TXD_CMD.RS | TXD_CMD.IFCS, special = 0): number {
    const { ram } = this.platform;
    const at = TX + this.tail * E1000_DESC_SIZE;
    ram.write(DATA, bytes, 0, bytes.length);
    ram.fill(at as never, 0, E1000_DESC_SIZE);
    TxDescLegacy.buffer_addr.set(ram, at, DATA);
    TxDescLegacy.length.set(ram, at, bytes.length);
    TxDescLegacy.cmd.set(ram, at, cmd >>> 24);
    TxDescLegacy.special.set(ram, at, special);
    this.tail = (this.tail + 1) % RING;
    this.w(E1000.TDT0, this.tail);
    this.run();
    return at;
  }
  receive(bytes: Uint8Array): void {
    this.nic.receiveFrame({ bytes, id: this.sim.newId(), skb: 0 });
    this.run();
  }
  received(i: number): Uint8Array {
    const { ram } = this.platform;
    const out = new Uint8Array(RxDescLegacy.length.get(ram, RX + i * E1000_DESC_SIZE));
    ram.read(DATA + (i + 1) * BUFFER, out, 0, out.length);
    return out;
  }
}

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
        (writes, rings) => {
          const s = new Script();
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
      { numRuns: 150 },
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
