// Classic BPF: programs that choose packets, as sockets carry them (Linux: net/core/filter.c; McCanne and Jacobson, "The BSD Packet Filter").

/** Linux: include/uapi/linux/bpf_common.h */
export const BPF = {
  LD: 0x00,
  LDX: 0x01,
  ST: 0x02,
  STX: 0x03,
  ALU: 0x04,
  JMP: 0x05,
  RET: 0x06,
  MISC: 0x07,
  W: 0x00,
  H: 0x08,
  B: 0x10,
  IMM: 0x00,
  ABS: 0x20,
  IND: 0x40,
  MEM: 0x60,
  LEN: 0x80,
  MSH: 0xa0,
  ADD: 0x00,
  SUB: 0x10,
  MUL: 0x20,
  DIV: 0x30,
  OR: 0x40,
  AND: 0x50,
  LSH: 0x60,
  RSH: 0x70,
  NEG: 0x80,
  MOD: 0x90,
  XOR: 0xa0,
  JA: 0x00,
  JEQ: 0x10,
  JGT: 0x20,
  JGE: 0x30,
  JSET: 0x40,
  K: 0x00,
  X: 0x08,
  A: 0x10,
  TAX: 0x00,
  TXA: 0x80,
} as const;
/** Words of scratch memory. */
export const BPF_MEMWORDS = 16;
/** Absolute loads from here on ask for what is not in the bytes (Linux: SKF_AD_OFF, SKF_AD_*). */
export const SKF_AD_OFF = 0xfffff000;
export const SKF_AD = { PROTOCOL: 0, PKTTYPE: 4, IFINDEX: 8 } as const;

/** Linux: struct sock_filter; `jt` and `jf` may exceed a byte here. */
export interface SockFilter {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}
export type BpfProgram = readonly SockFilter[];

/** What a program sees of a packet. */
export interface BpfPacket {
  readonly bytes: Uint8Array;
  /** Length on the wire: `bytes` may be cut. */
  readonly length: number;
  /** EtherType, PACKET_* and interface, for the ancillary loads. */
  readonly protocol: number;
  readonly pkttype: number;
  readonly ifindex: number;
}

/** Bytes of the packet to keep: 0 refuses it. A load outside the packet refuses it too. */
export function bpf_prog_run(program: BpfProgram, packet: BpfPacket): number {
  const { bytes } = packet;
  const scratch: number[] = new Array<number>(BPF_MEMWORDS).fill(0);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc];
    switch (code & 7) {
      case BPF.LD: {
        const value = load(code, k, x, scratch, packet);
        if (value < 0) return 0;
        a = value;
        break;
      }
      case BPF.LDX:
        if ((code & 0xe0) === BPF.MSH) {
          if (k >= bytes.length) return 0;
          x = (bytes[k] & 15) * 4;
        } else x = (code & 0xe0) === BPF.MEM ? scratch[k] : (code & 0xe0) === BPF.LEN ? packet.length : k;
        break;
      case BPF.ST:
        scratch[k] = a;
        break;
      case BPF.STX:
        scratch[k] = x;
        break;
      case BPF.ALU: {
        const value = alu(code & 0xf0, a, (code & BPF.X) !== 0 ? x : k);
        if (value === undefined) return 0;
        a = value;
        break;
      }
      case BPF.JMP:
        if ((code & 0xf0) === BPF.JA) pc += k;
        else pc += jumps(code & 0xf0, a, (code & BPF.X) !== 0 ? x : k) ? jt : jf;
        break;
      case BPF.RET:
        return (code & BPF.A) !== 0 ? a : k;
      default:
        if ((code & 0xf8) === BPF.TAX) x = a;
        else a = x;
    }
  }
  return 0;
}

function load(code: number, k: number, x: number, scratch: readonly number[], packet: BpfPacket): number {
  switch (code & 0xe0) {
    case BPF.IMM:
      return k;
    case BPF.MEM:
      return scratch[k];
    case BPF.LEN:
      return packet.length;
    case BPF.ABS:
      if (k < SKF_AD_OFF) return bytesAt(code, k, packet.bytes);
      if (k === SKF_AD_OFF + SKF_AD.PROTOCOL) return packet.protocol;
      if (k === SKF_AD_OFF + SKF_AD.PKTTYPE) return packet.pkttype;
      return k === SKF_AD_OFF + SKF_AD.IFINDEX ? packet.ifindex : -1;
    default:
      return bytesAt(code, (x + k) >>> 0, packet.bytes);
  }
}

/** The big-endian value at `at`, -1 outside the packet. */
function bytesAt(code: number, at: number, b: Uint8Array): number {
  const size = code & 0x18;
  const length = size === BPF.B ? 1 : size === BPF.H ? 2 : 4;
  if (at + length > b.length) return -1;
  if (size === BPF.B) return b[at];
  if (size === BPF.H) return (b[at] << 8) | b[at + 1];
  return ((b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]) >>> 0;
}

/** 32-bit unsigned; undefined: division by zero ends the program. */
function alu(op: number, a: number, b: number): number | undefined {
  switch (op) {
    case BPF.ADD:
      return (a + b) >>> 0;
    case BPF.SUB:
      return (a - b) >>> 0;
    case BPF.MUL:
      return Math.imul(a, b) >>> 0;
    case BPF.DIV:
      return b === 0 ? undefined : Math.floor(a / b);
    case BPF.MOD:
      return b === 0 ? undefined : a % b;
    case BPF.OR:
      return (a | b) >>> 0;
    case BPF.AND:
      return (a & b) >>> 0;
    case BPF.XOR:
      return (a ^ b) >>> 0;
    case BPF.LSH:
      return b > 31 ? 0 : (a << b) >>> 0;
    case BPF.RSH:
      return b > 31 ? 0 : a >>> b;
    default:
      return -a >>> 0;
  }
}

function jumps(op: number, a: number, b: number): boolean {
  switch (op) {
    case BPF.JEQ:
      return a === b;
    case BPF.JGT:
      return a > b;
    case BPF.JGE:
      return a >= b;
    default:
      return (a & b) !== 0;
  }
}
