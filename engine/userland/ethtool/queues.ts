// Rings, channels, coalescing: `ethtool -g -G -l -L -c -C`.
import { Errno } from '../../base/errno.ts';
import type { EthtoolAnswer } from '../../kernel/ethtool/ioctl.ts';
import type { Channels, RingParam } from '../../kernel/ethtool/ops.ts';
import type { EthtoolCommand, EthtoolContext } from './ethtool_context.ts';
import { type GivenParameter, parseParameters, type ParameterKind } from './parameters.ts';

const orNa = (max: number, value: number): string => (max > 0 ? String(value) : 'n/a');

/** The kernel's refusal; `culprit` is the position of the attribute it points at, when it does. */
function answer(e: EthtoolContext, a: EthtoolAnswer, status: number, culprit: number): number {
  if (a.errno === 0) return 0;
  return e.netlinkError(a.errno, status, a.extack, a.extack === undefined ? undefined : e.attributeOffset(Math.max(0, culprit)));
}

/** Position of the first given value above its maximum, in the kernel's order of checks. */
function exceeding(given: readonly GivenParameter[], limits: readonly (readonly [string, number])[]): number {
  for (const [name, max] of limits) {
    const at = given.findIndex((g) => g.name === name && Number(g.value) > max);
    if (at >= 0) return at;
  }
  return 0;
}

function showRings(e: EthtoolContext): number {
  e.noMoreArguments();
  const dev = e.netlinkDevice();
  const r = e.value<RingParam>(e.core.rings(dev));
  const block = (rx: number, mini: number, jumbo: number, tx: number): string =>
    `RX:\t\t${orNa(r.rx_max_pending, rx)}\nRX Mini:\t${orNa(r.rx_mini_max_pending, mini)}\nRX Jumbo:\t${orNa(r.rx_jumbo_max_pending, jumbo)}\nTX:\t\t${orNa(r.tx_max_pending, tx)}\n`;
  e.print(
    `Ring parameters for ${dev.name}:\nPre-set maximums:\n${block(r.rx_max_pending, r.rx_mini_max_pending, r.rx_jumbo_max_pending, r.tx_max_pending)}`,
  );
  e.print(`Current hardware settings:\n${block(r.rx_pending, r.rx_mini_pending, r.rx_jumbo_pending, r.tx_pending)}`);
  e.print(
    `RX Buf Len:\t\t${r.rx_buf_len ?? 'n/a'}\nCQE Size:\t\t${r.cqe_size ?? 'n/a'}\nTX Push:\t${r.tx_push === true ? 'on' : 'off'}\nTCP data split:\tn/a\n`,
  );
  return 0;
}

/** Ring settings that no driver here supports, as the kernel words them. */
const UNSETTABLE_RING: ReadonlyMap<string, string> = new Map([
  ['rx-buf-len', 'rx buf len'],
  ['cqe-size', 'cqe size'],
  ['tx-push', 'tx push'],
]);

function setRings(e: EthtoolContext): number {
  const given = parseParameters('-G', e.args, {
    rx: 'u32',
    'rx-mini': 'u32',
    'rx-jumbo': 'u32',
    tx: 'u32',
    'rx-buf-len': 'u32',
    'cqe-size': 'u32',
    'tx-push': 'bool',
  });
  const dev = e.settableDevice(81);
  const r = e.core.rings(dev);
  if (typeof r !== 'number') {
    const at = given.findIndex((g) => UNSETTABLE_RING.has(g.name));
    if (at >= 0)
      e.netlinkError(Errno.EOPNOTSUPP, 81, `setting ${UNSETTABLE_RING.get(given[at].name)} not supported`, e.attributeOffset(at));
  }
  const of = (name: string): { [k: string]: number } => {
    const g = given.find((x) => x.name === name);
    return g === undefined ? {} : { [`${name.replace('-', '_')}_pending`]: Number(g.value) };
  };
  const result = e.core.setRings(dev, { ...of('rx'), ...of('rx-mini'), ...of('rx-jumbo'), ...of('tx') });
  const limits: readonly (readonly [string, number])[] =
    typeof r === 'number'
      ? []
      : [
          ['rx', r.rx_max_pending],
          ['rx-mini', r.rx_mini_max_pending],
          ['rx-jumbo', r.rx_jumbo_max_pending],
          ['tx', r.tx_max_pending],
        ];
  return answer(e, result, 81, exceeding(given, limits));
}

function showChannels(e: EthtoolContext): number {
  e.noMoreArguments();
  const dev = e.netlinkDevice();
  const c = e.value<Channels>(e.core.channels(dev));
  const block = (rx: number, tx: number, other: number, combined: number): string =>
    `RX:\t\t${orNa(c.max_rx, rx)}\nTX:\t\t${orNa(c.max_tx, tx)}\nOther:\t\t${orNa(c.max_other, other)}\nCombined:\t${orNa(c.max_combined, combined)}\n`;
  e.print(`Channel parameters for ${dev.name}:\nPre-set maximums:\n${block(c.max_rx, c.max_tx, c.max_other, c.max_combined)}`);
  e.print(`Current hardware settings:\n${block(c.rx_count, c.tx_count, c.other_count, c.combined_count)}`);
  return 0;
}

function setChannels(e: EthtoolContext): number {
  const given = parseParameters('-L', e.args, { rx: 'u32', tx: 'u32', other: 'u32', combined: 'u32' });
  const dev = e.settableDevice();
  const c = e.core.channels(dev);
  const result = e.core.setChannels(dev, Object.fromEntries(given.map((g) => [`${g.name}_count`, Number(g.value)])));
  const limits: readonly (readonly [string, number])[] =
    typeof c === 'number'
      ? []
      : [
          ['rx', c.max_rx],
          ['tx', c.max_tx],
          ['other', c.max_other],
          ['combined', c.max_combined],
        ];
  return answer(e, result, 1, exceeding(given, limits));
}

/** ethtool's word and the member of struct ethtool_coalesce, in printing order; '' starts a new paragraph. */
const COALESCE: readonly (readonly [string, string])[] = [
  ['stats-block-usecs', 'stats_block_coalesce_usecs'],
  ['sample-interval', 'rate_sample_interval'],
  ['pkt-rate-low', 'pkt_rate_low'],
  ['pkt-rate-high', 'pkt_rate_high'],
  ['', ''],
  ['rx-usecs', 'rx_coalesce_usecs'],
  ['rx-frames', 'rx_max_coalesced_frames'],
  ['rx-usecs-irq', 'rx_coalesce_usecs_irq'],
  ['rx-frames-irq', 'rx_max_coalesced_frames_irq'],
  ['', ''],
  ['tx-usecs', 'tx_coalesce_usecs'],
  ['tx-frames', 'tx_max_coalesced_frames'],
  ['tx-usecs-irq', 'tx_coalesce_usecs_irq'],
  ['tx-frames-irq', 'tx_max_coalesced_frames_irq'],
  ['', ''],
  ['rx-usecs-low', 'rx_coalesce_usecs_low'],
  ['rx-frame-low', 'rx_max_coalesced_frames_low'],
  ['tx-usecs-low', 'tx_coalesce_usecs_low'],
  ['tx-frame-low', 'tx_max_coalesced_frames_low'],
  ['', ''],
  ['rx-usecs-high', 'rx_coalesce_usecs_high'],
  ['rx-frame-high', 'rx_max_coalesced_frames_high'],
  ['tx-usecs-high', 'tx_coalesce_usecs_high'],
  ['tx-frame-high', 'tx_max_coalesced_frames_high'],
];
/** Switches: word on the command line and member. */
const COALESCE_SWITCHES: readonly (readonly [string, string])[] = [
  ['adaptive-rx', 'use_adaptive_rx_coalesce'],
  ['adaptive-tx', 'use_adaptive_tx_coalesce'],
  ['cqe-mode-rx', 'use_cqe_mode_rx'],
  ['cqe-mode-tx', 'use_cqe_mode_tx'],
];

function showCoalesce(e: EthtoolContext): number {
  e.noMoreArguments();
  const dev = e.netlinkDevice();
  const answered = e.core.coalesce(dev);
  const c = e.value(answered);
  const supported = dev.ethtool_ops?.supported_coalesce_params ?? [];
  const value = (member: string): string => {
    const v = supported.includes(member) ? c[member] : undefined;
    return v === undefined ? 'n/a' : typeof v === 'boolean' ? (v ? 'on' : 'off') : String(v);
  };
  e.print(
    `Coalesce parameters for ${dev.name}:\nAdaptive RX: ${value('use_adaptive_rx_coalesce')}  TX: ${value('use_adaptive_tx_coalesce')}\n`,
  );
  for (const [word, member] of COALESCE) e.print(word === '' ? '\n' : `${word}: ${value(member)}\n`);
  e.print(`\nCQE mode RX: ${value('use_cqe_mode_rx')}  TX: ${value('use_cqe_mode_tx')}\n\n`);
  return 0;
}

function setCoalesce(e: EthtoolContext): number {
  const known: Record<string, ParameterKind> = {};
  const spelled = new Map<string, string>();
  for (const [word, member] of COALESCE) {
    if (word === '') continue;
    const name = word.replace('-frame-', '-frames-');
    known[name] = 'u32';
    spelled.set(name, member);
  }
  for (const [word, member] of COALESCE_SWITCHES) {
    known[word] = 'bool';
    spelled.set(word, member);
  }
  const given = parseParameters('-C', e.args, known);
  const dev = e.settableDevice();
  const request = Object.fromEntries(given.map((g) => [spelled.get(g.name) ?? g.name, g.value as number | boolean]));
  const supported = dev.ethtool_ops?.supported_coalesce_params ?? [];
  const culprit = given.findIndex((g) => !supported.includes(spelled.get(g.name) ?? ''));
  return answer(e, e.core.setCoalesce(dev, request), 1, culprit);
}

export const QUEUE_COMMANDS: readonly EthtoolCommand[] = [
  { opts: ['-g', '--show-ring'], dump: true, run: showRings },
  { opts: ['-G', '--set-ring'], run: setRings },
  { opts: ['-l', '--show-channels'], dump: true, run: showChannels },
  { opts: ['-L', '--set-channels'], run: setChannels },
  { opts: ['-c', '--show-coalesce'], dump: true, run: showCoalesce },
  { opts: ['-C', '--coalesce'], run: setCoalesce },
];
