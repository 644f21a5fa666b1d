// debugfs: the DMA mappings of a driver, and functions that can be made to fail.
import { expect, test } from 'vitest';
import { idleProcess } from '../../testkit/kernel_fixture.ts';
import { nicFixture } from '../../testkit/nic_fixture.ts';

const DMA = '/sys/kernel/debug/dma-api';
const FAIL = '/sys/kernel/debug/fail_function';

function setUp() {
  const f = nicFixture();
  f.kernel.modules.modprobe('virtio_pci');
  f.kernel.modules.modprobe('virtio_net');
  f.settle();
  const ctx = idleProcess(f.kernel);
  const { vfs } = f.kernel;
  return {
    f,
    read: (path: string) => vfs.readFile(ctx, path),
    write: (path: string, text: string) => vfs.writeFile(ctx, path, text),
    names: (path: string) => (vfs.readdir(ctx, path) as { name: string }[]).map((e) => e.name),
  };
}

test('dma-api lists each mapping of a driver, and none after its removal', () => {
  const { f, read } = setUp();
  const lines = (read(`${DMA}/dump`) as string).trimEnd().split('\n');
  expect(lines).toHaveLength(3); // receive, transmit and control ring
  expect(lines[0]).toMatch(
    /^virtio-pci 0000:00:01\.0 coherent idx \d+ P=[0-9a-f]+000 N=[0-9a-f]+ D=[0-9a-f]+000 L=1a46 cln=0x[0-9a-f]{16} DMA_BIDIRECTIONAL /,
  );
  expect(read(`${DMA}/num_free_entries`)).toBe('65533\n');
  f.kernel.modules.delete_module('virtio_net');
  expect([read(`${DMA}/dump`), read(`${DMA}/error_count`), read(`${DMA}/num_free_entries`)]).toEqual(['', '0\n', '65536\n']);
});

test('fail_function makes a chosen function fail as often as it says, and takes only an errno', () => {
  const { f, read, write, names } = setUp();
  const drivers = '/sys/bus/virtio/drivers/virtio_net';
  expect(read(`${FAIL}/injectable`)).toContain('virtnet_find_vqs [virtio_net]\tERRNO\n');
  expect(write(`${FAIL}/inject`, 'no_such_function\n')).toBe(-22);
  expect(write(`${FAIL}/inject`, 'virtnet_find_vqs\n')).toBe(0);
  expect(write(`${FAIL}/inject`, 'virtnet_find_vqs\n')).toBe(-16);
  expect(names(FAIL)).toContain('virtnet_find_vqs');
  expect(write(`${FAIL}/virtnet_find_vqs/retval`, '7\n')).toBe(-22);
  expect(write(`${FAIL}/virtnet_find_vqs/retval`, '-2\n')).toBe(0);
  expect(read(`${FAIL}/virtnet_find_vqs/retval`)).toBe('fffffffffffffffe\n');
  write(`${drivers}/unbind`, 'virtio0\n');
  // the probability is 0 until it is set
  expect(write(`${drivers}/bind`, 'virtio0\n')).toBe(0);
  write(`${drivers}/unbind`, 'virtio0\n');
  write(`${FAIL}/probability`, '100\n');
  expect(write(`${drivers}/bind`, 'virtio0\n')).toBe(-2);
  // times is 1
  expect(read(`${FAIL}/times`)).toBe('0\n');
  expect(write(`${drivers}/bind`, 'virtio0\n')).toBe(0);
  f.kernel.modules.delete_module('virtio_net');
  expect(read(`${FAIL}/injectable`)).not.toContain('virtio_net');
});
