// Lab files: YAML in, a validated LabSpec out, with file, line and column for every error; and back again.
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import {
  type CableSpec,
  cableId,
  COST_NAMES,
  DEFAULT_AUTOLOAD,
  DEFAULT_CABLE,
  DEFAULT_RAM_BYTES,
  DEFAULT_RING_SIZE,
  FAULT_KINDS,
  VARIANT_NAMES,
  NIC_QUIRK_NAMES,
  type FaultSpec,
  type LabSpec,
  type MachineSpec,
  NET_PROPERTY_NAMES,
  type NetOptions,
  type NetProperty,
  MMIO_MAX,
  NIC_LIMITS,
  NIC_MODELS,
  E1000E_CHIPS,
  NIC_TRANSPORTS,
  type NicSpec,
} from '../../engine/index.ts';
import { faultFields, readFault } from './faults.ts';
import { formatBytes, formatDuration, formatRate, parseBytes, parseDuration, parseRate } from './units.ts';

/** One thing wrong with a lab file. */
export interface LabError {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}
export const labErrorText = (e: LabError): string => `${e.file}:${e.line}:${e.column}: ${e.message}`;

export class LabErrors extends Error {
  constructor(readonly errors: readonly LabError[]) {
    super(errors.map(labErrorText).join('\n'));
  }
}

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,14}$/;
const name = (what: string): z.ZodString => z.string().regex(NAME, `${what}: a letter, then letters, digits, '-' or '_', 15 at most`);
const quantity = (what: string, parse: (text: string) => number | undefined, example: string): z.ZodType<number> =>
  z.union([z.string(), z.number()]).transform((v, ctx) => {
    const n = parse(String(v));
    if (n === undefined) {
      ctx.addIssue({ code: 'custom', message: `'${v}' is not ${what}: write a number with its unit, for example ${example}` });
      return z.NEVER;
    }
    return n;
  });
const rate = quantity('a rate', parseRate, '10 Gbit/s');
const duration = quantity('a duration', parseDuration, '5 us');
const bytes = quantity('a size', parseBytes, '16 MiB');
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

const QUEUES = `queues: 1 to ${NIC_LIMITS.queuePairs}`;
const RING = `ring: ${NIC_LIMITS.ringMin} to ${NIC_LIMITS.ringMax}`;
/** QEMU's properties of virtio-net: true and false, also spelled on and off. */
const onOff = z
  .union([z.boolean(), z.enum(['on', 'off'])], 'true or false')
  .transform((v) => v === true || v === 'on')
  .optional();
const netSchema = Object.fromEntries(NET_PROPERTY_NAMES.map((p) => [p, onOff])) as Record<NetProperty, typeof onOff>;
const HOST_MTU = 'host_mtu: 68 to 65535';
const nicSchema = z.strictObject({
  ...netSchema,
  host_mtu: z.int('host_mtu: a whole number').min(68, HOST_MTU).max(65535, HOST_MTU).optional(),
  speed: z.int('speed: Mbit/s, a whole number').min(0, 'speed: 0 or more').max(0x7fffffff, 'speed: 2147483647 at most').optional(),
  duplex: z.enum(['half', 'full'], 'duplex: half or full').optional(),
  model: z.enum(NIC_MODELS, `the NIC models are: ${NIC_MODELS.join(', ')}`).default('virtio-net'),
  mac: z.string().regex(MAC, "a MAC address has the form '52:54:00:12:34:56', lower case").optional(),
  queues: z.int('queues: a whole number').min(1, QUEUES).max(NIC_LIMITS.queuePairs, QUEUES).default(1),
  ring: z
    .int('ring: a whole number')
    .min(NIC_LIMITS.ringMin, RING)
    .max(NIC_LIMITS.ringMax, RING)
    .refine((n) => (n & (n - 1)) === 0, 'ring: a power of two')
    .default(DEFAULT_RING_SIZE),
  slot: z.int().min(1, 'slot: 1 to 30').max(30, 'slot: 1 to 30').optional(),
  packed: z.boolean().default(false),
  in_order: z.boolean().default(false),
  notification_data: z.boolean().default(false),
  indirect_desc: onOff,
  event_idx: onOff,
  queue_reset: onOff,
  vectors: z.int('vectors: a whole number').min(0, 'vectors: 0 to 130').max(130, 'vectors: 0 to 130').optional(),
  transport: z.enum(NIC_TRANSPORTS, `the transports are: ${NIC_TRANSPORTS.join(', ')}`).default('transitional'),
  page_per_vq: z.boolean().default(false),
  quirks: z.array(z.enum(NIC_QUIRK_NAMES, `the quirks are: ${NIC_QUIRK_NAMES.join(', ')}`)).default([]),
  chip: z.enum(E1000E_CHIPS, `the chips are: ${E1000E_CHIPS.join(', ')}`).default('intel'),
});
const machineSchema = z.strictObject({
  cpus: z.int('cpus: a whole number').min(1, 'cpus: 1 to 32').max(32, 'cpus: 1 to 32').default(2),
  ram: bytes.refine((n) => n >= 4 << 20 && n <= 2 ** 30 && n % 4096 === 0, 'ram: 4 MiB to 1 GiB, whole pages').default(DEFAULT_RAM_BYTES),
  at: z.tuple([z.number(), z.number()]).default([0, 0]),
  nics: z.record(name('a port name'), nicSchema).default({}),
  autoload: z.array(z.string()).default([...DEFAULT_AUTOLOAD]),
  cmdline: z
    .string()
    .regex(/^[ -~]*$/, 'cmdline: words of printable characters on one line')
    .default(''),
  rtc: z.iso.datetime('rtc: a date and time in UTC, such as 2026-11-22T18:37:00Z').optional(),
  iommu: z.union([z.boolean(), z.literal('passthrough')], 'iommu: true, false or passthrough').default(false),
  setup: z.string().default(''),
  contract: z.boolean().default(true),
  variants: z.array(z.enum(VARIANT_NAMES, `the driver variants are: ${VARIANT_NAMES.join(', ')}`)).default([]),
  costs: z
    .partialRecord(z.enum(COST_NAMES, `the costs are: ${COST_NAMES.join(', ')}`), z.number().min(0, 'a cost is in nanoseconds, 0 or more'))
    .default({}),
});
const cableSchema = z.strictObject({
  between: z.tuple([z.string(), z.string()], 'between: two ports, for example [h1:nic0, h2:nic0]'),
  rate: rate.default(DEFAULT_CABLE.rate),
  delay: duration.default(DEFAULT_CABLE.delay),
  loss: z
    .union([z.number(), z.string()])
    .transform((v, ctx) => {
      const n = typeof v === 'number' ? v : /^\d+(\.\d+)?\s*%$/.test(v) ? Number.parseFloat(v) / 100 : Number.NaN;
      if (n >= 0 && n <= 1) return n;
      ctx.addIssue({ code: 'custom', message: `'${v}' is not a loss: write 0.01 or '1 %'` });
      return z.NEVER;
    })
    .default(DEFAULT_CABLE.loss),
  up: z.boolean().default(true),
  vnet: z.boolean().default(false),
});
const patterns = z
  .array(
    z.string().refine((p) => {
      try {
        return new RegExp(p, 'm') instanceof RegExp;
      } catch {
        return false;
      }
    }, 'not a regular expression'),
  )
  .optional();
const labSchema = z.strictObject({
  ringscope: z.literal(1, "the first key must be 'ringscope: 1', the version of the format"),
  name: z.string().min(1),
  notes: z.string().default(''),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  machines: z.record(name('a machine name'), machineSchema),
  cables: z.array(cableSchema).default([]),
  faults: z.array(z.record(z.string(), z.union([z.string(), z.number()]))).default([]),
  script: z.array(z.strictObject({ machine: z.string(), run: z.string(), expect: patterns, fixed: patterns })).default([]),
  findings: z.array(z.string()).optional(),
});
type LabFile = z.infer<typeof labSchema>;

/** Reads a lab. Throws LabErrors with every mistake found. `file` is only for messages. */
export function parseLab(text: string, file: string): LabSpec {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const at = (offset: number): { file: string; line: number; column: number } => {
    const p = lines.linePos(offset);
    return { file, line: p.line, column: p.col };
  };
  if (doc.errors.length > 0) throw new LabErrors(doc.errors.map((e) => ({ ...at(e.pos[0]), message: yamlMessage(e.code, e.message) })));
  const place = (path: readonly PropertyKey[], key: boolean): ReturnType<typeof at> => at(offsetOf(doc.contents, path, key));
  const parsed = labSchema.safeParse(doc.toJS() ?? {});
  if (!parsed.success) {
    throw new LabErrors(
      parsed.error.issues.flatMap((issue) =>
        issue.code === 'unrecognized_keys'
          ? issue.keys.map((k) => ({ ...place([...issue.path, k], true), message: `'${k}' is not a key here` }))
          : [{ ...place(issue.path, false), message: issueMessage(issue) }],
      ),
    );
  }
  const lab = toSpec(parsed.data);
  const errors = crossCheck(lab, parsed.data).map(({ path, message }) => ({ ...place(path, false), message }));
  if (errors.length > 0) throw new LabErrors(errors);
  return lab;
}

const yamlMessage = (code: string, message: string): string =>
  code === 'DUPLICATE_KEY'
    ? 'this name is used twice: each machine and port needs its own'
    : message.split('\n')[0].replace(/ at line .*$/, '');

function issueMessage(issue: z.core.$ZodIssue): string {
  const key = issue.path.at(-1);
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('undefined'))
    return `'${String(key)}' is missing`;
  return issue.message;
}

/** Offset of a value (or of its key), or of the nearest ancestor that exists. */
function offsetOf(root: unknown, path: readonly PropertyKey[], key: boolean): number {
  let node = root as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const [i, p] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((it) => isScalar(it.key) && String(it.key.value) === String(p));
      if (pair === undefined) return offset;
      const k = pair.key as Node;
      node = pair.value as Node | null;
      offset = (key && i === path.length - 1) || node === null ? (k.range?.[0] ?? offset) : (node.range?.[0] ?? offset);
    } else if (isSeq(node)) {
      node = node.items[Number(p)] as Node | null;
      offset = node?.range?.[0] ?? offset;
    }
  }
  return offset;
}

type NicFile = LabFile['machines'][string]['nics'][string];

/** What the file says of a virtio-net device beyond its queues; nothing when it says nothing. */
function netOptions(n: NicFile): { net?: NetOptions } {
  const given = NET_PROPERTY_NAMES.filter((p) => n[p] !== undefined);
  const net: NetOptions = {
    ...(given.length === 0 ? {} : { properties: Object.fromEntries(given.map((p) => [p, n[p]])) }),
    ...(n.host_mtu === undefined ? {} : { hostMtu: n.host_mtu }),
    ...(n.speed === undefined ? {} : { speed: n.speed }),
    ...(n.duplex === undefined ? {} : { duplex: n.duplex }),
  };
  return Object.keys(net).length === 0 ? {} : { net };
}

const formatNetOptions = ({ properties, hostMtu, speed, duplex }: NetOptions): Record<string, unknown> => ({
  ...properties,
  ...(hostMtu === undefined ? {} : { host_mtu: hostMtu }),
  ...(speed === undefined ? {} : { speed }),
  ...(duplex === undefined ? {} : { duplex }),
});

/** 52:54:00:00:MM:NN for NICs without a MAC: machine number and port number, from 1. */
const defaultMac = (machine: number, port: number): string =>
  `52:54:00:00:${machine.toString(16).padStart(2, '0')}:${port.toString(16).padStart(2, '0')}`;

function toSpec(f: LabFile): LabSpec {
  const machines = Object.entries(f.machines).map(([machine, m], i): MachineSpec => ({
    name: machine,
    cpus: m.cpus,
    ramBytes: m.ram,
    x: m.at[0],
    y: m.at[1],
    nics: Object.entries(m.nics).map(([port, n], k): NicSpec => ({
      port,
      model: n.model,
      mac: n.mac ?? defaultMac(i + 1, k + 1),
      queuePairs: n.queues,
      ringSize: n.ring,
      slot: n.slot,
      vectors: n.vectors,
      ...netOptions(n),
      ...(n.transport === 'transitional' ? {} : { transport: n.transport }),
      ...(n.page_per_vq ? { pagePerVq: true } : {}),
      ...(n.packed ? { packed: true } : {}),
      ...(n.in_order ? { inOrder: true } : {}),
      ...(n.notification_data ? { notificationData: true } : {}),
      ...(n.indirect_desc === false ? { indirect: false } : {}),
      ...(n.event_idx === false ? { eventIdx: false } : {}),
      ...(n.queue_reset === false ? { ringReset: false } : {}),
      ...(n.chip === 'qemu' ? { chip: n.chip } : {}),
      ...(n.quirks.length === 0 ? {} : { quirks: n.quirks }),
    })),
    autoload: m.autoload,
    setup: m.setup,
    costs: m.costs,
    ...(m.contract ? {} : { contract: false }),
    ...(m.variants.length === 0 ? {} : { variants: m.variants }),
    ...(m.cmdline === '' ? {} : { cmdline: m.cmdline }),
    ...(m.rtc === undefined ? {} : { rtc: Math.floor(Date.parse(m.rtc) / 1000) }),
    ...(m.iommu === false ? {} : { iommu: m.iommu === true ? ('on' as const) : m.iommu }),
  }));
  const cables = f.cables.map((c): CableSpec => {
    const [a, b] = c.between.map((e) => {
      const [machine, port = ''] = e.split(':');
      return { machine, port };
    });
    return { a, b, rate: c.rate, delay: c.delay, loss: c.loss, up: c.up, ...(c.vnet ? { vnet: true } : {}) };
  });
  return {
    name: f.name,
    notes: f.notes,
    seed: f.seed,
    machines,
    cables,
    script: f.script.map(({ machine, run, expect, fixed }) => ({
      machine,
      run,
      ...(expect === undefined ? {} : { expect }),
      ...(fixed === undefined ? {} : { fixed }),
    })),
    ...(f.findings === undefined ? {} : { findings: f.findings }),
    ...(f.faults.length === 0 ? {} : { faults: f.faults.map(readFault).filter((x): x is FaultSpec => !Array.isArray(x)) }),
  };
}

/** What one value alone cannot show: ports that exist, each used once, MACs that differ. */
function crossCheck(lab: LabSpec, f: LabFile): { path: PropertyKey[]; message: string }[] {
  const out: { path: PropertyKey[]; message: string }[] = [];
  const used = new Set<string>();
  for (const [i, c] of lab.cables.entries()) {
    for (const [k, end] of [c.a, c.b].entries()) {
      const path = ['cables', i, 'between', k];
      const machine = lab.machines.find((m) => m.name === end.machine);
      const port = `${end.machine}:${end.port}`;
      if (machine === undefined)
        out.push({ path, message: `there is no machine '${end.machine}': the machines are ${lab.machines.map((m) => m.name).join(', ')}` });
      else if (!machine.nics.some((n) => n.port === end.port)) {
        const ports = machine.nics.map((n) => n.port).join(', ') || 'none';
        out.push({ path, message: `${end.machine} has no port '${end.port}': its ports are ${ports}` });
      } else if (used.has(port)) out.push({ path, message: `${port} has a cable already: a port takes one` });
      used.add(port);
    }
  }
  for (const m of lab.machines) {
    const onBoard = m.nics.filter((n) => n.transport?.startsWith('mmio') === true);
    for (const [i, n] of onBoard.entries()) {
      const path = ['machines', m.name, 'nics', n.port, 'transport'];
      if (n.model !== 'virtio-net') out.push({ path, message: `an ${n.model} sits on PCI: transport is for virtio-net` });
      if (i === MMIO_MAX) out.push({ path, message: `a board has room for ${MMIO_MAX} virtio-mmio devices` });
    }
  }
  const macs = new Map<string, string>();
  for (const m of lab.machines) {
    for (const n of m.nics) {
      const first = macs.get(n.mac);
      if (first !== undefined && f.machines[m.name]?.nics[n.port]?.mac !== undefined)
        out.push({
          path: ['machines', m.name, 'nics', n.port, 'mac'],
          message: `${n.mac} is the MAC of ${first} too: give each NIC its own`,
        });
      macs.set(n.mac, `${m.name}:${n.port}`);
    }
  }
  out.push(...faultMistakes(lab, f));
  for (const [i, found] of (f.findings ?? []).entries())
    if (!(found.split(' ')[0] in f.machines))
      out.push({ path: ['findings', i], message: `'${found}' does not begin with a machine of the lab` });
  for (const [i, s] of f.script.entries())
    if (!(s.machine in f.machines)) out.push({ path: ['script', i, 'machine'], message: `there is no machine '${s.machine}'` });
  return out;
}

/** Faults that make no sense, and places that are not in the lab. */
function faultMistakes(lab: LabSpec, f: LabFile): { path: PropertyKey[]; message: string }[] {
  const out: { path: PropertyKey[]; message: string }[] = [];
  const places = {
    machine: lab.machines.map((m) => m.name),
    nic: lab.machines.flatMap((m) => m.nics.map((n) => `${m.name}:${n.port}`)),
    cable: lab.cables.map(cableId),
  };
  for (const [i, fields] of f.faults.entries()) {
    const fault = readFault(fields);
    if (Array.isArray(fault)) {
      out.push(...fault.map((e) => ({ path: ['faults', i, e.key], message: e.message })));
      continue;
    }
    const { target } = FAULT_KINDS[fault.kind];
    if (!places[target].includes(fault.at))
      out.push({
        path: ['faults', i, 'at'],
        message: `there is no ${target} '${fault.at}': ${places[target].join(', ') || 'the lab has none'}`,
      });
  }
  return out;
}

/** The lab file for a spec. Defaults are left out; parsing it gives the same spec. */
export function formatLab(lab: LabSpec): string {
  const machines = Object.fromEntries(
    lab.machines.map((m) => [
      m.name,
      {
        cpus: m.cpus,
        ...(m.ramBytes === DEFAULT_RAM_BYTES ? {} : { ram: formatBytes(m.ramBytes) }),
        at: [m.x, m.y],
        nics: Object.fromEntries(
          m.nics.map((n) => [
            n.port,
            {
              model: n.model,
              mac: n.mac,
              ...(n.model === 'e1000e' ? {} : { queues: n.queuePairs }),
              ...(n.ringSize === DEFAULT_RING_SIZE ? {} : { ring: n.ringSize }),
              ...(n.slot === undefined ? {} : { slot: n.slot }),
              ...(n.vectors === undefined ? {} : { vectors: n.vectors }),
              ...(n.net === undefined ? {} : formatNetOptions(n.net)),
              ...(n.transport === undefined ? {} : { transport: n.transport }),
              ...(n.pagePerVq === true ? { page_per_vq: true } : {}),
              ...(n.packed === true ? { packed: true } : {}),
              ...(n.inOrder === true ? { in_order: true } : {}),
              ...(n.notificationData === true ? { notification_data: true } : {}),
              ...(n.indirect === false ? { indirect_desc: false } : {}),
              ...(n.eventIdx === false ? { event_idx: false } : {}),
              ...(n.ringReset === false ? { queue_reset: false } : {}),
              ...(n.chip === undefined ? {} : { chip: n.chip }),
              ...(n.quirks === undefined || n.quirks.length === 0 ? {} : { quirks: n.quirks }),
            },
          ]),
        ),
        ...(m.autoload.join() === DEFAULT_AUTOLOAD.join() ? {} : { autoload: m.autoload }),
        ...(m.cmdline === undefined ? {} : { cmdline: m.cmdline }),
        ...(m.rtc === undefined ? {} : { rtc: new Date(m.rtc * 1000).toISOString().replace('.000', '') }),
        ...(m.iommu === undefined ? {} : { iommu: m.iommu === 'on' ? true : m.iommu }),
        ...(m.setup === '' ? {} : { setup: m.setup }),
        ...(Object.keys(m.costs).length === 0 ? {} : { costs: m.costs }),
        ...(m.contract === false ? { contract: false } : {}),
        ...(m.variants === undefined || m.variants.length === 0 ? {} : { variants: m.variants }),
      },
    ]),
  );
  const cables = lab.cables.map((c) => ({
    between: [`${c.a.machine}:${c.a.port}`, `${c.b.machine}:${c.b.port}`],
    rate: formatRate(c.rate),
    delay: formatDuration(c.delay),
    ...(c.loss === 0 ? {} : { loss: c.loss }),
    ...(c.up ? {} : { up: false }),
    ...(c.vnet === true ? { vnet: true } : {}),
  }));
  const head = { ringscope: 1, name: lab.name, ...(lab.notes === '' ? {} : { notes: lab.notes }), seed: lab.seed };
  return stringify(
    {
      ...head,
      machines,
      cables,
      ...(lab.faults === undefined || lab.faults.length === 0 ? {} : { faults: lab.faults.map(faultFields) }),
      ...(lab.script.length === 0 ? {} : { script: lab.script }),
      ...(lab.findings === undefined ? {} : { findings: lab.findings }),
    },
    { flowCollectionPadding: true, lineWidth: 140 },
  );
}

export { cableId };
