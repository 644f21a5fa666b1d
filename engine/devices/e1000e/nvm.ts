// The 82574L's non-volatile memory: 64 words with the MAC address, identification, start-up settings and a checksum (82574L datasheet §6.1).
import { NVM, NVM_SUM, NVM_WORDS } from '../../pci/e1000e_phy.ts';

/** Words of a board as QEMU ships it, by number; the MAC address and the checksum are filled in. All others are erased (0xffff). */
const BOARD: readonly (readonly [number, readonly number[]])[] = [
  [NVM.COMPAT, [0x0420, 0xf746]],
  // version 2.1.0; OEM; printed board assembly number
  [NVM.VERSION, [0x2010, 0xffff, 0xffff, 0x0000, 0x0000]],
  // init control 1, subsystem and device identification
  [0x0a, [0x026b, 0x10d3, 0x8086, 0x10d3, 0x0000]],
  [NVM.INIT_CONTROL2, [0x8058, 0x0000, 0x2001, 0x7e7c, 0xffff, 0x1000, 0x00c8, 0x0000]],
  [0x17, [0x2704, 0x6cc9, 0x3150, 0x070e, 0x460b, 0x2d84, 0x0100, 0xf000, 0x0706]],
  [0x20, [0x6000, 0x0080, 0x0f04, 0x7fff]],
  [NVM.INIT_CONTROL3_A, [0x4f01, 0xc600, 0x0000, 0x20ff, 0x0028, 0x0003, 0x0000, 0x0000, 0x0000, 0x0003, 0x0000]],
  // boot agent
  [0x30, [0x0100, 0xc000, 0x121c, 0xc007]],
  [0x3c, [0x0000, 0x0120]],
];

export class Nvm {
  private readonly words = new Uint16Array(NVM_WORDS).fill(0xffff);

  constructor(mac: Uint8Array) {
    for (const [at, words] of BOARD) this.words.set(words, at);
    for (let i = 0; i < 3; i++) this.words[NVM.MAC0 + i] = mac[2 * i] | (mac[2 * i + 1] << 8);
    this.updateChecksum();
  }

  /** Outside the memory nothing answers. */
  read(word: number): number {
    return this.words[word] ?? 0xffff;
  }

  write(word: number, value: number): void {
    if (word < NVM_WORDS) this.words[word] = value;
  }

  updateChecksum(): void {
    let sum = 0;
    for (let i = 0; i < NVM.CHECKSUM; i++) sum += this.words[i];
    this.words[NVM.CHECKSUM] = NVM_SUM - sum;
  }
}
