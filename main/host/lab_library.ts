// Lab files on disk: the shipped ones, the person's own, reading and saving them.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { homedir } from 'node:os';
import type { LabSpec } from '../../engine/index.ts';
import type { LabInfo } from '../../preload/contract.ts';
import { formatLab, LabErrors, parseLab } from './labs.ts';
import { UserError } from './protocol.ts';

const SUFFIX = '.lab.yaml';

export interface OpenLab {
  spec: LabSpec;
  path: string | undefined;
}

/** Lab files of a folder, then those of the folders in it ('bugs/NAME.lab.yaml'). */
function filesIn(dir: string): string[] {
  const entries = readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  const below = entries
    .filter((e) => e.isDirectory())
    .flatMap((e) =>
      readdirSync(join(dir, e.name))
        .sort()
        .map((f) => `${e.name}/${f}`),
    );
  return [...entries.filter((e) => !e.isDirectory()).map((e) => e.name), ...below].filter((f) => f.endsWith(SUFFIX));
}

export class LabLibrary {
  constructor(private readonly dirs: readonly string[]) {}

  /** All labs, the shipped ones first, those in a folder behind the others; a file with mistakes is listed with its first one. */
  list(): LabInfo[] {
    return this.dirs.flatMap((dir) => {
      if (!existsSync(dir)) return [];
      return filesIn(dir).map((f) => {
        const path = join(dir, f);
        const id = f.slice(0, -SUFFIX.length);
        try {
          const lab = parseLab(readFileSync(path, 'utf8'), path);
          return { id, path, title: lab.name, summary: lab.notes };
        } catch (e) {
          return { id, path, title: id, summary: e instanceof LabErrors ? `has mistakes: ${e.errors[0].message}` : 'cannot be read' };
        }
      });
    });
  }

  read(path: string): OpenLab {
    const file = this.find(path);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      throw new UserError(`There is no lab file ${path}.`);
    }
    return { spec: parseLab(text, file), path: file };
  }

  empty(): OpenLab {
    return { spec: { name: 'Untitled lab', notes: '', seed: 1, machines: [], cables: [], script: [] }, path: undefined };
  }

  text(lab: LabSpec): string {
    return formatLab(lab);
  }

  /** Writes the lab; a name without a folder goes to the person's own labs. Replaces the file as a whole. */
  save(lab: LabSpec, path: string | undefined): string {
    const name = path ?? `${lab.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}${SUFFIX}`;
    const withSuffix = name.endsWith('.yaml') ? name : `${name}${SUFFIX}`;
    const file = isAbsolute(withSuffix) ? withSuffix : join(homedir(), 'Ringscope', 'labs', basename(withSuffix));
    try {
      mkdirSync(dirname(file), { recursive: true });
      const temp = `${file}.part`;
      writeFileSync(temp, formatLab(lab));
      renameSync(temp, file);
    } catch (e) {
      throw new UserError(
        `The lab could not be saved to ${file}: ${e instanceof Error ? e.message : String(e)}. Save it under another name or folder.`,
      );
    }
    return file;
  }

  /** A path, or the id of a lab in the library. */
  private find(path: string): string {
    if (existsSync(path)) return resolve(path);
    return this.dirs.map((d) => join(d, path + SUFFIX)).find((f) => existsSync(f)) ?? path;
  }
}
