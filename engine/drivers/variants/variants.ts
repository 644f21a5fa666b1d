// Drivers with a known mistake, for labs that show what it does: each takes the place of the module of its name.
import { ops } from '../../base/ops.ts';
import type { ModuleDef } from '../../kernel/module.ts';
import { virtioNetModule } from '../virtio_net/virtio_net.ts';
import { NapiCompletesTwice } from './napi_completes_twice.ts';

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
});

export type VariantName = keyof typeof DRIVER_VARIANTS;
export const VARIANT_NAMES = Object.freeze(Object.keys(DRIVER_VARIANTS)) as readonly VariantName[];
