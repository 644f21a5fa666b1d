// Machines, NICs, interfaces and cables as the canvas shows them.
import { IFF, type NetDevice } from '../../machine/queries.ts';
import { netdevOf, netnsName } from '../../machine/queries.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Nic } from '../../machine/nics.ts';
import { specOf } from '../../machine/edits.ts';
import { type CableSpec, type LabSpec, cableId } from '../../machine/lab.ts';
import type { World } from '../../machine/world.ts';
import { formatIpv6, formatMac } from '../../wire/addresses.ts';

const FLAG_NAMES = [
  'LOOPBACK',
  'BROADCAST',
  'POINTOPOINT',
  'MULTICAST',
  'NOARP',
  'ALLMULTI',
  'PROMISC',
  'MASTER',
  'SLAVE',
  'UP',
  'LOWER_UP',
] as const;

function interfaceView(machine: Machine, dev: NetDevice) {
  const flags: string[] = FLAG_NAMES.filter((n) => n !== 'LOWER_UP' && (dev.flags & IFF[n]) !== 0);
  const running = (dev.flags & IFF.UP) !== 0 && !dev.nocarrier;
  if (running) flags.push('LOWER_UP');
  const port = [...machine.nics.entries()].find(([, nic]) => netdevOf(machine, nic) === dev)?.[0];
  return {
    ifindex: dev.ifindex,
    name: dev.name,
    kind: dev.kind ?? (port === undefined ? 'loopback' : 'virtio_net'),
    netns: netnsName(machine, dev.net),
    mac: formatMac(dev.dev_addr),
    mtu: dev.mtu,
    flags,
    addrs: addresses(machine, dev),
    peer: dev.peer === undefined ? undefined : `${dev.peer.name}@${netnsName(machine, dev.peer.net)}`,
    port,
  };
}

/** '10.0.0.1/24', 'fe80::5054:ff:fe00:1/64' */
export function addresses(machine: Machine, dev: NetDevice): string[] {
  const { ipv4, ipv6 } = machine.kernel;
  const v4 = ipv4.rtnlAddr.inet_dump_ifaddr(dev.net, dev.ifindex).map((a) => `${formatIpv4Bytes(a.local ?? a.address)}/${a.prefixlen}`);
  const v6 = ipv6.rtnlAddr
    .inet6_dump_ifaddr(dev.net, dev.ifindex)
    .map((a) => `${formatIpv6(a.local ?? a.address ?? new Uint8Array(16))}/${a.prefixlen}`);
  return [...v4, ...v6];
}
const formatIpv4Bytes = (b: Uint8Array | undefined): string => [...(b ?? new Uint8Array(4))].join('.');

function nicView(machine: Machine, port: string, nic: Nic, cables: readonly CableSpec[]) {
  const dev = netdevOf(machine, nic);
  const cable = cables.find((c) => [c.a, c.b].some((e) => e.machine === machine.spec.name && e.port === port));
  return {
    port,
    model: nic.spec.model,
    mac: formatMac(nic.model.mac),
    pci: nic.busName,
    ifname: dev?.name,
    netns: dev === undefined ? '' : netnsName(machine, dev.net),
    admin: dev !== undefined && (dev.flags & IFF.UP) !== 0,
    carrier: nic.model.linkUp,
    queuePairs: nic.spec.queuePairs,
    cable: cable === undefined ? undefined : cableId(cable),
  };
}

function cableSpecs(world: World): CableSpec[] {
  return [...world.cables.keys()].map((id) => specOf(world, id));
}

export function topologyView(world: World) {
  const cables = cableSpecs(world);
  return {
    machines: [...world.machines.values()].map((m) => ({
      name: m.spec.name,
      x: m.spec.x,
      y: m.spec.y,
      cpus: m.spec.cpus,
      ramBytes: m.spec.ramBytes,
      nics: [...m.nics.entries()].map(([port, nic]) => nicView(m, port, nic, cables)),
      interfaces: m.kernel.netns.list.flatMap((net) => net.devices.map((dev) => interfaceView(m, dev))),
      namespaces: m.kernel.netns.names(),
      panicked: m.kernel.panicked,
    })),
    cables: cables.map((c) => ({ id: cableId(c), a: c.a, b: c.b, rateBitsPerSecond: c.rate, delayNs: c.delay, loss: c.loss, up: c.up })),
  };
}

/** Cumulative counters of every NIC, from its cable's two directions. */
export function portCounters(world: World) {
  const rows: { machine: string; port: string; txPackets: number; txBytes: number; rxPackets: number; rxBytes: number }[] = [];
  for (const cable of world.cables.values()) {
    const [ab, ba] = cable.states();
    for (const [out, back] of [
      [ab, ba],
      [ba, ab],
    ]) {
      const at = out.from.indexOf(':');
      rows.push({
        machine: out.from.slice(0, at),
        port: out.from.slice(at + 1),
        txPackets: out.frames,
        txBytes: out.bytes,
        rxPackets: back.frames - back.lost,
        rxBytes: back.bytes,
      });
    }
  }
  return rows;
}

/** The lab as it is now: what is saved. Seed, notes and script come from the lab that was opened. */
export function labOf(world: World, base: LabSpec): LabSpec {
  return {
    ...base,
    machines: [...world.machines.values()].map((m) => m.spec),
    cables: cableSpecs(world),
    script: base.script.filter((s) => world.machines.has(s.machine)),
  };
}
