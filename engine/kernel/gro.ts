// Generic receive offload: the entry point, and merging (Linux: net/core/gro.c).
import type { Kernel } from './kernel.ts';
import type { Napi } from './napi.ts';
import type { SkBuff } from './skbuff.ts';

export class Gro {

  constructor(readonly kernel: Kernel) {}
  /** From a driver's poll. Returns GRO_*. */
  napi_gro_receive(napi: Napi, skb: SkBuff): number;
  napi_gro_receive(): number {
    return 0;
  }
  dev_gro_receive(napi: Napi, skb: SkBuff): number;
  dev_gro_receive(): number {
    return 0;
  }
  napi_gro_flush(napi: Napi): void;
  napi_gro_flush(): void {
    return;
  }
}
