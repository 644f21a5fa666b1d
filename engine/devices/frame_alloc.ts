// Memory for frames: cut from larger blocks, because an ArrayBuffer per frame costs more than all else a device does to it.

import { ByteMem } from '../base/memory.ts';

const BLOCK = 65_536;
let block = new ByteMem(new Uint8Array(BLOCK));
let used = 0;

/** The frame allocated last is `mem` from `at` on: for who fills it. */
export const newest = { mem: block, at: 0 };

/**
 * Zeroed room for a frame, 8-byte aligned. Bytes are handed out once and never again, so a block is no shared state: a frame, once sent,
 * is immutable, and the garbage collector frees a block after its last frame.
 */
export function allocFrame(length: number): Uint8Array {
  if (length > BLOCK >> 3) {
    newest.mem = new ByteMem(new Uint8Array(length));
    newest.at = 0;
    return newest.mem.bytes;
  }
  if (used + length > BLOCK) {
    block = new ByteMem(new Uint8Array(BLOCK));
    used = 0;
  }
  newest.mem = block;
  newest.at = used;
  used = (used + length + 7) & ~7;
  return new Uint8Array(block.view.buffer, newest.at, length);
}
