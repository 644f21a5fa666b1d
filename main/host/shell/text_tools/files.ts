// mkdir, rm, touch, basename, dirname: file operations of the machine's file system.
import { strerror } from '../../../../engine/index.ts';
import type { HostTool } from './index.ts';
import { options } from './input.ts';

export const mkdir: HostTool = async (args, state, io) => {
  const { opts, rest } = options(args, 'm', { parents: 'p' });
  let status = 0;
  for (const name of rest) {
    const r = state.port.fs(state.netns, state.cwd, { call: 'mkdir', path: state.resolve(name), parents: opts.has('p') });
    if (!r.ok) {
      await io.stderr.write(`mkdir: cannot create directory '${name}': ${strerror(r.errno)}\n`);
      status = 1;
    }
  }
  return status;
};

export const rm: HostTool = async (args, state, io) => {
  const { opts, rest } = options(args, '', { force: 'f', recursive: 'r' });
  let status = 0;
  for (const name of rest) {
    const r = state.port.fs(state.netns, state.cwd, { call: 'unlink', path: state.resolve(name) });
    if (!r.ok && !opts.has('f')) {
      await io.stderr.write(`rm: cannot remove '${name}': ${strerror(r.errno)}\n`);
      status = 1;
    }
  }
  return status;
};

export const touch: HostTool = async (args, state, io) => {
  let status = 0;
  for (const name of args.filter((a) => !a.startsWith('-'))) {
    const r = state.port.fs(state.netns, state.cwd, { call: 'write', path: state.resolve(name), data: '', append: true });
    if (!r.ok) {
      await io.stderr.write(`touch: cannot touch '${name}': ${strerror(r.errno)}\n`);
      status = 1;
    }
  }
  return status;
};

export const basename: HostTool = async (args, _state, io) => {
  const base = (args[0] ?? '').replace(/\/+$/, '').replace(/^.*\//, '');
  await io.stdout.write(`${args[1] !== undefined && base.endsWith(args[1]) ? base.slice(0, -args[1].length) : base}\n`);
  return 0;
};

export const dirname: HostTool = async (args, _state, io) => {
  const path = (args[0] ?? '').replace(/\/+$/, '');
  const at = path.lastIndexOf('/');
  await io.stdout.write(`${at < 0 ? '.' : at === 0 ? '/' : path.slice(0, at)}\n`);
  return 0;
};
