// The I/O APIC (Intel 82093AA datasheet §3, ICH9's with 24 pins): turns levels on its pins into interrupt messages for the local APICs.
import { event, type TracePoint, type TraceScope } from '../trace/trace.ts';
import type { Apic } from './apic.ts';
import type { MmioTarget } from './bus.ts';

export const IOAPIC_BASE = 0xfec00000;
export const IOAPIC_SIZE = 0x1000;
export const IOAPIC_PINS = 24;

/** Register window (82093AA §3.1): an index, the data behind it, and from version 0x20 on an EOI register. */
export const IOAPIC_WINDOW = { INDEX: 0x00, DATA: 0x10, EOI: 0x40 } as const;
/** Registers behind the window (82093AA §3.2). */
export const IOAPIC_REG = { ID: 0x00, VERSION: 0x01, ARB: 0x02, REDIRECTION: 0x10 } as const;
/** ICH9: version 0x20. */
const VERSION = 0x20;

/** Low half of a redirection entry (82093AA §3.2.4); the high half has the destination in bits 31:24. */
export const IOAPIC_RTE = {
  VECTOR: 0xff,
  LOGICAL: 0x800,
  /** Delivery status, read-only. */
  PENDING: 0x1000,
  ACTIVE_LOW: 0x2000,
  /** Read-only: a level interrupt was accepted and waits for its EOI. */
  REMOTE_IRR: 0x4000,
  LEVEL: 0x8000,
  MASKED: 0x10000,
} as const;
const RTE_WRITABLE = 0x1afff;

/** A pin's message goes out; a level-triggered one waits for its end of interrupt then. */
const IoApicMessage = event(
  'ioapic:message',
  { pin: 'u8', vector: 'u8', destination: 'u8', level: 'bool' },
  (e) => `pin=${e.pin} vector=${e.vector} destination=${e.destination} ${e.level === true ? 'level' : 'edge'}`,
);
/** An end of interrupt reached a pin that waited for it; `again`: its line is still asserted. */
const IoApicEoi = event(
  'ioapic:eoi',
  { pin: 'u8', vector: 'u8', again: 'bool' },
  (e) => `pin=${e.pin} vector=${e.vector}${e.again === true ? ' asserted again' : ''}`,
);

/** One pin as views show it. */
interface IoApicPin {
  readonly vector: number;
  readonly destination: number;
  readonly masked: boolean;
  readonly level: boolean;
  readonly asserted: boolean;
  readonly remoteIrr: boolean;
  /** Interrupts sent. */
  readonly sent: number;
}

export class IoApic implements MmioTarget {
  private index = 0;
  private id = 0;
  private readonly low = new Uint32Array(IOAPIC_PINS).fill(IOAPIC_RTE.MASKED);
  private readonly high = new Uint32Array(IOAPIC_PINS);
  /** How many sources hold a pin; lines are wired together. */
  private readonly holders = new Uint16Array(IOAPIC_PINS);
  /** Edges that came while an edge pin was masked. */
  private readonly latched = new Uint8Array(IOAPIC_PINS);
  private readonly sent = new Float64Array(IOAPIC_PINS);

  private readonly tpMessage: TracePoint;
  private readonly tpEoi: TracePoint;

  constructor(
    private readonly apic: Apic,
    scope: TraceScope,
  ) {
    this.tpMessage = scope.point(IoApicMessage);
    this.tpEoi = scope.point(IoApicEoi);
  }

  /** One source raises or releases its hold of a pin; a source calls only when its own level changes. */
  setPin(pin: number, level: boolean): void {
    const before = this.holders[pin];
    if (!level && before === 0) return;
    this.holders[pin] = level ? before + 1 : before - 1;
    if (!level || before !== 0) return;
    if ((this.low[pin] & IOAPIC_RTE.LEVEL) === 0) this.latched[pin] = 1;
    this.service(pin);
  }

  /** A local APIC finished the service of a level interrupt (Intel SDM vol. 3 §11.8.5: the broadcast names the vector). */
  eoi(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      const low = this.low[pin];
      if ((low & IOAPIC_RTE.VECTOR) !== vector || (low & IOAPIC_RTE.REMOTE_IRR) === 0) continue;
      this.low[pin] = low & ~IOAPIC_RTE.REMOTE_IRR;
      if (this.tpEoi.enabled) this.tpEoi.emit(pin, vector, this.holders[pin] > 0);
      this.service(pin);
    }
  }

  state(pin: number): IoApicPin {
    const low = this.low[pin];
    return {
      vector: low & IOAPIC_RTE.VECTOR,
      destination: this.high[pin] >>> 24,
      masked: (low & IOAPIC_RTE.MASKED) !== 0,
      level: (low & IOAPIC_RTE.LEVEL) !== 0,
      asserted: this.holders[pin] > 0,
      remoteIrr: (low & IOAPIC_RTE.REMOTE_IRR) !== 0,
      sent: this.sent[pin],
    };
  }

  mmioRead(offset: number): number {
    if (offset === IOAPIC_WINDOW.INDEX) return this.index;
    if (offset !== IOAPIC_WINDOW.DATA) return 0;
    if (this.index === IOAPIC_REG.ID || this.index === IOAPIC_REG.ARB) return (this.id << 24) >>> 0;
    if (this.index === IOAPIC_REG.VERSION) return ((IOAPIC_PINS - 1) << 16) | VERSION;
    const pin = (this.index - IOAPIC_REG.REDIRECTION) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return 0;
    return (this.index & 1) === 1 ? this.high[pin] : this.low[pin];
  }

  mmioWrite(offset: number, _size: number, value: number): void {
    if (offset === IOAPIC_WINDOW.INDEX) this.index = value & 0xff;
    else if (offset === IOAPIC_WINDOW.EOI) this.eoi(value & 0xff);
    else if (offset === IOAPIC_WINDOW.DATA) this.writeRegister(value >>> 0);
  }

  private writeRegister(value: number): void {
    if (this.index === IOAPIC_REG.ID) this.id = (value >>> 24) & 0xf;
    const pin = (this.index - IOAPIC_REG.REDIRECTION) >> 1;
    if (pin < 0 || pin >= IOAPIC_PINS) return;
    if ((this.index & 1) === 1) this.high[pin] = (value & 0xff000000) >>> 0;
    else {
      this.low[pin] = (value & RTE_WRITABLE) | (this.low[pin] & IOAPIC_RTE.REMOTE_IRR);
      // an entry that becomes edge-triggered forgets what it waited for, as ICH9's does
      if ((value & IOAPIC_RTE.LEVEL) === 0) this.low[pin] &= ~IOAPIC_RTE.REMOTE_IRR;
      this.service(pin);
    }
  }

  /** Sends the pin's message when it owes one. */
  private service(pin: number): void {
    const low = this.low[pin];
    if ((low & IOAPIC_RTE.MASKED) !== 0) return;
    if ((low & IOAPIC_RTE.LEVEL) !== 0) {
      if (this.holders[pin] === 0 || (low & IOAPIC_RTE.REMOTE_IRR) !== 0) return;
      this.low[pin] = low | IOAPIC_RTE.REMOTE_IRR;
    } else {
      if (this.latched[pin] === 0) return;
      this.latched[pin] = 0;
    }
    this.sent[pin]++;
    if (this.tpMessage.enabled) this.tpMessage.emit(pin, low & IOAPIC_RTE.VECTOR, this.high[pin] >>> 24, (low & IOAPIC_RTE.LEVEL) !== 0);
    this.apic.deliver(this.high[pin] >>> 24, (low & IOAPIC_RTE.LOGICAL) !== 0, low & IOAPIC_RTE.VECTOR);
  }
}
