// What tcpdump can capture on, in libpcap's order.
import { IFF } from '../../kernel/net_device.ts';
import type { Process } from '../../kernel/process.ts';

export interface CaptureDevice {
  readonly name: string;
  readonly description: string;
  /** 'Up', 'Running', 'Loopback', 'Wireless' */
  readonly flags: readonly string[];
  /** 'Connected', 'Disconnected', or nothing where that does not apply. */
  readonly connection: string;
}

/** libpcap's sources that are no interfaces, as Debian builds them. */
const OTHERS: readonly CaptureDevice[] = Object.freeze(
  [
    ['bluetooth-monitor', 'Bluetooth Linux Monitor', ['Wireless']],
    ['nflog', 'Linux netfilter log (NFLOG) interface', []],
    ['nfqueue', 'Linux netfilter queue (NFQUEUE) interface', []],
    ['dbus-system', 'D-Bus system bus', []],
    ['dbus-session', 'D-Bus session bus', []],
  ].map(([name, description, flags]) => ({
    name: name as string,
    description: description as string,
    flags: flags as string[],
    connection: '',
  })),
);
const ANY: CaptureDevice = Object.freeze({
  name: 'any',
  description: 'Pseudo-device that captures on all interfaces',
  flags: ['Up', 'Running'],
  connection: '',
});

/** What is more useful to capture on comes first: running, up, connected, no loopback; then by number. */
function merit(d: CaptureDevice): number {
  const bit = (bad: boolean, n: number): number => (bad ? 2 ** n : 0);
  return (
    bit(!d.flags.includes('Running'), 31) +
    bit(!d.flags.includes('Up'), 30) +
    bit(d.connection === 'Disconnected', 29) +
    bit(d.flags.includes('Loopback'), 28) +
    bit(d.name === 'any', 27) +
    Number(/\d+$/.exec(d.name)?.[0] ?? 0)
  );
}

export function captureDevices(process: Process): CaptureDevice[] {
  const { net, ethtool } = process.kernel;
  const interfaces = process.net.devices.map((dev): CaptureDevice => {
    const flags = net.dev_get_flags(dev);
    const loopback = (flags & IFF.LOOPBACK) !== 0;
    const link = loopback ? -1 : ethtool.link(dev);
    const named = [
      ['Up', (flags & IFF.UP) !== 0],
      ['Running', (flags & IFF.RUNNING) !== 0],
      ['Loopback', loopback],
    ] as const;
    return {
      name: dev.name,
      description: '',
      flags: named.filter(([, on]) => on).map(([name]) => name),
      connection: link < 0 ? '' : link > 0 && dev.started ? 'Connected' : 'Disconnected',
    };
  });
  return [ANY, ...OTHERS, ...interfaces].sort((a, b) => merit(a) - merit(b));
}

/** The lines of -D. */
export function deviceLines(process: Process): string {
  return captureDevices(process)
    .map((d, i) => {
      const words = [d.flags.length === 0 ? 'none' : d.flags.join(', '), ...(d.connection === '' ? [] : [d.connection])];
      return `${i + 1}.${d.name}${d.description === '' ? '' : ` (${d.description})`} [${words.join(', ')}]\n`;
    })
    .join('');
}
