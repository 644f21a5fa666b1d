// A bare machine with a virtio-net device behind virtio-mmio, and a script that drives its registers.
import { VirtioMmio } from '../devices/virtio_mmio.ts';
import { VirtioNet } from '../devices/virtio_net.ts';
import type { Platform } from '../platform/platform.ts';
import { Sim } from '../sim/sim.ts';
import { Trace } from '../trace/trace.ts';
import { F } from '../virtio/features.ts';
import { VIRTIO_MMIO as R } from '../virtio/mmio.ts';
import { VIRTIO_CONFIG_S as S } from '../virtio/status.ts';
import { bareMachine, ScriptedDriver, ScriptedQueue } from './scripted_driver.ts';

const BASE = 0xfef00000;
const GSI = 5;

export class MmioScript {
  readonly sim = new Sim(1);
  readonly platform: Platform;
  readonly net: VirtioNet;
  readonly device: VirtioMmio;
  /** For its memory only. */
  readonly memory: ScriptedDriver;

  constructor(options: { readonly legacy?: boolean; readonly offer?: bigint } = {}) {
    ({ platform: this.platform } = bareMachine(this.sim, new Trace(this.sim), 'm'));
    const mac = Uint8Array.of(0x52, 0x54, 0, 0, 0, 1);
    this.net = new VirtioNet(this.platform, { portName: 'm:nic0', slot: 'mmio.0', mac, queuePairs: 1 });
    const { legacy = false, offer = 0n } = options;
    this.device = new VirtioMmio(this.platform, { name: 'virtio-net-device', legacy, base: BASE, gsi: GSI, offer }, this.net);
    this.device.plug(true);
    this.memory = new ScriptedDriver(this.platform, 1);
  }

  get line(): boolean {
    return this.platform.ioapic.state(GSI).asserted;
  }
  read(offset: number, size = 4): number {
    return this.platform.bus.read(BASE + offset, size);
  }
  write(offset: number, value: number, size = 4): void {
    this.platform.bus.write(BASE + offset, size, value);
  }

  offered(): bigint {
    return [0, 1].reduce((word, half) => {
      this.write(R.DEVICE_FEATURES_SEL, half);
      return word | (BigInt(this.read(R.DEVICE_FEATURES)) << BigInt(32 * half));
    }, 0n);
  }

  /** Status as it is after FEATURES_OK was asked for with these features. */
  negotiate(features = F.VIRTIO_F_VERSION_1): number {
    this.write(R.STATUS, 0);
    this.write(R.STATUS, S.ACKNOWLEDGE | S.DRIVER);
    for (const half of [1, 0]) {
      this.write(R.DRIVER_FEATURES_SEL, half);
      this.write(R.DRIVER_FEATURES, Number((features >> BigInt(32 * half)) & 0xffffffffn));
    }
    this.write(R.STATUS, S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK);
    return this.read(R.STATUS);
  }

  setup(index: number, size = 256): ScriptedQueue {
    this.write(R.QUEUE_SEL, index);
    this.write(R.QUEUE_NUM, size);
    const q = new ScriptedQueue(this.memory, index, size);
    this.write(R.QUEUE_DESC_LOW, q.desc);
    this.write(R.QUEUE_DRIVER_LOW, q.avail);
    this.write(R.QUEUE_DEVICE_LOW, q.used);
    this.write(R.QUEUE_READY, 1);
    return q;
  }

  driverOk(): void {
    this.write(R.STATUS, S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK | S.DRIVER_OK);
  }
}
