// Netdevice notifications: what happens to a device, told to every registered subsystem (Linux: netdev_chain, enum netdev_cmd).
import type { NetDevice } from './net_device.ts';

export type NetdevEvent =
  | 'NETDEV_UP'
  | 'NETDEV_DOWN'
  | 'NETDEV_REBOOT'
  | 'NETDEV_CHANGE'
  | 'NETDEV_REGISTER'
  | 'NETDEV_UNREGISTER'
  | 'NETDEV_CHANGEMTU'
  | 'NETDEV_CHANGEADDR'
  | 'NETDEV_PRE_CHANGEADDR'
  | 'NETDEV_GOING_DOWN'
  | 'NETDEV_CHANGENAME'
  | 'NETDEV_FEAT_CHANGE'
  | 'NETDEV_PRE_UP'
  | 'NETDEV_POST_INIT'
  | 'NETDEV_NOTIFY_PEERS'
  | 'NETDEV_CHANGEUPPER'
  | 'NETDEV_PRECHANGEMTU'
  | 'NETDEV_CHANGE_TX_QUEUE_LEN';

/** What an event carries beside the device. */
export interface NetdevNotifierInfo {
  /** NETDEV_CHANGE: flags that changed. NETDEV_PRECHANGEMTU: the new MTU. */
  readonly flags_changed?: number;
  readonly mtu?: number;
  /** NETDEV_PRE_CHANGEADDR */
  readonly dev_addr?: Uint8Array;
}

/** A registered listener. It answers 0, or a negative errno that stops an event that asks (PRE_UP, PRECHANGEMTU, PRE_CHANGEADDR, REGISTER). */
export interface NetdevNotifier {
  netdev_event(event: NetdevEvent, dev: NetDevice, info: NetdevNotifierInfo | undefined): number;
}
