// The driver's memory of a ring used in order (VIRTIO_F_IN_ORDER): what was added, oldest first, and the batch that is being taken back.

const NONE = -1;

/** virtio-v1.2 §2.7.9, §2.8.8: the device names the last buffer of a batch; those before it were used completely. Linux 6.1 has no such path. */
export class InOrderUse {
  private readonly id: Uint16Array;
  private readonly room: Uint32Array;
  private first = 0;
  private count = 0;
  private batchLast = NONE;
  private batchLen = 0;
  /** Length of the buffer that `next` gave. */
  len = 0;

  constructor(private readonly size: number) {
    this.id = new Uint16Array(size);
    this.room = new Uint32Array(size);
  }

  /** A chain was made available; `room` bytes of it are for the device to write. */
  add(id: number, room: number): void {
    const at = (this.first + this.count++) % this.size;
    this.id[at] = id;
    this.room[at] = room;
  }

  /** A batch was read from the ring and not all of it taken back. */
  get open(): boolean {
    return this.batchLast !== NONE;
  }

  /** The device says that buffers up to `last` were used, `length` bytes of that one. False when it does not have such a buffer. */
  begin(last: number, length: number): boolean {
    let known = false;
    for (let k = 0; k < this.count && !known; k++) known = this.id[(this.first + k) % this.size] === last;
    if (!known) return false;
    this.batchLast = last;
    this.batchLen = length;
    return true;
  }

  /** The oldest buffer of the open batch. */
  next(): number {
    const id = this.id[this.first];
    const last = id === this.batchLast;
    this.len = last ? this.batchLen : this.room[this.first];
    if (last) this.batchLast = NONE;
    this.first = (this.first + 1) % this.size;
    this.count--;
    return id;
  }
}
