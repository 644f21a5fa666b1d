// The e1000 driver without its device: the EEPROM's serial interface, and what a probe gives back when it fails.
import { describe, expect, it } from 'vitest';
import { EECD_82540 as EECD, EEPROM_SUM, MICROWIRE } from '../../pci/e1000_regs.ts';
import { E1000 } from '../../pci/e1000e_regs.ts';
import type { MmioTarget } from '../../platform/bus.ts';
import { bootOn, makePlatform } from '../../testkit/kernel_fixture.ts';
import { E1000Hw82540 } from './hw.ts';

const BASE = 0xd0000000;

/** An EEPROM as 8254x §5.3.1 describes it: bits move in at a rising clock, a read's answer moves out behind a command and an address. */
class Microwire implements MmioTarget {
  granted = true;
  /** Clocks while selected, and bits taken in. */
  reads = 0;
  private eecd = 0;
  private shifted = 0;
  private bits = 0;
  private out = 0;

  constructor(readonly words: readonly number[]) {}

  mmioRead(offset: number): number {
    if (offset !== E1000.EECD) return 0;
    const granted = this.granted && (this.eecd & EECD.REQ) !== 0 ? EECD.GNT : 0;
    return (this.eecd & ~(EECD.GNT | EECD.DO)) | granted | (this.out === 0 ? 0 : EECD.DO);
  }

  mmioWrite(offset: number, _size: number, value: number): void {
    if (offset !== E1000.EECD) return;
    const rising = (value & EECD.SK) !== 0 && (this.eecd & EECD.SK) === 0;
    this.eecd = value;
    if ((value & EECD.CS) === 0) {
      this.shifted = this.bits = this.out = 0;
      return;
    }
    if (!rising) return;
    const command = MICROWIRE.OPCODE_BITS + MICROWIRE.ADDRESS_BITS;
    if (this.bits < command) this.shifted = (this.shifted << 1) | ((value & EECD.DI) !== 0 ? 1 : 0);
    else if (this.shifted >> MICROWIRE.ADDRESS_BITS === MICROWIRE.READ)
      this.out = (this.words[this.shifted & (MICROWIRE.WORDS - 1)] >> (15 - (this.bits - command))) & 1;
    if (++this.bits === command + 16) this.reads++;
  }
}

function withEeprom(words: readonly number[]): { readonly hw: E1000Hw82540; readonly eeprom: Microwire } {
  const { sim, trace, platform } = makePlatform({ cpus: 1 });
  const kernel = bootOn(platform, { sim, trace });
  const eeprom = new Microwire(words);
  platform.bus.map({ base: BASE, size: 0x20000, target: eeprom, name: 'e1000' });
  return { hw: new E1000Hw82540(kernel, BASE, 0xc000), eeprom };
}

/** Words that sum up as they must; the address first. */
function image(): number[] {
  const words = Array.from({ length: MICROWIRE.WORDS }, (_, i) => (i * 0x1357) & 0xffff);
  words[0] = 0x5452;
  words[1] = 0x1200;
  words[2] = 0x5634;
  words[63] = (EEPROM_SUM - words.slice(0, 63).reduce((a, b) => a + b, 0)) & 0xffff;
  return words;
}

describe('the EEPROM of an 82540EM', () => {
  it('8254x §5.3.1: gives every word at its address, bit by bit', () => {
    const words = image();
    const { hw, eeprom } = withEeprom(words);
    expect(hw.e1000_read_eeprom(0, MICROWIRE.WORDS)).toEqual(words);
    expect(hw.e1000_read_eeprom(0x2a, 2)).toEqual([words[0x2a], words[0x2b]]);
    expect(eeprom.reads).toBe(MICROWIRE.WORDS + 2);
  });

  it('8254x §5.6: holds the address, and a sum that tells a damaged image', () => {
    const good = withEeprom(image()).hw;
    expect(good.e1000_validate_eeprom_checksum()).toBe(0);
    expect(good.e1000_read_mac_addr()).toBe(0);
    expect([...good.mac_addr]).toEqual([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
    const damaged = image();
    damaged[17] ^= 1;
    expect(withEeprom(damaged).hw.e1000_validate_eeprom_checksum()).toBeLessThan(0);
  });

  it('8254x §13.4.3: is not read without the grant, and the request is taken back', () => {
    const { hw, eeprom } = withEeprom(image());
    eeprom.granted = false;
    expect(hw.e1000_read_eeprom(0, 1)).toBeLessThan(0);
    expect(eeprom.mmioRead(E1000.EECD) & EECD.REQ).toBe(0);
    expect(eeprom.reads).toBe(0);
  });
});
