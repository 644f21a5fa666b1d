// The self test of e1000e, `ethtool -t`: registers, non-volatile memory, interrupts, loopback, link (Linux: e1000_diag_test()).
import type { Kernel } from '../../kernel/kernel.ts';
import { IRQ_HANDLED, IRQF, type IrqTarget } from '../../kernel/irq.ts';
import type { SelfTestResult, SelfTestWaiter } from '../../kernel/ethtool/ops.ts';
import { WorkStruct } from '../../kernel/workqueue.ts';
import { NVM, NVM_SUM } from '../../pci/e1000e_phy.ts';
import { E1000, STATUS } from '../../pci/e1000e_regs.ts';
import type { Actor } from '../../sim/sim.ts';
import type { E1000Adapter } from './adapter.ts';
import { E1000Loopback } from './loopback_test.ts';
import { INT_MODE, type IntMode } from './param.ts';
import { testRegisters } from './register_test.ts';

/** As ethtool prints them. */
export const E1000_GSTRINGS_TEST: readonly string[] = Object.freeze([
  'Register test  (offline)',
  'Eeprom test    (offline)',
  'Interrupt test (offline)',
  'Loopback test  (offline)',
  'Link test   (on/offline)',
]);
const TEST = { REG: 0, EEPROM: 1, INTR: 2, LOOPBACK: 3, LINK: 4 } as const;
const MS = 1_000_000;
/** How long the test waits for an interrupt, and for a link after it was up once. */
const IRQ_WAIT = 10 * MS;
const LINK_WAIT = 5000 * MS;
const AUTONEG_POLL = 100 * MS;
const AUTONEG_POLLS = 45;
/** Linux: ethtool is held until the link had time to come back. */
const FINAL_WAIT = 4000 * MS;
const CAUSES = 10;

/** What happens when the wait is over. */
const OP = {
  INTR_MASKED: 0,
  INTR_UNMASKED: 1,
  INTR_OTHERS: 2,
  INTR_NEXT: 3,
  INTR_END: 4,
  LOOPBACK: 5,
  AUTONEG: 6,
  LINK: 7,
  END: 8,
} as const;

export class E1000SelfTest implements Actor, IrqTarget {
  private readonly work: WorkStruct;
  private readonly loopback: E1000Loopback;
  private waiter: SelfTestWaiter | undefined;
  private results = [0, 0, 0, 0, 0];
  private offline = false;
  private running = false;
  /** Interrupt test: the causes the handler saw, the one at hand, what the mode was, whether the line is shared. */
  private test_icr = 0;
  private cause = 0;
  private shared = false;
  private int_mode: IntMode = INT_MODE.LEGACY;
  private polls = 0;
  private saved = { autoneg: true, autoneg_advertised: 0, forced_speed: 0, forced_full: true };

  constructor(
    readonly kernel: Kernel,
    private readonly adapter: E1000Adapter,
  ) {
    this.work = new WorkStruct(this, 0);
    this.loopback = new E1000Loopback(kernel, adapter);
  }

  /** Starts; the waiter hears of the end. */
  e1000_diag_test(offline: boolean, waiter: SelfTestWaiter): void {
    const { adapter, kernel } = this;
    const { dev, netdev, hw } = adapter;
    this.waiter = waiter;
    this.results = [0, 0, 0, 0, 0];
    this.offline = offline;
    this.running = dev.started;
    adapter.testing = true;
    if (!this.running) {
      netdev.e1000e_get_hw_control();
      hw.phy.e1000_power_up_phy_copper();
      netdev.e1000e_reset();
    }
    if (!offline) {
      kernel.printk.netdev_info(dev, 'online testing starting');
      return this.linkTest();
    }
    const { autoneg, autoneg_advertised, forced_speed, forced_full } = hw.phy;
    this.saved = { autoneg, autoneg_advertised, forced_speed, forced_full };
    kernel.printk.netdev_info(dev, 'offline testing starting');
    if (this.running) netdev.e1000e_close(dev);
    this.results[TEST.REG] = testRegisters(adapter);
    netdev.e1000e_reset();
    this.results[TEST.EEPROM] = this.e1000_eeprom_test();
    netdev.e1000e_reset();
    this.e1000_intr_test();
  }

  /** The device goes away: nobody is to be told any more. */
  cancel(): void {
    this.kernel.workqueues.cancel_delayed_work_sync(this.work);
    if (this.waiter !== undefined) this.loopback.release();
    this.waiter = undefined;
  }

  onEvent(): void {
    if (this.waiter === undefined) return;
    switch (this.step) {
      case OP.INTR_MASKED:
        return this.causeUnmasked();
      case OP.INTR_UNMASKED:
        return this.othersMasked();
      case OP.INTR_OTHERS:
        return this.causeDone();
      case OP.INTR_NEXT:
        return this.causeMasked();
      case OP.INTR_END:
        return this.interruptsEnd();
      case OP.LOOPBACK:
        return this.loopbackStep();
      case OP.AUTONEG:
        return this.awaitNegotiation();
      case OP.LINK:
        return this.linkEnd();
      default:
        return this.end();
    }
  }

  private step: number = OP.END;
  private sleep(nanoseconds: number, then: number): void {
    this.step = then;
    this.kernel.workqueues.schedule_delayed_work(this.work, nanoseconds);
  }

  e1000_eeprom_test(): number {
    const { hw } = this.adapter;
    let sum = 0;
    for (let i = 0; i <= NVM.CHECKSUM; i++) {
      const word = hw.e1000e_read_nvm_eerd(i);
      if (word < 0) return 1;
      sum += word;
    }
    return (sum & 0xffff) === NVM_SUM ? 0 : 2;
  }

  /** Each of the lower causes: masked it must not interrupt, unmasked it must, and no other may. The line is used, whatever the mode. */
  e1000_intr_test(): void {
    const { adapter, kernel } = this;
    const { intr, pdev, dev, hw } = adapter;
    this.int_mode = adapter.int_mode;
    if (adapter.int_mode === INT_MODE.MSIX) {
      intr.e1000e_reset_interrupt_capability();
      adapter.int_mode = INT_MODE.LEGACY;
      intr.e1000e_set_interrupt_capability();
    }
    this.shared = false;
    if (kernel.irq.request_irq(pdev.irq, this, 0, dev.name, IRQF.PROBE_SHARED) < 0) {
      this.shared = true;
      if (kernel.irq.request_irq(pdev.irq, this, 0, dev.name, IRQF.SHARED) < 0) {
        this.results[TEST.INTR] = 1;
        return this.interruptsOver();
      }
    }
    kernel.printk.netdev_info(dev, `testing ${this.shared ? 'shared' : 'unshared'} interrupt`);
    hw.ew32(E1000.IMC, 0xffffffff);
    hw.e1e_flush();
    this.cause = 0;
    this.sleep(IRQ_WAIT, OP.INTR_NEXT);
  }

  onIrq(): number {
    this.test_icr |= this.adapter.hw.er32(E1000.ICR);
    return IRQ_HANDLED;
  }

  private raise(register: number, bits: number, then: number): void {
    const { hw } = this.adapter;
    this.test_icr = 0;
    hw.ew32(register, bits);
    hw.ew32(E1000.ICS, bits);
    hw.e1e_flush();
    this.sleep(IRQ_WAIT, then);
  }
  private causeMasked(): void {
    if (this.cause >= CAUSES) return this.interruptsDone();
    if (this.shared) this.causeUnmasked();
    else this.raise(E1000.IMC, 1 << this.cause, OP.INTR_MASKED);
  }
  private causeUnmasked(): void {
    if (!this.shared && (this.test_icr & (1 << this.cause)) !== 0) return this.interruptsDone(3);
    this.raise(E1000.IMS, 1 << this.cause, OP.INTR_UNMASKED);
  }
  private othersMasked(): void {
    if ((this.test_icr & (1 << this.cause)) === 0) return this.interruptsDone(4);
    if (this.shared) this.causeDone();
    else this.raise(E1000.IMC, ~(1 << this.cause) & 0x7fff, OP.INTR_OTHERS);
  }
  private causeDone(): void {
    if (!this.shared && this.test_icr !== 0) return this.interruptsDone(5);
    this.cause++;
    this.causeMasked();
  }
  private interruptsDone(failure = 0): void {
    const { hw } = this.adapter;
    this.results[TEST.INTR] = failure;
    hw.ew32(E1000.IMC, 0xffffffff);
    hw.e1e_flush();
    this.sleep(IRQ_WAIT, OP.INTR_END);
  }
  private interruptsEnd(): void {
    this.kernel.irq.free_irq(this.adapter.pdev.irq, this);
    this.interruptsOver();
  }
  private interruptsOver(): void {
    const { adapter } = this;
    if (this.int_mode === INT_MODE.MSIX) {
      adapter.intr.e1000e_reset_interrupt_capability();
      adapter.int_mode = INT_MODE.MSIX;
      adapter.intr.e1000e_set_interrupt_capability();
    }
    adapter.netdev.e1000e_reset();
    this.loopbackStep();
  }

  private loopbackStep(): void {
    const wait = this.loopback.run();
    if (wait > 0) return this.sleep(wait, OP.LOOPBACK);
    this.results[TEST.LOOPBACK] = this.loopback.result;
    this.adapter.netdev.e1000e_reset();
    this.polls = 0;
    this.awaitNegotiation();
  }

  /** The last reset waits for negotiation to end (Linux: autoneg_wait_to_complete). */
  private awaitNegotiation(): void {
    if (this.polls++ < AUTONEG_POLLS && !this.adapter.hw.phy.e1000e_phy_has_link_generic(1)) return this.sleep(AUTONEG_POLL, OP.AUTONEG);
    this.linkTest();
  }

  private linkTest(): void {
    const { phy } = this.adapter.hw;
    phy.e1000e_check_for_copper_link();
    if (phy.autoneg) this.sleep(LINK_WAIT, OP.LINK);
    else this.linkEnd();
  }

  private linkEnd(): void {
    const { adapter } = this;
    const { hw, netdev, dev } = adapter;
    this.results[TEST.LINK] = (hw.er32(E1000.STATUS) & STATUS.LU) !== 0 ? 0 : 1;
    if (this.offline) {
      Object.assign(hw.phy, this.saved);
      netdev.e1000e_reset();
      adapter.testing = false;
      if (this.running) netdev.e1000e_open(dev);
    } else adapter.testing = false;
    if (!this.running) {
      netdev.e1000e_reset();
      netdev.e1000e_release_hw_control();
    }
    this.sleep(FINAL_WAIT, OP.END);
  }

  private end(): void {
    const { waiter, results } = this;
    this.waiter = undefined;
    const result: SelfTestResult = {
      failed: results.some((r) => r !== 0),
      results: E1000_GSTRINGS_TEST.map((name, i) => [name, results[i]] as const),
    };
    waiter?.selfTestDone(result);
  }
}
