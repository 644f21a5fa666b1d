// Files, directories, links and mounts with Linux's errors; generated files of proc and sys.
import { describe, expect, it } from 'vitest';
import { bootKernel, idleProcess } from '../../testkit/kernel_fixture.ts';
import { O_CREAT, O_EXCL, O_WRONLY } from './vfs.ts';

function setUp() {
  const { kernel } = bootKernel({ cpus: 4 });
  const ctx = idleProcess(kernel);
  return { kernel, vfs: kernel.vfs, ctx };
}

describe('the root tree', () => {
  it('creates, truncates, appends, and counts bytes, not characters', () => {
    const { vfs, ctx } = setUp();
    expect(vfs.writeFile(ctx, '/tmp/a', 'ünï\n')).toBe(0);
    expect(vfs.writeFile(ctx, '/tmp/a', 'x\n', 'append')).toBe(0);
    expect(vfs.readFile(ctx, '/tmp/a')).toBe('ünï\nx\n');
    expect(vfs.stat(ctx, '/tmp/a')).toMatchObject({ mode: 0o100644, size: 8, nlink: 1 });
    expect(vfs.writeFile(ctx, '/tmp/a', '')).toBe(0);
    expect(vfs.readFile(ctx, '/tmp/a')).toBe('');
    expect(vfs.open(ctx, '/tmp/a', O_WRONLY | O_CREAT | O_EXCL)).toBe(-17);
  });

  it('walks relative paths, dots and links, and stops at loops', () => {
    const { vfs, ctx } = setUp();
    ctx.cwd = '/tmp';
    expect(vfs.mkdir(ctx, 'd')).toBe(0);
    expect(vfs.symlink(ctx, '../tmp/d', 'link')).toBe(0);
    expect(vfs.writeFile(ctx, './link/../d/f', '1')).toBe(0);
    expect(vfs.realpath(ctx, 'link/f')).toBe('/tmp/d/f');
    expect(vfs.readlink(ctx, 'link')).toBe('../tmp/d');
    expect(vfs.symlink(ctx, 'loop', '/tmp/loop')).toBe(0);
    expect(vfs.readFile(ctx, '/tmp/loop')).toBe(-40);
    expect(vfs.realpath(ctx, '/var/run')).toBe('/run');
  });

  it('refuses what Linux refuses', () => {
    const { vfs, ctx } = setUp();
    expect(vfs.readFile(ctx, '/nope')).toBe(-2);
    expect(vfs.readFile(ctx, '/tmp')).toBe(-21);
    expect(vfs.readFile(ctx, '/etc/hosts/x')).toBe(-20);
    expect(vfs.readdir(ctx, '/etc/hosts')).toBe(-20);
    expect(vfs.mkdir(ctx, '/tmp')).toBe(-17);
    vfs.mkdir(ctx, '/tmp/d');
    vfs.writeFile(ctx, '/tmp/d/f', '');
    expect(vfs.rmdir(ctx, '/tmp/d')).toBe(-39);
    expect(vfs.unlink(ctx, '/tmp/d')).toBe(-21);
    expect(vfs.rmdir(ctx, '/proc')).toBe(-16);
    expect(vfs.writeFile(ctx, '/proc/nosuch', '1')).toBe(-2);
    expect(vfs.writeFile(ctx, '/sys/nosuch', '1')).toBe(-13);
    expect(vfs.mkdir(ctx, '/sys/nosuch')).toBe(-1);
    expect(vfs.writeFile(ctx, '/proc/uptime', '1')).toBe(-5);
  });

  it('shows named namespaces as files on a mount of their own', () => {
    const { vfs, ctx } = setUp();
    expect(vfs.stat(ctx, '/run/netns')).toBe(-2);
    vfs.mounts.mountNetns('blue');
    expect(vfs.readdir(ctx, '/var/run/netns')).toEqual([{ name: 'blue', type: 0o100000 }]);
    expect(vfs.stat(ctx, '/run/netns/blue')).toMatchObject({ mode: 0o100444, size: 0 });
    expect(vfs.readFile(ctx, '/proc/mounts')).toContain(
      'tmpfs /run/netns tmpfs rw,relatime,inode64 0 0\nnsfs /run/netns/blue nsfs rw 0 0\n',
    );
    vfs.mounts.umountNetns('blue');
    expect(vfs.readdir(ctx, '/run/netns')).toEqual([]);
  });
});

describe('generated files', () => {
  it('print interrupts and softirqs in columns per CPU', () => {
    const { kernel, vfs, ctx } = setUp();
    kernel.softirqs.counts[1 * 10 + 3] = 42;
    const interrupts = String(vfs.readFile(ctx, '/proc/interrupts')).split('\n');
    expect(interrupts[0]).toBe('           CPU0       CPU1       CPU2       CPU3       ');
    expect(interrupts[1]).toBe('  0:          0          0          0          0   IO-APIC   2-edge      timer');
    expect(interrupts).toContain('  9:          0          0          0          0   IO-APIC   9-fasteoi   acpi');
    expect(interrupts).toContain('ERR:          0');
    expect(vfs.readFile(ctx, '/proc/softirqs')).toContain('\n      NET_RX:          0         42          0          0\n');
  });

  it('shows one interrupt’s affinity as mask and list, and takes a new one', () => {
    const { vfs, ctx } = setUp();
    expect(vfs.readFile(ctx, '/proc/irq/4/smp_affinity')).toBe('f\n');
    expect(vfs.writeFile(ctx, '/proc/irq/4/smp_affinity', '6\n')).toBe(0);
    expect(vfs.readFile(ctx, '/proc/irq/4/smp_affinity_list')).toBe('1-2\n');
    expect(vfs.writeFile(ctx, '/proc/irq/4/smp_affinity', '0')).toBe(-22);
    expect(vfs.writeFile(ctx, '/proc/irq/4/smp_affinity', 'zz')).toBe(-22);
    expect(vfs.stat(ctx, '/proc/irq/4/ttyS0')).toMatchObject({ mode: 0o040555 });
  });

  it('keeps machine-wide network settings to the first namespace and refuses text for numbers', () => {
    const { kernel, vfs, ctx } = setUp();
    expect(vfs.readFile(ctx, '/proc/sys/net/core/netdev_budget')).toBe('300\n');
    expect(vfs.writeFile(ctx, '/proc/sys/net/core/netdev_budget', 'many')).toBe(-22);
    expect(vfs.writeFile(ctx, '/proc/sys/kernel/osrelease', 'x')).toBe(-13);
    expect(kernel.vfs.sysctl.names(ctx.net)).toContain('net.core.default_qdisc');
  });

  it('gives every reader one consistent text per open', () => {
    const { kernel, vfs, ctx } = setUp();
    const file = vfs.open(ctx, '/proc/softirqs', 0);
    if (typeof file === 'number') throw new Error(`open: ${file}`);
    const first = vfs.read(file);
    kernel.softirqs.counts[0] = 99;
    expect(vfs.read(file)).toBe('');
    expect(vfs.readFile(ctx, '/proc/softirqs')).not.toBe(first);
  });
});
