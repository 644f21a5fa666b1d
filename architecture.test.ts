// The layers' rules (ARCHITECTURE.md): who may import whom. Every rule is tested with a violation of its own.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = import.meta.dirname;

/** engine/ folder → engine/ folders it may import. Its own is always allowed. */
const ENGINE: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  pci: ['base'],
  virtio: ['base'],
  sim: ['base'],
  trace: ['base', 'sim'],
  platform: ['base', 'sim', 'trace'],
  link: ['base', 'wire', 'sim', 'trace'],
  devices: ['base', 'wire', 'pci', 'virtio', 'sim', 'trace', 'platform', 'link'],
  kernel: ['base', 'wire', 'sim', 'trace', 'platform'],
  drivers: ['base', 'wire', 'pci', 'virtio', 'sim', 'trace', 'platform', 'kernel'],
  userland: ['base', 'wire', 'sim', 'trace', 'kernel'],
  machine: ['base', 'wire', 'pci', 'virtio', 'sim', 'trace', 'platform', 'link', 'devices', 'kernel', 'drivers', 'userland'],
  session: ['base', 'wire', 'pci', 'virtio', 'sim', 'trace', 'machine'],
};

interface Import {
  readonly spec: string;
  readonly typeOnly: boolean;
}

function importsOf(text: string): Import[] {
  const out: Import[] = [];
  const re = /^\s*(?:import|export)\s+(type\s+)?(?:[\s\S]*?\sfrom\s+)?['"]([^'"\n]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm;
  for (const m of text.matchAll(re)) out.push({ spec: m[2] ?? m[3] ?? '', typeOnly: m[1] !== undefined });
  return out;
}

/** Why an import is not allowed; undefined when it is. `file` and the answer are relative to the root. */
function violation(file: string, { spec, typeOnly }: Import): string | undefined {
  const bad = (rule: string): string => `${file} imports ${spec}: ${rule}`;
  const [top, folder] = file.split('/');
  const isTest = /\.test\.tsx?$/.test(file) || /^engine\/(tests|testkit)\//.test(file);
  const target = spec.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), spec)) : undefined;
  if (top === 'engine') {
    if (isTest) return undefined;
    if (target === undefined) return bad('engine/ imports no package and no Node');
    const [toTop, toFolder] = target.split('/');
    if (toTop !== 'engine') return bad('engine/ imports nothing outside itself');
    if (file === 'engine/index.ts')
      return ['session', 'machine'].includes(toFolder) || typeOnly || ['base', 'trace'].includes(toFolder)
        ? undefined
        : bad('the door shows session, machine and types');
    if (toFolder === 'index.ts') return bad('the door is for the outside');
    if (toFolder !== folder && !ENGINE[folder]?.includes(toFolder))
      return bad(`${folder} may import ${ENGINE[folder]?.join(', ') || 'nothing'}`);
    return undefined;
  }
  if (target?.startsWith('engine/') === true && target !== 'engine/index.ts')
    return isTest || top === 'bench' || top === 'e2e' || top === 'conformance' ? undefined : bad('engine/index.ts is the only door');
  if (top === 'renderer') {
    if (target === undefined)
      return spec === 'electron' || spec.startsWith('node:') ? bad('the window knows neither Electron nor Node') : undefined;
    if (target.startsWith('renderer/')) {
      const panel = /^renderer\/panels\/([^/]+)\//;
      const [from, to] = [panel.exec(file)?.[1], panel.exec(target)?.[1]];
      return from !== undefined && to !== undefined && from !== to ? bad('panels do not know each other') : undefined;
    }
    if (target === 'preload/contract.ts' || (target === 'engine/index.ts' && typeOnly)) return undefined;
    return bad('the window sees preload/contract.ts and types of engine/index.ts');
  }
  if (top === 'main' && spec === 'electron' && /^main\/(host|web|cli)\//.test(file)) return bad('only the Electron door imports electron');
  if (target?.startsWith('renderer/') === true && top !== 'e2e' && !isTest) return bad('nothing imports the window');
  return undefined;
}

function* sources(dir: string): Generator<string> {
  for (const e of readdirSync(join(ROOT, dir), { withFileTypes: true })) {
    const path = `${dir}/${e.name}`;
    if (e.isDirectory()) yield* sources(path);
    else if (/\.tsx?$/.test(e.name)) yield path;
  }
}

describe('the layers', () => {
  test('hold in every source file', () => {
    const found = ['engine', 'main', 'preload', 'renderer', 'conformance']
      .flatMap((d) => [...sources(d)])
      .flatMap((f) =>
        importsOf(readFileSync(join(ROOT, f), 'utf8'))
          .map((i) => violation(f, i))
          .filter((v) => v !== undefined),
      );
    expect(found).toEqual([]);
  });

  const seeded: readonly (readonly [string, string])[] = [
    ['engine/devices/x.ts', "import { Kernel } from '../kernel/kernel.ts';"],
    ['engine/kernel/x.ts', "import { VirtioNet } from '../devices/virtio_net.ts';"],
    ['engine/kernel/x.ts', "import { start_xmit } from '../drivers/virtio_net/virtio_net.ts';"],
    ['engine/kernel/x.ts', "import { F } from '../virtio/features.ts';"],
    ['engine/base/x.ts', "import type { Sim } from '../sim/sim.ts';"],
    ['engine/wire/x.ts', "import { Sim } from '../sim/sim.ts';"],
    ['engine/userland/x.ts', "import { PciDev } from '../drivers/pci/pci_dev.ts';"],
    ['engine/session/x.ts', "import { Kernel } from '../kernel/kernel.ts';"],
    ['engine/sim/x.ts', "import { readFileSync } from 'node:fs';"],
    ['engine/sim/x.ts', "import { z } from 'zod';"],
    ['engine/machine/x.ts', "const x = await import('ws');"],
    ['engine/machine/x.ts', "import { Host } from '../../main/host/host.ts';"],
    ['engine/machine/x.ts', "import { Session } from '../index.ts';"],
    ['engine/index.ts', "export { Kernel } from './kernel/kernel.ts';"],
    ['main/host/x.ts', "import { Sim } from '../../engine/sim/sim.ts';"],
    ['main/host/x.ts', "import { app } from 'electron';"],
    ['main/cli/x.ts', "import { Canvas } from '../../renderer/canvas/Canvas.tsx';"],
    ['renderer/x.tsx', "import { Session } from '../engine/index.ts';"],
    ['renderer/x.tsx', "import { Host } from '../main/host/host.ts';"],
    ['renderer/x.tsx', "import { ipcRenderer } from 'electron';"],
    ['renderer/panels/rings/X.tsx', "import { x } from '../packets/packets_view.ts';"],
  ];
  test.each(seeded)('a violation in %s is caught: %s', (file, text) => {
    const [found] = importsOf(text);
    expect(found).toBeDefined();
    expect(violation(file, found)).toContain(found.spec);
  });

  const allowed: readonly (readonly [string, string])[] = [
    ['engine/drivers/x.ts', "import { F } from '../virtio/features.ts';"],
    ['engine/devices/x.ts', "import { Cable } from '../link/cable.ts';"],
    ['conformance/linux/x.ts', "import { PciFunction } from '../../engine/devices/pci_function.ts';"],
    ['renderer/x.tsx', "import type { LabSpec } from '../engine/index.ts';"],
    ['renderer/panels/rings/X.tsx', "import { host } from '../../store/host.ts';"],
    ['main/window.ts', "import { BrowserWindow } from 'electron';"],
  ];
  test.each(allowed)('%s may: %s', (file, text) => {
    expect(violation(file, importsOf(text)[0])).toBeUndefined();
  });
});

describe('style that a machine can check', () => {
  const files = ['engine', 'main', 'preload', 'renderer', 'conformance'].flatMap((d) => [...sources(d)]);

  test('every file says in its first line what it is', () => {
    expect(files.filter((f) => !f.endsWith('.test.ts') && !/^(\/\/|\/\*) ?\S/.test(readFileSync(join(ROOT, f), 'utf8')))).toEqual([]);
  });

  test('no file has more than 500 lines', () => {
    expect(files.filter((f) => !/\.test\.tsx?$/.test(f) && readFileSync(join(ROOT, f), 'utf8').split('\n').length > 501)).toEqual([]);
  });

  test('world state holds no #private fields and no weak maps, which a clone cannot see', () => {
    expect(
      files.filter(
        (f) =>
          f.startsWith('engine/') &&
          !f.endsWith('.test.ts') &&
          /^\s*(readonly )?#\w+|new Weak(Map|Set)/m.test(readFileSync(join(ROOT, f), 'utf8')),
      ),
    ).toEqual([]);
  });
});
