// Four queue pairs over a tap: this machine's Linux on the other side, with checksum and segmentation offloads negotiated.
import { bringUpAlone, complaints, expect, load, unload } from './exercise.ts';
import { deviceFeatures } from './introspect.ts';
import { IP, PEER_IP } from './machine.ts';
import { LARGE_PACKET, streamFromLinux, streamToLinux } from './streams.ts';
import type { TapRig } from './tap_rig.ts';
import { VIRTIO_MODULES } from './virtio.ts';

export const TAP_PAIRS = 4;
const FLOWS = 64;
/** Sends one datagram from each of so many ports to a port where nobody listens. */
const SENDER = `const d=require('dgram');for(let i=0;i<${FLOWS};i++){const s=d.createSocket('udp4');s.on('error',()=>{});s.send(Buffer.alloc(100+i),4000,'${IP}',()=>setTimeout(()=>s.close(),300));}`;

export interface TapCheck {
  readonly name: string;
  run(rig: TapRig): Promise<string>;
}

async function perQueue(rig: TapRig, direction: 'rx' | 'tx'): Promise<number[]> {
  const { out } = await rig.run('ethtool -S eth0');
  return Array.from({ length: TAP_PAIRS }, (_, i) => Number(new RegExp(`${direction}_queue_${i}_packets: (\\d+)`).exec(out)?.[1] ?? 0));
}

async function echoes(rig: TapRig, count: number, size: number): Promise<void> {
  const command = `ping -q -n -c 1 -W 5 -s ${size} ${PEER_IP}`;
  for (let left = count; left > 0; left -= 8) {
    for (const r of await Promise.all(Array.from({ length: Math.min(8, left) }, () => rig.run(command))))
      expect(r.out.includes('1 received'), `${command}\n${r.out}`);
  }
}

/** Datagrams of many flows from Linux; how many came in on each queue. Every one must arrive, with a right sum. */
async function flows(rig: TapRig): Promise<number[]> {
  const counters = async (): Promise<number[]> => {
    const { out } = await rig.run('nstat -asz');
    return ['UdpNoPorts', 'UdpInCsumErrors'].map((n) => Number(new RegExp(`${n} +(\\d+)`).exec(out)?.[1]));
  };
  const [ports, sums] = await counters();
  const before = await perQueue(rig, 'rx');
  const r = await rig.onHost([process.execPath, '-e', SENDER]);
  const rx = (await perQueue(rig, 'rx')).map((n, i) => n - before[i]);
  const [portsNow, sumsNow] = await counters();
  expect(
    portsNow - ports === FLOWS && sumsNow === sums,
    `per queue ${rx.join(' ')}, UdpNoPorts ${portsNow - ports}, UdpInCsumErrors ${sumsNow - sums}\n${r.out}`,
  );
  return rx;
}

export const TAP_CHECKS: readonly TapCheck[] = [
  {
    name: 'offloads and queue pairs are negotiated',
    async run(rig) {
      await load(rig, VIRTIO_MODULES);
      await bringUpAlone(rig);
      const features = await deviceFeatures(rig);
      for (const f of ['CSUM', 'GUEST_CSUM', 'HOST_TSO4', 'HOST_TSO6', 'MQ', 'MRG_RXBUF'])
        expect(features.includes(f), `${f}: ${features.join(' ')}`);
      const { out } = await rig.run('ethtool -l eth0');
      expect(new RegExp(`Combined:\\s+${TAP_PAIRS}\\n[^]*Combined:\\s+${TAP_PAIRS}`).test(out), out);
      return `${TAP_PAIRS} of ${TAP_PAIRS} pairs in use`;
    },
  },
  {
    name: '400 echoes from four processors go out on every pair',
    async run(rig) {
      await echoes(rig, 400, 56);
      const tx = await perQueue(rig, 'tx');
      expect(
        tx.every((n) => n >= 50),
        `packets per queue: ${tx.join(' ')}`,
      );
      return `packets per queue: ${tx.join(' ')}`;
    },
  },
  {
    name: `${FLOWS} flows from Linux come in on every pair, sums left to the receiver`,
    async run(rig) {
      const rx = await flows(rig);
      expect(
        rx.every((n) => n > 0),
        `per queue ${rx.join(' ')}`,
      );
      return `packets per queue: ${rx.join(' ')}; all with right sums`;
    },
  },
  {
    name: 'datagrams whose sums the device completes are taken by Linux',
    async run(rig) {
      const r = await rig.run('tracepath -n -m 2 10.9.0.2', 10_000);
      expect(/10\.9\.0\.2 .*reached/.test(r.out), r.out);
      const { out } = await rig.onHost(['cat', '/proc/net/snmp']);
      const [names, values] = out
        .split('\n')
        .filter((l) => l.startsWith('Udp:'))
        .map((l) => l.split(' '));
      const counter = (name: string): number => Number(values[names.indexOf(name)]);
      expect(counter('NoPorts') > 0 && counter('InCsumErrors') === 0, out);
      return `Linux: NoPorts ${counter('NoPorts')}, InCsumErrors ${counter('InCsumErrors')}`;
    },
  },
  {
    name: 'a TCP stream to Linux: the device gets large packets (HOST_TSO4)',
    async run(rig) {
      const { packets, bytes } = await streamToLinux(rig);
      expect(bytes / packets > LARGE_PACKET, `${packets} packets for ${bytes} bytes`);
      return `${bytes / 1024} KiB unchanged, in ${packets} packets`;
    },
  },
  {
    name: 'a TCP stream from Linux: our kernel gets large packets (GUEST_TSO4)',
    async run(rig) {
      const { packets, bytes } = await streamFromLinux(rig);
      expect(bytes / packets > LARGE_PACKET, `${packets} packets for ${bytes} bytes`);
      return `${bytes / 1024} KiB unchanged, in ${packets} packets`;
    },
  },
  {
    name: 'ethtool -L: fewer pairs and all again, under traffic',
    async run(rig) {
      for (const n of [1, 3, TAP_PAIRS]) {
        await rig.must(`ethtool -L eth0 combined ${n}`);
        const before = await perQueue(rig, 'tx');
        await echoes(rig, 64, 1000);
        const used = (await perQueue(rig, 'tx')).filter((v, i) => v > before[i]).length;
        expect(used === n, `with ${n} pairs ${used} were used`);
      }
      return '1, 3, 4 pairs, 192 echoes';
    },
  },
  {
    name: 'modules out: nothing is left',
    async run(rig) {
      const wrong = [...(await unload(rig, VIRTIO_MODULES)), ...complaints(rig)];
      expect(wrong.length === 0, wrong.join('\n'));
      return 'no mapping, no warning';
    },
  },
];

/** virtio-v1.2 §5.1.6.5.7: the device chooses the queue by a hash, a key and a table that the driver gave it. */
export const RSS_CHECKS: readonly TapCheck[] = [
  {
    name: 'RSS and hash reports are negotiated',
    async run(rig) {
      await load(rig, VIRTIO_MODULES);
      await bringUpAlone(rig);
      const features = await deviceFeatures(rig);
      for (const f of ['RSS', 'HASH_REPORT']) expect(features.includes(f), `${f}: ${features.join(' ')}`);
      return (await rig.must('ethtool -x eth0')).split('\n').slice(0, 2).join(' ').replaceAll(/\s+/g, ' ');
    },
  },
  {
    name: 'echoes and flows, spread by the hash',
    async run(rig) {
      await echoes(rig, 64, 56);
      const rx = await flows(rig);
      expect(
        rx.every((n) => n > 0),
        `per queue ${rx.join(' ')}`,
      );
      return `packets per queue: ${rx.join(' ')}`;
    },
  },
  {
    name: 'ethtool -X equal 2: only the first two queues',
    async run(rig) {
      await rig.must('ethtool -X eth0 equal 2');
      const rx = await flows(rig);
      expect(rx[0] > 0 && rx[1] > 0 && rx[2] + rx[3] === 0, `per queue ${rx.join(' ')}`);
      return `packets per queue: ${rx.join(' ')}`;
    },
  },
  {
    name: 'ethtool -X weight 0 0 0 1: only the last one',
    async run(rig) {
      await rig.must('ethtool -X eth0 weight 0 0 0 1');
      const rx = await flows(rig);
      expect(rx[0] + rx[1] + rx[2] === 0 && rx[3] > 0, `per queue ${rx.join(' ')}`);
      return `packets per queue: ${rx.join(' ')}`;
    },
  },
  {
    name: 'modules out: nothing is left',
    async run(rig) {
      const wrong = [...(await unload(rig, VIRTIO_MODULES)), ...complaints(rig)];
      expect(wrong.length === 0, wrong.join('\n'));
      return 'no mapping, no warning';
    },
  },
];
