// What must work between Linux's e1000e and our 82574L once it is bound: traffic, link, settings, offloads, filters, rebinding, interrupt modes.
import { inspect } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { CTRL, E1000, RCTL } from '../../engine/pci/e1000e_regs.ts';
import { bringUp, WAIT_FOR_LINK } from './e1000e_observe.ts';
import { e1000eMac, type E1000eRig } from './e1000e_rig.ts';
import { runOnPeer } from './peer.ts';
import type { Report } from './report.ts';

const GUEST_IP = '10.9.0.1';
const PEER_IP = '10.9.0.2';
const ETHTOOL = '/usr/sbin/ethtool';
const INSIDE = 'nsenter -t $(cat /tmp/ns) -n';

/** The line of ping with what was sent and received. */
const summary = (out: string): string => /^.*packets transmitted.*$/m.exec(out)?.[0] ?? out;
const lossless = (out: string, count: number): boolean =>
  new RegExp(`^${count} packets transmitted, ${count} (packets )?received`, 'm').test(out);

async function ping(rig: E1000eRig, report: Report, name: string, options: string, count: number): Promise<void> {
  const { out } = await rig.guest.run(`ping -q -A -W 1 -w 30 -c ${count} ${options} ${PEER_IP}`, 60_000);
  report.check(name, lossless(out, count), lossless(out, count) ? summary(out) : out);
}

/** Waits until something of our side holds, at most four seconds. */
async function eventually(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !holds(); i++) await sleep(20);
  return holds();
}

export async function pings(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, world, pacer } = rig;
  await guest.run(`${WAIT_FOR_LINK}; ip addr add ${GUEST_IP}/24 dev eth0`);
  for (const c of [`ip addr add ${PEER_IP}/24 dev eth0`, 'ip link set eth0 up']) await runOnPeer(world, pacer, c);
  await ping(rig, report, '500 pings from Linux to the simulated machine, none lost', '-s 56', 500);
  // ping waits only twice the longest round trip for the last ones, too short when QEMU is held up: the kernel counts
  const replies = async (): Promise<number> => {
    const lines = (await runOnPeer(world, pacer, 'cat /proc/net/snmp')).out.split('\n').filter((l) => l.startsWith('Icmp:'));
    const [names, values] = lines.map((l) => l.split(' '));
    return Number(values?.[names.indexOf('InEchoReps')]);
  };
  const before = await replies();
  const back = await runOnPeer(world, pacer, `ping -q -i 0.005 -c 500 ${GUEST_IP}`, 40_000);
  await sleep(300);
  const answered = (await replies()) - before;
  report.check('500 pings from the simulated machine to Linux, none lost', answered === 500, `${answered} answered; ${summary(back.out)}`);
  await ping(rig, report, '50 pings that fill the MTU', '-s 1472', 50);
  await ping(rig, report, '10 pings of 20000 bytes: 14 fragments each way', '-s 20000', 10);
  await guest.run('ip link set eth0 mtu 9000');
  await runOnPeer(world, pacer, 'ip link set eth0 mtu 9000');
  await guest.run(WAIT_FOR_LINK);
  await ping(rig, report, '50 pings of 8900 bytes with an MTU of 9000', '-s 8900', 50);
  await guest.run('ip link set eth0 mtu 1500');
  await runOnPeer(world, pacer, 'ip link set eth0 mtu 1500');
  await guest.run(WAIT_FOR_LINK);
  const stats = (await guest.run(`${ETHTOOL} -S eth0`)).out;
  const n = (name: string): number => Number(new RegExp(` ${name}: (\\d+)`).exec(stats)?.[1]);
  report.check(
    'nothing was dropped or wrong on the way, by the statistics registers',
    ['rx_errors', 'tx_errors', 'rx_missed_errors', 'rx_crc_errors', 'rx_csum_offload_errors', 'tx_restart_queue'].every(
      (x) => n(x) === 0,
    ) &&
      n('rx_packets') > 1100 &&
      n('tx_packets') > 1100,
    `rx_packets ${n('rx_packets')}, tx_packets ${n('tx_packets')}, rx_csum_offload_good ${n('rx_csum_offload_good')}`,
  );
}

export async function link(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, cable, pacer, nics } = rig;
  const setUp = (up: boolean): void => {
    pacer.catchUp();
    cable.setUp(up);
    pacer.run();
  };
  const carriers = async (): Promise<string> =>
    (await guest.run('sleep 1; cat /sys/class/net/eth1/carrier /sys/class/net/eth2/carrier')).out;
  await guest.run('ip link set eth1 up; ip link set eth2 up; sleep 3');
  const before = await carriers();
  setUp(false);
  await eventually(() => !nics[2].linkUp);
  const down = await carriers();
  const said = (await guest.run('dmesg | tail -n 3')).out;
  setUp(true);
  await eventually(() => nics[2].linkUp);
  const up = await carriers();
  const ok = [before, down, up].map((t) => t.trim().replace('\n', ',')).join(' ') === '1,1 1,0 1,1' && /eth2: NIC Link is Down/.test(said);
  report.check(
    "a pulled cable: the chip tells Linux, QEMU's model does not with MSI-X on (it keeps the cause that was read)",
    ok,
    ok ? 'eth2 goes down and comes back' : `${before} ${down} ${up}\n${said}`,
  );
  await guest.run('ip link set eth1 down; ip link set eth2 down');
  await guest.run(`${ETHTOOL} -s eth0 speed 100 duplex full autoneg off; sleep 0.3; ${WAIT_FOR_LINK}`);
  const slow = (await guest.run('cat /sys/class/net/eth0/speed')).out.trim();
  await guest.run(`${ETHTOOL} -s eth0 autoneg on; sleep 0.3; ${WAIT_FOR_LINK}`);
  const fast = (await guest.run('cat /sys/class/net/eth0/speed')).out.trim();
  report.check('ethtool -s: 100 Mb/s forced, then negotiated again', slow === '100' && fast === '1000', `${slow}, then ${fast} Mb/s`);
}

export async function settings(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const { regs } = nics[0];
  const set = async (name: string, command: string, holds: () => boolean, seen: () => string): Promise<void> => {
    const r = await guest.run(`${command} 2>&1; sleep 0.3; ${WAIT_FOR_LINK}`);
    report.check(name, holds(), holds() ? seen() : `${r.out}\n${seen()}`);
  };
  const hex = (offset: number): string => `0x${regs.get(offset).toString(16)}`;
  await set(
    'ethtool -G rx 512 tx 1024 reaches the device',
    `${ETHTOOL} -G eth0 rx 512 tx 1024`,
    () => regs.get(E1000.RDLEN0) === 8192 && regs.get(E1000.TDLEN0) === 16384,
    () => `RDLEN ${hex(E1000.RDLEN0)}, TDLEN ${hex(E1000.TDLEN0)}`,
  );
  await ping(rig, report, '50 pings with these rings', '', 50);
  await set(
    'ethtool -C rx-usecs 100: the interval of every vector',
    `${ETHTOOL} -C eth0 rx-usecs 100`,
    () => regs.get(E1000.EITR) === 390,
    () => `EITR ${hex(E1000.EITR)}`,
  );
  await ping(rig, report, '50 pings with it', '', 50);
  await guest.run(`${ETHTOOL} -C eth0 rx-usecs 3`);
  await set(
    'ethtool -A rx off tx off: no flow control in CTRL',
    `${ETHTOOL} -A eth0 autoneg off rx off tx off`,
    () => (regs.get(E1000.CTRL) & (CTRL.RFCE | CTRL.TFCE)) === 0,
    () => `CTRL ${hex(E1000.CTRL)}`,
  );
  await guest.run(`${ETHTOOL} -A eth0 autoneg on rx on tx on; sleep 0.3; ${WAIT_FOR_LINK}`);
}

export async function features(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const { regs } = nics[0];
  const off = await guest.run(`${ETHTOOL} -K eth0 rx off rxvlan off rxhash off 2>&1; sleep 0.3; ${WAIT_FOR_LINK}`);
  const seen = [(regs.get(E1000.RXCSUM) & 0x200) === 0, (regs.get(E1000.CTRL) & CTRL.VME) === 0];
  await guest.run(`${ETHTOOL} -K eth0 rx on rxvlan on rxhash on; sleep 0.3; ${WAIT_FOR_LINK}`);
  const on = [(regs.get(E1000.RXCSUM) & 0x200) !== 0, (regs.get(E1000.CTRL) & CTRL.VME) !== 0];
  report.check(
    'ethtool -K: receive checksums and VLAN stripping off and on',
    [...seen, ...on].every(Boolean),
    `${off.out}${seen.join()} ${on.join()}`,
  );
  const fcs = await guest.run(`${ETHTOOL} -K eth0 rx-fcs on 2>&1; sleep 0.3; ${WAIT_FOR_LINK}`);
  const kept = (regs.get(E1000.RCTL) & RCTL.SECRC) === 0;
  await ping(rig, report, '20 pings with the FCS kept', '', 20);
  await guest.run(`${ETHTOOL} -K eth0 rx-fcs off; sleep 0.3; ${WAIT_FOR_LINK}`);
  report.check('ethtool -K rx-fcs on: RCTL.SECRC goes', kept, fcs.out);
}

export async function filters(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const { regs } = nics[0];
  const modes = (): boolean[] => [(regs.get(E1000.RCTL) & RCTL.UPE) !== 0, (regs.get(E1000.RCTL) & RCTL.MPE) !== 0];
  await guest.run('ifconfig eth0 promisc');
  const promisc = modes();
  await guest.run('ifconfig eth0 -promisc allmulti');
  const all = modes();
  await guest.run('ifconfig eth0 -allmulti');
  report.check(
    'promiscuous and all-multicast mode follow the driver',
    String([promisc, all, modes()]) === 'true,true,false,true,false,false',
    `promisc ${promisc.join()}, allmulti ${all.join()}, neither ${modes().join()}`,
  );
  const hashed = (): number => Array.from({ length: 128 }, (_, i) => regs.get(E1000.MTA + 4 * i)).filter((w) => w !== 0).length;
  const before = hashed();
  // the address joins its solicited-node group, 33:33:ff:12:34:56 (RFC 4291 §2.7.1)
  await guest.run('ip -6 addr add fd00::12:3456/64 dev eth0 && sleep 0.3');
  const more = hashed();
  await guest.run('ip -6 addr del fd00::12:3456/64 dev eth0');
  report.check('a multicast address sets a bit of the hash table', before > 0 && more === before + 1, `${before}, then ${more} words used`);
  await guest.run('ip link set eth0 address 52:54:00:aa:cc:99');
  report.check(
    'a new MAC address is in the first receive address',
    regs.get(E1000.RA + 4) === 0x800099cc,
    `RAH 0x${regs.get(E1000.RA + 4).toString(16)}`,
  );
  await ping(rig, report, '20 pings with it', '', 20);
  await guest.run(`ip link set eth0 address ${e1000eMac(0)}`);
}

/** eth2 goes into a network namespace of its own, so that eth1 reaches it by the cable between them. */
async function pair(rig: E1000eRig): Promise<void> {
  const { guest } = rig;
  await guest.run('unshare -n sleep 600 & echo $! > /tmp/ns; sleep 0.2');
  await guest.run('ip link set eth2 netns $(cat /tmp/ns); ip addr add 10.8.0.1/24 dev eth1; ip link set eth1 up');
  await guest.run(`${INSIDE} ip addr add 10.8.0.2/24 dev eth2; ${INSIDE} ip link set eth2 up; sleep 1`);
  await guest.run('for i in 1 2 3 4 5 6; do ping -q -W 1 -c 1 10.8.0.2 >/dev/null && break; done');
}

async function counter(rig: E1000eRig, dev: string, name: string, inside = ''): Promise<number> {
  const { out } = await rig.guest.run(`${inside} ${ETHTOOL} -S ${dev} | grep ' ${name}:'`);
  return Number(/(\d+)$/.exec(out.trim())?.[1]);
}

/** A TCP stream of real Linux through two of our devices, with each offload on and off. */
export async function tcp(rig: E1000eRig, report: Report): Promise<void> {
  const { guest } = rig;
  await pair(rig);
  for (const [name, options] of [
    ['checksums and segmentation by the device', 'tx on sg on tso on'],
    ['checksums by the device, segmentation by Linux', 'tx on sg on tso off'],
    ['nothing left to the device', 'tx off tso off'],
  ]) {
    await guest.run(`${ETHTOOL} -K eth1 ${options}; sleep 0.3`);
    await guest.run('for i in 1 2 3 4 5 6; do ping -q -W 1 -c 1 10.8.0.2 >/dev/null && break; done');
    const segmented = await counter(rig, 'eth1', 'tx_tcp_seg_good');
    const good = await counter(rig, 'eth2', 'rx_csum_offload_good', INSIDE);
    await guest.run(`{ sleep 40 | ${INSIDE} nc -l -p 5000 | md5sum > /tmp/sum; } & sleep 0.2`);
    const began = Date.now();
    const { out } = await guest.run('nc 10.8.0.2 5000 < /bin/busybox; sleep 0.4; md5sum < /bin/busybox; cat /tmp/sum', 60_000);
    const seconds = (Date.now() - began) / 1000;
    const [sent, received] = out.trim().split('\n').slice(-2);
    const cut = (await counter(rig, 'eth1', 'tx_tcp_seg_good')) - segmented;
    const verified = (await counter(rig, 'eth2', 'rx_csum_offload_good', INSIDE)) - good;
    const bad = await counter(rig, 'eth2', 'rx_csum_offload_errors', INSIDE);
    report.check(
      `2 MB over TCP: ${name}`,
      sent !== undefined && sent === received && bad === 0 && verified > 1000 && (options.endsWith('tso on') ? cut > 0 : cut === 0),
      `${seconds.toFixed(1)} s, ${cut} packets segmented, ${verified} checksums found right, ${bad} wrong${sent === received ? '' : `\n${out}`}`,
    );
  }
  await guest.run(`${ETHTOOL} -K eth1 tx on sg on tso on`);
}

export async function vlan(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const up = (dev: string, host: number): string =>
    `ip link add link ${dev} name ${dev}.7 type vlan id 7 && ip addr add 10.7.0.${host}/24 dev ${dev}.7 && ip link set ${dev}.7 up`;
  const a = await guest.run(`modprobe 8021q && ${up('eth1', 1)}; echo '${up('eth2', 2)}' > /tmp/vlan.sh; ${INSIDE} sh /tmp/vlan.sh`);
  const bit = (): boolean => nics.slice(1).every((n) => (n.regs.get(E1000.VFTA) & (1 << 7)) !== 0);
  const inTable = bit();
  const { out } = await guest.run('ping -q -A -W 1 -w 20 -c 50 10.7.0.2', 30_000);
  report.check(
    'VLAN 7: the device inserts and strips the tag, 50 pings',
    inTable && lossless(out, 50),
    lossless(out, 50) ? `${summary(out)}, in the filter table: ${inTable}` : `${a.out}${out}`,
  );
  await guest.run(`ip link del eth1.7; ${INSIDE} ip link del eth2.7`);
  report.check(
    'and out of the table again',
    nics.slice(1).every((n) => (n.regs.get(E1000.VFTA) & (1 << 7)) === 0),
  );
}

export async function selfTest(rig: E1000eRig, report: Report): Promise<void> {
  const { guest } = rig;
  const r = await guest.run(`${INSIDE} ${ETHTOOL} -t eth2 offline`, 60_000);
  report.check("ethtool -t offline, the driver's self test, passes on the chip", /^The test result is PASS$/m.test(r.out), r.out);
  await guest.run('kill $(cat /tmp/ns); ip link set eth1 down; sleep 0.2');
}

/** Binding anew in every way Linux knows; after each the device must work as before. */
export async function rebinding(rig: E1000eRig, report: Report): Promise<void> {
  const { guest } = rig;
  const again = async (name: string, command: string): Promise<void> => {
    const a = await guest.run(`${command}`);
    const b = await guest.run(`ip addr replace ${GUEST_IP}/24 dev eth0 && ip link set eth0 up; ${WAIT_FOR_LINK}`);
    const { out } = await guest.run(`ping -q -A -W 1 -w 10 -c 20 ${PEER_IP}`);
    const ok = a.status === 0 && b.status === 0 && lossless(out, 20);
    report.check(name, ok, ok ? summary(out) : `${a.out}${b.out}\n${out}`);
  };
  for (let i = 1; i <= 3; i++) await again(`rmmod e1000e and modprobe, ${i}`, 'rmmod e1000e && modprobe e1000e');
  const driver = '/sys/bus/pci/drivers/e1000e';
  await again('unbind and bind', `echo 0000:00:05.0 > ${driver}/unbind && echo 0000:00:05.0 > ${driver}/bind`);
}

/** One message, and a line, in place of three messages. */
export async function interruptModes(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, qtest } = rig;
  const rows = async (): Promise<string> => (await guest.run('grep eth /proc/interrupts')).out.replace(/ +/g, ' ');
  await guest.run('rmmod e1000e');
  await bringUp(guest, 'IntMode=1,1,1');
  await pair(rig);
  const { out: both } = await guest.run('ping -q -A -W 1 -w 20 -c 100 10.8.0.2', 30_000);
  const said = (await guest.run('dmesg | grep -c "MSI interrupt test failed, using legacy interrupt"')).out.trim();
  const modes = await rows();
  const ok = lossless(both, 100) && /IO-APIC 22-fasteoi eth1/.test(modes) && /PCI-MSI \d+-edge eth2/.test(modes);
  report.check(
    "IntMode=1: the chip passes the driver's MSI test; QEMU's model does not know its cause and gets a line, 100 pings",
    ok && said === '2',
    ok ? `${summary(both)}; ${said} of 3 fell back` : `${both}\n${modes}`,
  );
  await guest.run('kill $(cat /tmp/ns); sleep 0.3; rmmod e1000e');
  const lines = qtest.lines;
  await bringUp(guest, 'IntMode=0,0,0');
  await guest.run(`ip addr replace ${GUEST_IP}/24 dev eth0`);
  const { out } = await guest.run(`ping -q -A -W 1 -w 20 -c 100 ${PEER_IP}`, 30_000);
  const line = /IO-APIC 21-fasteoi eth0/.exec(await rows())?.[0];
  report.check(
    'IntMode=0: a line interrupt, 100 pings',
    lossless(out, 100) && line !== undefined && qtest.lines > lines,
    lossless(out, 100) ? `${line}, ${qtest.lines - lines} changes of the line` : out,
  );
  const r = await guest.run('rmmod e1000e; ls /sys/class/net');
  report.check('rmmod at the end leaves no interface', r.out.trim() === 'lo', r.out);
}

/** What may never have happened meanwhile. */
export async function health(rig: E1000eRig, report: Report): Promise<void> {
  const { guest, nics, proxies, pacer } = rig;
  const faults = nics.flatMap((n) =>
    (['rx_dma', 'tx_dma', 'tx_bad'] as const).filter((d) => n.drops[d] > 0).map((d) => `${n.portName} ${d} ${n.drops[d]}`),
  );
  report.check('no descriptor pointed nowhere', faults.length === 0, faults.join('\n'));
  const { out } = await guest.run("dmesg | grep -E 'WARN|BUG:|Oops|Call Trace|Hang|nexpected|timed out|nobody cared|Hardware Error'");
  report.check('Linux did not complain', out === '', out);
  const broken = [...proxies.map((p) => p.failure), pacer.failure].filter((f) => f !== undefined);
  report.check('nothing threw on our side', broken.length === 0, broken.map((e) => inspect(e)).join('\n'));
}
