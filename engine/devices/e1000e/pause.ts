// Pause frames of IEEE 802.3 annex 31B as the 82574L makes and takes them (82574L datasheet §3.2.3, §10.2.2.16).
import { E1000 } from '../../pci/e1000e_regs.ts';
import { ETH_ALEN } from '../../wire/headers.ts';
import { be16 } from '../net_flow.ts';
import { MIN_FRAME } from './context.ts';
import type { RegisterFile } from './register_file.ts';

const OPCODE_PAUSE = 0x0001;
const QUANTUM_BITS = 512;

/** Address and type are those software wrote to FCAL, FCAH and FCT; the source is the first receive address. */
export function pauseFrame(regs: RegisterFile, quanta: number): Uint8Array {
  const b = new Uint8Array(MIN_FRAME);
  const v = new DataView(b.buffer);
  v.setUint32(0, regs.get(E1000.FCAL), true);
  v.setUint16(4, regs.get(E1000.FCAH), true);
  v.setUint32(ETH_ALEN, regs.get(E1000.RA), true);
  v.setUint16(ETH_ALEN + 4, regs.get(E1000.RAH) & 0xffff, true);
  v.setUint16(2 * ETH_ALEN, regs.get(E1000.FCT));
  v.setUint16(14, OPCODE_PAUSE);
  v.setUint16(16, quanta);
  return b;
}

/** Quanta a received frame asks for, undefined when it is no pause frame. */
export function pauseQuanta(regs: RegisterFile, b: Uint8Array): number | undefined {
  if (b.length < 18 || be16(b, 2 * ETH_ALEN) !== regs.get(E1000.FCT) || be16(b, 14) !== OPCODE_PAUSE) return undefined;
  const low = (b[0] | (b[1] << 8) | (b[2] << 16) | (b[3] << 24)) >>> 0;
  return low === regs.get(E1000.FCAL) && (b[4] | (b[5] << 8)) === regs.get(E1000.FCAH) ? be16(b, 16) : undefined;
}

/** Nanoseconds at a speed in Mb/s. */
export const pauseTime = (quanta: number, speed: number): number => (quanta * QUANTUM_BITS * 1000) / speed;
