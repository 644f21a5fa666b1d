// power/ of a device without runtime power management (Linux: drivers/base/power/sysfs.c).
import { Errno } from '../../base/errno.ts';
import { ops } from '../../base/ops.ts';
import type { Kernel } from '../kernel.ts';
import { GeneratedFile, S_IFDIR, S_IFREG, StaticDir, type FileOps } from './node.ts';

const RO = S_IFREG | 0o444;
const RW = S_IFREG | 0o644;
const text = (value: string): FileOps<undefined> => ops({ read: () => `${value}\n`, write: () => -Errno.EOPNOTSUPP });

const FILES: readonly (readonly [string, number, FileOps<undefined>])[] = [
  ['async', RW, text('disabled')],
  ['autosuspend_delay_ms', RW, ops({ read: () => -Errno.EIO, write: () => -Errno.EIO })],
  ['control', RW, text('auto')],
  ['runtime_active_kids', RO, text('0')],
  ['runtime_active_time', RO, text('0')],
  ['runtime_enabled', RO, text('disabled')],
  ['runtime_status', RO, text('unsupported')],
  ['runtime_suspended_time', RO, text('0')],
  ['runtime_usage', RO, text('0')],
];

export function makePowerDir(kernel: Kernel): StaticDir {
  const dir = new StaticDir(S_IFDIR | 0o755);
  for (const [name, mode, fileOps] of FILES) dir.add(name, new GeneratedFile(kernel, mode, fileOps, undefined, 4096));
  return dir;
}
