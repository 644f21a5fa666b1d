// Receive classification: `ethtool -n` and `-N`: what of a flow is hashed, and rules, which no device here has.
import { Errno, strerror } from '../../base/errno.ts';
import { AF } from '../../kernel/rtnl_records.ts';
import { parseAddress, parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { badArguments, type EthtoolCommand, type EthtoolContext } from './ethtool_context.ts';

const FLOWS: Readonly<Record<string, string>> = Object.freeze({
  tcp4: 'TCP over IPV4 flows',
  udp4: 'UDP over IPV4 flows',
  sctp4: 'SCTP over IPV4 flows',
  ah4: 'IPSEC AH/ESP over IPV4 flows',
  esp4: 'IPSEC AH/ESP over IPV4 flows',
  tcp6: 'TCP over IPV6 flows',
  udp6: 'UDP over IPV6 flows',
  sctp6: 'SCTP over IPV6 flows',
  ah6: 'IPSEC AH/ESP over IPV6 flows',
  esp6: 'IPSEC AH/ESP over IPV6 flows',
  ether: '',
});
/** Bits of RXH_*, the letters of -N and the words of -n, in order. */
const FIELDS: readonly (readonly [bit: number, letter: string, words: string])[] = [
  [2, 'm', 'L2DA'],
  [4, 'v', 'VLAN tag'],
  [8, 't', 'L3 proto'],
  [16, 's', 'IP SA'],
  [32, 'd', 'IP DA'],
  [64, 'f', 'L4 bytes 0 & 1 [TCP/UDP src port]'],
  [128, 'n', 'L4 bytes 2 & 3 [TCP/UDP dst port]'],
  [0x80000000, 'r', 'All matching flows discarded on RX'],
];
/** Types of rules, and what may describe one. */
const RULE_TYPES = ['ether', 'ip4', 'tcp4', 'udp4', 'sctp4', 'ah4', 'esp4', 'ip6', 'tcp6', 'udp6', 'sctp6', 'ah6', 'esp6'];
const RULE_WORDS = [
  'src',
  'dst',
  'proto',
  'src-ip',
  'dst-ip',
  'tos',
  'tclass',
  'l4proto',
  'src-port',
  'dst-port',
  'spi',
  'vlan-etype',
  'vlan',
  'user-def',
  'dst-mac',
  'action',
  'vf',
  'queue',
  'context',
  'loc',
];

const reason = (e: EthtoolContext): number => (e.device === undefined ? Errno.ENODEV : Errno.EOPNOTSUPP);

/** `context N` behind the other words; undefined without it. */
function contextOf(args: readonly string[]): string | undefined {
  if (args.length === 0) return undefined;
  const n = args[0] === 'context' && args.length === 2 ? parseUnsigned(args[1]) : undefined;
  return n === undefined ? badArguments() : String(n);
}

function showHash(e: EthtoolContext): number {
  const [, flow, ...rest] = e.args;
  if (flow === undefined || !Object.hasOwn(FLOWS, flow)) return badArguments();
  const context = contextOf(rest);
  const dev = e.device;
  const ops = dev?.ethtool_ops;
  const bits = dev === undefined ? undefined : ops?.get_rxfh_fields?.(dev, flow);
  const words =
    dev !== undefined && bits === undefined
      ? ops?.get_rx_flow_hash?.(dev, flow)
      : FIELDS.filter(([bit]) => ((bits ?? 0) & bit) !== 0).map(([, , w]) => w);
  if (dev === undefined || words === undefined) return e.ioctlError('Cannot get RX network flow hashing options', reason(e), 1);
  e.print(`${context === undefined ? '' : `For RSS context ${context}:\n`}${FLOWS[flow]} use these fields for computing Hash flow key:\n`);
  e.print(words.length === 0 ? 'None\n' : `${words.join('\n')}\n\n`);
  return 0;
}

function show(e: EthtoolContext): number {
  const [word, number] = e.args;
  if (word === 'rx-flow-hash') return showHash(e);
  const text = strerror(reason(e));
  if (word === 'rule') {
    if (parseUnsigned(number ?? '') === undefined) return badArguments();
    throw new ToolExit(1, `rxclass: Cannot get RX class rule: ${text}\nCannot get RX classification rule\n`);
  }
  if (word !== undefined) return badArguments();
  const dev = e.device;
  const rings = dev?.ethtool_ops?.get_rxrings;
  if (dev === undefined || rings === undefined) e.tool.error(`Cannot get RX rings: ${text}\n`);
  else e.print(`${rings(dev)} RX rings available\n`);
  throw new ToolExit(1, `rxclass: Cannot get RX class rule count: ${text}\nRX classification rule retrieval failed\n`);
}

function setHash(e: EthtoolContext): number {
  const [, flow, letters, ...rest] = e.args;
  if (flow === undefined || letters === undefined || !Object.hasOwn(FLOWS, flow)) return badArguments();
  let data = 0;
  for (const letter of letters) {
    const field = FIELDS.find(([, l]) => l === letter);
    if (field === undefined) return badArguments();
    data = (data | field[0]) >>> 0;
  }
  contextOf(rest);
  const dev = e.device;
  const set = dev?.ethtool_ops?.set_rxfh_fields;
  const err = !e.tool.capable ? -Errno.EPERM : dev === undefined || set === undefined ? -reason(e) : set(dev, flow, data);
  // the tool reports, and ends as if it had not
  if (err < 0) e.tool.error(`Cannot change RX network flow hashing options: ${strerror(err)}\n`);
  return 0;
}

function addRule(e: EthtoolContext): number {
  const [, type, ...rest] = e.args;
  if (type === undefined || !RULE_TYPES.includes(type)) {
    e.tool.error('Add rule, invalid syntax\n');
    return badArguments();
  }
  let placed = false;
  for (let i = 0; i < rest.length; i += 2) {
    if (!RULE_WORDS.includes(rest[i])) {
      e.print(`Add rule, unrecognized option[${rest[i]}]\n`);
      return badArguments();
    }
    const word = rest[i + 1];
    if (word !== undefined && /^(src|dst)-ip$/.test(rest[i]) && parseAddress(word, type.endsWith('6') ? AF.INET6 : AF.INET) === undefined) {
      e.tool.error(`Invalid ${rest[i]} value[${word}]\n`);
      return badArguments();
    }
    placed ||= rest[i] === 'loc';
    if (rest[i + 2] === 'm') i += 2;
  }
  const text = strerror(reason(e));
  if (placed) {
    e.tool.error(`rmgr: Cannot insert RX class rule: ${text}\n`);
    return 0;
  }
  throw new ToolExit(1, `rxclass: Cannot get RX class rule count: ${text}\nCannot insert classification rule\n`);
}

function set(e: EthtoolContext): number {
  const [word, number] = e.args;
  if (word === 'rx-flow-hash') return setHash(e);
  if (word === 'flow-type') return addRule(e);
  if (word !== 'delete' || parseUnsigned(number ?? '') === undefined) return badArguments();
  throw new ToolExit(1, `rmgr: Cannot delete RX class rule: ${strerror(reason(e))}\nCannot delete classification rule\n`);
}

export const RXCLASS_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-n', '-u', '--show-nfc', '--show-ntuple'], run: show },
  { opts: ['-N', '-U', '--config-nfc', '--config-ntuple'], run: set },
];
