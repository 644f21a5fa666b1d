// A Linux guest in QEMU: starts it, runs command lines on its serial console, ends it by its process id.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export interface GuestSpec {
  readonly kernel: string;
  readonly initramfs: string;
  /** File that becomes the guest's RAM. */
  readonly ramFile: string;
  readonly ramBytes: number;
  /** More of QEMU's arguments: devices. */
  readonly devices: readonly string[];
  /** Sockets QEMU gets as file descriptors from 3 on. */
  readonly channels?: number;
  /** Words before `qemu-system-x86_64`. */
  readonly prefix?: readonly string[];
}

export interface CommandResult {
  readonly status: number;
  readonly out: string;
}

export class Guest {
  private readonly child: ChildProcess;
  private text = '';
  private stderr = '';
  private serial = 0;
  private wake: (() => void) | undefined;
  private readonly ended: Promise<void>;
  private over = false;
  private broken: unknown;

  constructor(spec: GuestSpec) {
    const [command, ...args] = [
      ...(spec.prefix ?? []),
      'qemu-system-x86_64',
      ...['-machine', 'q35,memory-backend=mem', '-accel', 'tcg', '-m', `${spec.ramBytes >> 20}`, '-smp', '1'],
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-no-user-config'],
      // x-pci-proxy-dev knows no BARs above 4 GiB, where Linux would put them after a rescan
      ...['-global', 'q35-pcihost.pci-hole64-size=0'],
      ...['-object', `memory-backend-file,id=mem,size=${spec.ramBytes},mem-path=${spec.ramFile},share=on`],
      ...['-kernel', spec.kernel, '-initrd', spec.initramfs],
      ...['-append', 'console=ttyS0 quiet loglevel=1 panic=-1 net.ifnames=0 mitigations=off tsc=reliable'],
      ...['-serial', 'stdio'],
      ...spec.devices,
    ];
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe', ...Array.from({ length: spec.channels ?? 0 }, () => 'pipe' as const)],
    });
    (this.child.stdout as Readable).on('data', (d: Buffer) => {
      this.text += d.toString('latin1');
      this.wake?.();
    });
    (this.child.stderr as Readable).on('data', (d: Buffer) => (this.stderr += d.toString()));
    (this.child.stdin as Writable).on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.over = true;
        this.wake?.();
        resolve();
      };
      this.child.once('exit', end);
      this.child.once('error', (e) => {
        this.stderr += e.message;
        end();
      });
    });
  }

  /** Our end of QEMU's file descriptor 3 + i. */
  channel(i: number): Duplex {
    return this.child.stdio[3 + i] as Duplex;
  }

  /** Our side cannot serve the guest any more: whoever waits for it is told at once. */
  fail(why: unknown): void {
    this.broken ??= why;
    this.wake?.();
  }

  /** Waits until init takes commands. */
  async booted(timeoutMs: number): Promise<void> {
    await this.until(/@@READY\r?\n/, timeoutMs, 'the guest did not boot');
  }

  /** Runs a line in the guest's shell; what it printed and its status. */
  async run(line: string, timeoutMs = 30_000): Promise<CommandResult> {
    const mark = `@@${++this.serial}@`;
    // the mark is put together by the guest, so that an echo of the line is not taken for the answer
    this.child.stdin?.write(`{ ${line}; }; printf '\\n@@%d@%d\\n' ${this.serial} $?\n`);
    const m = await this.until(new RegExp(`\\n${mark}(\\d+)\\r?\\n`), timeoutMs, `the guest did not finish: ${line}`);
    return { status: Number(m[1]), out: m.before.replaceAll('\r', '').replace(/\n$/, '') };
  }

  /** Ends QEMU: by the guest's own power-off when it still listens, otherwise by signal. */
  async stop(): Promise<void> {
    if (!this.over) this.child.stdin?.write('poweroff -f\n');
    await Promise.race([this.ended, sleep(3000)]);
    if (!this.over) this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Waits for a pattern in what the console printed, and takes everything up to its end. */
  private async until(pattern: RegExp, timeoutMs: number, what: string): Promise<RegExpExecArray & { before: string }> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const m = pattern.exec(this.text);
      if (m !== null) {
        this.text = this.text.slice(m.index + m[0].length);
        return Object.assign(m, { before: m.input.slice(0, m.index) });
      }
      if (this.broken !== undefined) throw this.broken;
      const left = end - Date.now();
      if (this.over || left <= 0)
        throw new Error(`${what}${this.over ? ' (QEMU ended)' : ''}\n${this.text.slice(-2000)}\n${this.stderr.slice(-2000)}`);
      const timer = setTimeout(() => this.wake?.(), left);
      await new Promise<void>((resolve) => (this.wake = resolve));
      clearTimeout(timer);
      this.wake = undefined;
    }
  }
}
