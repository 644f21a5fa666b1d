// A network driver for tests that does one thing wrong: for each rule of the contract, the smallest code that breaks it.
import type { DmaAddr, Gpa } from '../base/units.ts';
import { ops } from '../base/ops.ts';
import type { ContractRule } from '../kernel/contract.ts';
import { ether_setup } from '../kernel/eth.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Napi, NapiPoller } from '../kernel/napi.ts';
import { NETDEV_TX_BUSY, NETDEV_TX_OK, type NetDevice, type NetDeviceOps } from '../kernel/net_device.ts';
import type { SkBuff } from '../kernel/skbuff.ts';
import { TimerList } from '../kernel/timer.ts';
import { WorkStruct } from '../kernel/workqueue.ts';
import { DMA_MAPPING_ERROR, type DmaContext } from '../platform/dma.ts';

const MTU = 1500;
const WEIGHT = 64;

/** What a deed is done with. */
export interface Scene {
  readonly kernel: Kernel;
  readonly driver: WrongDriver;
  readonly dev: NetDevice;
  readonly dma: DmaContext;
  readonly napi: Napi;
  /** A page of the driver's own. */
  readonly page: Gpa;
}

const NETDEV_OPS: NetDeviceOps = ops<NetDeviceOps>({
  ndo_open: () => 0,
  ndo_stop: () => 0,
  ndo_start_xmit: (skb, dev) => (dev.priv as WrongDriver).start_xmit(skb, dev),
});

export class WrongDriver implements NapiPoller {
  readonly dev: NetDevice;
  readonly dma: DmaContext;
  readonly napi: Napi;
  readonly page: Gpa;
  /** What poll and start_xmit do wrong. */
  misdeed: ContractRule | undefined;

  constructor(readonly kernel: Kernel) {
    this.dma = kernel.platform.dmaContext('0000:00:1f.0');
    this.page = kernel.platform.pages.alloc_pages(0);
    this.dev = kernel.net.alloc_netdev_mqs('wrong%d', NETDEV_OPS, ether_setup, 1, 1);
    this.dev.kind = 'wrong';
    this.dev.priv = this;
    this.napi = kernel.net.napi.netif_napi_add(this.dev, this, WEIGHT, 0);
  }

  /** Registers the device and brings it up. */
  start(): Scene {
    this.kernel.net.register_netdevice(this.dev);
    this.kernel.net.napi.napi_enable(this.napi);
    this.kernel.net.dev_open(this.dev);
    const { kernel, dev, dma, napi, page } = this;
    return { kernel, driver: this, dev, dma, napi, page };
  }

  skb(): SkBuff {
    const skb = this.kernel.skb.alloc_skb(MTU);
    if (skb === undefined) throw new Error('no memory');
    this.kernel.skb.skb_put(skb, 60);
    skb.dev = this.dev;
    return skb;
  }

  start_xmit(skb: SkBuff, dev: NetDevice): number {
    const { kernel } = this;
    if (this.misdeed === 'xmit-busy-consumed') {
      kernel.net.xmit.netif_tx_stop_queue(dev.queues[0]);
      kernel.skb.consume_skb(skb);
      return NETDEV_TX_BUSY;
    }
    if (this.misdeed === 'xmit-busy-running') return NETDEV_TX_BUSY;
    kernel.skb.consume_skb(skb);
    if (this.misdeed === 'skb-double-free') kernel.skb.kfree_skb(skb);
    return NETDEV_TX_OK;
  }

  poll(napi: Napi, budget: number): number {
    const { napi: core } = this.kernel.net;
    switch (this.misdeed) {
      case 'napi-budget':
        core.napi_complete_done(napi, budget);
        return budget + 1;
      case 'napi-not-completed':
        return 0;
      case 'napi-complete-full':
        core.napi_complete_done(napi, budget);
        return budget;
      case 'napi-complete-twice':
        core.napi_complete_done(napi, 0);
        core.napi_complete_done(napi, 0);
        return 0;
      case 'sleep-atomic':
        core.napi_complete_done(napi, 0);
        this.kernel.workqueues.cancel_work_sync(new WorkStruct(this, 0));
        return 0;
      default:
        core.napi_complete_done(napi, 0);
        return 0;
    }
  }

  readonly timer = new TimerList(this, 0);
  onEvent(): void {
    // the timer never expires in a test
  }
}

const map = (s: Scene, length = 100, direction: 'DMA_TO_DEVICE' | 'DMA_FROM_DEVICE' = 'DMA_TO_DEVICE'): DmaAddr => {
  const dma = s.dma.dma_map_single(s.page, length, direction, 'wrong_map');
  s.dma.dma_mapping_error(dma);
  return dma;
};
const poll = (s: Scene, misdeed: ContractRule): void => {
  s.driver.misdeed = misdeed;
  s.kernel.net.napi.napi_schedule(s.napi);
};
const send = (s: Scene, misdeed: ContractRule): void => {
  s.driver.misdeed = misdeed;
  s.kernel.net.xmit.dev_hard_start_xmit(s.driver.skb(), s.dev, s.dev.queues[0]);
};

/** rule → what breaks it, and nothing else. */
export const DEEDS: Readonly<Partial<Record<ContractRule, (s: Scene) => void>>> = Object.freeze({
  'dma-map-unchecked': (s) =>
    s.dma.dma_unmap_single(s.dma.dma_map_single(s.page, 100, 'DMA_TO_DEVICE', 'wrong_map'), 100, 'DMA_TO_DEVICE', 'wrong_unmap'),
  'dma-unmap-invalid': (s) => s.dma.dma_unmap_single(DMA_MAPPING_ERROR, 100, 'DMA_TO_DEVICE', 'wrong_unmap'),
  'dma-unmap-unknown': (s) => s.dma.dma_unmap_single(s.page as number as DmaAddr, 100, 'DMA_TO_DEVICE', 'wrong_unmap'),
  'dma-unmap-size': (s) => s.dma.dma_unmap_single(map(s), 99, 'DMA_TO_DEVICE', 'wrong_unmap'),
  'dma-unmap-direction': (s) => s.dma.dma_unmap_single(map(s), 100, 'DMA_FROM_DEVICE', 'wrong_unmap'),
  'dma-unmap-function': (s) => {
    const dma = map(s);
    s.dma.dma_unmap_sg([{ gpa: s.page, length: 100, dma }], 'DMA_TO_DEVICE', 'wrong_unmap');
  },
  'dma-unmap-count': (s) => {
    const list = [0, 1, 2].map((i) => ({ gpa: (s.page + 256 * i) as Gpa, length: 64, dma: DMA_MAPPING_ERROR }));
    s.dma.dma_map_sg(list, 'DMA_TO_DEVICE', 'wrong_map');
    s.dma.dma_unmap_sg(list.slice(0, 2), 'DMA_TO_DEVICE', 'wrong_unmap');
  },
  'dma-unmap-cpu-address': (s) => {
    const memory = s.dma.dma_alloc_coherent(4096, 'wrong_alloc');
    if (memory !== undefined) s.dma.dma_free_coherent(4096, s.page, memory.dma, 'wrong_free');
  },
  'dma-sync-unknown': (s) => s.dma.dma_sync_single_for_cpu(s.page as number as DmaAddr, 64, 'DMA_FROM_DEVICE', 'wrong_sync'),
  'dma-sync-range': (s) => s.dma.dma_sync_single_for_device(map(s), 200, 'DMA_TO_DEVICE', 'wrong_sync'),
  'dma-sync-direction': (s) => s.dma.dma_sync_single_for_cpu(map(s), 64, 'DMA_FROM_DEVICE', 'wrong_sync'),
  'dma-overlap': (s) => {
    map(s, 2048, 'DMA_FROM_DEVICE');
    s.dma.dma_mapping_error(s.dma.dma_map_single((s.page + 1024) as Gpa, 64, 'DMA_FROM_DEVICE', 'wrong_map'));
  },
  'dma-mask': (s) => {
    s.dma.mask = 0xfff;
    map(s);
  },
  'dma-leak': (s) => {
    map(s);
    s.dma.driverReleased();
  },
  'dma-device-touch': (s) => {
    s.dma.dma_unmap_single(map(s), 100, 'DMA_TO_DEVICE', 'wrong_unmap');
    device(s).check(s.page, 100, false);
  },
  'dma-device-write': (s) => void device(s).check(map(s), 100, true),
  'dma-device-read': (s) => void device(s).check(map(s, 100, 'DMA_FROM_DEVICE'), 100, false),
  'dma-cpu-touch': (s) => {
    const skb = s.driver.skb();
    s.dma.dma_mapping_error(s.dma.dma_map_single(skb.data, 60, 'DMA_FROM_DEVICE', 'wrong_map'));
    s.kernel.net.eth.eth_type_trans(skb, s.dev);
  },
  'dma-free-mapped': (s) => {
    const skb = s.driver.skb();
    s.dma.dma_mapping_error(s.dma.dma_map_single(skb.data, 60, 'DMA_TO_DEVICE', 'wrong_map'));
    s.kernel.skb.kfree_skb(skb);
  },
  'napi-enable-twice': (s) => s.kernel.net.napi.napi_enable(s.napi),
  'napi-disable-twice': (s) => {
    s.kernel.net.napi.napi_disable(s.napi);
    s.kernel.net.napi.napi_disable(s.napi);
  },
  'napi-schedule-disabled': (s) => {
    s.kernel.net.napi.napi_disable(s.napi);
    s.kernel.net.napi.__napi_schedule(s.napi);
  },
  'napi-schedule-unprepared': (s) => s.kernel.net.napi.__napi_schedule(s.napi),
  'napi-complete-twice': (s) => poll(s, 'napi-complete-twice'),
  'napi-budget': (s) => poll(s, 'napi-budget'),
  'napi-not-completed': (s) => poll(s, 'napi-not-completed'),
  'napi-complete-full': (s) => poll(s, 'napi-complete-full'),
  'sleep-atomic': (s) => poll(s, 'sleep-atomic'),
  'napi-del-enabled': (s) => s.kernel.net.napi.netif_napi_del(s.napi),
  'xmit-stopped': (s) => {
    s.kernel.net.xmit.netif_tx_stop_queue(s.dev.queues[0]);
    s.kernel.net.xmit.dev_hard_start_xmit(s.driver.skb(), s.dev, s.dev.queues[0]);
  },
  'xmit-busy-consumed': (s) => send(s, 'xmit-busy-consumed'),
  'xmit-busy-running': (s) => send(s, 'xmit-busy-running'),
  'skb-double-free': (s) => send(s, 'skb-double-free'),
  'skb-panic': (s) => void s.kernel.skb.skb_put(s.driver.skb(), 65535),
  'skb-use-after-free': (s) => {
    const skb = s.driver.skb();
    s.kernel.skb.kfree_skb(skb);
    skb.dev = s.dev;
    s.kernel.net.xmit.dev_queue_xmit(skb);
  },
  'bql-completed': (s) => s.kernel.sched.bql.netdev_completed_queue(s.dev, 1, 60),
  'irq-free-twice': (s) => s.kernel.irq.free_irq(60),
  'netdev-free-registered': (s) => s.kernel.net.free_netdev(s.dev),
  'timer-after-free': (s) => {
    s.kernel.timers.startIn(s.driver.timer, 1e9);
    s.kernel.net.napi.napi_disable(s.napi);
    s.kernel.net.unregister_netdevice(s.dev);
  },
});

const device = (s: Scene): { check(address: number, length: number, write: boolean): unknown } => {
  const port = s.kernel.platform.dmaPort();
  port.busMaster = true;
  return port;
};
