// Tracepoints of the net core, NAPI, softirqs and skbs: names and text of Linux 6.1 (include/trace/events/{net,napi,irq,skb,qdisc}.h).
import { event } from '../trace/trace.ts';
import { SOFTIRQ_NAMES } from './softirq.ts';

/** A pointer as %p prints it: hashed, so that only identity shows. */
export function ptr(id: number): string {
  return `00000000${(Math.imul(id, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')}`;
}
const hex4 = (n: number): string => `0x${n.toString(16).padStart(4, '0')}`;
const softirq = (e: Readonly<Record<'vec', unknown>>): string => `vec=${String(e.vec)} [action=${SOFTIRQ_NAMES[e.vec as number]}]`;

export const SoftirqEntry = event('irq:softirq_entry', { vec: 'u32' }, softirq);
export const SoftirqExit = event('irq:softirq_exit', { vec: 'u32' }, softirq);
export const SoftirqRaise = event('irq:softirq_raise', { vec: 'u32' }, softirq);

const skbDevLen = { name: 'str', skbaddr: 'u32', len: 'u32' } as const;
const devSkbLen = (e: Readonly<Record<'name' | 'skbaddr' | 'len', unknown>>): string =>
  `dev=${String(e.name)} skbaddr=${ptr(e.skbaddr as number)} len=${String(e.len)}`;

export const NetDevQueue = event('net:net_dev_queue', skbDevLen, devSkbLen);
export const NetifReceiveSkb = event('net:netif_receive_skb', skbDevLen, devSkbLen);
export const NetifRx = event('net:netif_rx', skbDevLen, devSkbLen);
export const NetDevXmit = event(
  'net:net_dev_xmit',
  { name: 'str', skbaddr: 'u32', len: 'u32', rc: 'i32' },
  (e) => `dev=${e.name} skbaddr=${ptr(e.skbaddr as number)} len=${e.len} rc=${e.rc}`,
);
export const NetDevXmitTimeout = event(
  'net:net_dev_xmit_timeout',
  { name: 'str', driver: 'str', queue_index: 'u32' },
  (e) => `dev=${e.name} driver=${e.driver} queue=${e.queue_index}`,
);
export const NetDevStartXmit = event(
  'net:net_dev_start_xmit',
  {
    name: 'str',
    queue_mapping: 'u16',
    skbaddr: 'u32',
    protocol: 'u16',
    ip_summed: 'u8',
    len: 'u32',
    data_len: 'u32',
    network_offset: 'i32',
    transport_offset_valid: 'bool',
    transport_offset: 'i32',
    tx_flags: 'u8',
    gso_size: 'u16',
    gso_segs: 'u16',
    gso_type: 'u16',
  },
  (e) =>
    `dev=${e.name} queue_mapping=${e.queue_mapping} skbaddr=${ptr(e.skbaddr as number)} vlan_tagged=0 vlan_proto=0x0000 vlan_tci=0x0000 protocol=${hex4(e.protocol as number)} ip_summed=${e.ip_summed} len=${e.len} data_len=${e.data_len} network_offset=${e.network_offset} transport_offset_valid=${e.transport_offset_valid ? 1 : 0} transport_offset=${e.transport_offset} tx_flags=${e.tx_flags} gso_size=${e.gso_size} gso_segs=${e.gso_segs} gso_type=0x${(e.gso_type as number).toString(16)}`,
);

const rxVerbose = {
  name: 'str',
  napi_id: 'u32',
  queue_mapping: 'u16',
  skbaddr: 'u32',
  protocol: 'u16',
  ip_summed: 'u8',
  hash: 'u32',
  len: 'u32',
  data_len: 'u32',
  truesize: 'u32',
  mac_header_valid: 'bool',
  mac_header: 'i32',
  nr_frags: 'u8',
  gso_size: 'u16',
  gso_type: 'u16',
} as const;
type RxVerbose = Readonly<Record<keyof typeof rxVerbose, unknown>>;
const rxVerboseText = (e: RxVerbose): string =>
  `dev=${String(e.name)} napi_id=0x${(e.napi_id as number).toString(16)} queue_mapping=${String(e.queue_mapping)} skbaddr=${ptr(e.skbaddr as number)} vlan_tagged=0 vlan_proto=0x0000 vlan_tci=0x0000 protocol=${hex4(e.protocol as number)} ip_summed=${String(e.ip_summed)} hash=0x${(e.hash as number).toString(16).padStart(8, '0')} l4_hash=0 len=${String(e.len)} data_len=${String(e.data_len)} truesize=${String(e.truesize)} mac_header_valid=${e.mac_header_valid === true ? 1 : 0} mac_header=${String(e.mac_header)} nr_frags=${String(e.nr_frags)} gso_size=${String(e.gso_size)} gso_type=0x${(e.gso_type as number).toString(16)}`;

export const NapiGroReceiveEntry = event('net:napi_gro_receive_entry', rxVerbose, rxVerboseText);
export const NetifReceiveSkbEntry = event('net:netif_receive_skb_entry', rxVerbose, rxVerboseText);
export const NetifRxEntry = event('net:netif_rx_entry', rxVerbose, rxVerboseText);

const rxExit = { ret: 'i32' } as const;
const rxExitText = (e: Readonly<Record<'ret', unknown>>): string => `ret=${String(e.ret)}`;
export const NapiGroReceiveExit = event('net:napi_gro_receive_exit', rxExit, rxExitText);
export const NetifReceiveSkbExit = event('net:netif_receive_skb_exit', rxExit, rxExitText);
export const NetifRxExit = event('net:netif_rx_exit', rxExit, rxExitText);

export const NapiPoll = event(
  'napi:napi_poll',
  { napi: 'u32', dev_name: 'str', work: 'i32', budget: 'i32' },
  (e) => `napi poll on napi struct ${ptr(e.napi as number)} for device ${e.dev_name} work ${e.work} budget ${e.budget}`,
);

/** The place of a drop has no address here; its reason stands for it, so that equal places look equal. */
const place = (reason: string): string => ptr([...reason].reduce((h, c) => Math.imul(h, 31) + c.charCodeAt(0), 7));
export const KfreeSkb = event(
  'skb:kfree_skb',
  { skbaddr: 'u32', protocol: 'u16', reason: 'str' },
  (e) => `skbaddr=${ptr(e.skbaddr as number)} protocol=${e.protocol} location=${place(e.reason as string)} reason: ${e.reason}`,
);
export const ConsumeSkb = event('skb:consume_skb', { skbaddr: 'u32' }, (e) => `skbaddr=${ptr(e.skbaddr as number)}`);

export const QdiscEnqueue = event(
  'qdisc:qdisc_enqueue',
  { qdisc: 'u32', name: 'str', ifindex: 'i32', handle: 'u32', parent: 'u32', txq: 'u32', skbaddr: 'u32' },
  (e) =>
    `enqueue ifindex=${e.ifindex} qdisc handle=0x${(e.handle as number).toString(16).toUpperCase()} parent=0x${(e.parent as number).toString(16).toUpperCase()} skbaddr=${ptr(e.skbaddr as number)}`,
);
export const QdiscDequeue = event(
  'qdisc:qdisc_dequeue',
  { qdisc: 'u32', ifindex: 'i32', handle: 'u32', parent: 'u32', packets: 'i32', skbaddr: 'u32', txq_state: 'u32' },
  (e) =>
    `dequeue ifindex=${e.ifindex} qdisc handle=0x${(e.handle as number).toString(16).toUpperCase()} parent=0x${(e.parent as number).toString(16).toUpperCase()} txq_state=0x${(e.txq_state as number).toString(16).toUpperCase()} packets=${e.packets} skbaddr=${ptr(e.skbaddr as number)}`,
);
