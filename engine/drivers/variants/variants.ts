// Drivers with a known mistake, for labs that show what it does: each takes the place of the module of its name.
import { ops } from '../../base/ops.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { virtioNetModule } from '../virtio_net/virtio_net.ts';
import { e1000eModule } from '../e1000e/e1000e.ts';
import { NeverUnmaps, UnmapsReceivedLength } from './e1000e_mistakes.ts';
import { NapiCompletesTwice } from './napi_completes_twice.ts';
import { NapiWiped } from './napi_wiped.ts';
import { NeverRefillsLater, NeverWakes, NoBackPressure } from './virtnet_mistakes.ts';

export interface DriverVariant {
  readonly module: ModuleDef;
  /** What is wrong with it, in a sentence. */
  readonly about: string;
}

export const DRIVER_VARIANTS = ops({
  'virtio_net:napi-completes-twice': ops<DriverVariant>({
    module: virtioNetModule({ rx: NapiCompletesTwice }),
    about: 'virtnet_poll() calls napi_complete_done() a second time when it received nothing',
  }),
  'virtio_net:no-refill-later': ops<DriverVariant>({
    module: virtioNetModule({ rx: NeverRefillsLater }),
    about: 'when memory was out, the receive ring is filled again only after the next packet',
  }),
  'virtio_net:no-back-pressure': ops<DriverVariant>({
    module: virtioNetModule({ tx: NoBackPressure }),
    about: 'the transmit queue is not stopped when the ring is full',
  }),
  'virtio_net:never-wakes': ops<DriverVariant>({
    module: virtioNetModule({ tx: NeverWakes }),
    about: 'the transmit queue is stopped when the ring is full, and not woken when there is room again',
  }),
  'virtio_net:napi-wiped': ops<DriverVariant>({
    module: virtioNetModule({ vqs: NapiWiped }),
    about: 'the memory of the receive NAPI instances is cleared after netif_napi_add()',
  }),
  'e1000e:never-unmaps': ops<DriverVariant>({
    module: e1000eModule({ rx: NeverUnmaps }),
    about: 'received buffers stay mapped for the device',
  }),
  'e1000e:unmaps-received-length': ops<DriverVariant>({
    module: e1000eModule({ rx: UnmapsReceivedLength }),
    about: 'a receive buffer is unmapped with the length of the packet instead of its own',
  }),
});

export type VariantName = keyof typeof DRIVER_VARIANTS;
export const VARIANT_NAMES = Object.freeze(Object.keys(DRIVER_VARIANTS)) as readonly VariantName[];
