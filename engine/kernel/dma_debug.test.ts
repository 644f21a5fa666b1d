// DMA-API debug in the log: its wording, the block around it, and the knobs that say how much of it (Linux: kernel/dma/debug.c).
import { expect, test } from 'vitest';
import { bootKernel } from '../testkit/kernel_fixture.ts';
import { DEEDS, type Scene, WrongDriver } from '../testkit/wrong_driver.ts';

const scene = (): Scene => new WrongDriver(bootKernel().kernel).start();
const log = (s: Scene): string[] => s.kernel.printk.records.map((r) => r.text);

test('the first misuse is logged in a WARN block, with the mapping it is about; the next only counted', () => {
  const s = scene();
  const before = log(s).length;
  DEEDS['dma-unmap-size']?.(s);
  const lines = log(s).slice(before);
  const address = `0x${s.page.toString(16).padStart(16, '0')}`;
  expect(lines[0]).toBe('------------[ cut here ]------------');
  expect(lines[1]).toBe(
    `DMA-API: NULL 0000:00:1f.0: device driver frees DMA memory with different size [device address=${address}] [map size=100 bytes] [unmap size=99 bytes]`,
  );
  expect(lines[2]).toBe('WARNING: CPU: 0 PID: 0 at kernel/dma/debug.c:1018 check_unmap+0x46f/0x930');
  expect(lines[3]).toMatch(/^Modules linked in:/);
  expect(lines[4]).toMatch(/^CPU: 0 PID: 0 Comm: swapper\/0 Not tainted 6\.1\.0-/);
  expect(lines.slice(-3)).toEqual(['---[ end trace 0000000000000000 ]---', 'DMA-API: Mapped at:', ' wrong_map']);
  expect(s.kernel.warnings.tainted).toBe(1 << 9);
  DEEDS['dma-unmap-direction']?.(s);
  expect(log(s).length).toBe(before + lines.length);
  expect(s.kernel.dmaApiDebug.errorCount).toBe(2);
});

test('all_errors logs every one, driver_filter only one driver’s', () => {
  const s = scene();
  s.kernel.dmaApiDebug.allErrors = 1;
  const count = () => log(s).filter((l) => l.startsWith('WARNING:')).length;
  DEEDS['dma-unmap-unknown']?.(s);
  DEEDS['dma-sync-unknown']?.(s);
  expect(count()).toBe(2);
  s.kernel.dmaApiDebug.driverFilter = 'e1000e';
  DEEDS['dma-unmap-unknown']?.(s);
  expect([count(), s.kernel.dmaApiDebug.errorCount]).toEqual([2, 3]);
});

test('mappings that outlive the driver are one message, with one of them', () => {
  const s = scene();
  DEEDS['dma-leak']?.(s);
  expect(log(s).find((l) => l.includes('pending'))).toBe(
    'DMA-API: NULL 0000:00:1f.0: device driver has pending DMA allocations while released from device [count=1]\n' +
      `One of leaked entries details: [device address=0x${s.page.toString(16).padStart(16, '0')}] [size=100 bytes] [mapped with DMA_TO_DEVICE] [mapped as single]`,
  );
});
