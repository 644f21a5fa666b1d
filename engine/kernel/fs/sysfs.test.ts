// sysfs of a machine with one virtio NIC: paths, links, attributes, binding by hand.
import { describe, expect, it } from 'vitest';
import { PciHost } from '../../devices/pci_host.ts';
import { virtioNetPci } from '../../devices/virtio_net.ts';
import { MODULES } from '../../machine/modules.ts';
import { PCI_DEVFN } from '../../pci/config_space.ts';
import { bootOn, idleProcess, makePlatform } from '../../testkit/kernel_fixture.ts';

function setUp() {
  const { platform, sim } = makePlatform({ cpus: 4, machine: 'h1' });
  const pci = new PciHost(platform);
  const mac = new Uint8Array([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
  const nic = virtioNetPci(platform, { portName: 'h1:eth0', slot: '00:01.0', mac, queuePairs: 4, ringSize: 256, vectors: 10 });
  pci.addFunction(PCI_DEVFN(1, 0), nic.pci.fn);
  pci.firmware();
  const kernel = bootOn(platform, { modules: MODULES, autoload: ['virtio_pci', 'virtio_net'] });
  const ctx = idleProcess(kernel);
  const list = (path: string): string[] => {
    const entries = kernel.vfs.readdir(ctx, path);
    if (typeof entries === 'number') throw new Error(`${path}: ${entries}`);
    return entries.map((e) => e.name).sort();
  };
  return { kernel, sim, ctx, list };
}

describe('sysfs', () => {
  it('leads from the class to the device and its buses', () => {
    const { kernel, ctx, list } = setUp();
    const { vfs } = kernel;
    const eth0 = '/sys/devices/pci0000:00/0000:00:01.0/virtio0/net/eth0';
    expect(list('/sys/class/net')).toEqual(['eth0', 'lo']);
    expect(vfs.readlink(ctx, '/sys/class/net/eth0')).toBe('../../devices/pci0000:00/0000:00:01.0/virtio0/net/eth0');
    expect(vfs.realpath(ctx, '/sys/class/net/eth0')).toBe(eth0);
    expect(vfs.readlink(ctx, `${eth0}/device`)).toBe('../../../virtio0');
    expect(vfs.readlink(ctx, `${eth0}/subsystem`)).toBe('../../../../../../class/net');
    expect(vfs.readlink(ctx, '/sys/class/net/lo')).toBe('../../devices/virtual/net/lo');
    expect(vfs.readlink(ctx, '/sys/bus/virtio/drivers/virtio_net/virtio0')).toBe('../../../../devices/pci0000:00/0000:00:01.0/virtio0');
    expect(vfs.realpath(ctx, '/sys/bus/pci/devices/0000:00:01.0/driver/module')).toBe('/sys/module/virtio_pci');
    expect(vfs.readFile(ctx, '/sys/bus/virtio/devices/virtio0/status')).toBe('0x0000000f\n');
  });

  it('shows a device that is down with the errors that its attributes have then', () => {
    const { kernel, ctx } = setUp();
    const attr = (name: string): string | number => kernel.vfs.readFile(ctx, `/sys/class/net/eth0/${name}`);
    expect(attr('address')).toBe('52:54:00:12:34:56\n');
    expect(attr('flags')).toBe('0x1002\n');
    expect(attr('operstate')).toBe('down\n');
    expect(attr('carrier')).toBe(-22);
    expect(attr('speed')).toBe(-22);
    expect(attr('phys_port_name')).toBe(-95);
    expect(attr('name_assign_type')).toBe('1\n');
    expect(attr('statistics/tx_packets')).toBe('0\n');
    expect(attr('queues/tx-2/xps_cpus')).toBe('4\n');
    expect(attr('queues/rx-3/virtio_net/mergeable_rx_buffer_size')).toBe('1536\n');
    expect(attr('queues/rx-4/rps_cpus')).toBe(-2);
    expect(kernel.vfs.stat(ctx, '/sys/class/net/eth0/mtu')).toMatchObject({ mode: 0o100644, size: 4096 });
    expect(kernel.vfs.stat(ctx, '/sys/class/net/eth0/queues')).toMatchObject({ mode: 0o040755, nlink: 10 });
    expect(kernel.vfs.writeFile(ctx, '/sys/class/net/eth0/address', '1')).toBe(-13);
  });

  it('unbinds and binds by name, and the NIC comes back with a new index', () => {
    const { kernel, ctx, list } = setUp();
    const write = (file: string, text: string): number => kernel.vfs.writeFile(ctx, `/sys/bus/virtio/drivers/virtio_net/${file}`, text);
    const before = kernel.vfs.readFile(ctx, '/sys/class/net/eth0/ifindex');
    expect(write('unbind', 'virtio0\n')).toBe(0);
    expect(list('/sys/class/net')).toEqual(['lo']);
    expect(list('/sys/bus/virtio/drivers/virtio_net')).toEqual(['bind', 'module', 'uevent', 'unbind']);
    expect(kernel.vfs.readFile(ctx, '/sys/bus/virtio/devices/virtio0/status')).toBe('0x00000001\n');
    expect(write('unbind', 'virtio0\n')).toBe(-19);
    expect(write('bind', 'virtio9\n')).toBe(-19);
    expect(write('bind', 'virtio0\n')).toBe(0);
    expect(write('bind', 'virtio0\n')).toBe(-16);
    expect(kernel.vfs.readFile(ctx, '/sys/class/net/eth0/ifindex')).not.toBe(before);
  });

  it('lists loaded modules with their parameters, holders and drivers', () => {
    const { kernel, ctx, list } = setUp();
    expect(list('/sys/module/virtio_net')).toEqual([
      'coresize',
      'drivers',
      'holders',
      'initsize',
      'initstate',
      'notes',
      'parameters',
      'refcnt',
      'sections',
      'taint',
      'uevent',
    ]);
    expect(kernel.vfs.readFile(ctx, '/sys/module/virtio_net/parameters/napi_tx')).toBe('Y\n');
    expect(list('/sys/module/virtio_ring/holders')).toContain('virtio_pci');
    expect(kernel.vfs.readlink(ctx, '/sys/module/virtio_net/drivers/virtio:virtio_net')).toBe('../../../bus/virtio/drivers/virtio_net');
  });

  it('traces the driver’s functions under the module’s name', () => {
    const { kernel, ctx } = setUp();
    const functions = String(kernel.vfs.readFile(ctx, '/sys/kernel/tracing/available_filter_functions'));
    expect(functions).toContain('virtnet_poll [virtio_net]\n');
    expect(functions).toContain('virtqueue_add_outbuf [virtio_ring]\n');
    expect(functions).toContain('\n__netif_receive_skb_core\n');
  });
});
