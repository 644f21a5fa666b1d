// Inspector sections: what a machine, NIC, interface or cable is, as names and values, each with the command that prints the same.
import { IFF, LINK_STATS, type NetDevice } from '../../machine/queries.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Nic } from '../../machine/nics.ts';
import { deviceOf, netdevOf, netnsName, virtioDeviceOf } from '../../machine/queries.ts';
import type { World } from '../../machine/world.ts';
import { PciHeader } from '../../pci/config_space.ts';
import { E1000, type E1000Reg } from '../../pci/e1000e_regs.ts';
import { FEATURES, type FeatureName, featureList } from '../../virtio/features.ts';
import { statusNames } from '../../virtio/status.ts';
import { formatMac } from '../../wire/addresses.ts';
import { queueName } from './rings.ts';
import { addresses } from './topology.ts';

interface Row {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}
export interface Section {
  readonly title: string;
  readonly command?: string;
  readonly rows: readonly Row[];
}

const hex = (n: number, digits = 0): string => `0x${n.toString(16).padStart(digits, '0')}`;
const mib = (n: number): string => `${(n / 2 ** 20).toFixed(1)} MiB`;

/** What a person asks first: switched off, switched on without a link, or working. */
const stateOf = (dev: NetDevice): string => ((dev.flags & IFF.UP) === 0 ? 'DOWN' : dev.nocarrier ? 'NO-CARRIER' : 'UP');

export function inspectMachine(world: World, name: string): Section[] | undefined {
  const m = world.machines.get(name);
  if (m === undefined) return undefined;
  const { platform, kernel } = m;
  const pages = platform.pages;
  return [
    ...kernel.netns.list.map((net) => {
      const at = netnsName(m, net);
      return {
        title: at === '' ? 'Interfaces' : `Interfaces in ${at}`,
        command: at === '' ? 'ip -br addr' : `ip -n ${at} -br addr`,
        rows: net.devices.map((dev) => ({ name: dev.name, value: [stateOf(dev), ...addresses(m, dev)].join(' ') })),
      };
    }),
    {
      title: 'Machine',
      command: 'uname -a',
      rows: [
        { name: 'hostname', value: kernel.hostname },
        { name: 'CPUs', value: String(m.spec.cpus) },
        { name: 'RAM', value: mib(m.spec.ramBytes) },
        {
          name: 'free pages',
          value: `${pages.freePages} of ${platform.ram.size / 4096}`,
          note: 'Pages of 4 KiB that the page allocator has not handed out.',
        },
        { name: 'slab objects', value: String(platform.slab.inUse), note: 'Objects given out by kmalloc and not freed.' },
      ],
    },
    {
      title: 'CPUs',
      command: 'cat /proc/interrupts',
      rows: platform.cpus.list.map((c) => ({
        name: `cpu${c.id}`,
        value: c.context === 'idle' ? (c.now > world.sim.now ? 'busy' : 'idle') : c.context,
      })),
    },
    { title: 'Modules', command: 'lsmod', rows: kernel.modules.loaded.map((mod) => ({ name: mod.name, value: `used by ${mod.refcnt}` })) },
    {
      title: 'Namespaces',
      command: 'ip netns list',
      rows: kernel.netns.list.map((n) => ({ name: netnsName(m, n) || 'init_net', value: n.devices.map((d) => d.name).join(', ') })),
    },
  ];
}

export function inspectNic(world: World, machine: string, port: string): Section[] | undefined {
  const m = world.machines.get(machine);
  const nic = m?.nics.get(port);
  if (m === undefined || nic === undefined) return undefined;
  const dev = netdevOf(m, nic);
  const sections: Section[] = [
    ...(nic.fn === undefined ? [] : [functionSection(m, nic, nic.fn)]),
    ...(nic.mmio === undefined ? [] : [blockSection(m, nic, nic.mmio)]),
    ...(nic.virtio === undefined ? [] : virtioSections(m, nic, nic.virtio, dev)),
    ...(nic.e1000e === undefined ? [] : [registerSection(nic.e1000e, dev)]),
  ];
  return dev === undefined ? sections : [...interfaceSections(m, dev), ...sections];
}

function functionSection(m: Machine, nic: Nic, fn: NonNullable<Nic['fn']>): Section {
  const config = (field: { offset: number; size: number }): number => fn.configRead(field.offset, field.size);
  return {
    title: 'PCI function',
    command: `lspci -s ${nic.busName.slice(5)} -vv`,
    rows: [
      { name: 'address', value: nic.busName },
      {
        name: 'vendor:device',
        value: `${config(PciHeader.vendor).toString(16).padStart(4, '0')}:${config(PciHeader.device).toString(16).padStart(4, '0')}`,
      },
      {
        name: 'command',
        value: hex(config(PciHeader.command), 4),
        note: 'Bit 1: memory decoding, bit 2: bus mastering, bit 10: INTx off.',
      },
      ...[0, 1, 2, 3, 4, 5]
        .map((i) => ({ name: `BAR ${i}`, value: hex(fn.configRead(PciHeader.bar0.offset + 4 * i, 4), 8) }))
        .filter((r) => !/^0x0+$/.test(r.value)),
      { name: 'driver', value: deviceOf(m, nic)?.driver?.name ?? 'none' },
    ],
  };
}

function blockSection(m: Machine, nic: Nic, { spec }: NonNullable<Nic['mmio']>): Section {
  return {
    title: 'MMIO device',
    command: `cat /proc/iomem`,
    rows: [
      { name: 'registers', value: hex(spec.base, 8), note: 'virtio-v1.2 §4.2.2' },
      { name: 'version', value: spec.legacy ? '1 (legacy)' : '2' },
      { name: 'interrupt', value: `I/O APIC pin ${spec.gsi}` },
      { name: 'driver', value: deviceOf(m, nic)?.driver?.name ?? 'none' },
    ],
  };
}

function virtioSections(
  m: Machine,
  nic: Nic,
  { transport: pci, net: model }: NonNullable<Nic['virtio']>,
  dev: NetDevice | undefined,
): Section[] {
  const vdev = virtioDeviceOf(m, nic);
  return [
    {
      title: 'Virtio device',
      command: vdev === undefined ? undefined : `cat /sys/bus/virtio/devices/${vdev.name}/features`,
      rows: [
        { name: 'device status', value: `${hex(pci.status)} ${statusNames(pci.status).join(' ')}`, note: 'virtio-v1.2 §2.1' },
        ...(pci.fault === undefined ? [] : [{ name: 'first fault since reset', value: pci.fault.text }]),
        { name: 'queue pairs in use', value: `${model.pairs} of ${model.maxPairs}` },
        { name: 'MAC', value: formatMac(model.filter.mac) },
        { name: 'link', value: model.linkUp ? 'up' : 'down' },
        ...Object.entries(model.counters).map(([name, v]) => ({ name, value: String(v) })),
      ],
    } as Section,
    {
      title: 'Features',
      rows: featureList(pci.offered).map((f) => ({
        name: f.replace(/^VIRTIO_(NET_)?F_/, ''),
        value: featureList(pci.driverFeatures).includes(f) ? 'negotiated' : 'offered',
        ...(f in FEATURES ? { note: `${FEATURES[f as FeatureName].note} ${FEATURES[f as FeatureName].section}` } : {}),
      })),
    },
    {
      title: 'Queues',
      command: dev === undefined ? undefined : `ethtool -S ${dev.name}`,
      rows: pci.queues.map((q) => {
        const s = q.state();
        return {
          name: queueName(model.maxPairs, s.index),
          value: s.enabled
            ? `${s.size} entries, ${s.popped} taken, ${s.pushed} given back, ${s.notifications} doorbells, ${s.interrupts} interrupts`
            : 'not enabled',
        };
      }),
    } as Section,
  ];
}

/** Registers of an e1000e that tell most; reading them here changes nothing. */
const SHOWN: readonly E1000Reg[] = [
  'CTRL',
  'ICR',
  'IMS',
  'IVAR',
  'RCTL',
  'RDBAL0',
  'RDLEN0',
  'RDH0',
  'RDT0',
  'TCTL',
  'TDBAL0',
  'TDLEN0',
  'TDH0',
  'TDT0',
  'GPRC',
  'GPTC',
  'MPC',
  'RNBC',
];

function registerSection(model: NonNullable<Nic['e1000e']>, dev: NetDevice | undefined): Section {
  return {
    title: 'Registers',
    ...(dev === undefined ? {} : { command: `ethtool -d ${dev.name}` }),
    rows: [
      { name: 'link', value: model.linkUp ? 'up' : 'down' },
      ...SHOWN.map((r) => ({ name: r, value: hex(model.regs.get(E1000[r]), 8), note: `Offset ${hex(E1000[r], 5)} in BAR 0.` })),
      ...Object.entries(model.drops).map(([name, v]) => ({ name, value: String(v) })),
    ],
  };
}

export function inspectInterface(world: World, machine: string, netns: string, ifname: string): Section[] | undefined {
  const m = world.machines.get(machine);
  const net = m?.kernel.procs.netnsOf(netns);
  const dev = net?.__dev_get_by_name(ifname);
  return m === undefined || dev === undefined ? undefined : interfaceSections(m, dev);
}

function interfaceSections(m: Machine, dev: NetDevice): Section[] {
  const at = netnsName(m, dev.net);
  const prefix = at === '' ? '' : `ip netns exec ${at} `;
  const stats = m.kernel.net.dev_get_stats(dev);
  const flags = Object.entries(IFF)
    .filter(([, bit]) => bit <= 0x8000 && (dev.flags & bit) !== 0)
    .map(([n]) => n);
  return [
    {
      title: `Interface ${dev.name}`,
      command: `${prefix}ip -d addr show ${dev.name}`,
      rows: [
        { name: 'ifindex', value: String(dev.ifindex) },
        { name: 'namespace', value: at === '' ? 'init_net' : at },
        ...addresses(m, dev).map((address) => ({ name: 'address', value: address })),
        { name: 'flags', value: flags.join(' ') },
        { name: 'mtu', value: `${dev.mtu} B` },
        { name: 'MAC', value: formatMac(dev.dev_addr) },
        { name: 'queues', value: `${dev.real_num_tx_queues} tx, ${dev.real_num_rx_queues} rx` },
        { name: 'carrier', value: dev.nocarrier ? 'no' : 'yes' },
        ...dev.queues.map((q) => ({
          name: `tx queue ${q.index}`,
          value: `${q.drvXoff ? 'stopped by the driver' : 'awake'}, ${q.stops} stops, ${q.wakes} wakes`,
        })),
      ],
    },
    {
      title: 'Counters',
      command: `${prefix}ip -s link show ${dev.name}`,
      rows: LINK_STATS.filter((k) => stats[k] > 0 || /^[rt]x_(packets|bytes)$/.test(k)).map((k) => ({ name: k, value: String(stats[k]) })),
    },
  ];
}

export function inspectCable(world: World, id: string): Section[] | undefined {
  const cable = world.cables.get(id);
  if (cable === undefined) return undefined;
  return [
    {
      title: 'Cable',
      rows: [
        { name: 'state', value: cable.up ? 'up' : 'cut' },
        { name: 'rate', value: cable.rate === Infinity ? 'unlimited' : `${cable.rate / 1e6} Mbit/s` },
        { name: 'delay', value: `${cable.delay / 1e3} µs` },
        { name: 'loss', value: `${cable.loss * 100} %` },
      ],
    },
    ...cable.states().map((s) => ({
      title: `${s.from} → ${s.to}`,
      rows: [
        { name: 'frames', value: String(s.frames) },
        { name: 'bytes', value: String(s.bytes) },
        { name: 'lost', value: String(s.lost) },
      ],
    })),
  ];
}
