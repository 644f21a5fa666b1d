// `type bridge` and `type bridge_slave`: arguments, and how `ip -d link` shows a bridge and its ports.
import type { BridgeAttrs, BridgePortAttrs } from '../../kernel/rtnl_link_kinds.ts';
import { type Args, invarg, matches, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';

const NUMBERS: readonly (readonly [keyof BridgeAttrs, number])[] = [
  ['forward_delay', 0xffffffff],
  ['ageing_time', 0xffffffff],
  ['priority', 0xffff],
  ['vlan_filtering', 255],
  ['vlan_default_pvid', 0xffff],
];
/** What Linux's bridge has and this one has not: spanning tree, IGMP snooping, hooks for filters. */
const NOT_MODELLED: readonly string[] = ['hello_time', 'max_age', 'stp_state', 'vlan_protocol', 'group_fwd_mask', 'group_address'];

export function parseBridge(ip: IpContext, args: Args): BridgeAttrs {
  const attrs: { -readonly [K in keyof BridgeAttrs]: BridgeAttrs[K] } = {};
  for (; args.more; args.skip()) {
    const { word } = args;
    const known = NUMBERS.find(([name]) => matches(word, name));
    if (known === undefined) {
      if (NOT_MODELLED.some((name) => matches(word, name)) || /^(mcast_|nf_call_|vlan_stats_|no_linklocal_|fdb_flush)/.test(word))
        ip.notModelled(`bridge ${word}`);
      throw new ToolExit(1, `bridge: unknown command "${word}"?\n`);
    }
    const [name, max] = known;
    const value = args.next();
    const n = parseUnsigned(value, max) ?? invarg(`invalid ${name}`, value);
    if (name !== 'bridge_id') attrs[name] = n;
  }
  return attrs;
}

const PORT_SWITCHES = ['hairpin', 'learning', 'flood', 'mcast_flood', 'bcast_flood', 'isolated'] as const;
const PORT_NOT_MODELLED =
  /^(guard|root_block|fastleave|fdb_flush|proxy_arp|proxy_arp_wifi|mcast_|group_fwd|neigh_suppress|vlan_tunnel|backup_port|nobackup_port|locked)/;

export function parseBridgeSlave(ip: IpContext, args: Args): BridgePortAttrs {
  const attrs: { -readonly [K in keyof BridgePortAttrs]: BridgePortAttrs[K] } = {};
  for (; args.more; args.skip()) {
    const { word } = args;
    const toggle = PORT_SWITCHES.find((name) => name === word);
    if (toggle !== undefined) {
      const value = args.next();
      if (value !== 'on' && value !== 'off')
        throw new ToolExit(255, `Error: argument of "${word}" must be "on" or "off", not "${value}"\n`);
      attrs[toggle] = value === 'on';
    } else if (matches(word, 'state') || matches(word, 'priority') || matches(word, 'cost')) {
      const key = matches(word, 'state') ? 'state' : matches(word, 'priority') ? 'priority' : 'cost';
      const value = args.next();
      attrs[key] = parseUnsigned(value, key === 'state' ? 255 : 0xffffffff) ?? invarg(`${key} is invalid`, value);
    } else {
      if (PORT_NOT_MODELLED.test(word)) ip.notModelled(`bridge_slave ${word}`);
      throw new ToolExit(1, `bridge_slave: unknown option "${word}"?\n`);
    }
  }
  return attrs;
}

/** The attributes that exist here, in iproute2's order. */
export function printBridge(ip: IpContext, b: BridgeAttrs): void {
  const { out } = ip;
  const put = (key: string, value: number | string | undefined): void => {
    if (value !== undefined) out.any(key, value, `${key} ${value} `);
  };
  put('forward_delay', b.forward_delay);
  put('ageing_time', b.ageing_time);
  put('priority', b.priority);
  put('vlan_filtering', b.vlan_filtering);
  put('bridge_id', b.bridge_id);
  put('vlan_default_pvid', b.vlan_default_pvid);
}

export const PORT_STATES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const;

export function printBridgeSlave(ip: IpContext, p: BridgePortAttrs): void {
  const { out } = ip;
  const onOff = (key: string, on: boolean | undefined): void => out.any(key, on === true, `${key} ${on === true ? 'on' : 'off'} `);
  out.any('state', PORT_STATES[p.state ?? 0], `state ${PORT_STATES[p.state ?? 0]} `);
  out.any('priority', p.priority ?? 0, `priority ${p.priority} `);
  out.any('cost', p.cost ?? 0, `cost ${p.cost} `);
  onOff('hairpin', p.hairpin);
  onOff('learning', p.learning);
  onOff('flood', p.flood);
  const id = `0x${(((p.priority ?? 0) << 10) | (p.port_no ?? 0)).toString(16)}`;
  out.any('id', id, `port_id ${id} `);
  out.any('no', `0x${p.port_no?.toString(16)}`, `port_no 0x${p.port_no?.toString(16)} `);
  onOff('mcast_flood', p.mcast_flood);
  onOff('bcast_flood', p.bcast_flood);
  onOff('isolated', p.isolated);
}
