// The kernel's log: printk levels, the device and netdev prefixes, and the ring that dmesg reads.
import { formatSeconds } from '../base/units.ts';
import type { Device } from './device.ts';
import type { Kernel } from './kernel.ts';
import type { NetDevice } from './net_device.ts';
import { UTS_RELEASE } from './kernel.ts';
import { HARDWARE_NAME, linuxBanner, UTS_VERSION } from './uts.ts';

/** Linux: include/linux/kern_levels.h */
const LOGLEVEL = { EMERG: 0, ALERT: 1, CRIT: 2, ERR: 3, WARNING: 4, NOTICE: 5, INFO: 6, DEBUG: 7 } as const;
export const LOGLEVEL_NAMES = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'] as const;

/** One line of the log. `time` in nanoseconds since boot. */
export interface LogRecord {
  readonly seq: number;
  readonly time: number;
  readonly level: number;
  readonly text: string;
}

/** Debian's CONFIG_LOG_BUF_SHIFT=17 */
const LOG_BUF_BYTES = 1 << 17;
/** Linux: struct printk_info */
const RECORD_OVERHEAD = 88;

export class Printk {
  readonly records: LogRecord[] = [];
  private nextSeq = 0;
  private bytes = 0;

  constructor(readonly kernel: Kernel) {
    this.pr_notice(linuxBanner());
    this.pr_info(`Command line: ${kernel.cmdline}`);
  }

  /** Appends one record; text is without a trailing newline. */
  printk(level: number, text: string): void {
    this.records.push({ seq: this.nextSeq++, time: this.kernel.now(), level, text });
    this.bytes += text.length + RECORD_OVERHEAD;
    while (this.bytes > LOG_BUF_BYTES) this.bytes -= (this.records.shift()?.text.length ?? 0) + RECORD_OVERHEAD;
  }

  pr_emerg(text: string): void {
    this.printk(LOGLEVEL.EMERG, text);
  }
  pr_alert(text: string): void {
    this.printk(LOGLEVEL.ALERT, text);
  }
  pr_err(text: string): void {
    this.printk(LOGLEVEL.ERR, text);
  }
  pr_warn(text: string): void {
    this.printk(LOGLEVEL.WARNING, text);
  }
  pr_notice(text: string): void {
    this.printk(LOGLEVEL.NOTICE, text);
  }
  pr_info(text: string): void {
    this.printk(LOGLEVEL.INFO, text);
  }

  /** The first two lines of a report with a stack: where it happened, on what. */
  dump_stack_print_info(level: number = LOGLEVEL.WARNING): void {
    const { cpus } = this.kernel.platform;
    const cpu = cpus.current ?? cpus.list[0];
    const comm = cpu.currentPid === 0 ? `swapper/${cpu.id}` : cpu.currentTask;
    // Debian's kernels print the package's version behind the number of the build
    const words = UTS_VERSION.split(' ');
    const build = `${words[0]}  ${words.slice(3, 5).join(' ')}`;
    this.printk(level, `CPU: ${cpu.id} PID: ${cpu.currentPid} Comm: ${comm} ${this.kernel.warnings.taintText} ${UTS_RELEASE} ${build}`);
    this.printk(level, `Hardware name: ${HARDWARE_NAME}`);
  }

  /** Linux: dev_printk(): 'virtio_net virtio0: text'; the bus's name stands in when no driver is bound. */
  dev_printk(level: number, dev: Device, text: string): void {
    this.printk(level, `${dev.driver?.name ?? dev.bus.name} ${dev.name}: ${text}`);
  }
  dev_err(dev: Device, text: string): void {
    this.dev_printk(LOGLEVEL.ERR, dev, text);
  }
  dev_warn(dev: Device, text: string): void {
    this.dev_printk(LOGLEVEL.WARNING, dev, text);
  }
  dev_info(dev: Device, text: string): void {
    this.dev_printk(LOGLEVEL.INFO, dev, text);
  }

  /** Linux: netdev_printk(): 'virtio_net virtio0 eth0: text', or 'veth0: text' without a parent. */
  netdev_printk(level: number, dev: NetDevice, text: string): void {
    const name = dev.name === '' || dev.name.includes('%') ? '(unnamed net_device)' : dev.name;
    const state = REG_STATE_SUFFIX[dev.reg_state];
    const parent = dev.parent;
    if (parent === undefined) this.printk(level, `${name}${state}: ${text}`);
    else this.printk(level, `${parent.driver?.name ?? parent.bus.name} ${parent.name} ${name}${state}: ${text}`);
  }
  netdev_err(dev: NetDevice, text: string): void {
    this.netdev_printk(LOGLEVEL.ERR, dev, text);
  }
  netdev_warn(dev: NetDevice, text: string): void {
    this.netdev_printk(LOGLEVEL.WARNING, dev, text);
  }
  netdev_info(dev: NetDevice, text: string): void {
    this.netdev_printk(LOGLEVEL.INFO, dev, text);
  }

  /** The log as `dmesg` prints it: '[    1.234567] text'. */
  lines(): string[] {
    return this.records.map(formatRecord);
  }

  /** SYSLOG_ACTION_CLEAR (dmesg -C). */
  clear(): void {
    this.records.length = 0;
    this.bytes = 0;
  }
}

/** '[    1.234567] text' */
export const formatRecord = (r: LogRecord): string => `[${formatSeconds(r.time).padStart(12)}] ${r.text}`;

/** Linux: netdev_reg_state() */
const REG_STATE_SUFFIX: Readonly<Record<NetDevice['reg_state'], string>> = Object.freeze({
  uninitialized: ' (uninitialized)',
  registered: '',
  unregistering: ' (unregistering)',
  unregistered: ' (unregistered)',
  released: ' (released)',
});
