// What the contract checker asks of network drivers: NAPI, transmit, packets, devices that go. Called only while it is on.
import { formatSeconds } from '../base/units.ts';
import { happened } from './contract.ts';
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import { NETDEV_TX_BUSY, type NetDevice, type NetdevQueue } from './net_device.ts';
import type { SkBuff } from './skbuff.ts';
import { TimerList } from './timer.ts';
import { WorkStruct } from './workqueue.ts';

/** Who answers for a device: its driver, or the kind of a virtual one. */
export const driverOf = (dev: NetDevice): string => dev.parent?.driver?.name ?? dev.kind ?? dev.name;

const where = (napi: Napi): string => `${napi.dev.name}, NAPI ${napi.id}${napi.queue >= 0 ? ` of queue ${napi.queue}` : ''}`;
const before = (napi: Napi): string => happened(napi.lastEvent, napi.lastEventAt);

/** Remembers what was done to an instance last. */
export function napiEvent(kernel: Kernel, napi: Napi, what: string): void {
  napi.lastEvent = what;
  napi.lastEventAt = kernel.now();
}

export function checkNapiControl(kernel: Kernel, napi: Napi, enable: boolean): void {
  if (!enable) kernel.contract.mightSleep('napi_disable');
  if (napi.disabled !== enable)
    kernel.contract.violation(enable ? 'napi-enable-twice' : 'napi-disable-twice', driverOf(napi.dev), where(napi), before(napi));
  else napiEvent(kernel, napi, enable ? 'napi_enable' : 'napi_disable');
}

export function checkNapiSchedule(kernel: Kernel, napi: Napi): void {
  if (napi.disabled) kernel.contract.violation('napi-schedule-disabled', driverOf(napi.dev), where(napi), before(napi));
  else if (!napi.sched || napi.onList) kernel.contract.violation('napi-schedule-unprepared', driverOf(napi.dev), where(napi), before(napi));
  if (!napi.disabled) napi.sched = true;
  napiEvent(kernel, napi, '__napi_schedule');
}

/** False when it was not scheduled: then nothing may be done to it. */
export function checkNapiComplete(kernel: Kernel, napi: Napi): boolean {
  if (!napi.sched && !napi.disabled) {
    kernel.contract.violation('napi-complete-twice', driverOf(napi.dev), where(napi), before(napi));
    return false;
  }
  napiEvent(kernel, napi, 'napi_complete_done');
  return true;
}

/** After a poll: `polled` is the instance's count of events before it. */
export function checkNapiPoll(kernel: Kernel, napi: Napi, work: number, weight: number): void {
  const by = driverOf(napi.dev);
  const did = `${where(napi)}: poll returned ${work} of ${weight}`;
  if (work > weight) kernel.contract.violation('napi-budget', by, did, before(napi));
  const still = napi.sched && !napi.disabled;
  // completed ones are off the list; one that was scheduled again meanwhile is on it
  if (work < weight && still && napi.onList && napi.lastEvent === 'poll')
    kernel.contract.violation('napi-not-completed', by, did, before(napi));
  if (work === weight && napi.lastEvent === 'napi_complete_done') kernel.contract.violation('napi-complete-full', by, did, before(napi));
}

export function checkNapiDelete(kernel: Kernel, napi: Napi): void {
  if (!napi.disabled) kernel.contract.violation('napi-del-enabled', driverOf(napi.dev), where(napi), before(napi));
}

export function checkXmitStart(kernel: Kernel, dev: NetDevice, txq: NetdevQueue): void {
  if (txq.drvXoff)
    kernel.contract.violation(
      'xmit-stopped',
      driverOf(dev),
      `${dev.name} queue ${txq.index}`,
      happened('netif_tx_stop_queue', txq.stoppedAt),
    );
}

/** After ndo_start_xmit. True when the skb must not be touched any more, whatever the driver said. */
export function checkXmitDone(kernel: Kernel, skb: SkBuff, dev: NetDevice, txq: NetdevQueue, rc: number): boolean {
  if (rc !== NETDEV_TX_BUSY) return false;
  const by = driverOf(dev);
  const on = `${dev.name} queue ${txq.index}`;
  if (!txq.drvXoff) kernel.contract.violation('xmit-busy-running', by, on, happened('netif_tx_wake_queue', txq.wokenAt));
  if (skb.users > 0) return false;
  kernel.contract.violation('xmit-busy-consumed', by, `${on}, skb ${skb.id}`, happened(`freed`, skb.freedAt));
  return true;
}

/** True when the packet is alive. */
export function checkSkbAlive(kernel: Kernel, skb: SkBuff, what: string): boolean {
  if (skb.users > 0) return true;
  const by = skb.freedDev === undefined ? what : `${driverOf(skb.freedDev)} ${what}`;
  kernel.contract.violation(
    what.includes('free') || what.includes('consume') ? 'skb-double-free' : 'skb-use-after-free',
    by,
    `skb ${skb.id}`,
    happened('freed', skb.freedAt),
  );
  return false;
}

/** A packet is freed now. */
export function markFreed(kernel: Kernel, skb: SkBuff): void {
  skb.freedAt = kernel.now();
  skb.freedDev = skb.dev;
}

/** A packet's head is about to be freed. */
export function checkSkbHead(kernel: Kernel, skb: SkBuff): void {
  const { dmaDebug } = kernel.platform;
  // a driver maps what holds data, from the headroom on
  if (!dmaDebug.isMapped(skb.head, Math.max(1, skb.tail - skb.head))) return;
  const by = skb.dev === undefined ? 'skb_free_head' : driverOf(skb.dev);
  kernel.contract.violation('dma-free-mapped', by, `skb ${skb.id}, ${skb.end - skb.head} bytes at 0x${skb.head.toString(16)}`);
}

/** The driver looks into a received packet. */
export function checkSkbOwned(kernel: Kernel, skb: SkBuff, dev: NetDevice): void {
  checkSkbAlive(kernel, skb, 'eth_type_trans');
  if (kernel.platform.dmaDebug.deviceOwns(skb.data, Math.max(1, skb.len - skb.data_len)))
    kernel.contract.violation(
      'dma-cpu-touch',
      driverOf(dev),
      `${dev.name}: eth_type_trans() of skb ${skb.id} at 0x${skb.data.toString(16)}`,
    );
}

/** A device's memory goes: no timer may point to it. */
export function checkTimers(kernel: Kernel, dev: NetDevice): void {
  for (const e of kernel.platform.sim.queued((event) => event.target === kernel.timers)) {
    const timer = e.arg;
    if (!(timer instanceof TimerList)) continue;
    const work = timer.arg instanceof WorkStruct ? timer.arg : undefined;
    if (![timer.target, timer.arg, work?.target, work?.arg].some((x) => belongsTo(x, dev))) continue;
    kernel.contract.violation(
      'timer-after-free',
      driverOf(dev),
      `${dev.name}: a ${work === undefined ? 'timer' : 'delayed work'} expires at ${formatSeconds(timer.expires)} s`,
    );
  }
}

/** Whether an object is the device, its driver's private object, or directly holds one of them. */
function belongsTo(x: unknown, dev: NetDevice): boolean {
  if (typeof x !== 'object' || x === null) return false;
  if (x === dev || x === dev.priv) return true;
  return Object.values(x).some((v) => v === dev || (v === dev.priv && v !== undefined));
}
