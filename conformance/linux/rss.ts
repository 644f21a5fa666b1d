// Receive-side scaling, hash reports and notification coalescing: Linux's driver configures eth1, which has them; the device must hear it.
import { VIRTIO_NET_HASH_TYPE as TYPE } from '../../engine/virtio/net.ts';
import type { Report } from './report.ts';
import type { Rig } from './rig.ts';

const ETHTOOL = '/usr/sbin/ethtool';
/** What Linux 6.1 takes of the types that the device hashes: all without extension headers. */
const ALL = TYPE.IPv4 | TYPE.TCPv4 | TYPE.UDPv4 | TYPE.IPv6 | TYPE.TCPv6 | TYPE.UDPv6;

export async function rss(rig: Rig, report: Report): Promise<void> {
  const { guest, nics } = rig;
  const { net } = nics[1];
  const ethtool = async (args: string): Promise<{ status: number; out: string }> => guest.run(`${ETHTOOL} ${args} 2>&1`);

  report.check('with a hash in it the header has 20 bytes', net.hashReport && net.hdrLen === 20, `${net.hdrLen} bytes`);
  const shown = (await ethtool('-x eth1')).out;
  const rows = [...shown.matchAll(/^ *\d+: ((?: +\d+)+)$/gm)].flatMap((m) => m[1].trim().split(/ +/));
  const key = /^RSS hash key:\n([0-9a-f:]+)$/m.exec(shown)?.[1].split(':').length;
  report.check(
    'ethtool -x: a table of 128 entries and a key of 40 bytes',
    rows.length === 128 && key === 40,
    `${rows.length} entries, ${key} bytes`,
  );

  await ethtool('-L eth1 combined 2');
  const on = await ethtool('-K eth1 rxhash on');
  report.check(
    'ethtool -K rxhash on reaches the device',
    on.status === 0 && net.rss.steering && net.rss.enabledTypes === ALL,
    `${on.out}types 0x${net.rss.enabledTypes.toString(16)}`,
  );
  const equal = await ethtool('-X eth1 equal 2');
  report.check(
    'ethtool -X equal 2 fills the device’s table',
    equal.status === 0 && net.rss.tableEntry(0) === 0 && net.rss.tableEntry(127) === 1,
    `${equal.out}entries 0 and 127: ${net.rss.tableEntry(0)}, ${net.rss.tableEntry(127)}`,
  );
  const flow = await ethtool('-N eth1 rx-flow-hash udp4 sd');
  const said = (await ethtool('-n eth1 rx-flow-hash udp4')).out;
  report.check(
    'ethtool -N rx-flow-hash udp4 sd takes the ports out',
    flow.status === 0 && net.rss.enabledTypes === (ALL & ~TYPE.UDPv4) && !said.includes('src port'),
    said.trim(),
  );
  const coal = await ethtool('-C eth1 rx-usecs 60 rx-frames 16 tx-usecs 40 tx-frames 8');
  const [rx, tx] = [net.coalescing.ofQueue(0), net.coalescing.ofQueue(1)];
  report.check(
    'ethtool -C reaches the device',
    coal.status === 0 && rx.maxUsecs === 60 && rx.maxPackets === 16 && tx.maxUsecs === 40 && tx.maxPackets === 8,
    `${coal.out}rx ${rx.maxUsecs} µs ${rx.maxPackets} packets, tx ${tx.maxUsecs} µs ${tx.maxPackets} packets`,
  );
}
