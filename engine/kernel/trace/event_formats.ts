// Binary layout and print format of Linux's own events, as their format files state them (include/trace/events/{net,napi,irq,skb,qdisc}.h).

/** One field as C declares it. */
export interface FormatField {
  readonly type: string;
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
}

export interface EventFormat {
  readonly fields: readonly FormatField[];
  /** After 'print fmt: '. */
  readonly print: string;
}

/** C type → size, signedness. */
const TYPES: Readonly<Record<string, readonly [number, boolean]>> = {
  'const void *': [8, false],
  'void *': [8, false],
  'struct napi_struct *': [8, false],
  'enum skb_drop_reason': [4, false],
  '__data_loc char[]': [4, false],
  'unsigned int': [4, false],
  'unsigned short': [2, false],
  'unsigned long': [8, false],
  int: [4, true],
  bool: [1, false],
  'unsigned char': [1, false],
  u8: [1, false],
  u16: [2, false],
  u32: [4, false],
};

/** 'type name; type name': a declaration list. */
function fields(declarations: string): FormatField[] {
  return declarations.split(';').map((d) => {
    const [, type, name] = /^\s*(.*?)\s*(\w+)\s*$/.exec(d) ?? ['', '', ''];
    const [size, signed] = TYPES[type];
    return { type, name, size, signed };
  });
}
const format = (declarations: string, print: string): EventFormat => ({ fields: fields(declarations), print });

const DEV_SKB = format(
  'void * skbaddr; unsigned int len; __data_loc char[] name',
  '"dev=%s skbaddr=%p len=%u", __get_str(name), REC->skbaddr, REC->len',
);
const RX_VERBOSE = format(
  '__data_loc char[] name; unsigned int napi_id; u16 queue_mapping; const void * skbaddr; bool vlan_tagged; u16 vlan_proto; u16 vlan_tci; u16 protocol; u8 ip_summed; u32 hash; ' +
    'bool l4_hash; unsigned int len; unsigned int data_len; unsigned int truesize; bool mac_header_valid; int mac_header; unsigned char nr_frags; u16 gso_size; u16 gso_type',
  '"dev=%s napi_id=%#x queue_mapping=%u skbaddr=%p vlan_tagged=%d vlan_proto=0x%04x vlan_tci=0x%04x protocol=0x%04x ip_summed=%d hash=0x%08x l4_hash=%d len=%u data_len=%u truesize=%u ' +
    'mac_header_valid=%d mac_header=%d nr_frags=%d gso_size=%d gso_type=%#x", __get_str(name), REC->napi_id, REC->queue_mapping, REC->skbaddr, REC->vlan_tagged, REC->vlan_proto, ' +
    'REC->vlan_tci, REC->protocol, REC->ip_summed, REC->hash, REC->l4_hash, REC->len, REC->data_len, REC->truesize, REC->mac_header_valid, REC->mac_header, REC->nr_frags, REC->gso_size, REC->gso_type',
);
const RX_EXIT = format('int ret', '"ret=%d", REC->ret');
const SOFTIRQ = format(
  'unsigned int vec',
  '"vec=%u [action=%s]", REC->vec, __print_symbolic(REC->vec, { 0, "HI" }, { 1, "TIMER" }, { 2, "NET_TX" }, { 3, "NET_RX" }, { 4, "BLOCK" }, { 5, "IRQ_POLL" }, { 6, "TASKLET" }, { 7, "SCHED" }, { 8, "HRTIMER" }, { 9, "RCU" })',
);

export const EVENT_FORMATS: ReadonlyMap<string, EventFormat> = new Map([
  ['irq:irq_handler_entry', format('int irq; __data_loc char[] name', '"irq=%d name=%s", REC->irq, __get_str(name)')],
  ['irq:irq_handler_exit', format('int irq; int ret', '"irq=%d ret=%s", REC->irq, REC->ret ? "handled" : "unhandled"')],
  ['irq:softirq_entry', SOFTIRQ],
  ['irq:softirq_exit', SOFTIRQ],
  ['irq:softirq_raise', SOFTIRQ],
  [
    'napi:napi_poll',
    format(
      'struct napi_struct * napi; __data_loc char[] dev_name; int work; int budget',
      '"napi poll on napi struct %p for device %s work %d budget %d", REC->napi, __get_str(dev_name), REC->work, REC->budget',
    ),
  ],
  ['net:net_dev_queue', DEV_SKB],
  ['net:netif_receive_skb', DEV_SKB],
  ['net:netif_rx', DEV_SKB],
  ['net:napi_gro_frags_entry', RX_VERBOSE],
  ['net:napi_gro_receive_entry', RX_VERBOSE],
  ['net:netif_receive_skb_entry', RX_VERBOSE],
  ['net:netif_receive_skb_list_entry', RX_VERBOSE],
  ['net:netif_rx_entry', RX_VERBOSE],
  ['net:napi_gro_frags_exit', RX_EXIT],
  ['net:napi_gro_receive_exit', RX_EXIT],
  ['net:netif_receive_skb_exit', RX_EXIT],
  ['net:netif_receive_skb_list_exit', RX_EXIT],
  ['net:netif_rx_exit', RX_EXIT],
  [
    'net:net_dev_xmit',
    format(
      'void * skbaddr; unsigned int len; int rc; __data_loc char[] name',
      '"dev=%s skbaddr=%p len=%u rc=%d", __get_str(name), REC->skbaddr, REC->len, REC->rc',
    ),
  ],
  [
    'net:net_dev_xmit_timeout',
    format(
      '__data_loc char[] name; __data_loc char[] driver; int queue_index',
      '"dev=%s driver=%s queue=%d", __get_str(name), __get_str(driver), REC->queue_index',
    ),
  ],
  [
    'net:net_dev_start_xmit',
    format(
      '__data_loc char[] name; u16 queue_mapping; const void * skbaddr; bool vlan_tagged; u16 vlan_proto; u16 vlan_tci; u16 protocol; u8 ip_summed; unsigned int len; unsigned int data_len; ' +
        'int network_offset; bool transport_offset_valid; int transport_offset; u8 tx_flags; u16 gso_size; u16 gso_segs; u16 gso_type',
      '"dev=%s queue_mapping=%u skbaddr=%p vlan_tagged=%d vlan_proto=0x%04x vlan_tci=0x%04x protocol=0x%04x ip_summed=%d len=%u data_len=%u network_offset=%d transport_offset_valid=%d ' +
        'transport_offset=%d tx_flags=%d gso_size=%d gso_segs=%d gso_type=%#x", __get_str(name), REC->queue_mapping, REC->skbaddr, REC->vlan_tagged, REC->vlan_proto, REC->vlan_tci, ' +
        'REC->protocol, REC->ip_summed, REC->len, REC->data_len, REC->network_offset, REC->transport_offset_valid, REC->transport_offset, REC->tx_flags, REC->gso_size, REC->gso_segs, REC->gso_type',
    ),
  ],
  ['skb:consume_skb', format('void * skbaddr', '"skbaddr=%p", REC->skbaddr')],
]);
