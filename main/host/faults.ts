// Faults as people write them: one line on a command line, a map in a lab file; both become the same FaultSpec.
import { FAULT_KIND_NAMES, FAULT_KINDS, type FaultKind, type FaultKindDef, type FaultSpec } from '../../engine/index.ts';
import { formatDuration, parseDuration } from './units.ts';

/** A key of a fault with its value as written. */
export type FaultFields = Readonly<Record<string, string | number | undefined>>;
export const FAULT_KEYS = ['kind', 'at', 'queue', 'time', 'for', 'skip', 'times', 'probability', 'value', 'function'] as const;
type Key = (typeof FAULT_KEYS)[number];

/** What is wrong, and with which key. */
export interface FaultMistake {
  readonly key: string;
  readonly message: string;
}

const isKind = (text: string): text is FaultKind => (FAULT_KIND_NAMES as readonly string[]).includes(text);

function whole(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
function probability(text: string): number | undefined {
  const n = /^\d+(\.\d+)?\s*%$/.test(text) ? Number.parseFloat(text) / 100 : Number(text);
  return text !== '' && n >= 0 && n <= 1 ? n : undefined;
}

/** Reads the fields of one fault. */
export function readFault(fields: FaultFields): FaultSpec | FaultMistake[] {
  const mistakes: FaultMistake[] = [];
  const text = (key: Key): string | undefined => (fields[key] === undefined ? undefined : String(fields[key]));
  const read = <T>(key: Key, parse: (t: string) => T | undefined, wanted: string): T | undefined => {
    const t = text(key);
    const v = t === undefined ? undefined : parse(t);
    if (t !== undefined && v === undefined) mistakes.push({ key, message: `${key}: '${t}' is not ${wanted}` });
    return v;
  };
  for (const key of Object.keys(fields))
    if (!(FAULT_KEYS as readonly string[]).includes(key))
      mistakes.push({ key, message: `'${key}' is not a key of a fault: ${FAULT_KEYS.join(', ')}` });
  const kind = text('kind') ?? '';
  if (!isKind(kind)) return [{ key: 'kind', message: `'${kind}' is not a fault; the faults are: ${FAULT_KIND_NAMES.join(', ')}` }];
  const at = text('at');
  const def: FaultKindDef = FAULT_KINDS[kind];
  if (at === undefined || at === '') mistakes.push({ key: 'at', message: `at: ${kind} needs its ${PLACES[def.target]}` });
  if (def.value === undefined && fields.value !== undefined) mistakes.push({ key: 'value', message: `${kind} has no value` });
  const after = read('time', parseDuration, 'a time: write a number with its unit, for example 2 s');
  const lasts = read('for', parseDuration, 'a time: write a number with its unit, for example 500 ms');
  const queue = read('queue', whole, 'a queue number');
  const skip = read('skip', whole, 'a whole number');
  const times = read('times', (t) => (t === 'always' ? -1 : whole(t)), "a whole number, or 'always'");
  const chance = read('probability', probability, "a probability: 0.1 or '10 %'");
  const value = read(
    'value',
    def.value?.unit === 'ns' ? parseDuration : (t) => (/^-?\d+$/.test(t) ? Number(t) : undefined),
    def.value?.unit === 'ns' ? 'a time with its unit' : 'a whole number',
  );
  const fn = text('function');
  if (def.fn === true && fn === undefined)
    mistakes.push({ key: 'function', message: `function: ${kind} needs the name of the step that fails` });
  if (mistakes.length > 0) return mistakes;
  return {
    kind,
    at: at ?? '',
    ...(queue === undefined ? {} : { queue }),
    ...(after === undefined ? {} : { after }),
    ...(lasts === undefined ? {} : { lasts }),
    ...(skip === undefined ? {} : { skip }),
    ...(times === undefined ? {} : { times }),
    ...(chance === undefined ? {} : { probability: chance }),
    ...(value === undefined ? {} : { value }),
    ...(fn === undefined ? {} : { fn }),
  };
}

const PLACES = Object.freeze({
  nic: 'NIC, for example h1:nic0',
  cable: 'cable, for example h1:nic0--h2:nic0',
  machine: 'machine, for example h1',
});

/** 'lost-doorbell@h1:nic0,queue=1,skip=3': kind, place, then keys. */
export function parseFault(line: string): FaultSpec | string {
  const m = /^([^@,]+)@([^,]+)((?:,[^,=]+=[^,]*)*)$/.exec(line.trim());
  if (m === null) return `'${line}': write KIND@PLACE[,KEY=VALUE…], for example lost-doorbell@h1:nic0,queue=1`;
  const fields: Record<string, string> = { kind: m[1].trim(), at: m[2].trim() };
  for (const part of m[3].split(',').slice(1)) {
    const i = part.indexOf('=');
    fields[part.slice(0, i).trim()] = part.slice(i + 1).trim();
  }
  const spec = readFault(fields);
  return Array.isArray(spec) ? spec.map((e) => e.message).join('; ') : spec;
}

/** The keys of a fault as a lab file has them. */
export function faultFields(f: FaultSpec): Record<string, string | number> {
  const def: FaultKindDef = FAULT_KINDS[f.kind];
  return {
    kind: f.kind,
    at: f.at,
    ...(f.queue === undefined ? {} : { queue: f.queue }),
    ...(f.after === undefined ? {} : { time: formatDuration(f.after) }),
    ...(f.lasts === undefined ? {} : { for: formatDuration(f.lasts) }),
    ...(f.skip === undefined ? {} : { skip: f.skip }),
    ...(f.times === undefined ? {} : { times: f.times < 0 ? 'always' : f.times }),
    ...(f.probability === undefined ? {} : { probability: f.probability }),
    ...(f.value === undefined ? {} : { value: def.value?.unit === 'ns' ? formatDuration(f.value) : f.value }),
    ...(f.fn === undefined ? {} : { function: f.fn }),
  };
}

export function formatFault(f: FaultSpec): string {
  const { kind, at, ...rest } = faultFields(f);
  return `${kind}@${at}${Object.entries(rest)
    .map(([k, v]) => `,${k}=${String(v).replaceAll(' ', '')}`)
    .join('')}`;
}
