// Module parameters of e1000e, and what of them goes to an adapter (Linux: e1000e's param.c).
import { ops } from '../../base/ops.ts';
import type { Module, ModuleParam } from '../../kernel/module.ts';
import type { E1000Adapter } from './adapter.ts';

/** Linux: E1000E_INT_MODE_LEGACY … */
export const INT_MODE = { LEGACY: 0, MSI: 1, MSIX: 2 } as const;
export type IntMode = (typeof INT_MODE)[keyof typeof INT_MODE];
/** Delays in units of 1.024 µs; the receive side's are for bursts (Linux: BURST_RDTR, BURST_RADV). */
const DEFAULT_TIDV = 8;
const DEFAULT_TADV = 32;
const DEFAULT_RDTR = 0;
const DEFAULT_RADV = 8;
const BURST_DELAY = 0x20;
const MAX_DELAY = 0xffff;
/** Interrupts per second. */
const DEFAULT_ITR = 3;
const MIN_ITR = 100;
const MAX_ITR = 100_000;

const board = (name: string, description: string): ModuleParam =>
  Object.freeze({ name, type: 'array of int', value: '', mode: 0, description });
export const E1000E_PARAMS: readonly ModuleParam[] = ops([
  Object.freeze({ name: 'debug', type: 'int', value: '-1', mode: 0, description: 'Debug level (0=none,...,16=all)' }),
  Object.freeze({
    name: 'copybreak',
    type: 'uint',
    value: '256',
    mode: 0o644,
    description: 'Maximum size of packet that is copied to a new buffer on receive',
  }),
  board('TxIntDelay', 'Transmit Interrupt Delay'),
  board('TxAbsIntDelay', 'Transmit Absolute Interrupt Delay'),
  board('RxIntDelay', 'Receive Interrupt Delay'),
  board('RxAbsIntDelay', 'Receive Absolute Interrupt Delay'),
  board('InterruptThrottleRate', 'Interrupt Throttling Rate'),
  board('IntMode', 'Interrupt Mode'),
  board('SmartPowerDownEnable', 'Enable PHY smart power down'),
  board('KumeranLockLoss', 'Enable Kumeran lock loss workaround'),
  board('WriteProtectNVM', 'Write-protect NVM [WARNING: disabling this can lead to corrupted NVM]'),
  board('CrcStripping', 'Enable CRC Stripping, disable if your BMC needs the CRC'),
]);

/** One option: a range, or on and off; `otherwise` ends the complaint about a value that is neither. */
interface Option {
  readonly name: string;
  readonly def: number;
  readonly min: number;
  readonly max: number;
  readonly otherwise: string;
  readonly enable?: boolean;
}
const range = (name: string, def: number, min: number, max: number, otherwise = `using default of ${def}`): Option =>
  Object.freeze({ name, def, min, max, otherwise });
const enable = (name: string, def: number): Option =>
  Object.freeze({ name, def, min: 0, max: 1, otherwise: `defaulting to ${def === 1 ? 'Enabled' : 'Disabled'}`, enable: true });
const OPTIONS = Object.freeze({
  TxIntDelay: range('Transmit Interrupt Delay', DEFAULT_TIDV, 0, MAX_DELAY),
  TxAbsIntDelay: range('Transmit Absolute Interrupt Delay', DEFAULT_TADV, 0, MAX_DELAY),
  RxIntDelay: range('Receive Interrupt Delay', DEFAULT_RDTR, 0, MAX_DELAY),
  RxAbsIntDelay: range('Receive Absolute Interrupt Delay', DEFAULT_RADV, 0, MAX_DELAY),
  InterruptThrottleRate: range('Interrupt Throttling Rate (ints/sec)', DEFAULT_ITR, MIN_ITR, MAX_ITR),
  IntMode: range('Interrupt Mode', INT_MODE.MSIX, INT_MODE.LEGACY, INT_MODE.MSIX, 'defaulting to 2 (MSI-X)'),
  SmartPowerDownEnable: enable('PHY Smart Power Down', 0),
  CrcStripping: enable('CRC Stripping', 1),
});
type OptionName = keyof typeof OPTIONS;

export class E1000Params {
  /** Inline in Linux. */
  static readonly inlined: readonly string[] = Object.freeze(['e1000_validate_option']);

  constructor(
    private readonly module: Module,
    private readonly adapter: E1000Adapter,
    /** Which of the boards the driver found this is. */
    private readonly bd: number,
  ) {}

  e1000e_check_options(): void {
    const { adapter } = this;
    adapter.tx_int_delay = this.value('TxIntDelay');
    adapter.tx_abs_int_delay = this.value('TxAbsIntDelay');
    const rx = this.value('RxIntDelay');
    adapter.rx_int_delay = rx === DEFAULT_RDTR ? BURST_DELAY : rx;
    const radv = this.value('RxAbsIntDelay');
    adapter.rx_abs_int_delay = radv === DEFAULT_RADV ? BURST_DELAY : radv;
    this.throttleRate();
    adapter.int_mode = this.value('IntMode') as IntMode;
    adapter.smart_power_down = this.value('SmartPowerDownEnable') === 1;
    adapter.crcStripping = this.value('CrcStripping') === 1;
    adapter.copybreak = Number(this.module.params.get('copybreak'));
  }

  /** 0 off, 1 dynamic, 3 dynamic conservative, 4 simplified, otherwise a rate. */
  private throttleRate(): void {
    const { adapter } = this;
    const option = OPTIONS.InterruptThrottleRate;
    const given = this.given('InterruptThrottleRate');
    let itr = given ?? option.def;
    if (given !== undefined && itr > 4) itr = this.e1000_validate_option(itr, option);
    adapter.itr = adapter.itr_setting = itr;
    switch (itr) {
      case 0:
        this.info(`${option.name} turned off`);
        break;
      case 1:
        this.info(`${option.name} set to dynamic mode`);
        adapter.itr = 20000;
        break;
      case 2:
        this.info(`${option.name} Invalid mode - setting default`);
        adapter.itr_setting = option.def;
        this.conservative(option.name);
        break;
      case 3:
        this.conservative(option.name);
        break;
      case 4:
        this.info(`${option.name} set to simplified (2000-8000 ints) mode`);
        break;
      default:
        // the low bits say which dynamic mode it is
        adapter.itr_setting &= ~3;
    }
  }

  private conservative(name: string): void {
    this.info(`${name} set to dynamic conservative mode`);
    this.adapter.itr = 20000;
  }

  private value(name: OptionName): number {
    const given = this.given(name);
    return given === undefined ? OPTIONS[name].def : this.e1000_validate_option(given, OPTIONS[name]);
  }
  /** What the command line says for this board. */
  private given(name: OptionName): number | undefined {
    const word = this.module.params.get(name)?.split(',')[this.bd];
    return word === undefined || word === '' ? undefined : Number(word);
  }

  /** The value, or the default when it is none; either is told. */
  e1000_validate_option(value: number, option: Option): number {
    if (value >= option.min && value <= option.max) {
      this.info(option.enable === true ? `${option.name} ${value === 1 ? 'Enabled' : 'Disabled'}` : `${option.name} set to ${value}`);
      return value;
    }
    this.info(`Invalid ${option.name} value specified (${value}) ${option.otherwise}`);
    return option.def;
  }
  private info(text: string): void {
    this.adapter.kernel.printk.dev_info(this.adapter.pdev, text);
  }
}
