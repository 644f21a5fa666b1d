// `type vlan`: its arguments, and how `ip -d link` shows a VLAN.
import { VLAN_FLAG, type VlanAttrs } from '../../kernel/rtnl_link_kinds.ts';
import { type Args, invarg, matches, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import type { IpContext } from './ip_context.ts';

const USAGE = `Usage: ... vlan id VLANID
                [ protocol VLANPROTO ]
                [ reorder_hdr { on | off } ]
                [ gvrp { on | off } ]
                [ mvrp { on | off } ]
                [ loose_binding { on | off } ]
                [ bridge_binding { on | off } ]
                [ ingress-qos-map QOS-MAP ]
                [ egress-qos-map QOS-MAP ]

VLANID := 0-4095
VLANPROTO: [ 802.1Q | 802.1ad ]
QOS-MAP := [ QOS-MAP ] QOS-MAPPING
QOS-MAPPING := FROM:TO
`;

const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['802.1Q', 0x8100],
  ['802.1ad', 0x88a8],
];
/** In the order of printing. */
const FLAGS: readonly (readonly [string, number])[] = [
  ['REORDER_HDR', VLAN_FLAG.REORDER_HDR],
  ['GVRP', VLAN_FLAG.GVRP],
  ['MVRP', VLAN_FLAG.MVRP],
  ['LOOSE_BINDING', VLAN_FLAG.LOOSE_BINDING],
  ['BRIDGE_BINDING', VLAN_FLAG.BRIDGE_BINDING],
];

type Map = [number, number][];

/** FROM:TO pairs, one at least; stops at the word that is none. */
function qosMap(args: Args): Map {
  const map: Map = [];
  args.skip();
  for (; args.more; args.skip()) {
    const [from, to, ...rest] = args.word.split(':');
    if (to === undefined || rest.length > 0) break;
    const a = parseUnsigned(from) ?? invarg('invalid "from" value', args.word);
    const b = parseUnsigned(to) ?? invarg('invalid "to" value', args.word);
    map.push([a, b]);
  }
  return map;
}

export function parseVlan(args: Args): VlanAttrs {
  let attrs: VlanAttrs = {};
  let flags = 0;
  let flagMask = 0;
  while (args.more) {
    const { word } = args;
    if (matches(word, 'protocol')) {
      const name = args.next();
      const known = PROTOCOLS.find(([n]) => n.toLowerCase() === name.toLowerCase())?.[1] ?? parseUnsigned(name, 0xffff);
      attrs = { ...attrs, protocol: known ?? invarg('protocol is invalid', name) };
    } else if (matches(word, 'id')) {
      const id = args.next();
      attrs = { ...attrs, id: parseUnsigned(id, 0xffff) ?? invarg('id is invalid', id) };
    } else if (matches(word, 'ingress-qos-map')) {
      attrs = { ...attrs, ingress: qosMap(args) };
      continue;
    } else if (matches(word, 'egress-qos-map')) {
      attrs = { ...attrs, egress: qosMap(args) };
      continue;
    } else {
      const flag = FLAGS.find(([name]) => matches(word, name.toLowerCase()));
      if (flag === undefined) throw new ToolExit(1, `${matches(word, 'help') ? '' : `vlan: unknown command "${word}"?\n`}${USAGE}`);
      const value = args.next();
      if (value !== 'on' && value !== 'off') throw new ToolExit(1, `Error: argument of "${word}" must be "on" or "off", not "${value}"\n`);
      flagMask |= flag[1];
      if (value === 'on') flags |= flag[1];
      else flags &= ~flag[1];
    }
    args.skip();
  }
  return flagMask === 0 ? attrs : { ...attrs, flags, flagMask };
}

function printMap(ip: IpContext, key: string, word: string, map: VlanAttrs['ingress']): void {
  const { out } = ip;
  if (map === undefined || map.length === 0) return;
  out.openArray(key);
  out.nl();
  out.fp(`      ${word} { `);
  for (const [from, to] of map) {
    out.openObject();
    out.any('from', from, `${from}`);
    out.any('to', to, `:${to} `);
    out.closeObject();
  }
  out.fp('} ');
  out.closeArray();
}

export function printVlan(ip: IpContext, v: VlanAttrs): void {
  const { out } = ip;
  const protocol = PROTOCOLS.find(([, n]) => n === v.protocol)?.[0] ?? `[${v.protocol}]`;
  out.any('protocol', protocol, `protocol ${protocol} `);
  out.any('id', v.id ?? 0, `id ${v.id} `);
  const set = FLAGS.filter(([, bit]) => ((v.flags ?? 0) & bit) !== 0).map(([name]) => name);
  out.openArray('flags');
  for (const name of set) out.item(name, '');
  out.closeArray();
  out.fp(`<${set.join(',')}> `);
  printMap(ip, 'ingress_qos', 'ingress-qos-map', v.ingress);
  printMap(ip, 'egress_qos', 'egress-qos-map', v.egress);
}
