// Memory for frames: cut from larger blocks, because an ArrayBuffer per frame costs more than all else a device does to it.

const BLOCK = 65_536;
let block = new ArrayBuffer(BLOCK);
let used = 0;

/**
 * Zeroed room for a frame, 8-byte aligned. Bytes are handed out once and never again, so a block is no shared state: a frame, once sent,
 * is immutable, and the garbage collector frees a block after its last frame.
 */
export function allocFrame(length: number): Uint8Array {
  if (length > BLOCK >> 3) return new Uint8Array(length);
  if (used + length > BLOCK) {
    block = new ArrayBuffer(BLOCK);
    used = 0;
  }
  const bytes = new Uint8Array(block, used, length);
  used = (used + length + 7) & ~7;
  return bytes;
}
