// A fault injected under traffic, taken away, recovered from, and the driver removed: what is left then.
import { parseLab } from '../../main/host/labs.ts';
import { violationText } from '../kernel/contract.ts';
import type { FaultKind, FaultSpec } from '../machine/fault_kinds.ts';
import type { Machine } from '../machine/machine.ts';
import { dmaOf } from '../machine/queries.ts';
import { Session } from '../session/session.ts';
import { command, runFor } from './lab.ts';

export type Model = 'virtio-net' | 'e1000e';
/** How traffic comes back: by itself, after ip link set down and up, after removing and loading the driver. */
export type Recovery = 'itself' | 'bounce' | 'reload';

export interface FaultRun {
  readonly session: Session;
  readonly strikes: number;
  /** Echo replies of the three requests after recovery. */
  readonly replies: number;
  readonly left: Left;
  readonly violations: readonly string[];
  readonly log: readonly string[];
}

/** What is still there after rmmod. */
export interface Left {
  readonly mappings: number;
  /** Pages that are free or kept by the slab. */
  readonly pages: number;
  /** Page runs behind packet fragments; each CPU keeps one. */
  readonly frags: number;
  readonly slab: number;
  readonly skbs: number;
  readonly irqs: number;
  readonly netdevs: readonly string[];
}

const CABLE = 'h1:nic0--h2:nic0';
const DRIVERS: Readonly<Record<Model, string>> = { 'virtio-net': 'virtio_net', e1000e: 'e1000e' };

function lab(model: Model): string {
  const host = (n: number, nic: string): string => `
  h${n}:
    nics: { nic0: { model: ${nic} } }
    autoload: [virtio_pci, virtio_net, e1000e]`;
  return `ringscope: 1\nname: faults\nmachines:${host(1, model)}${host(2, 'virtio-net')}\ncables: [{ between: [h1:nic0, h2:nic0], rate: 1 Gbit/s }]\n`;
}

function configure(s: Session, machine: string, address: string): void {
  command(s, machine, `ip addr add ${address}/24 dev eth0`);
  command(s, machine, 'ip link set eth0 up');
}

/** Received replies, as ping's last lines say. */
function ping(s: Session, count: number, seconds: number): number {
  let said = '';
  s.listen({
    drained: (d) => (said += d.processes.map((p) => (p.kind === 'output' ? p.data : '')).join('')),
    logged: () => undefined,
    truncated: () => undefined,
  });
  command(s, 'h1', `ping -c ${count} -i 0.2 -W 1 10.0.0.2`);
  runFor(s, seconds * 1e9);
  s.listen(undefined);
  return Number(/(\d+) received/.exec(said)?.[1] ?? Number.NaN);
}

function left(m: Machine): Left {
  const { platform, kernel } = m;
  return {
    mappings: dmaOf(m, 'nic0')?.mappings.size ?? 0,
    pages: platform.pages.freePages + platform.slab.pagesKept,
    frags: kernel.skb.frags.live,
    slab: platform.slab.inUse,
    skbs: kernel.skb.live,
    irqs: kernel.irq.list().length,
    netdevs: kernel.init_net.devices.map((d) => d.name),
  };
}

/** Runs it on `model` in h1; `spec` undefined is the same without a fault. */
/** Packets that fill a transmit ring and a queue behind it. */
const MANY = 700;
const FEW = 100;

export function faultRun(
  model: Model,
  spec: (Omit<FaultSpec, 'at' | 'kind'> & { readonly kind: FaultKind; readonly at?: string }) | undefined,
  recovery: Recovery,
): FaultRun {
  const s = new Session(parseLab(lab(model), 'faults'));
  s.rewindable = false;
  s.boot();
  configure(s, 'h1', '10.0.0.1');
  configure(s, 'h2', '10.0.0.2');
  runFor(s, 3e9);
  const fills = spec !== undefined && ['stuck-queue', 'lost-doorbell', 'wrong-used-id', 'stale-used-index'].includes(spec.kind);
  const packets = fills ? MANY : FEW;
  command(s, 'h1', `ping -i 0.01 -c ${packets} -q 10.0.0.2`);
  command(s, 'h2', `ping -i 0.01 -c ${packets} -s 1400 -q 10.0.0.1`);
  runFor(s, 0.5e9);
  let id = 0;
  if (spec !== undefined) {
    const at =
      spec.at ?? (spec.kind.startsWith('frame-') ? CABLE : spec.kind.includes('alloc') || spec.kind === 'probe-fail' ? 'h1' : 'h1:nic0');
    const r = s.apply({ kind: 'fault', fault: { op: 'inject', spec: { ...spec, at } } });
    if (r.kind !== 'fault') throw new Error(JSON.stringify(r));
    ({ id } = r);
  }
  const driver = DRIVERS[model];
  if (spec?.kind === 'probe-fail') {
    command(s, 'h1', `rmmod ${driver}`);
    command(s, 'h1', `modprobe ${driver}`);
  }
  // long enough for the transmit watchdog
  runFor(s, fills ? 12e9 : 3e9);
  const strikes = s.world.faults.list[0]?.state?.strikes ?? 0;
  if (id !== 0) s.apply({ kind: 'fault', fault: { op: 'clear', id } });
  if (recovery === 'bounce') {
    command(s, 'h1', 'ip link set eth0 down');
    command(s, 'h1', 'ip link set eth0 up');
  } else if (recovery === 'reload') {
    command(s, 'h1', `rmmod ${driver}`);
    command(s, 'h1', `modprobe ${driver}`);
    configure(s, 'h1', '10.0.0.1');
  }
  runFor(s, 5e9);
  const replies = ping(s, 3, 5);
  command(s, 'h1', `rmmod ${driver}`);
  runFor(s, 1e9);
  const h1 = s.world.machines.get('h1') as Machine;
  return {
    session: s,
    strikes,
    replies,
    left: left(h1),
    violations: [...s.world.machines.values()].flatMap((m) => m.kernel.contract.violations.map(violationText)),
    log: h1.kernel.printk.lines(),
  };
}
