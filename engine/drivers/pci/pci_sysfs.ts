// What sysfs shows of PCI functions, drivers and the bus (Linux: drivers/pci/pci-sysfs.c).
import { Errno } from '../../base/errno.ts';
import type { BusAttribute, Device, DeviceAttribute, DriverAttribute } from '../../kernel/device.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { ops } from '../../base/ops.ts';
import { PCI_ANY_ID } from '../../pci/ids.ts';
import type { PciCore } from './pci.ts';
import { IORESOURCE, matchesId, type PciDev, type PciDeviceId, PCI_ROM_RESOURCE, pciModalias } from './pci_dev.ts';
import type { PciDeviceDriver } from './pci_driver.ts';

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
const ro = (name: string, show: (d: PciDev, kernel: Kernel) => string): DeviceAttribute =>
  ops({ name, mode: 0o444, size: 4096, show: (dev: Device, kernel: Kernel) => `${show(dev as PciDev, kernel)}\n` });
const rw = (name: string, show: (d: PciDev) => string, store: (d: PciDev, text: string) => number, mode = 0o644): DeviceAttribute =>
  ops({
    name,
    mode,
    size: 4096,
    show: (dev: Device) => `${show(dev as PciDev)}\n`,
    store: (dev: Device, text: string) => store(dev as PciDev, text),
  });

/** Bits of a resource that are its register's too (Linux: PCI_REGION_FLAG_MASK). */
const PCI_REGION_FLAG_MASK = 0xf;

function cpuMask(kernel: Kernel): number {
  return 2 ** kernel.platform.cpus.list.length - 1;
}

/** The bytes of configuration space as the function shows them now. */
function readConfig(dev: PciDev): Uint8Array {
  const out = new Uint8Array(dev.cfg_size);
  for (let i = 0; i < out.length; i += 4) {
    const word = dev.core.access.pci_read_config_dword(dev, i);
    for (let k = 0; k < 4; k++) out[i + k] = word >>> (8 * k);
  }
  return out;
}

/** One line per BAR, ROM and (unused) bridge window; Linux prints 13. */
function resourceText(dev: PciDev): string {
  const lines: string[] = [];
  for (let i = 0; i < 13; i++) {
    const r = dev.resource[i];
    const none = r === undefined || r.flags === 0;
    lines.push(`0x${hex(none ? 0 : r.start, 16)} 0x${hex(none ? 0 : r.end, 16)} 0x${hex(none ? 0 : r.flags, 16)}`);
  }
  return lines.join('\n');
}

/** Linux: kstrtoul() with any base; undefined for what is no number. */
function unsigned(text: string): number | undefined {
  const t = text.replace(/\n$/, '');
  if (/^\+?0x[0-9a-f]+$/i.test(t)) return Number(t.replace('+', ''));
  if (/^\+?0[0-7]+$/.test(t)) return Number.parseInt(t, 8);
  return /^\+?\d+$/.test(t) ? Number(t) : undefined;
}
/** Runs `act` when a number other than 0 was written. */
function onTrue(text: string, act: () => void): number {
  const value = unsigned(text);
  if (value === undefined) return -Errno.EINVAL;
  if (value !== 0) act();
  return text.length;
}
/** Takes a number. */
function takeNumber(text: string, act: (value: number) => void): number {
  const value = unsigned(text);
  if (value === undefined) return -Errno.EINVAL;
  act(value);
  return text.length;
}

/** Linux: msi_bus_store(): of a function, not a bridge. */
function allowMsi(dev: PciDev, allowed: boolean): void {
  dev.no_msi = !allowed;
  dev.kernel.printk.pr_info(`pci ${dev.name}: MSI/MSI-X ${allowed ? 'allowed' : 'disallowed'} for future drivers`);
}

function storeEnable(dev: PciDev, text: string): number {
  const value = unsigned(text);
  if (value === undefined) return -Errno.EINVAL;
  if (dev.driver !== undefined) return -Errno.EBUSY;
  if (value !== 0) {
    const ret = dev.core.pci_enable_device(dev);
    return ret < 0 ? ret : text.length;
  }
  if (dev.enable_cnt === 0) return -Errno.EIO;
  dev.core.pci_disable_device(dev);
  return text.length;
}

function storeOverride(dev: PciDev, text: string): number {
  const name = text.trim();
  dev.driver_override = name === '' ? undefined : name;
  return text.length;
}

const COMMON: readonly DeviceAttribute[] = Object.freeze([
  ro('ari_enabled', () => '0'),
  rw(
    'broken_parity_status',
    (d) => (d.broken_parity ? '1' : '0'),
    (d, text) => takeNumber(text, (v) => (d.broken_parity = v !== 0)),
  ),
  ro('class', (d) => `0x${hex(d.class, 6)}`),
  ro('consistent_dma_mask_bits', (d) => `${d.coherent_dma_mask_bits}`),
  rw(
    'd3cold_allowed',
    (d) => (d.d3cold_allowed ? '1' : '0'),
    (d, text) => takeNumber(text, (v) => (d.d3cold_allowed = v !== 0)),
  ),
  ro('device', (d) => `0x${hex(d.device, 4)}`),
  ro('dma_mask_bits', (d) => `${d.dma_mask_bits}`),
  rw('driver_override', (d) => d.driver_override ?? '(null)', storeOverride),
  rw('enable', (d) => `${d.enable_cnt}`, storeEnable),
  ro('irq', (d) => `${d.irq}`),
  ro('local_cpulist', (_d, kernel) => (kernel.platform.cpus.list.length === 1 ? '0' : `0-${kernel.platform.cpus.list.length - 1}`)),
  ro('local_cpus', (_d, kernel) => hex(cpuMask(kernel), Math.ceil(kernel.platform.cpus.list.length / 4))),
  ro('modalias', pciModalias),
  rw(
    'msi_bus',
    (d) => (d.no_msi ? '0' : '1'),
    (d, text) => takeNumber(text, (v) => allowMsi(d, v !== 0)),
  ),
  rw(
    'numa_node',
    () => '-1',
    () => -Errno.EINVAL,
  ),
  ro('power_state', (d) => (d.enable_cnt > 0 ? 'D0' : 'unknown')),
  ops<DeviceAttribute>({
    name: 'remove',
    mode: 0o220,
    size: 4096,
    store(dev, text) {
      const d = dev as PciDev;
      return onTrue(text, () => d.core.probe.pci_stop_and_remove_bus_device(d));
    },
  }),
  ops<DeviceAttribute>({
    name: 'rescan',
    mode: 0o200,
    size: 4096,
    store(dev, text) {
      return onTrue(text, () => (dev as PciDev).core.probe.pci_rescan_bus());
    },
  }),
  ro('resource', resourceText),
  ro('revision', (d) => `0x${hex(d.revision, 2)}`),
  ro('subsystem_device', (d) => `0x${hex(d.subsystem_device, 4)}`),
  ro('subsystem_vendor', (d) => `0x${hex(d.subsystem_vendor, 4)}`),
  ro('vendor', (d) => `0x${hex(d.vendor, 4)}`),
]);

/** The files of one function: the common ones, its configuration space, one per BAR, one per interrupt. */
export function pciAttributes(device: Device): readonly DeviceAttribute[] {
  const dev = device as PciDev;
  const out: DeviceAttribute[] = [...COMMON, { name: 'config', mode: 0o644, size: dev.cfg_size, show: (d) => readConfig(d as PciDev) }];
  for (let i = 0; i <= PCI_ROM_RESOURCE; i++) {
    const r = dev.resource[i];
    if (r.flags === 0) continue;
    const name = i === PCI_ROM_RESOURCE ? 'rom' : `resource${i}`;
    out.push({ name, mode: 0o600, size: r.size });
    if (i !== PCI_ROM_RESOURCE && (r.flags & IORESOURCE.PREFETCH) !== 0) out.push({ name: `resource${i}_wc`, mode: 0o600, size: r.size });
  }
  for (const desc of dev.msiDescs)
    out.push({ name: `msi_irqs/${desc.irq}`, mode: 0o444, size: 4096, show: () => (dev.msix_enabled ? 'msix\n' : 'msi\n') });
  return out;
}

export const PCI_BUS_ATTRIBUTES: readonly BusAttribute[] = Object.freeze([
  ops<BusAttribute>({
    name: 'rescan',
    mode: 0o200,
    store(kernel, text) {
      return onTrue(text, () => (kernel.modules.state('pci') as PciCore).probe.pci_rescan_bus());
    },
  }),
]);

/** 'vendor device [subvendor [subdevice [class [class_mask]]]]', hexadecimal, as sscanf() reads: up to the first word that is no number. */
function parseId(text: string): PciDeviceId | undefined {
  const numbers: number[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const digits = /^(0x)?[0-9a-fA-F]+/.exec(word)?.[0];
    if (digits === undefined) break;
    numbers.push(Number.parseInt(digits, 16));
    if (digits.length < word.length) break;
  }
  if (numbers.length < 2) return undefined;
  const [vendor, device, subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID, cls = 0, class_mask = 0] = numbers;
  return { vendor, device, subvendor, subdevice, class: cls, class_mask };
}

/** The driver would take a function with these numbers already. */
const knows = (drv: PciDeviceDriver, id: PciDeviceId): boolean => {
  const f = { vendor: id.vendor, device: id.device, subsystem_vendor: id.subvendor, subsystem_device: id.subdevice, class: id.class ?? 0 };
  return [...drv.dynids, ...drv.driver.idTable].some((known) => matchesId(known, f));
};

export const PCI_DRIVER_ATTRIBUTES: readonly DriverAttribute[] = Object.freeze([
  ops<DriverAttribute>({
    name: 'new_id',
    mode: 0o200,
    store(drv, text, kernel) {
      const id = parseId(text);
      if (id === undefined) return -Errno.EINVAL;
      if (knows(drv as PciDeviceDriver, id)) return -Errno.EEXIST;
      (drv as PciDeviceDriver).dynids.push(id);
      kernel.drivers.driver_attach(drv);
      return text.length;
    },
  }),
  ops<DriverAttribute>({
    name: 'remove_id',
    mode: 0o200,
    store(drv, text) {
      const id = parseId(text);
      if (id === undefined) return -Errno.EINVAL;
      const dynids = (drv as PciDeviceDriver).dynids;
      const any = (want: number, have: number): boolean => want === PCI_ANY_ID || want === have;
      const i = dynids.findIndex(
        (d) => d.vendor === id.vendor && d.device === id.device && any(id.subvendor, d.subvendor) && any(id.subdevice, d.subdevice),
      );
      if (i < 0) return -Errno.ENODEV;
      dynids.splice(i, 1);
      return text.length;
    },
  }),
]);

/** Bus and function, ids, interrupt, then start (with the register's low bits) and size of each BAR and the ROM, then the driver. */
export function pciProcLine(device: Device): string {
  const d = device as PciDev;
  const columns = d.resource.map((r) => (r.flags === 0 ? 0 : r.start + (r.flags & PCI_REGION_FLAG_MASK)));
  const sizes = d.resource.map((r) => (r.flags === 0 ? 0 : r.size));
  const wide = [...columns, ...sizes].map((n) => `\t${n.toString(16).padStart(16)}`).join('');
  const head = `${hex(d.busNumber, 2)}${hex(d.devfn, 2)}\t${hex(d.vendor, 4)}${hex(d.device, 4)}\t${d.irq.toString(16)}`;
  return `${head}${wide}\t${d.driver?.name ?? ''}`;
}
