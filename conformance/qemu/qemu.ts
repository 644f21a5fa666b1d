// A QEMU whose processor sleeps for ever: its devices are there, its RAM is a file, its buses are open to us. Ended by its own process id.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BOARD_RAM_BYTES } from './board.ts';
import { Qmp } from './qmp.ts';
import { QtestPipe } from './qtest_pipe.ts';

const ROM_BYTES = 65536;
/** Intel SDM vol. 3 §9.1.4: the first instruction is 16 bytes below the end. */
const RESET_VECTOR = ROM_BYTES - 16;
/** cli; hlt; jmp to the start */
const SLEEP = [0xfa, 0xf4, 0xeb, 0xfc];

export interface QemuSpec {
  /** An empty directory; removed by `stop`. */
  readonly dir: string;
  readonly machine: string;
  /** Network back ends and devices. */
  readonly args: readonly string[];
  /** Words before `qemu-system-x86_64`. */
  readonly prefix?: readonly string[];
}

export class Qemu {
  readonly ramFd: number;
  qtest!: QtestPipe;
  qmp!: Qmp;
  private readonly ramFile: string;
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private over = false;
  private stderr = '';

  private constructor(private readonly spec: QemuSpec) {
    const { dir } = spec;
    this.ramFile = ramFileIn(dir);
    writeFileSync(this.ramFile, '');
    truncateSync(this.ramFile, BOARD_RAM_BYTES);
    this.ramFd = openSync(this.ramFile, 'r+');
    execFileSync('mkfifo', [join(dir, 'qt.in'), join(dir, 'qt.out')]);
    const rom = new Uint8Array(ROM_BYTES);
    rom.set(SLEEP, RESET_VECTOR);
    writeFileSync(join(dir, 'rom.bin'), rom);
    const [command, ...args] = [
      ...(spec.prefix ?? []),
      ...diesWithUs(),
      'qemu-system-x86_64',
      ...['-machine', `${spec.machine},memory-backend=ram`, '-accel', 'tcg,tb-size=1', '-bios', join(dir, 'rom.bin')],
      ...['-display', 'none', '-nodefaults', '-no-user-config', '-m', `${BOARD_RAM_BYTES >> 20}`],
      ...['-object', `memory-backend-file,id=ram,size=${BOARD_RAM_BYTES},mem-path=${this.ramFile},share=on`],
      ...['-qtest', `pipe:${join(dir, 'qt')}`, '-qtest-log', '/dev/null'],
      ...['-qmp', `unix:${join(dir, 'qmp')},server=on,wait=off`],
      ...spec.args,
    ];
    this.child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr?.on('data', (d: Buffer) => (this.stderr += d.toString()));
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.over = true;
        resolve();
      };
      this.child.once('exit', end);
      this.child.once('error', (e) => {
        this.stderr += e.message;
        end();
      });
    });
  }

  /** Starts QEMU and opens its doors; throws with its own words when it refuses. */
  static async start(spec: QemuSpec): Promise<Qemu> {
    const qemu = new Qemu(spec);
    const alive = (): boolean => !qemu.over;
    try {
      qemu.qtest = await QtestPipe.open(join(spec.dir, 'qt'), alive);
      qemu.qmp = await Qmp.open(join(spec.dir, 'qmp'), alive);
      // both have it open: it goes with the last of them
      rmSync(qemu.ramFile, { force: true });
    } catch (e) {
      await qemu.stop();
      throw new Error(`${e instanceof Error ? e.message : String(e)}\n${qemu.stderr.trim()}`, { cause: e });
    }
    return qemu;
  }

  /** Starts a program of this machine in QEMU's network namespace. */
  inNamespace(argv: readonly string[]): ChildProcess {
    return spawn('nsenter', ['-t', String(this.child.pid), '-n', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async stop(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.ended;
    this.qmp?.close();
    this.qtest?.close();
    closeSync(this.ramFd);
    rmSync(this.ramFile, { force: true });
    rmSync(this.spec.dir, { recursive: true, force: true });
  }
}

/** Words that make the kernel end QEMU when this process is gone, however that came. */
const diesWithUs = (): readonly string[] =>
  spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : [];

/** In memory where the system has room for it. */
function ramFileIn(dir: string): string {
  const shm = existsSync('/dev/shm') ? statfsSync('/dev/shm') : undefined;
  const roomy = shm !== undefined && shm.bavail * shm.bsize > 2 * BOARD_RAM_BYTES;
  return roomy ? join('/dev/shm', `ringscope-${process.pid}-${dir.replaceAll('/', '-')}`) : join(dir, 'ram');
}
