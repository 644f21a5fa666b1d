// What must work between Linux and our device once it is bound: traffic, offloads, link, queues, filters, rebinding.
import { inspect } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatMac } from '../../engine/wire/addresses.ts';
import { VIRTIO_NET_S, VirtioNetConfig } from '../../engine/virtio/net.ts';
import { runOnPeer } from './peer.ts';
import type { Report } from './report.ts';
import type { Rig } from './rig.ts';

const GUEST_IP = '10.9.0.1';
const PEER_IP = '10.9.0.2';
const ETHTOOL = '/usr/sbin/ethtool';
/** ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK; and what Linux leaves when it lets a device go: virtio_dev_remove(). */
const RUNNING = 0x0f;
const RELEASED = 0x01;

/** The line of ping with what was sent and received. */
const summary = (out: string): string => /^.*packets transmitted.*$/m.exec(out)?.[0] ?? out;
const lossless = (out: string, count: number): boolean =>
  new RegExp(`^${count} packets transmitted, ${count} (packets )?received`, 'm').test(out);

async function ping(rig: Rig, report: Report, name: string, options: string, count: number): Promise<void> {
  const { out } = await rig.guest.run(`ping -q -A -W 1 -w 20 -c ${count} ${options} ${PEER_IP}`);
  report.check(name, lossless(out, count), lossless(out, count) ? summary(out) : out);
}

/** Waits until something of our side holds, at most three seconds. */
async function eventually(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 150 && !holds(); i++) await sleep(20);
  return holds();
}

export async function addresses(rig: Rig, report: Report): Promise<void> {
  await rig.guest.run(`ip addr add ${GUEST_IP}/24 dev eth0`);
  for (const c of [`ip addr add ${PEER_IP}/24 dev eth0`, 'ip link set eth0 up']) {
    const r = await runOnPeer(rig.world, rig.pacer, c);
    report.check(`simulated machine: ${c}`, r.status === 0, r.out);
  }
}

export async function traffic(rig: Rig, report: Report): Promise<void> {
  const { guest, world, pacer, nics } = rig;
  await ping(rig, report, '200 pings from Linux to the simulated machine, none lost', '-s 56', 200);
  await ping(rig, report, '100 pings that fill the MTU', '-s 1472', 100);
  await ping(rig, report, '20 pings of 20000 bytes: 14 fragments each way', '-s 20000', 20);
  const back = await runOnPeer(world, pacer, `ping -q -i 0.02 -c 50 ${GUEST_IP}`);
  report.check('50 pings from the simulated machine to Linux', lossless(back.out, 50), summary(back.out));
  // both ends answer only once duplicate address detection is over, a second after the link came up (RFC 4862 §5.4)
  await guest.run('ping -6 -q -c 3 -I eth0 fe80::5054:ff:fe00:2', 30_000);
  const six = await guest.run('ping -6 -q -i 0.05 -c 20 -I eth0 fe80::5054:ff:fe00:2', 30_000);
  report.check('20 pings over IPv6, link-local', lossless(six.out, 20), lossless(six.out, 20) ? summary(six.out) : six.out);
  const before = nics[0].net.counters.tx_csum;
  await guest.run(`traceroute -n -m 1 -q 3 -w 1 ${PEER_IP}`);
  const udp = (await runOnPeer(world, pacer, 'cat /proc/net/snmp')).out;
  const column = (name: string): string => {
    const [names, values] = udp
      .split('\n')
      .filter((l) => l.startsWith('Udp:'))
      .map((l) => l.split(' '));
    return values?.[names.indexOf(name)] ?? '';
  };
  const completed = nics[0].net.counters.tx_csum - before;
  report.check(
    'UDP checksums left to the device arrive right',
    completed >= 3 && Number(column('NoPorts')) >= 3 && column('InCsumErrors') === '0',
    `${completed} completed by the device, peer: NoPorts ${column('NoPorts')}, InCsumErrors ${column('InCsumErrors')}`,
  );
  const { counters } = nics[0].net;
  const rings = nics[0].pci.queues.slice(0, 2).map((q) => q.state());
  report.check(
    'both rings went round',
    rings.every((q) => q.popped > q.size),
    rings.map((q) => `queue ${q.index}: ${q.popped} chains through ${q.size} entries`).join(', '),
  );
  const stats = (await guest.run(`${ETHTOOL} -S eth0`)).out;
  const sum = (re: RegExp): number => [...stats.matchAll(re)].reduce((n, m) => n + Number(m[1]), 0);
  const [rx, tx] = [sum(/rx_queue_\d+_packets: (\d+)/g), sum(/tx_queue_\d+_packets: (\d+)/g)];
  report.check(
    'the driver counted the packets the device counted',
    rx === counters.rx_packets && tx === counters.tx_packets,
    `driver rx ${rx} tx ${tx}, device rx ${counters.rx_packets} tx ${counters.tx_packets}`,
  );
}

/** A counter of /proc/net/snmp's Tcp lines, in the network namespace that `inside` enters. */
async function tcpCounter(rig: Rig, name: string, inside: string): Promise<number> {
  const [names, values] = (await rig.guest.run(`${inside} grep Tcp: /proc/net/snmp`)).out.split('\n').map((l) => l.split(' '));
  return Number(values?.[names.indexOf(name)]);
}

/** A TCP stream of real Linux through two of our devices: segmentation and checksums by the device, chains of pages on the other side. */
export async function tcp(rig: Rig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const [from, to] = [nics[1].net.counters, nics[2].net.counters];
  await guest.run('unshare -n sleep 600 & echo $! > /tmp/ns; sleep 0.2');
  const inside = 'nsenter -t $(cat /tmp/ns) -n';
  await guest.run(`ip link set eth2 netns $(cat /tmp/ns); ip addr add 10.8.0.1/24 dev eth1; ip link set eth1 up`);
  await guest.run(`${inside} ip addr add 10.8.0.2/24 dev eth2; ${inside} ip link set eth2 up; sleep 0.3; ping -q -A -w 5 -c 2 10.8.0.2`);
  await guest.run(`{ sleep 30 | ${inside} nc -l -p 5000 | md5sum > /tmp/sum; } & sleep 0.2`);
  const again = await tcpCounter(rig, 'RetransSegs', '');
  const lostBefore = to.rx_overrun + to.rx_no_buffer;
  const began = Date.now();
  const { out } = await guest.run('nc 10.8.0.2 5000 < /bin/busybox; sleep 0.3; md5sum < /bin/busybox; cat /tmp/sum', 60_000);
  const lost = to.rx_overrun + to.rx_no_buffer - lostBefore;
  const seconds = (Date.now() - began) / 1000;
  const retransmitted = (await tcpCounter(rig, 'RetransSegs', '')) - again;
  const [sent, received] = out.trim().split('\n').slice(-2);
  report.check(
    'a TCP stream of 2 MB from eth1 to eth2 arrives unchanged',
    sent !== undefined && sent === received,
    sent === received ? `${seconds.toFixed(1)} s, ${retransmitted} segments sent again, md5 ${sent}` : out,
  );
  // acknowledgements alone may be too few for a round, as the receiver merges segments: seven fragments a ping
  await guest.run('ping -q -A -w 20 -c 60 -s 10000 10.8.0.2', 30_000);
  const rings = nics[2].pci.queues.slice(0, 2).map((q) => q.state());
  report.check(
    "eth2's rings are packed, and Linux's driver and the device agree on them after many rounds",
    rings.every((q) => q.packed && q.popped > q.size && q.inUse === 0 && q.fault === undefined),
    rings.map((q) => `${q.popped} buffers through ${q.size} descriptors, at ${q.usedIdx}/${q.usedWrap}`).join(', '),
  );
  report.check(
    'the device segmented (HOST_TSO4)',
    from.tx_gso > 0 && from.tx_frames > from.tx_packets,
    `${from.tx_packets} packets, ${from.tx_gso} of them larger than the MTU, became ${from.tx_frames} frames`,
  );
  const bad = await tcpCounter(rig, 'InCsumErrors', inside);
  report.check(
    'no wrong TCP checksum, every frame verified',
    bad === 0 && to.rx_csum_valid > 0,
    `InCsumErrors ${bad}, ${to.rx_csum_valid} frames DATA_VALID, ${lost} dropped by the device`,
  );
  await guest.run('kill $(cat /tmp/ns); ip link set eth1 down');
}

/** Frames larger than Linux's receive buffers: each fills several, and says how many. */
export async function jumbo(rig: Rig, report: Report): Promise<void> {
  const { guest, world, pacer, nics } = rig;
  const { net, pci } = nics[0];
  const setMtu = async (mtu: number): Promise<void> => {
    await guest.run(`ip link set eth0 mtu ${mtu}`);
    await runOnPeer(world, pacer, `ip link set eth0 mtu ${mtu}`);
  };
  await setMtu(9000);
  const before = { buffers: pci.queues[0].state().popped, frames: net.counters.rx_packets };
  await ping(rig, report, '50 pings of 8900 bytes with an MTU of 9000', '-s 8900', 50);
  const buffers = pci.queues[0].state().popped - before.buffers;
  const frames = net.counters.rx_packets - before.frames;
  report.check('such a frame fills several merged buffers', buffers >= frames + 50, `${buffers} buffers for ${frames} frames`);
  await setMtu(1500);
}

export async function linkAndQueues(rig: Rig, report: Report): Promise<void> {
  const { guest, cable, pacer, nics } = rig;
  const { net } = nics[0];
  const setUp = (up: boolean): void => {
    pacer.catchUp();
    cable.setUp(up);
    pacer.run();
  };
  const carrier = async (): Promise<string> => (await guest.run('sleep 0.2; cat /sys/class/net/eth0/carrier')).out.trim();
  setUp(false);
  const down = await carrier();
  setUp(true);
  const up = await carrier();
  report.check('a pulled cable takes the carrier, a plugged one brings it back', down === '0' && up === '1', `carrier ${down}, then ${up}`);
  await ping(rig, report, '20 pings after it', '', 20);

  const two = await guest.run(`${ETHTOOL} -L eth0 combined 2 2>&1; ${ETHTOOL} -l eth0 | tail -1`);
  report.check(
    'ethtool -L combined 2 reaches the device',
    two.out.trim().endsWith('2') && net.pairs === 2,
    `${two.out.replaceAll('\t', '').trim()}; the device uses ${net.pairs} pairs`,
  );
  await ping(rig, report, '50 pings with two queue pairs', '', 50);
  await guest.run(`${ETHTOOL} -L eth0 combined 1`);
  report.check('ethtool -L combined 1 as well', net.pairs === 1, `the device uses ${net.pairs}`);

  const off = await guest.run(`${ETHTOOL} -K eth0 rx-gro-hw off 2>&1 && ${ETHTOOL} -K eth0 tx off 2>&1`);
  const csum = net.counters.tx_csum;
  await guest.run(`traceroute -n -m 1 -q 1 -w 1 ${PEER_IP}`);
  report.check(
    'ethtool -K tx off: the device gets no checksum to complete',
    off.status === 0 && net.counters.tx_csum === csum,
    off.status === 0 ? 'none asked for' : off.out,
  );
  await guest.run(`${ETHTOOL} -K eth0 tx on; ${ETHTOOL} -K eth0 rx-gro-hw on`);
}

export async function filters(rig: Rig, report: Report): Promise<void> {
  const { guest, nics, pacer } = rig;
  const { net } = nics[0];
  await guest.run('ifconfig eth0 promisc allmulti');
  const on = [net.filter.promisc, net.filter.allmulti];
  await guest.run('ifconfig eth0 -promisc -allmulti');
  const off = [net.filter.promisc, net.filter.allmulti];
  report.check(
    'promiscuous and all-multicast mode follow the driver',
    String([on, off]) === 'true,true,false,false',
    `on: ${on.join(', ')}; off: ${off.join(', ')}`,
  );

  await guest.run('ip link set eth0 address 52:54:00:aa:bb:99');
  report.check(
    'a new MAC address reaches filter and configuration',
    formatMac(net.filter.mac) === '52:54:00:aa:bb:99' && formatMac(net.config.bytes.subarray(0, 6)) === '52:54:00:aa:bb:99',
    formatMac(net.filter.mac),
  );
  await ping(rig, report, '20 pings with it', '', 20);

  const vlan = await guest.run('modprobe 8021q && ip link add link eth0 name eth0.7 type vlan id 7 && ip link set eth0.7 up');
  const table = net.filter.state().vlanTable;
  await guest.run('ip link del eth0.7');
  const left = net.filter.state().vlanTable;
  report.check(
    'a VLAN is let in, and out again',
    vlan.status === 0 && table.includes(7) && !left.includes(7),
    `${vlan.out}table [${table.join(', ')}], then [${left.join(', ')}]`,
  );

  const sent = net.counters.tx_packets;
  pacer.catchUp();
  net.announce();
  pacer.run();
  const acknowledged = await eventually(() => (VirtioNetConfig.status.get(net.config, 0) & VIRTIO_NET_S.ANNOUNCE) === 0);
  const announced = await eventually(() => net.counters.tx_packets > sent);
  report.check(
    'asked to announce itself, Linux does and says so',
    acknowledged && announced,
    `${net.counters.tx_packets - sent} packets sent, status ${VirtioNetConfig.status.get(net.config, 0)}`,
  );
}

/** Binding anew in every way Linux knows; after each the device must work as before. */
export async function rebinding(rig: Rig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const { pci } = nics[0];
  const again = async (name: string, out: string, back: string, bus: string): Promise<void> => {
    const a = await guest.run(`${out} && sleep 0.1`);
    const released = pci.status;
    const b = await guest.run(`${back} && sleep 0.1 && ip addr replace ${GUEST_IP}/24 dev eth0 && ip link set eth0 up`);
    const bound = pci.status;
    const { out: said } = await guest.run(`ping -q -A -W 1 -w 10 -c 20 ${PEER_IP}`);
    const ok = a.status === 0 && b.status === 0 && released === RELEASED && bound === RUNNING && lossless(said, 20);
    report.check(
      name,
      ok,
      ok ? `status ${released}, then ${bound}; ${summary(said)}` : `${bus} ${a.out}${b.out} status ${released}, then ${bound}\n${said}`,
    );
  };
  const driver = '/sys/bus/virtio/drivers/virtio_net';
  const pciDriver = '/sys/bus/pci/drivers/virtio-pci';
  // first, while the order in which Linux names the NICs is that of their slots
  await again('modules out and in', 'rmmod virtio_net', 'modprobe virtio_net', 'module');
  for (let i = 1; i <= 3; i++)
    await again(
      `unbind and bind of virtio_net, ${i}`,
      `D=$(ls /sys/bus/pci/devices/0000:00:05.0/ | grep ^virtio) && echo $D > ${driver}/unbind`,
      `echo $D > ${driver}/bind`,
      'virtio',
    );
  await again('unbind and bind of virtio-pci', `echo 0000:00:05.0 > ${pciDriver}/unbind`, `echo 0000:00:05.0 > ${pciDriver}/bind`, 'pci');
  await again(
    'removed from the PCI bus, found by a rescan',
    'echo 1 > /sys/bus/pci/devices/0000:00:05.0/remove',
    'echo 1 > /sys/bus/pci/rescan',
    'pci',
  );
}

/** What may never have happened meanwhile. */
export async function health(rig: Rig, report: Report): Promise<void> {
  const { guest, nics, proxies, pacer } = rig;
  const faults = nics.flatMap((n) => n.pci.queues).flatMap((q) => (q.fault === undefined ? [] : [q.fault.text]));
  report.check('no ring fault', faults.length === 0, faults.join('\n'));
  const { out } = await guest.run(
    "dmesg | tail -n +$(cat /tmp/boot-lines) | grep -iE 'warn|bug:|oops|call trace|not a head|unexpected txq|timed out|fail'",
  );
  report.check('Linux did not complain', out === '', out);
  const broken = [...proxies.map((p) => p.failure), pacer.failure].filter((f) => f !== undefined);
  report.check('nothing threw on our side', broken.length === 0, broken.map((e) => inspect(e)).join('\n'));
}
