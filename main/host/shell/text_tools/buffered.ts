// awk, sed, sort and others from just-bash, run on their whole input in a file system that holds the files they name.
import { Bash, decodeBytesToUtf8, InMemoryFs } from 'just-bash';
import type { HostTool } from './index.ts';

const quote = (s: string): string => `'${s.replaceAll("'", String.raw`'\''`)}'`;

export const buffered =
  (name: string): HostTool =>
  async (args, state, io) => {
    const files: Record<string, string> = {};
    for (const a of args) {
      if (a.startsWith('-') || a === '') continue;
      const path = state.resolve(a);
      const r = state.port.fs(state.netns, state.cwd, { call: 'stat', path }).ok
        ? state.port.fs(state.netns, state.cwd, { call: 'read', path })
        : undefined;
      if (r?.ok === true) files[path] = r.data ?? '';
    }
    let stdin = '';
    const readsInput = Object.keys(files).length === 0 || args.includes('-');
    for (let more = readsInput ? await io.stdin.read() : undefined; more !== undefined; more = await io.stdin.read()) stdin += more;
    if (state.job.signalled !== 0) return 128 + state.job.signalled;
    const bash = new Bash({ fs: new InMemoryFs({ ...files, [`${state.cwd}/.keep`]: '' }), cwd: state.cwd, env: state.env() });
    const r = await state.port.busy(bash.exec([name, ...args].map(quote).join(' '), { stdin }));
    await io.stdout.write(r.stdoutKind === 'bytes' ? decodeBytesToUtf8(r.stdout as never) : r.stdout);
    await io.stderr.write(r.stderr);
    for (const path of Object.keys(files)) {
      const now = await bash.fs.readFile(path);
      if (now !== files[path]) state.port.fs(state.netns, state.cwd, { call: 'write', path, data: now, append: false });
    }
    return r.exitCode;
  };
