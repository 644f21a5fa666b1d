// Ports of a bridge: how they come, change state and go; the bridge's address, MTU and features that follow from them (Linux: net/bridge/br_if.c, br_stp_if.c).
import { Errno } from '../../base/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { IFF, type NetDevice } from '../../kernel/net_device.ts';
import type { NetdevEvent, NetdevNotifier } from '../../kernel/netdev_events.ts';
import { NL_OK, type NlResult } from '../../kernel/rtnetlink.ts';
import type { BridgePortAttrs, BridgeVlan } from '../../kernel/rtnl_link_kinds.ts';
import { BrFdb } from './br_fdb.ts';
import { BrForward } from './br_forward.ts';
import { BR_STATE, BR_STATE_NAMES, BR_VLAN, bridgeOf, macNumber, type NetBridge, NetBridgePort, type VlanGroup } from './br_private.ts';

const BR_MAX_PORTS = 1023;

const refused = (errno: number, extack?: string): NlResult => (extack === undefined ? { errno: -errno } : { errno: -errno, extack });

export class BrIf implements NetdevNotifier {
  readonly fdb: BrFdb;
  readonly forward: BrForward;
  constructor(readonly kernel: Kernel) {
    this.fdb = new BrFdb(kernel);
    this.forward = new BrForward(kernel, this.fdb);
  }

  /** Cost by the link's speed (IEEE 802.1D-1998 table 8-5 and Linux's value for 10 Gbit/s). */
  port_cost(dev: NetDevice): number {
    const settings = dev.ethtool_ops?.get_link_ksettings?.(dev);
    const speed = settings === undefined || typeof settings === 'number' ? 0 : settings.speed;
    if (speed === 10000) return 2;
    if (speed === 1000) return 4;
    return speed === 100 ? 19 : 100;
  }

  br_set_state(port: NetBridgePort, state: number): void {
    port.state = state;
    const name = BR_STATE_NAMES[state];
    this.kernel.printk.pr_info(`${port.br.dev.name}: port ${port.port_no}(${port.dev.name}) entered ${name} state`);
  }
  /** Without a spanning tree a port forwards as soon as it can. */
  br_stp_enable_port(port: NetBridgePort): void {
    this.br_set_state(port, BR_STATE.BLOCKING);
    this.br_set_state(port, BR_STATE.FORWARDING);
    this.br_port_state_selection(port.br);
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', port.dev);
  }
  br_stp_disable_port(port: NetBridgePort): void {
    this.br_set_state(port, BR_STATE.DISABLED);
    this.fdb.br_fdb_delete_by_port(port.br, port, { all: false });
    this.br_port_state_selection(port.br);
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', port.dev);
  }
  /** The bridge has a carrier while a port forwards. */
  br_port_state_selection(br: NetBridge): void {
    const { link } = this.kernel.net;
    if (br.ports.some((p) => p.state === BR_STATE.FORWARDING)) link.netif_carrier_on(br.dev);
    else link.netif_carrier_off(br.dev);
  }
  br_stp_enable_bridge(br: NetBridge): void {
    for (const port of br.ports) if (port.dev.started && this.kernel.net.link.netif_oper_up(port.dev)) this.br_stp_enable_port(port);
  }
  br_stp_disable_bridge(br: NetBridge): void {
    for (const port of br.ports) if (port.state !== BR_STATE.DISABLED) this.br_stp_disable_port(port);
  }
  br_port_carrier_check(port: NetBridgePort): void {
    const { br, dev } = port;
    if (!port.costSet && dev.started && !dev.nocarrier) port.path_cost = this.port_cost(dev);
    if (!br.dev.started) return;
    if (dev.started && this.kernel.net.link.netif_oper_up(dev)) {
      if (port.state === BR_STATE.DISABLED) this.br_stp_enable_port(port);
    } else if (port.state !== BR_STATE.DISABLED) this.br_stp_disable_port(port);
  }

  /** The smallest address of the ports, unless a user chose one. */
  br_stp_recalculate_bridge_id(br: NetBridge): void {
    if (br.addressSet || br.ports.length === 0) return;
    const lowest = br.ports.map((p) => p.dev.dev_addr).reduce((a, b) => (macNumber(b) < macNumber(a) ? b : a));
    if (macNumber(lowest) === macNumber(br.dev.dev_addr)) return;
    this.br_stp_change_bridge_id(br, lowest);
    this.kernel.net.call_netdevice_notifiers('NETDEV_CHANGEADDR', br.dev);
  }
  br_stp_change_bridge_id(br: NetBridge, mac: Uint8Array): void {
    for (const entry of br.fdb.filter((e) => e.dst === undefined && e.local && !e.addedByUser)) this.fdb.fdb_delete(br, entry);
    br.dev.dev_addr = mac.slice(0, 6);
    for (const vid of [0, ...br.vlans.vlans.keys()]) this.fdb.br_fdb_add_local(br, undefined, br.dev.dev_addr, vid);
  }
  br_mtu_auto_adjust(br: NetBridge): void {
    if (br.dev.priv_flags.has('mtu_set_by_user') || br.ports.length === 0) return;
    this.kernel.net.dev_set_mtu(br.dev, Math.min(...br.ports.map((p) => p.dev.mtu)));
    br.dev.priv_flags.delete('mtu_set_by_user');
  }

  br_add_if(brDev: NetDevice, dev: NetDevice): NlResult {
    const { net } = this.kernel;
    const br = bridgeOf(brDev);
    if ((dev.flags & IFF.LOOPBACK) !== 0 || dev.addr_len !== 6) return refused(Errno.EINVAL);
    if (dev.kind === 'bridge') return refused(Errno.ELOOP, 'Can not enslave a bridge to a bridge');
    if (dev.rx_handler !== undefined) return refused(Errno.EBUSY);
    let port_no = 1;
    while (br.ports.some((p) => p.port_no === port_no)) port_no++;
    if (port_no > BR_MAX_PORTS) return refused(Errno.EXFULL);
    const port = new NetBridgePort(br, dev, port_no);
    port.path_cost = this.port_cost(dev);
    this.br_set_state(port, BR_STATE.BLOCKING);
    this.br_set_state(port, BR_STATE.DISABLED);
    net.addrs.dev_set_allmulti(dev, 1);
    dev.rx_handler = this.forward;
    dev.priv_flags.add('IFF_BRIDGE_PORT');
    dev.master = brDev;
    br.ports.unshift(port);
    net.addrs.dev_set_promiscuity(dev, 1);
    net.features.netdev_update_features(brDev);
    brDev.needed_headroom = Math.max(brDev.needed_headroom, dev.needed_headroom);
    this.fdb.br_fdb_add_local(br, port, dev.dev_addr, 0);
    if (br.default_pvid !== 0) this.setVlan(br, dev, { vid: br.default_pvid, flags: BR_VLAN.PVID | BR_VLAN.UNTAGGED }, true);
    this.br_stp_recalculate_bridge_id(br);
    if (brDev.started && dev.started && net.link.netif_oper_up(dev)) this.br_stp_enable_port(port);
    this.br_mtu_auto_adjust(br);
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    return NL_OK;
  }
  br_del_if(brDev: NetDevice, dev: NetDevice): number {
    const { net } = this.kernel;
    const br = bridgeOf(brDev);
    const at = br.ports.findIndex((p) => p.dev === dev);
    if (at < 0) return -Errno.EINVAL;
    const port = br.ports[at];
    net.addrs.dev_set_promiscuity(dev, -1);
    this.br_set_state(port, BR_STATE.DISABLED);
    br.ports.splice(at, 1);
    this.fdb.br_fdb_delete_by_port(br, port, { all: true });
    dev.rx_handler = undefined;
    dev.master = undefined;
    dev.priv_flags.delete('IFF_BRIDGE_PORT');
    net.addrs.dev_set_allmulti(dev, -1);
    this.br_port_state_selection(br);
    this.br_mtu_auto_adjust(br);
    this.br_stp_recalculate_bridge_id(br);
    net.features.netdev_update_features(brDev);
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', dev);
    return 0;
  }

  /** A port's VLAN, or the bridge's own. */
  setVlan(br: NetBridge, dev: NetDevice, vlan: BridgeVlan, add: boolean): number {
    const port = br.ports.find((p) => p.dev === dev);
    const group: VlanGroup = port?.vlans ?? br.vlans;
    if (add) {
      if ((vlan.flags & BR_VLAN.PVID) !== 0) group.pvid = vlan.vid;
      else if (group.pvid === vlan.vid) group.pvid = 0;
      group.vlans.set(vlan.vid, vlan.flags & BR_VLAN.UNTAGGED);
      this.fdb.br_fdb_add_local(br, port, dev.dev_addr, vlan.vid);
      return 0;
    }
    if (!group.vlans.delete(vlan.vid)) return -Errno.ENOENT;
    if (group.pvid === vlan.vid) group.pvid = 0;
    if (port !== undefined) this.fdb.br_fdb_delete_by_port(br, port, { vid: vlan.vid, all: true });
    return 0;
  }
  vlansOf(br: NetBridge, dev: NetDevice): BridgeVlan[] {
    const group = br.ports.find((p) => p.dev === dev)?.vlans ?? br.vlans;
    return [...group.vlans]
      .sort(([a], [b]) => a - b)
      .map(([vid, flags]) => ({ vid, flags: flags | (vid === group.pvid ? BR_VLAN.PVID : 0) }));
  }

  br_setport(port: NetBridgePort, a: BridgePortAttrs): NlResult {
    if (a.state !== undefined) {
      if (a.state > BR_STATE.BLOCKING) return refused(Errno.EINVAL);
      if (a.state === BR_STATE.FORWARDING || a.state === BR_STATE.LEARNING || a.state === BR_STATE.LISTENING) {
        if (!port.dev.started || port.dev.nocarrier) return refused(Errno.ENETDOWN);
      }
      this.br_set_state(port, a.state);
      this.br_port_state_selection(port.br);
    }
    if (a.cost !== undefined) {
      if (a.cost < 1 || a.cost > 65535) return refused(Errno.ERANGE);
      port.path_cost = a.cost;
      port.costSet = true;
    }
    if (a.priority !== undefined) {
      if (a.priority > 63) return refused(Errno.ERANGE);
      port.priority = a.priority;
    }
    port.hairpin = a.hairpin ?? port.hairpin;
    port.learning = a.learning ?? port.learning;
    port.flood = a.flood ?? port.flood;
    port.mcast_flood = a.mcast_flood ?? port.mcast_flood;
    port.bcast_flood = a.bcast_flood ?? port.bcast_flood;
    port.isolated = a.isolated ?? port.isolated;
    this.kernel.rtnl.rtmsg_ifinfo('RTM_NEWLINK', port.dev);
    return NL_OK;
  }

  netdev_event(event: NetdevEvent, dev: NetDevice): number {
    return this.br_device_event(event, dev);
  }
  br_device_event(event: NetdevEvent, dev: NetDevice): number {
    const { master } = dev;
    if (master?.kind !== 'bridge') return 0;
    const br = bridgeOf(master);
    const port = br.ports.find((p) => p.dev === dev);
    if (port === undefined) return 0;
    switch (event) {
      case 'NETDEV_CHANGEMTU':
        this.br_mtu_auto_adjust(br);
        break;
      case 'NETDEV_CHANGEADDR':
        this.fdb.br_fdb_changeaddr(br, port);
        this.br_stp_recalculate_bridge_id(br);
        break;
      case 'NETDEV_CHANGE':
        this.br_port_carrier_check(port);
        break;
      case 'NETDEV_FEAT_CHANGE':
        this.kernel.net.features.netdev_update_features(master);
        break;
      case 'NETDEV_DOWN':
        if ((master.flags & IFF.UP) !== 0) this.br_stp_disable_port(port);
        break;
      case 'NETDEV_UP':
        if (master.started && this.kernel.net.link.netif_oper_up(dev)) this.br_stp_enable_port(port);
        break;
      case 'NETDEV_UNREGISTER':
        this.br_del_if(master, dev);
        break;
    }
    return 0;
  }
}
