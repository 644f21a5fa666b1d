// Where things are in sysfs, relative to its root: the device tree is the truth, classes and buses are links into it.
import type { Device } from '../device.ts';
import type { NetDevice } from '../net_device.ts';

/** 'devices/pci0000:00/0000:00:01.0/virtio0' */
export function devicePath(dev: Device): string {
  return dev.parent === undefined ? `devices/${dev.name}` : `${devicePath(dev.parent)}/${dev.name}`;
}

/** 'devices/…/virtio0/net/eth0' or 'devices/virtual/net/lo' */
export const netDevicePath = (dev: NetDevice): string =>
  `${dev.parent === undefined ? 'devices/virtual' : devicePath(dev.parent)}/net/${dev.name}`;

/** Text of a link that lies in directory `from`: up to the nearest directory that both share, then down. */
export function relativeLink(from: string, to: string): string {
  const a = from.split('/');
  const b = to.split('/');
  let common = 0;
  while (common < a.length && common < b.length - 1 && a[common] === b[common]) common++;
  return `${'../'.repeat(a.length - common)}${b.slice(common).join('/')}`;
}
