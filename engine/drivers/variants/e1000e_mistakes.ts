// e1000e with mistakes in DMA mappings that drivers of other projects had.
import type { DmaAddr } from '../../base/units.ts';
import { RXD_STAT, RxDescWriteback } from '../../pci/e1000e_desc.ts';
import type { E1000Ring } from '../e1000e/adapter.ts';
import { E1000Rx } from '../e1000e/rx.ts';

/** Maps every receive buffer, and never unmaps one that was received into. */
export class NeverUnmaps extends E1000Rx {
  protected override unmap(ring: E1000Ring, i: number): void {
    if (received(this, ring, i)) ring.buffer_length[i] = 0;
    else super.unmap(ring, i);
  }
}

/** Unmaps as many bytes as were received, not as many as were mapped. */
export class UnmapsReceivedLength extends E1000Rx {
  protected override unmap(ring: E1000Ring, i: number): void {
    if (!received(this, ring, i)) return super.unmap(ring, i);
    const length = RxDescWriteback.length.get(this.kernel.platform.ram, ring.descAt(i));
    this.adapter.pdev.dma.dma_unmap_single(ring.buffer_dma[i] as DmaAddr, length, 'DMA_FROM_DEVICE', 'e1000_clean_rx_irq');
    this.kernel.charge(this.kernel.platform.costs.dma_unmap);
    ring.buffer_length[i] = 0;
  }
}

const received = ({ kernel }: E1000Rx, ring: E1000Ring, i: number): boolean =>
  (RxDescWriteback.status_error.get(kernel.platform.ram, ring.descAt(i)) & RXD_STAT.DD) !== 0;
