// The kinds of links that have arguments of their own: who reads them, and who prints them.
import type { LinkRequest } from '../../kernel/rtnetlink.ts';
import type { LinkInfo } from '../../kernel/rtnl_link_kinds.ts';
import type { LinkKindAttrs } from '../../kernel/rtnl_link_kinds.ts';
import type { Args } from '../iproute/args.ts';
import type { IpContext } from './ip_context.ts';
import { parseBridge, parseBridgeSlave, printBridge, printBridgeSlave } from './link_bridge.ts';
import { parseVlan, printVlan } from './link_vlan.ts';

/** The arguments after `type KIND`, or undefined for a kind that has none here. */
export function parseKind(ip: IpContext, kind: string, args: Args): Partial<LinkRequest> | undefined {
  if (kind === 'vlan') return { vlan: parseVlan(args) };
  if (kind === 'bridge') return { bridge: parseBridge(ip, args) };
  if (kind === 'bridge_slave') return { brport: parseBridgeSlave(ip, args) };
  return undefined;
}

function printData(ip: IpContext, data: LinkKindAttrs): void {
  if (data.vlan !== undefined) printVlan(ip, data.vlan);
  if (data.bridge !== undefined) printBridge(ip, data.bridge);
  if (data.brport !== undefined) printBridgeSlave(ip, data.brport);
}

/** Second line of `ip -d link`: the kind, and what its master makes of it. */
export function printLinkKind(ip: IpContext, l: LinkInfo): void {
  const { out } = ip;
  if (l.kind === undefined && l.slaveKind === undefined) return;
  out.openObject('linkinfo');
  if (l.kind !== undefined) {
    out.nl();
    out.any('info_kind', l.kind, `    ${l.kind} `);
    if (l.data !== undefined) {
      out.openObject('info_data');
      printData(ip, l.data);
      out.closeObject();
    }
  }
  if (l.slaveKind !== undefined && l.slaveData !== undefined) {
    out.nl();
    out.any('info_slave_kind', l.slaveKind, `    ${l.slaveKind}_slave `);
    out.openObject('info_slave_data');
    printData(ip, l.slaveData);
    out.closeObject();
  }
  out.closeObject();
}
