// Who owns a descriptor, told by colour and shape together: the same pair in the rings, the canvas, the legend and the timeline.
import type { Owner } from '../../preload/contract.ts';

export interface OwnerLook {
  readonly owner: Owner;
  readonly label: string;
  readonly shape: 'ring' | 'half' | 'disc' | 'diamond';
  readonly glyph: string; // for text
  readonly color: `--${string}`;
  readonly soft: `--${string}`;
}

export const OWNER_LOOKS: Readonly<Record<Owner, OwnerLook>> = {
  free: { owner: 'free', label: 'free', shape: 'ring', glyph: '○', color: '--owner-free', soft: '--owner-free-soft' },
  driver: { owner: 'driver', label: 'filled by driver', shape: 'half', glyph: '◐', color: '--owner-driver', soft: '--owner-driver-soft' },
  device: { owner: 'device', label: 'held by device', shape: 'disc', glyph: '●', color: '--owner-device', soft: '--owner-device-soft' },
  used: { owner: 'used', label: 'used, not reaped', shape: 'diamond', glyph: '◆', color: '--owner-used', soft: '--owner-used-soft' },
};
