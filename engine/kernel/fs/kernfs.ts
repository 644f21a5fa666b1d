// Order of names in sysfs directories: kernfs keeps them in a tree by hash, and readdir follows it (Linux: fs/kernfs/dir.c, include/linux/stringhash.h).

const MASK = (1n << 64n) - 1n;
/** Linux: GOLDEN_RATIO_64 */
const GOLDEN_RATIO_64 = 0x61c8864680b583ebn;

/** Linux: kernfs_name_hash() of a name outside any namespace. */
function kernfsNameHash(name: string): number {
  let hash = 0n;
  for (let i = 0; i < name.length; i++) {
    const c = BigInt(name.charCodeAt(i) & 0xff);
    hash = ((hash + (c << 4n) + (c >> 4n)) * 11n) & MASK;
  }
  const folded = Number((((hash * GOLDEN_RATIO_64) & MASK) >> 32n) & 0x7fffffffn);
  // 0, 1 and the largest are for "." and ".."
  return folded < 2 ? folded + 2 : Math.min(folded, 0x7ffffffe);
}

/** Names as a kernfs directory lists them. */
export function kernfsOrder(names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, hash: kernfsNameHash(name) }))
    .toSorted((a, b) => a.hash - b.hash)
    .map((e) => e.name);
}
