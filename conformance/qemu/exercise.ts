// One life of a NIC under our kernel: modules in, interface up, traffic both ways, and everything given back at the end.
import { PciCore } from '../../engine/drivers/pci/pci.ts';
import { IP, MAC, PEER_IP, type QemuMachine } from './machine.ts';
import type { Rig } from './rig.ts';

/** Payload sizes about the places where something changes: shortest frame, copy threshold, buffer ends, MTU. */
const SIZES = [0, 1, 17, 18, 19, 56, 85, 86, 87, 127, 128, 129, 512, 1000, 1471, 1472] as const;
const CARRIER_MS = 8000;
const AT_ONCE = 10;
const PATIENCE_MS = 8000;
/** Linux: LOGLEVEL_WARNING; and what is said at that level without anything being wrong: by a self test, and of a message that polling found after its vector had gone. */
const WARNING = 4;
const HARMLESS = /SOL\/IDER|pattern test failed|No irq handler for vector/;

export interface Frames {
  /** Seen on the wire from the NIC, and sent to it. */
  readonly fromNic: number;
  readonly toNic: number;
}

/** What memory the machine has given out. */
export interface Held {
  readonly freePages: number;
  readonly objects: number;
}

export const held = (rig: QemuMachine): Held => ({ freePages: rig.board.pages.freePages, objects: rig.board.slab.inUse });

export async function load(rig: QemuMachine, modules: readonly string[]): Promise<void> {
  for (const m of modules) await rig.must(`modprobe ${m}`);
}

/** Our end up with its address, carrier on. */
export async function bringUpAlone(rig: QemuMachine): Promise<void> {
  await rig.must('ip link set eth0 up');
  await rig.must(`ip addr add ${IP}/24 dev eth0`);
  await linked(rig);
}

/** Waits for the carrier; drivers look for it every two seconds. */
export async function linked(rig: QemuMachine): Promise<void> {
  const { dev } = rig;
  await rig.pump.hurry(() => rig.pump.until(() => !dev.nocarrier, CARRIER_MS));
  if (dev.nocarrier) throw new Error(`no carrier\n${rig.dmesg(8)}`);
}

/** Both ends up with addresses. */
export async function bringUp(rig: Rig): Promise<void> {
  await bringUpAlone(rig);
  await rig.runOnPeer(`ip addr replace ${PEER_IP}/24 dev eth0`);
  await rig.runOnPeer('ip link set eth0 up');
}

/** Pings from our kernel on QEMU's board or to it, `AT_ONCE` under way at a time; throws when one gets no answer. */
export async function pings(rig: Rig, direction: 'out' | 'in', count: number, size = 56): Promise<void> {
  // one process per echo: a ping of several ends a moment after the last was sent, which real time may not keep to
  const command = `ping -q -n -c 1 -W 5 -s ${size} ${direction === 'out' ? PEER_IP : IP}`;
  for (let left = count; left > 0; left -= AT_ONCE) {
    const group = Array.from({ length: Math.min(left, AT_ONCE) }, () => (direction === 'out' ? rig.run(command) : rig.runOnPeer(command)));
    for (const r of await Promise.all(group))
      if (!r.out.includes('1 packets transmitted, 1 received, 0% packet loss'))
        throw new Error(`${direction === 'out' ? '' : 'peer: '}${command}\n${r.out}\n${rig.dmesg(6)}`);
  }
}

/** One echo of every size, out and in by turns, as many at a time as there are in a group. */
export async function everySize(rig: Rig, to: number): Promise<number> {
  for (let size = 0; size <= to; size += AT_ONCE) {
    const group = Array.from({ length: Math.min(AT_ONCE, to - size + 1) }, (_, i) => size + i);
    await Promise.all(group.map((s) => pings(rig, s % 2 === 0 ? 'out' : 'in', 1, s)));
  }
  return to + 1;
}

/** All interesting sizes both ways; how many echoes that were. */
export async function sizes(rig: Rig, mtu = 1500): Promise<number> {
  const list = [...SIZES.filter((s) => s < mtu - 28), mtu - 28];
  for (const size of list) {
    await pings(rig, 'out', 2, size);
    await pings(rig, 'in', 2, size);
  }
  return 4 * list.length;
}

/** The driver's own counters against the frames the script saw on the wire. */
export function counted(rig: Rig, since: Frames): string {
  const { dev } = rig;
  const stats = rig.kernel.net.dev_get_stats(dev);
  const tx = rig.port.received - since.fromNic;
  const rx = rig.port.sent - since.toNic;
  if (stats.tx_packets !== tx) throw new Error(`the driver sent ${stats.tx_packets} packets, ${tx} came out`);
  if (stats.rx_packets + stats.rx_missed_errors > rx || stats.rx_packets === 0)
    throw new Error(`the driver received ${stats.rx_packets} packets of ${rx} that went in`);
  return `tx ${tx} rx ${stats.rx_packets} frames`;
}

/** Modules out in the opposite order; what the driver forgot to give back. */
export async function unload(rig: QemuMachine, modules: readonly string[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const m of modules.toReversed()) await rig.must(`rmmod ${m}`);
  const core = rig.kernel.modules.state('pci') as PciCore;
  for (const dev of core.devices) {
    for (const l of dev.dma.leaks()) wrong.push(`${dev.name}: DMA mapping of ${l.length} bytes by ${l.by} is left`);
    for (const f of dev.dma.findings) wrong.push(`${dev.name}: ${f.text}`);
    if (dev.enable_cnt !== 0) wrong.push(`${dev.name}: left enabled`);
  }
  return wrong;
}

/** What no healthy run has: warnings in the kernel's log, and rules that a driver broke. */
export function complaints(rig: QemuMachine): string[] {
  const warnings = rig.kernel.printk.records.filter((r) => r.level <= WARNING && !HARMLESS.test(r.text)).map((r) => r.text);
  return [...warnings, ...rig.kernel.contract.violations.map((v) => `${v.by} broke a rule: ${v.what} (${v.detail})`)];
}

export const ownMac = (rig: QemuMachine): boolean => [...rig.dev.dev_addr].map((b) => b.toString(16).padStart(2, '0')).join(':') === MAC;

export interface Check {
  readonly name: string;
  run(rig: Rig): Promise<string>;
}

export function expect(holds: boolean, why: string): void {
  if (!holds) throw new Error(why);
}

/** Waits a little while until something holds. */
export async function eventually(rig: QemuMachine, holds: () => boolean | Promise<boolean>, why: () => string): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await rig.pump.pass(20)) if (await holds()) return;
  throw new Error(`${why()}\n${rig.dmesg(5)}`);
}

/** Modules out and in three times; each time everything is given back, and everything works again. */
export async function reloads(rig: Rig, modules: readonly string[]): Promise<string> {
  let first: Held | undefined;
  for (let i = 0; i < 3; i++) {
    const wrong = await unload(rig, modules);
    expect(wrong.length === 0, wrong.join('\n'));
    const now = held(rig);
    first ??= now;
    expect(now.freePages === first.freePages && now.objects === first.objects, `held ${JSON.stringify(first)}, now ${JSON.stringify(now)}`);
    await load(rig, modules);
    await bringUp(rig);
    await pings(rig, 'out', 10);
    await pings(rig, 'in', 10);
  }
  return `${first?.freePages} pages free, ${first?.objects} objects in use, each time`;
}

/** QEMU takes the NIC's link away and gives it back: the carrier follows, and then traffic. */
export async function flap(rig: Rig): Promise<string> {
  const { dev } = rig;
  const downs = dev.carrier_down_count;
  await rig.qemu.qmp.run('set_link', { name: 'dev0', up: false });
  await eventually(
    rig,
    () => dev.nocarrier,
    () => 'the carrier stays',
  );
  await rig.qemu.qmp.run('set_link', { name: 'dev0', up: true });
  await eventually(
    rig,
    () => !dev.nocarrier,
    () => 'the carrier does not come back',
  );
  await pings(rig, 'out', 10);
  return `${dev.carrier_down_count - downs} time down, 10 echoes after it`;
}
