// The guest's root: busybox, the virtio modules of its kernel, ethtool, and an init that runs the lines it is given.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** What virtio_pci and virtio_net need, and 8021q with what it needs. */
const MODULES =
  /\/(virtio|virtio_ring|virtio_pci|virtio_pci_modern_dev|virtio_pci_legacy_dev|virtio_net|net_failover|failover|8021q|garp|mrp|stp|llc)\.ko$/;

const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
stty -echo -onlcr
ip link set lo up
depmod
echo @@READY
while read -r line; do eval "$line"; done
`;

const S_IFDIR = 0o040755;
const S_IFREG = 0o100755;
const S_IFCHR = 0o020600;

/** An archive in the format the kernel unpacks: cpio "newc", gzipped. */
class Archive {
  private readonly parts: Buffer[] = [];
  private readonly directories = new Set<string>();
  private inode = 1;

  directory(path: string): void {
    if (path === '' || path === '.' || this.directories.has(path)) return;
    this.directory(path.split('/').slice(0, -1).join('/'));
    this.directories.add(path);
    this.entry(path, S_IFDIR, Buffer.alloc(0));
  }

  file(path: string, content: Buffer): void {
    this.directory(path.split('/').slice(0, -1).join('/'));
    this.entry(path, S_IFREG, content);
  }

  device(path: string, major: number, minor: number): void {
    this.directory(path.split('/').slice(0, -1).join('/'));
    this.entry(path, S_IFCHR, Buffer.alloc(0), major, minor);
  }

  pack(): Buffer {
    this.entry('TRAILER!!!', 0, Buffer.alloc(0));
    return gzipSync(Buffer.concat(this.parts), { level: 1 });
  }

  private entry(path: string, mode: number, content: Buffer, major = 0, minor = 0): void {
    const name = Buffer.from(`${path}\0`);
    const fields = [this.inode++, mode, 0, 0, 1, 0, content.length, 0, 0, major, minor, name.length, 0];
    const header = Buffer.from(`070701${fields.map((f) => f.toString(16).padStart(8, '0')).join('')}`);
    this.parts.push(pad(Buffer.concat([header, name])), pad(content));
  }
}

const pad = (b: Buffer): Buffer => Buffer.concat([b, Buffer.alloc((4 - (b.length % 4)) % 4)]);

function* filesUnder(dir: string): Generator<string> {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, e.name);
    if (e.isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

/** Shared libraries of a program, as the loader finds them. */
const libraries = (program: string): string[] =>
  [...execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((m) => m[1]);

/** `modules` is /lib/modules/VERSION of the kernel package; programs are paths on this machine. */
export function buildInitramfs(
  modules: string,
  programs: { readonly busybox: string; readonly ethtool: string | undefined },
  wanted = MODULES,
): Buffer {
  const archive = new Archive();
  archive.device('dev/console', 5, 1);
  archive.file('init', Buffer.from(INIT));
  archive.file('bin/busybox', readFileSync(programs.busybox));
  const version = basename(modules);
  for (const path of filesUnder(modules))
    if (wanted.test(path)) archive.file(`lib/modules/${version}/${path.slice(modules.length + 1)}`, readFileSync(path));
  for (const name of ['modules.builtin', 'modules.order']) {
    if (statSync(join(modules, name), { throwIfNoEntry: false }) !== undefined)
      archive.file(`lib/modules/${version}/${name}`, readFileSync(join(modules, name)));
  }
  if (programs.ethtool !== undefined) {
    archive.file('usr/sbin/ethtool', readFileSync(programs.ethtool));
    for (const library of libraries(programs.ethtool)) archive.file(library.slice(1), readFileSync(library));
  }
  return archive.pack();
}
