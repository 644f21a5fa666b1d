// Receive flow hash: `ethtool -x` and `-X`: indirection table, key, function.
import { Errno } from '../../base/errno.ts';
import type { Rxfh } from '../../kernel/ethtool/ops.ts';
import type { NetDevice } from '../../kernel/net_device.ts';
import { parseUnsigned } from '../iproute/args.ts';
import { ToolExit } from '../tool.ts';
import { badArguments, type EthtoolCommand, type EthtoolContext } from './ethtool_context.ts';

/** In the order of ETH_SS_RSS_HASH_FUNCS. */
const HASHES = ['toeplitz', 'xor', 'crc32'] as const;
const PER_LINE = 8;

/** The device and its number of receive rings, which is asked for first. */
function rings(e: EthtoolContext): { readonly dev: NetDevice; readonly count: number } {
  const dev = e.device;
  const count = dev?.ethtool_ops?.get_rxrings?.(dev);
  if (dev === undefined) return e.ioctlError('Cannot get RX ring count', Errno.ENODEV, 1);
  if (count === undefined) return e.ioctlError('Cannot get RX ring count', Errno.EOPNOTSUPP, 1);
  return { dev, count };
}

function table(indir: readonly number[]): string {
  let out = '';
  indir.forEach((queue, i) => {
    if (i % PER_LINE === 0) out += `${String(i).padStart(5)}: `;
    out += ` ${String(queue).padStart(5)}`;
    if (i % PER_LINE === PER_LINE - 1 || i === indir.length - 1) out += '\n';
  });
  return out;
}

function show(e: EthtoolContext): number {
  const [word, context] = e.args;
  if (e.args.length > 0 && (word !== 'context' || (parseUnsigned(context ?? '') ?? 0) === 0 || e.args.length > 2)) return badArguments();
  const { dev, count } = rings(e);
  const unsupported = (): never => e.ioctlError('Cannot get RX flow hash indir size and/or key size', Errno.EOPNOTSUPP, 1);
  // no driver here keeps more than one configuration
  if (context !== undefined) return unsupported();
  const now = dev.ethtool_ops?.get_rxfh?.(dev);
  const { indir = [], key = new Uint8Array(0) } = now ?? {};
  e.print(`RX flow hash indirection table for ${dev.name} with ${count} RX ring(s):\n`);
  e.print(indir.length === 0 ? 'Operation not supported\n' : table(indir));
  const hex = [...key].map((b) => b.toString(16).padStart(2, '0')).join(':');
  e.print(`RSS hash key:\n${hex === '' ? 'Operation not supported' : hex}\nRSS hash function:\n`);
  if (now === undefined) e.print('    Operation not supported\n');
  else for (const h of HASHES) e.print(`    ${h}: ${h === now.hfunc ? 'on' : 'off'}\n`);
  return 0;
}

/** What -X was asked for. */
interface Wanted {
  equal: number | undefined;
  start: number;
  weights: number[] | undefined;
  byDefault: boolean;
  key: string | undefined;
  hfunc: string | undefined;
  context: boolean;
  remove: boolean;
}

function parse(args: readonly string[]): Wanted {
  const w: Wanted = {
    equal: undefined,
    start: 0,
    weights: undefined,
    byDefault: false,
    key: undefined,
    hfunc: undefined,
    context: false,
    remove: false,
  };
  const number = (i: number, least: number): number => {
    const n = parseUnsigned(args[i] ?? '');
    return n === undefined || n < least ? badArguments() : n;
  };
  for (let i = 0; i < args.length; i++) {
    switch (args[i]) {
      case 'equal':
        w.equal = number(++i, 1);
        break;
      case 'start':
        w.start = number(++i, 0);
        break;
      case 'weight':
        w.weights = [number(++i, 0)];
        while (i + 1 < args.length && /^\d/.test(args[i + 1])) w.weights.push(number(++i, 0));
        break;
      case 'hkey':
        w.key = args[++i] ?? badArguments();
        break;
      case 'hfunc':
        w.hfunc = args[++i] ?? badArguments();
        break;
      case 'context':
        if (args[++i] !== 'new') number(i, 0);
        w.context = true;
        break;
      case 'default':
        w.byDefault = true;
        break;
      case 'delete':
        w.remove = true;
        break;
      default:
        return badArguments();
    }
  }
  checkMix(w, args.length);
  return w;
}

function checkMix(w: Wanted, given: number): void {
  const fail = (text: string): never => {
    throw new ToolExit(1, `${text}\n`);
  };
  if (given === 0) badArguments();
  if (w.equal !== undefined && w.weights !== undefined) fail('Equal and weight options are mutually exclusive');
  if (w.equal !== undefined && w.byDefault) fail('Equal and default options are mutually exclusive');
  if (w.weights !== undefined && w.byDefault) fail('Weight and default options are mutually exclusive');
  if (w.remove && !w.context) fail('Delete option requires context option');
  if (w.remove && w.weights !== undefined) fail('Delete and weight options are mutually exclusive');
  if (w.remove && w.equal !== undefined) fail('Delete and equal options are mutually exclusive');
  if (w.remove && w.byDefault) fail('Delete and default options are mutually exclusive');
}

/** The indirection table asked for; undefined when it shall stay. */
function fill(w: Wanted, size: number, count: number): number[] | undefined {
  if (w.equal !== undefined) return Array.from({ length: size }, (_, i) => w.start + (i % (w.equal as number)));
  if (w.byDefault) return Array.from({ length: size }, (_, i) => i % count);
  const { weights } = w;
  if (weights === undefined) return undefined;
  const sum = weights.reduce((a, b) => a + b, 0);
  if (sum === 0) throw new ToolExit(1, 'At least one weight must be non-zero\n');
  if (sum > size) throw new ToolExit(1, 'Total weight exceeds the size of the indirection table\n');
  const out: number[] = [];
  let queue = -1;
  let reached = 0;
  for (let i = 0; i < size; i++) {
    while (i >= Math.floor((size * reached) / sum)) reached += weights[++queue];
    out.push(w.start + queue);
  }
  return out;
}

const REFUSED = 'Cannot set RX flow hash configuration';

function parseKey(text: string, size: number): Uint8Array {
  if (size === 0) throw new ToolExit(1, `${REFUSED}:\n Hash key setting not supported\n`);
  const parts = text.split(':');
  const bytes = parts.map((p) => (/^[0-9a-fA-F]{1,2}$/.test(p) ? Number.parseInt(p, 16) : Number.NaN));
  if (bytes.some(Number.isNaN)) throw new ToolExit(1, 'Invalid RSS hash key format\n');
  if (bytes.length > size) throw new ToolExit(1, `Key is too long for device (${bytes.length} > ${size})\n`);
  if (bytes.length < size) throw new ToolExit(1, `Key is too short for device (${bytes.length} < ${size})\n`);
  return Uint8Array.from(bytes);
}

function set(e: EthtoolContext): number {
  const w = parse(e.args);
  const { dev, count } = rings(e);
  const ops = dev.ethtool_ops;
  const refused = (errno: number): never => e.ioctlError(REFUSED, errno, 1);
  if (ops?.set_rxfh === undefined || ops.get_rxfh === undefined)
    return e.ioctlError(
      ops?.get_rxfh === undefined ? 'Cannot get RX flow hash indir size and hash key size' : REFUSED,
      Errno.EOPNOTSUPP,
      1,
    );
  const size = ops.get_rxfh_indir_size?.(dev) ?? 0;
  const key = w.key === undefined ? undefined : parseKey(w.key, ops.get_rxfh_key_size?.(dev) ?? 0);
  const hfunc = HASHES.find((h) => h === w.hfunc);
  if (w.hfunc !== undefined && hfunc === undefined) throw new ToolExit(1, `Unknown hash function: ${w.hfunc}\n`);
  const indir = fill(w, size, count);
  if (!e.tool.capable) return refused(Errno.EPERM);
  if (w.context || (indir !== undefined && size === 0)) return refused(Errno.EOPNOTSUPP);
  if (indir !== undefined && indir.some((q) => q >= count)) return refused(Errno.EINVAL);
  const change: Partial<Rxfh> = {
    ...(indir === undefined ? {} : { indir }),
    ...(key === undefined ? {} : { key }),
    ...(hfunc === undefined ? {} : { hfunc }),
  };
  const err = ops.set_rxfh(dev, change);
  return err < 0 ? refused(err) : 0;
}

export const RXFH_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-x', '--show-rxfh-indir', '--show-rxfh'], run: show },
  { opts: ['-X', '--set-rxfh-indir', '--rxfh'], run: set },
];
