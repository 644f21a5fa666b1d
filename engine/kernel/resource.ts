// The trees behind /proc/iomem and /proc/ioports (Linux: kernel/resource.c): who claims which addresses.

/** `end` is the last address. */
export class Resource {
  readonly children: Resource[] = [];
  constructor(
    readonly name: string,
    readonly start: number,
    readonly end: number,
  ) {}

  /** Puts `child` in, at the deepest resource that holds it; false when it overlaps a part of another. */
  insert(child: Resource): boolean {
    for (const c of this.children) {
      if (child.start >= c.start && child.end <= c.end) return c.insert(child);
      if (child.start <= c.end && child.end >= c.start) return false;
    }
    this.children.push(child);
    this.children.sort((a, b) => a.start - b.start);
    return true;
  }

  /** Takes out a resource, wherever it is. */
  remove(child: Resource): void {
    const i = this.children.indexOf(child);
    if (i >= 0) this.children.splice(i, 1);
    else for (const c of this.children) c.remove(child);
  }

  /** The lowest place of `size` bytes, aligned to its size, at or above `min`; undefined when there is none. */
  findFree(size: number, min: number): number | undefined {
    let at = Math.ceil(Math.max(this.start, min) / size) * size;
    for (const c of this.children) {
      if (at + size - 1 < c.start) break;
      if (c.end >= at) at = Math.ceil((c.end + 1) / size) * size;
    }
    return at + size - 1 <= this.end ? at : undefined;
  }
}

/** The whole of an address space. */
export const rootResource = (name: string, end: number): Resource => new Resource(name, 0, end);
