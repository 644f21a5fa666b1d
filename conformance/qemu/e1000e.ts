// e1000e on QEMU's 82574L: link, traffic, counters, rings, filters, checksums left to the device, interrupts of every kind.
import { bringUp, type Check, complaints, expect, flap, linked, load, ownMac, pings, reloads, sizes, unload } from './exercise.ts';
import type { Rig } from './rig.ts';
import { streams } from './streams.ts';

export const E1000E_MODULES = ['e1000e'] as const;

/** As Linux 6.1 prints it on QEMU 7.2: its model has no register 0x178 (TXCW), and answers the tests of interrupts and loopback otherwise than the chip. */
const REAL_SELF_TEST = 'Register 376, Eeprom 0, Interrupt 4, Loopback 13, Link 0';

const statistic = (out: string, name: string): number => Number(new RegExp(`^ +${name}: (\\d+)$`, 'm').exec(out)?.[1] ?? Number.NaN);

/** IEEE 802.3: to `to`, from the peer's address, an experimental EtherType, 60 bytes. */
function strayFrame(to: readonly number[]): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set([...to, 0x52, 0x54, 0, 0, 0, 2, 0x88, 0xb5]);
  return frame;
}

const packets = (rig: Rig): number => rig.kernel.net.dev_get_stats(rig.dev).rx_packets;

/** How many of such frames the interface takes. */
async function taken(rig: Rig, to: readonly number[]): Promise<number> {
  await rig.pump.pass(30);
  const before = packets(rig);
  for (let i = 0; i < 5; i++) rig.port.inject(strayFrame(to));
  await rig.pump.pass(80);
  return packets(rig) - before;
}

/** Linux: the driver's parameter, and what it must lead to. QEMU's device fails the driver's test of a single message, as with real Linux. */
export const INTERRUPT_MODES: readonly (readonly [string, RegExp])[] = [
  ['IntMode=2', /PCI-MSI.*eth0-rx-0[^]*PCI-MSI.*eth0-tx-0[^]*PCI-MSI.*eth0$/m],
  ['IntMode=1', /IO-APIC +21-fasteoi +eth0$/m],
  ['IntMode=0', /IO-APIC +21-fasteoi +eth0$/m],
];

/** QEMU's 82540EM under our e1000: one life, link and streams included. */
export async function lifeOfE1000(rig: Rig, echoes: number): Promise<string> {
  await load(rig, ['e1000']);
  expect(ownMac(rig), 'eth0 has not the address QEMU gave');
  await bringUp(rig);
  await pings(rig, 'out', echoes);
  await pings(rig, 'in', echoes);
  const more = await sizes(rig);
  const said = await streams(rig);
  const link = await flap(rig);
  const wrong = [...(await unload(rig, ['e1000'])), ...complaints(rig)];
  expect(wrong.length === 0, wrong.join('\n'));
  return `${2 * echoes + more} echoes, ${said}, link ${link}`;
}

/** With one of these: one life. With a line interrupt also a link that goes and comes; QEMU 7.2 tells of that once only by MSI-X. */
export async function lifeOfE1000e(rig: Rig, parameter: string, interrupts: RegExp, echoes: number): Promise<string> {
  await rig.must(`modprobe e1000e ${parameter}`);
  expect(ownMac(rig), 'eth0 has not the address QEMU gave');
  await bringUp(rig);
  await pings(rig, 'out', echoes);
  await pings(rig, 'in', echoes);
  const more = await sizes(rig);
  const { out } = await rig.run('cat /proc/interrupts');
  expect(interrupts.test(out), `interrupts are others than expected:\n${out}`);
  const link = parameter === 'IntMode=2' ? '' : `link ${await flap(rig)}, `;
  const wrong = [...(await unload(rig, E1000E_MODULES)), ...complaints(rig)];
  expect(wrong.length === 0, wrong.join('\n'));
  return `${2 * echoes + more} echoes, ${link}${interrupts.exec(out)?.[0].trim().replaceAll(/\s+/g, ' ')}`;
}

export const E1000E_DETAILS: readonly Check[] = [
  {
    name: 'bring-up: address from the EEPROM, link by autonegotiation',
    async run(rig) {
      await load(rig, E1000E_MODULES);
      expect(ownMac(rig), 'eth0 has not the address QEMU gave');
      await bringUp(rig);
      const line = /NIC Link is Up.*/.exec(rig.dmesg(30))?.[0];
      expect(line !== undefined, rig.dmesg(10));
      return line ?? '';
    },
  },
  {
    name: '500 echoes each way, and all interesting sizes',
    async run(rig) {
      await pings(rig, 'out', 500);
      await pings(rig, 'in', 500);
      return `${1000 + (await sizes(rig))} echoes`;
    },
  },
  {
    name: 'UDP checksums left to the device are right on the wire',
    async run(rig) {
      const before = rig.port.received;
      const seen: number[] = [];
      rig.port.onFrame = (f) => {
        if (f[12] === 0x08 && f[13] === 0 && f[23] === 17) seen.push((f[40] << 8) | f[41]);
      };
      await rig.run('tracepath -n -m 2 10.9.0.2', 10_000);
      rig.port.onFrame = undefined;
      const { out } = await rig.runOnPeer('nstat -az');
      const bad = /UdpInCsumErrors +(\d+)/.exec(out)?.[1];
      expect(
        seen.length > 0 && seen.every((c) => c !== 0) && bad === '0',
        `${rig.port.received - before} frames, sums ${seen.join(' ')}, peer's errors ${bad}`,
      );
      return `${seen.length} datagrams; tshark checks them below`;
    },
  },
  {
    name: 'TCP streams both ways; the device segments (TSO)',
    async run(rig) {
      const before = statistic((await rig.run('ethtool -S eth0')).out, 'tx_tcp_seg_good');
      const said = await streams(rig);
      const cut = statistic((await rig.run('ethtool -S eth0')).out, 'tx_tcp_seg_good') - before;
      expect(cut > 0, `${said}, but no packet was segmented by the device`);
      return `${said}; the device cut ${cut} packets`;
    },
  },
  {
    name: 'the same without offloads',
    async run(rig) {
      await rig.must('ethtool -K eth0 tso off tx off');
      const said = await streams(rig);
      await rig.must('ethtool -K eth0 tx on tso on');
      return said;
    },
  },
  {
    name: "the device's statistics are the frames on the wire",
    async run(rig) {
      await rig.pump.pass(100);
      const first = (await rig.run('ethtool -S eth0')).out;
      const [fromNic, toNic] = [rig.port.received, rig.port.sent];
      await pings(rig, 'out', 50, 1000);
      await rig.pump.pass(100);
      const second = (await rig.run('ethtool -S eth0')).out;
      const [tx, rx] = ['tx_packets', 'rx_packets'].map((n) => statistic(second, n) - statistic(first, n));
      const [out, into] = [rig.port.received - fromNic, rig.port.sent - toNic];
      // of what came in, multicasts of others are not for it
      expect(tx === out && rx >= 50 && rx <= into, `device tx ${tx} rx ${rx}, wire ${out} and ${into}`);
      const bytes = statistic(second, 'tx_bytes') - statistic(first, 'tx_bytes');
      return `tx ${tx} rx ${rx}, ${bytes} bytes sent`;
    },
  },
  {
    name: 'only what is meant for it; all in promiscuous mode',
    async run(rig) {
      const other = [0x52, 0x54, 0, 9, 9, 9];
      const own = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
      const counts = [await taken(rig, own), await taken(rig, other)];
      await rig.must('ip link set eth0 promisc on');
      counts.push(await taken(rig, other));
      await rig.must('ip link set eth0 promisc off');
      counts.push(await taken(rig, other));
      expect(
        String(counts) === '5,0,5,0',
        `of 5 frames each: own ${counts[0]}, other ${counts[1]}, promiscuous ${counts[2]}, after it ${counts[3]}`,
      );
      return 'own 5, other 0, promiscuous 5, after it 0';
    },
  },
  {
    name: 'multicast by the hash filter',
    async run(rig) {
      const group = [0x01, 0, 0x5e, 0x11, 0x22, 0x33];
      const counts = [await taken(rig, group)];
      await rig.must('ip maddress add 01:00:5e:11:22:33 dev eth0');
      counts.push(await taken(rig, group));
      await rig.must('ip maddress del 01:00:5e:11:22:33 dev eth0');
      counts.push(await taken(rig, group));
      expect(String(counts) === '0,5,0', `before ${counts[0]}, member ${counts[1]}, after ${counts[2]}`);
      return 'before 0, member 5, after 0';
    },
  },
  {
    name: 'a new MAC address',
    async run(rig) {
      await rig.must('ip link set eth0 address 52:54:00:aa:bb:99');
      await rig.runOnPeer('ip neigh flush dev eth0');
      await pings(rig, 'in', 10);
      await rig.must('ip link set eth0 address 52:54:00:aa:bb:cc');
      await rig.runOnPeer('ip neigh flush dev eth0');
      await pings(rig, 'in', 10);
      return '20 echoes';
    },
  },
  {
    name: 'ethtool -G: rings of other sizes',
    async run(rig) {
      for (const [rx, tx] of [
        [80, 80],
        [1024, 512],
        [256, 256],
      ]) {
        await rig.must(`ethtool -G eth0 rx ${rx} tx ${tx}`);
        await linked(rig);
        await pings(rig, 'out', 100);
        await pings(rig, 'in', 100);
      }
      return '80/80, 1024/512, 256/256, 600 echoes';
    },
  },
  {
    name: 'an MTU of 9000',
    async run(rig) {
      await rig.must('ip link set eth0 mtu 9000');
      await rig.runOnPeer('ip link set eth0 mtu 9000');
      await linked(rig);
      for (const size of [1473, 2048, 4054, 8192, 8972]) {
        await pings(rig, 'out', 4, size);
        await pings(rig, 'in', 4, size);
      }
      await rig.must('ip link set eth0 mtu 1500');
      await rig.runOnPeer('ip link set eth0 mtu 1500');
      await linked(rig);
      return '40 echoes up to 8972 bytes';
    },
  },
  {
    name: 'ethtool -t offline: what real Linux finds on this device',
    async run(rig) {
      const r = await rig.pump.hurry(() => rig.run('ethtool -t eth0 offline', 30_000));
      const results = [...r.out.matchAll(/^(\w+) test .*\t (\d+)$/gm)].map((m) => `${m[1]} ${m[2]}`).join(', ');
      await linked(rig);
      await pings(rig, 'out', 10);
      expect(results === REAL_SELF_TEST, `${r.out}wanted: ${REAL_SELF_TEST}`);
      return results;
    },
  },
  {
    name: 'ethtool -t online',
    async run(rig) {
      const r = await rig.pump.hurry(() => rig.run('ethtool -t eth0 online'));
      expect(r.status === 0 && /The test result is PASS/.test(r.out), r.out);
      return r.out.split('\n')[0];
    },
  },
  { name: 'rmmod and modprobe three times: as before, and no memory is lost', run: (rig) => reloads(rig, E1000E_MODULES) },
  {
    name: 'nothing to complain about',
    run(rig) {
      const wrong = complaints(rig);
      expect(wrong.length === 0, wrong.join('\n'));
      return Promise.resolve(`${rig.kernel.io.reads} register reads, ${rig.kernel.io.writes} writes`);
    },
  },
];
